use serde::Deserialize;

/// `[log]`: how far back a reader may resume without a gap. The log is kept in memory.
#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Memory for past changes, in bytes; the oldest go first.
    pub bytes: usize,
    /// Changes older than this many seconds go, too.
    pub age_seconds: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { bytes: 8 * 1024 * 1024, age_seconds: 3600 }
    }
}
