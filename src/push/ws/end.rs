//! How a socket ends.

use axum::extract::ws::close_code;

/// Why a socket ends.
#[derive(Debug)]
pub(super) enum End {
    /// The peer said so.
    Peer,
    /// The connection broke.
    Lost,
    /// We say so: a status code (RFC 6455, section 7.4.1) and what to do.
    Ours(u16, &'static str),
}

impl End {
    pub(super) const SHUTDOWN: Self = Self::Ours(close_code::AWAY, "the gateway is shutting down");
    pub(super) const SILENT: Self =
        Self::Ours(close_code::POLICY, "nothing was heard from you for too long");
    pub(super) const BINARY: Self =
        Self::Ours(close_code::UNSUPPORTED, "messages are JSON in text frames");
    pub(super) const TOO_LARGE: Self = Self::Ours(
        close_code::SIZE,
        "the message is too large; send less or raise http.max_body_bytes",
    );
    const NOT_UTF8: Self = Self::Ours(close_code::INVALID, "text frames are UTF-8");
    const MALFORMED: Self = Self::Ours(close_code::PROTOCOL, "the frame breaks RFC 6455");

    /// What a frame that could not be read says of its sender. The WebSocket library tells it in
    /// words only; a connection that broke needs no farewell.
    pub(super) fn broken(error: &axum::Error) -> Self {
        let text = error.to_string();
        if text.starts_with("Space limit exceeded") {
            Self::TOO_LARGE
        } else if text.starts_with("UTF-8 encoding error") {
            Self::NOT_UTF8
        } else if text.starts_with("WebSocket protocol error") {
            Self::MALFORMED
        } else {
            Self::Lost
        }
    }
}
