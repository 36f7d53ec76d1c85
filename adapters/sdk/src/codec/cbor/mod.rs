//! CBOR (RFC 8949): an item comes apart as a JSON object does.
//!
//! Maps nest into paths; what a map's leaf or the whole item is becomes one value: byte strings
//! octets, arrays the JSON that RFC 8949, section 6.1 makes of them (byte strings in base64url),
//! bignums and decimal fractions numbers to the digit. A key that is no text is taken by its text:
//! `1`, `true`. One that stands twice is handed out twice, so that its last value stays. No other
//! tag is heard: a date stays its text, and a time a number.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub(super) use read::{Reader, base64url, walk, whole};
pub use write::{EncodeError, encode};
pub(super) use write::{put, put_float, unwritten};
