//! How a socket ends.

use std::io;

use tungstenite::Error;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

/// Why a socket ends.
#[derive(Debug)]
pub(super) enum End {
    /// The peer said so.
    Peer,
    /// The connection broke.
    Lost,
    /// We say so: a status code (RFC 6455, section 7.4.1) and what to do.
    Ours(CloseCode, &'static str),
}

impl End {
    pub(super) const SHUTDOWN: Self = Self::Ours(CloseCode::Away, "the gateway is shutting down");
    pub(super) const SILENT: Self =
        Self::Ours(CloseCode::Policy, "nothing was heard from you for too long");
    pub(super) const BINARY: Self =
        Self::Ours(CloseCode::Unsupported, "messages are JSON in text frames");
    pub(super) const TOO_LARGE: Self = Self::Ours(
        CloseCode::Size,
        "the message is too large; send less or raise http.max_body_bytes",
    );
    const NOT_UTF8: Self = Self::Ours(CloseCode::Invalid, "text frames are UTF-8");
    const MALFORMED: Self = Self::Ours(CloseCode::Protocol, "the frame breaks RFC 6455");

    /// What an error says of the peer; a connection that broke needs no farewell.
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Capacity(_) => Self::TOO_LARGE,
            Error::Utf8(_) => Self::NOT_UTF8,
            Error::Protocol(_) => Self::MALFORMED,
            _ => Self::Lost,
        }
    }

    /// What is said to the peer.
    pub(super) fn farewell(&self) -> Option<CloseFrame> {
        match *self {
            Self::Ours(code, reason) => Some(CloseFrame { code, reason: reason.into() }),
            Self::Peer | Self::Lost => None,
        }
    }
}

/// Whether nothing is wrong but that the socket has to be waited for.
pub(super) fn would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}
