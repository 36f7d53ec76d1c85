//! From bytes to a message, taking nothing that RFC 7252 section 3 doesn't allow.

use bytes::Bytes;

use super::{Code, Kind, Message, Options, Token};

const HEADER: usize = 4;
const VERSION: u8 = 1;
const PAYLOAD_MARKER: u8 = 0xff;

/// More options than any request here can mean; each costs memory beyond its bytes.
const MAX_OPTIONS: usize = 128;

/// Why a datagram is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than a header, or of another version: to be ignored silently.
    #[error("not a message of CoAP version 1")]
    Foreign,
    /// A message format error (RFC 7252 section 4.2): a Confirmable one is rejected by a Reset.
    #[error("a {kind:?} message with a format error")]
    Format {
        /// The type, by which it is decided what to do.
        kind: Kind,
        /// What a Reset repeats.
        mid: u16,
    },
}

impl Message {
    /// Reads a datagram. The message shares the datagram's memory.
    pub fn decode(datagram: &Bytes) -> Result<Self, Malformed> {
        let &[first, code, high, low, ..] = &datagram[..] else { return Err(Malformed::Foreign) };
        if first >> 6 != VERSION {
            return Err(Malformed::Foreign);
        }
        let kind = match first >> 4 & 0b11 {
            0 => Kind::Confirmable,
            1 => Kind::NonConfirmable,
            2 => Kind::Acknowledgement,
            _ => Kind::Reset,
        };
        let mid = u16::from_be_bytes([high, low]);
        let token_length = usize::from(first & 0x0f);
        body(datagram, kind, Code(code), token_length)
            .map(|(token, options, payload)| Self {
                kind,
                code: Code(code),
                mid,
                token,
                options,
                payload,
            })
            .ok_or(Malformed::Format { kind, mid })
    }
}

/// What stands behind the header; nothing when it breaks a rule.
fn body(
    datagram: &Bytes,
    kind: Kind,
    code: Code,
    token_length: usize,
) -> Option<(Token, Options, Bytes)> {
    let allowed = match kind {
        Kind::Confirmable => code == Code::EMPTY || code.is_request() || code.is_response(),
        Kind::NonConfirmable => code.is_request() || code.is_response(),
        Kind::Acknowledgement => code == Code::EMPTY || code.is_response(),
        Kind::Reset => code == Code::EMPTY,
    };
    let mut rest = Reader { bytes: datagram.slice(HEADER..) };
    if !allowed || (code == Code::EMPTY && (token_length != 0 || !rest.bytes.is_empty())) {
        return None;
    }
    let token = Token::new(&rest.take(token_length)?)?;
    let mut options = Options::default();
    let mut number = 0u16;
    while let Some(head) = rest.byte() {
        if head == PAYLOAD_MARKER {
            // A marker that is followed by nothing is a format error.
            return (!rest.bytes.is_empty()).then_some((token, options, rest.bytes));
        }
        number = number.checked_add(rest.extended(head >> 4)?)?;
        let length = rest.extended(head & 0x0f)?;
        if options.len() == MAX_OPTIONS {
            return None;
        }
        options.add(number, rest.take(length.into())?);
    }
    Some((token, options, Bytes::new()))
}

struct Reader {
    bytes: Bytes,
}

impl Reader {
    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn take(&mut self, length: usize) -> Option<Bytes> {
        (length <= self.bytes.len()).then(|| self.bytes.split_to(length))
    }

    /// The number that a nibble stands for (RFC 7252 section 3.1). 15 is reserved, and a number
    /// above 65,535 is that of no option and of no length that fits into a datagram.
    fn extended(&mut self, nibble: u8) -> Option<u16> {
        match nibble {
            0..=12 => Some(nibble.into()),
            13 => Some(u16::from(self.byte()?) + 13),
            14 => {
                let two = self.take(2)?;
                u16::from_be_bytes([two[0], two[1]]).checked_add(269)
            }
            _ => None,
        }
    }
}
