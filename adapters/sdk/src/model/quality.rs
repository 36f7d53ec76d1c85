use serde::{Deserialize, Serialize};

/// How far a state may be trusted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// The device reported it and its link is up.
    #[default]
    Good,
    /// The device itself doubts it.
    Uncertain,
    /// The device says that it is wrong.
    Bad,
    /// It was good once; since then the link was lost or the value outlived its time to live.
    Stale,
}

impl Quality {
    /// The word used in every representation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Uncertain => "uncertain",
            Self::Bad => "bad",
            Self::Stale => "stale",
        }
    }
}
