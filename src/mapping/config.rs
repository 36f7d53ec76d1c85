use serde::Deserialize;

use super::convention::Known;

/// `[mapping]`: what the gateway makes of messages by itself.
#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MappingConfig {
    /// The conventions of devices that are recognised; with none, only rules and what can be seen
    /// in a message count.
    pub conventions: Vec<Known>,
}

impl Default for MappingConfig {
    fn default() -> Self {
        Self { conventions: Known::ALL.to_vec() }
    }
}
