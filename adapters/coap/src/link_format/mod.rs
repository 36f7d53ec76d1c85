//! CoRE Link Format (RFC 6690): links to resources with what is said of them.
//!
//! What is written keeps to the grammar. What is read may also have white space between its parts,
//! empty list elements, and values that ought to be quoted and are not; anything else is an error
//! that names its place.

mod filter;
mod parse;
mod write;

pub use filter::Filter;
pub use parse::{LinkFormatError, parse};
pub use write::write;

/// How much of one document is taken in.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the document.
    pub bytes: usize,
    /// Links in it.
    pub links: usize,
    /// Attributes of one link.
    pub attributes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 * 1024, links: 1000, attributes: 32 }
    }
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Link {
    /// The target, as a URI reference: `/sensors/temp`.
    pub target: String,
    /// What is said of it, in the order in which it stands.
    pub attributes: Vec<Attribute>,
}

/// One attribute of a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// Its name: `rt`.
    pub name: String,
    /// Its value, without quotes and escapes; `None` for a flag such as `obs`.
    pub value: Option<String>,
}

impl Attribute {
    /// An attribute with a value.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: Some(value.into()) }
    }

    /// An attribute that says all by being there.
    #[must_use]
    pub fn flag(name: impl Into<String>) -> Self {
        Self { name: name.into(), value: None }
    }
}

impl Link {
    /// A link without attributes.
    #[must_use]
    pub fn new(target: impl Into<String>) -> Self {
        Self { target: target.into(), attributes: Vec::new() }
    }

    /// The same with one more attribute.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push(Attribute::new(name, value));
        self
    }

    /// The first attribute of this name: others are to be ignored (RFC 6690, section 3).
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }

    /// The value of the first attribute of this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.attribute(name)?.value.as_deref()
    }

    /// The members of an attribute that is a list divided by spaces: `rt`, `if`, `rel`, `rev`, `ct`.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.value(name).unwrap_or_default().split_ascii_whitespace()
    }

    /// The content-formats in which the target can be had (`ct`; RFC 7252, section 7.2.1).
    pub fn content_formats(&self) -> impl Iterator<Item = u16> {
        self.values("ct").filter_map(|number| number.parse().ok())
    }

    /// Whether observing the target is likely to be of use (`obs`; RFC 7641, section 6).
    #[must_use]
    pub fn is_observable(&self) -> bool {
        self.attribute("obs").is_some()
    }

    /// About how large the target's representation is, in bytes (`sz`).
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.value("sz")?.parse().ok()
    }

    /// What people call the target: `title*`, else `title`.
    #[must_use]
    pub fn title(&self) -> Option<String> {
        let extended = self.value("title*").and_then(extended_value);
        extended.or_else(|| self.value("title").map(str::to_owned))
    }

    /// What the link is said of, when not of where it was found (RFC 6690, section 2.3).
    #[must_use]
    pub fn anchor(&self) -> Option<&str> {
        self.value("anchor")
    }
}

/// `UTF-8'en'%e2%82%ac` (RFC 8187, section 3.2).
fn extended_value(text: &str) -> Option<String> {
    let (charset, rest) = text.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let mut octets = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let (octet, behind) = match (first, behind) {
            (b'%', [high, low, behind @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                (u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?, behind)
            }
            (b'%', _) => return None,
            _ => (*first, behind),
        };
        octets.push(octet);
        rest = behind;
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests;
