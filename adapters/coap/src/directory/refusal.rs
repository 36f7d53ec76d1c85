use crate::link_format::LinkFormatError;

/// Why a request was refused. Its text is the diagnostic payload of the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The query is wrong.
    #[error("{0}")]
    Query(String),
    /// The body is no link format, or has too much of it.
    #[error(transparent)]
    Links(#[from] LinkFormatError),
    /// The body is in another format.
    #[error("content-format {0} is not understood; send link-format (40)")]
    Format(u16),
    /// There is no such registration.
    #[error("there is no such registration; register again")]
    Unknown,
    /// See [`super::Limits::endpoints`].
    #[error("the directory holds its limit of {0} endpoints")]
    Full(usize),
    /// See [`super::Limits::fetches`].
    #[error("{0} simple registrations are under way; try again later")]
    Busy(usize),
}

impl Refusal {
    /// The response code as its byte (RFC 7252, section 3): class in the upper three bits.
    #[must_use]
    pub const fn code(&self) -> u8 {
        const fn code(class: u8, detail: u8) -> u8 {
            class << 5 | detail
        }
        match self {
            Self::Query(_)
            | Self::Links(LinkFormatError::Expected(..) | LinkFormatError::NotText(_)) => {
                code(4, 0)
            }
            Self::Unknown => code(4, 4),
            Self::Links(_) => code(4, 13),
            Self::Format(_) => code(4, 15),
            Self::Full(_) | Self::Busy(_) => code(5, 3),
        }
    }
}
