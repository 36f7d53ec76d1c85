use serde::Deserialize;

/// `[[joins]]`: one device that is reached over several ways, and so would be several things.
#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinConfig {
    /// The thing that it is: `kitchen.lamp`.
    pub thing: String,
    /// The names that it would have otherwise, as `/things` shows them without a join.
    pub of: Vec<String>,
}
