//! What stands in a datagram (RFC 7252 section 3): the strict codec, and the typed options.

mod code;
mod decode;
mod encode;
pub mod options;
#[cfg(test)]
mod tests;
mod token;

use bytes::Bytes;

pub use code::Code;
pub use decode::Malformed;
pub use options::Options;
pub use token::Token;

/// The message types of RFC 7252 section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sent again until it is acknowledged.
    Confirmable,
    /// Sent once.
    NonConfirmable,
    /// Says that a Confirmable message has arrived, and may carry the response.
    Acknowledgement,
    /// Says that a message has arrived, but means nothing here.
    Reset,
}

/// One CoAP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type.
    pub kind: Kind,
    /// What it asks, or how it answers.
    pub code: Code,
    /// Joins a message with its acknowledgement, and tells duplicates.
    pub mid: u16,
    /// Joins a response with its request.
    pub token: Token,
    /// Its options, by number.
    pub options: Options,
    /// Its body, or one block of it.
    pub payload: Bytes,
}

impl Message {
    /// A message of four bytes: an empty acknowledgement, a reset or a ping.
    pub fn empty(kind: Kind, mid: u16) -> Self {
        Self {
            kind,
            code: Code::EMPTY,
            mid,
            token: Token::default(),
            options: Options::default(),
            payload: Bytes::new(),
        }
    }
}
