//! Options by number, and what is known of each.

use bytes::Bytes;

/// RFC 7252 section 5.10.8.1
pub const IF_MATCH: u16 = 1;
/// RFC 7252 section 5.10.1
pub const URI_HOST: u16 = 3;
/// RFC 7252 section 5.10.6
pub const ETAG: u16 = 4;
/// RFC 7252 section 5.10.8.2
pub const IF_NONE_MATCH: u16 = 5;
/// RFC 7641 section 2
pub const OBSERVE: u16 = 6;
/// RFC 7252 section 5.10.1
pub const URI_PORT: u16 = 7;
/// RFC 7252 section 5.10.7
pub const LOCATION_PATH: u16 = 8;
/// RFC 7252 section 5.10.1
pub const URI_PATH: u16 = 11;
/// RFC 7252 section 5.10.3
pub const CONTENT_FORMAT: u16 = 12;
/// RFC 7252 section 5.10.5
pub const MAX_AGE: u16 = 14;
/// RFC 7252 section 5.10.1
pub const URI_QUERY: u16 = 15;
/// RFC 7252 section 5.10.4
pub const ACCEPT: u16 = 17;
/// RFC 7252 section 5.10.7
pub const LOCATION_QUERY: u16 = 20;
/// RFC 7959 section 2.1: blocks of a response
pub const BLOCK2: u16 = 23;
/// RFC 7959 section 2.1: blocks of a request
pub const BLOCK1: u16 = 27;
/// RFC 7959 section 4
pub const SIZE2: u16 = 28;
/// RFC 7252 section 5.10.2
pub const PROXY_URI: u16 = 35;
/// RFC 7252 section 5.10.2
pub const PROXY_SCHEME: u16 = 39;
/// RFC 7252 section 5.10.9
pub const SIZE1: u16 = 60;
/// RFC 9175 section 2.2.1
pub const ECHO: u16 = 252;
/// RFC 9175 section 3.2.1
pub const REQUEST_TAG: u16 = 292;

/// What a response holds for fresh when it says nothing: 60 seconds (RFC 7252 section 5.10.5).
const DEFAULT_MAX_AGE: u32 = 60;

/// Where an option has a meaning.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum In {
    Request,
    Response,
}

/// How long the value of a known option may be, and whether it may occur more than once.
struct Definition {
    shortest: usize,
    longest: usize,
    repeatable: bool,
}

/// What is known of an option in a request or response; nothing when it has no meaning there.
fn definition(number: u16, place: In) -> Option<Definition> {
    use In::{Request, Response};
    let (shortest, longest, repeatable) = match (number, place) {
        (IF_MATCH, Request) => (0, 8, true),
        (URI_HOST, Request) => (1, 255, false),
        (ETAG, _) => (1, 8, place == Request),
        (IF_NONE_MATCH, Request) => (0, 0, false),
        (OBSERVE, _) => (0, 3, false),
        (URI_PORT | ACCEPT, Request) => (0, 2, false),
        (LOCATION_PATH | LOCATION_QUERY, Response) => (0, 255, true),
        (URI_PATH | URI_QUERY, Request) => (0, 255, true),
        (CONTENT_FORMAT, _) => (0, 2, false),
        (MAX_AGE, Response) => (0, 4, false),
        (BLOCK1 | BLOCK2, _) => (0, 3, false),
        (SIZE1 | SIZE2, _) => (0, 4, false),
        (PROXY_URI, Request) => (1, 1034, false),
        (PROXY_SCHEME, Request) => (1, 255, false),
        (ECHO, _) => (1, 40, false),
        (REQUEST_TAG, Request) => (0, 8, true),
        _ => return None,
    };
    Some(Definition { shortest, longest, repeatable })
}

/// Whether a message must not be taken when this option isn't understood (RFC 7252 section 5.4.6).
const fn is_critical(number: u16) -> bool {
    number & 1 == 1
}

/// The options of a message in the order of their numbers. Options with the same number keep the
/// order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    entries: Vec<(u16, Bytes)>,
}

impl Options {
    /// Adds an option behind those with the same number.
    pub fn add(&mut self, number: u16, value: impl Into<Bytes>) {
        let at = self.entries.partition_point(|(other, _)| *other <= number);
        self.entries.insert(at, (number, value.into()));
    }

    /// Puts an option in the place of all with its number.
    pub fn set(&mut self, number: u16, value: impl Into<Bytes>) {
        self.remove(number);
        self.add(number, value);
    }

    /// Puts a number in the place of all options with this number, in its shortest form.
    pub fn set_uint(&mut self, number: u16, value: u32) {
        let bytes = value.to_be_bytes();
        let zeros = value.leading_zeros() as usize / 8;
        self.set(number, Bytes::copy_from_slice(&bytes[zeros..]));
    }

    /// Takes all options with this number out.
    pub fn remove(&mut self, number: u16) {
        self.entries.retain(|(other, _)| *other != number);
    }

    /// The first option with this number.
    pub fn get(&self, number: u16) -> Option<&Bytes> {
        self.all(number).next()
    }

    /// All options with this number.
    pub fn all(&self, number: u16) -> impl Iterator<Item = &Bytes> {
        let all = self.entries.iter().filter(move |(other, _)| *other == number);
        all.map(|(_, value)| value)
    }

    /// The first option with this number, as the unsigned integer of RFC 7252 section 3.2. None
    /// when there is none, or when it is longer than four bytes.
    pub fn uint(&self, number: u16) -> Option<u32> {
        let value = self.get(number).filter(|value| value.len() <= 4)?;
        Some(value.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }

    /// How long a response is fresh, in seconds; 60 when it doesn't say (RFC 7252 section 5.10.5).
    pub fn max_age(&self) -> u32 {
        self.uint(MAX_AGE).unwrap_or(DEFAULT_MAX_AGE)
    }

    /// All options in order.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &Bytes)> {
        self.entries.iter().map(|(number, value)| (*number, value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// No fewer bytes than they take in a datagram.
    pub(crate) fn size(&self) -> usize {
        self.entries.iter().map(|(_, value)| 5 + value.len()).sum()
    }

    /// Takes out the elective options that are of wrong length or one too many, and refuses a
    /// critical one that is, or that isn't known here, by its number (RFC 7252 sections 5.4.1,
    /// 5.4.3 and 5.4.5). Elective options that aren't known stay: the caller may know them.
    pub(crate) fn recognise(&mut self, place: In) -> Result<(), u16> {
        let mut last = None;
        let mut refused = None;
        self.entries.retain(|(number, value)| {
            let again = last.replace(*number) == Some(*number);
            let usable = match definition(*number, place) {
                None => !is_critical(*number),
                Some(known) => {
                    let text = matches!(*number, URI_HOST | URI_PATH | URI_QUERY);
                    (known.shortest..=known.longest).contains(&value.len())
                        && (known.repeatable || !again)
                        && (!text || std::str::from_utf8(value).is_ok())
                }
            };
            if !usable && is_critical(*number) {
                refused.get_or_insert(*number);
            }
            usable
        });
        refused.map_or(Ok(()), Err)
    }
}
