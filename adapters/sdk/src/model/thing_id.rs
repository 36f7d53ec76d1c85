use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The URI that identifies a thing, as a Thing Description demands (TD 1.1, section 5.3.1.1 `id`).
///
/// Cheap to clone. Things that the gateway makes have ids `urn:thingway:<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ThingId(Arc<str>);

/// An id that is no URI.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` can't identify a thing: write a URI such as `urn:example:lamp-1`, or a bare name of the characters that URIs have"
)]
pub struct InvalidThingId(String);

impl ThingId {
    const PREFIX: &'static str = "urn:thingway:";
    /// Longer ids are refused: they are kept in memory and stand in every path.
    const LONGEST_BYTES: usize = 1024;

    /// The id of a thing that the gateway names itself.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self(format!("{}{name}", Self::PREFIX).into())
    }

    /// Resolves what a caller wrote: a full id, or a bare name (no colon) against `urn:thingway:`.
    ///
    /// # Errors
    /// When it is empty, longer than 1,024 bytes, holds a character that no URI has, or has a
    /// colon but no scheme before it (RFC 3986, sections 2 and 3.1).
    pub fn resolve(written: &str) -> Result<Self, InvalidThingId> {
        Self::complete(written, &mut String::new()).map(|id| Self(id.into()))
    }

    /// The same as text, for who looks a thing up and keeps no id: `room` takes what a bare name
    /// is completed to, so that its memory serves many times.
    ///
    /// # Errors
    /// As [`ThingId::resolve`].
    pub fn complete<'a>(written: &'a str, room: &'a mut String) -> Result<&'a str, InvalidThingId> {
        let scheme = written.split_once(':').map(|(scheme, _)| scheme);
        let has_scheme = scheme.is_none_or(|scheme| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        });
        if written.is_empty()
            || written.len() > Self::LONGEST_BYTES
            || !written.bytes().all(may_stand_in_a_uri)
            || !has_scheme
        {
            return Err(InvalidThingId(written.chars().take(80).collect()));
        }
        if scheme.is_some() {
            return Ok(written);
        }
        room.clear();
        room.push_str(Self::PREFIX);
        room.push_str(written);
        Ok(room)
    }

    /// The whole URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without `urn:thingway:`; the whole URI for other ids.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.strip_prefix(Self::PREFIX).unwrap_or(&self.0)
    }
}

/// Unreserved, reserved, or the start of an escape (RFC 3986, section 2). A match, because it is
/// asked of every byte of every path.
fn may_stand_in_a_uri(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%')
        || matches!(byte, b':' | b'/' | b'?' | b'#' | b'[' | b']' | b'@')
        || matches!(
            byte,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
        )
}

impl fmt::Display for ThingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for ThingId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ThingId {
    type Error = InvalidThingId;

    fn try_from(written: String) -> Result<Self, Self::Error> {
        Self::resolve(&written)
    }
}

impl From<ThingId> for String {
    fn from(id: ThingId) -> Self {
        id.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_resolves_against_the_gateways_own_urn() {
        let id = ThingId::resolve("home.lamp").unwrap();
        assert_eq!(id.as_str(), "urn:thingway:home.lamp");
        assert_eq!(id.name(), "home.lamp");
        assert_eq!(id, ThingId::resolve("urn:thingway:home.lamp").unwrap());
    }

    #[test]
    fn a_foreign_uri_stays_as_it_is() {
        let id = ThingId::resolve("urn:dev:ops:32473-1").unwrap();
        assert_eq!(id.name(), "urn:dev:ops:32473-1");
    }

    #[test]
    fn what_cannot_stand_in_a_path_is_refused() {
        for bad in ["", "a b", "a\nb", "a\"<b", "grün", ":a", "1:a", &"x".repeat(1025)] {
            assert!(ThingId::resolve(bad).is_err(), "{bad:?}");
        }
    }
}
