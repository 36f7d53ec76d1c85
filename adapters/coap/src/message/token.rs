//! Tokens: what a client recognises the answers to its requests by.

use std::fmt;

use rand::RngExt;
use rand::rngs::StdRng;

/// Zero to eight bytes that a response repeats (RFC 7252 section 5.3.1).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Token {
    bytes: [u8; Token::LONGEST],
    length: u8,
}

impl Token {
    /// How many bytes a token has at most.
    pub const LONGEST: usize = 8;

    /// The token of these bytes; none when they are more than eight.
    pub fn new(token: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::LONGEST];
        bytes.get_mut(..token.len())?.copy_from_slice(token);
        Some(Self { bytes, length: u8::try_from(token.len()).ok()? })
    }

    /// Eight bytes that nobody can guess who doesn't see the request (RFC 9175 section 4.2).
    pub(crate) fn random(rng: &mut StdRng) -> Self {
        Self { bytes: rng.random(), length: 8 }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
