use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use smol_str::{SmolStr, format_smolstr};

/// The URI that identifies a thing, as a Thing Description demands (TD 1.1, section 5.3.1.1 `id`).
///
/// Cheap to clone, and without an allocation for names of up to 23 bytes. Things that the gateway
/// makes have ids `urn:thingway:<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct ThingId(
    /// In the short form: see [`ThingId::shorten`].
    SmolStr,
);

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
        Self(match name.is_empty() || name.contains(':') {
            true => format_smolstr!("{}{name}", Self::PREFIX),
            false => SmolStr::new(name),
        })
    }

    /// Resolves what a caller wrote: a full id, or a bare name (no colon) against `urn:thingway:`.
    ///
    /// # Errors
    /// When it is empty, longer than 1,024 bytes, holds a character that no URI has, or has a
    /// colon but no scheme before it (RFC 3986, sections 2 and 3.1).
    pub fn resolve(written: &str) -> Result<Self, InvalidThingId> {
        Self::shorten(written).map(|short| Self(SmolStr::new(short)))
    }

    /// The shortest text that resolves to the same id, for who looks a thing up and keeps no id:
    /// the bare name where there is one, else the whole URI.
    ///
    /// # Errors
    /// As [`ThingId::resolve`].
    pub fn shorten(written: &str) -> Result<&str, InvalidThingId> {
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
        let bare = written.strip_prefix(Self::PREFIX);
        Ok(bare.filter(|bare| !bare.is_empty() && !bare.contains(':')).unwrap_or(written))
    }

    /// See [`ThingId::shorten`].
    #[must_use]
    pub fn as_short(&self) -> &str {
        &self.0
    }

    /// The whole URI.
    #[must_use]
    pub fn uri(&self) -> Cow<'_, str> {
        let (prefix, rest) = self.parts();
        if prefix.is_empty() { rest.into() } else { format!("{prefix}{rest}").into() }
    }

    /// The name without `urn:thingway:`; the whole URI for other ids.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.strip_prefix(Self::PREFIX).unwrap_or(&self.0)
    }

    /// What the short form leaves out of the URI, and the short form.
    fn parts(&self) -> (&'static str, &str) {
        // By bytes: the registry compares ids often when things come.
        let prefix = if self.0.as_bytes().contains(&b':') { "" } else { Self::PREFIX };
        (prefix, &self.0)
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

/// In code point order of the whole URIs.
impl Ord for ThingId {
    fn cmp(&self, other: &Self) -> Ordering {
        let ((prefix, rest), (others, other)) = (self.parts(), other.parts());
        if prefix == others {
            return rest.cmp(other);
        }
        prefix.bytes().chain(rest.bytes()).cmp(others.bytes().chain(other.bytes()))
    }
}

impl PartialOrd for ThingId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ThingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, rest) = self.parts();
        f.write_str(prefix)?;
        f.write_str(rest)
    }
}

impl Serialize for ThingId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl TryFrom<String> for ThingId {
    type Error = InvalidThingId;

    fn try_from(written: String) -> Result<Self, Self::Error> {
        Self::resolve(&written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_resolves_against_the_gateways_own_urn() {
        let id = ThingId::resolve("home.lamp").unwrap();
        assert_eq!((id.uri(), id.to_string()), ("urn:thingway:home.lamp".into(), id.uri().into()));
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

    #[test]
    fn ids_are_in_the_order_of_their_uris() {
        let written =
            ["http://a", "urn:thingway:a", "b", "urn:thingway:a:b", "urn:thingway:", "z:z"];
        let mut ids: Vec<_> = written.map(|one| ThingId::resolve(one).unwrap()).into();
        ids.sort();
        let sorted: Vec<_> = ids.iter().map(|id| id.uri().into_owned()).collect();
        let mut uris: Vec<_> = ids.iter().map(ToString::to_string).collect();
        uris.sort();
        assert_eq!(sorted, uris);
        assert!(ids.iter().all(|id| ThingId::resolve(&id.to_string()).unwrap() == *id));
        assert!(ids.iter().all(|id| ThingId::from_name(id.name()) == *id || id.uri() == id.name()));
    }
}
