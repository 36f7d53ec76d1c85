use std::sync::Arc;

use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;
use smol_str::SmolStr;

/// One value as a device sent it. Cheap to clone; numbers, strings and JSON of up to 23 bytes
/// need no allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// JSON `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number, to the digit as it was sent.
    Number(Number),
    /// Text, without quotes.
    Text(SmolStr),
    /// A JSON array or object, kept whole as its JSON text.
    Json(SmolStr),
    /// Bytes that are neither JSON nor UTF-8 text.
    Octets(Arc<[u8]>),
}

/// A number kept as its JSON text (RFC 8259, section 6), so that neither integers beyond 2^53 nor
/// decimals lose a digit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(SmolStr);

/// Text that is no JSON number.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is no number: JSON knows digits, a leading minus, one decimal point and an exponent"
)]
pub struct InvalidNumber(String);

impl Number {
    /// Takes a JSON number literal as it is.
    ///
    /// # Errors
    /// When the text is anything else: `NaN`, `+1`, `01` and `1,5` are no JSON numbers.
    pub fn parse(literal: &str) -> Result<Self, InvalidNumber> {
        let starts_right = literal.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        match serde_json::from_str::<&RawValue>(literal) {
            Ok(raw) if starts_right && raw.get().len() == literal.len() => {
                Ok(Self(SmolStr::new(literal)))
            }
            _ => Err(InvalidNumber(literal.chars().take(40).collect())),
        }
    }

    /// Takes a literal that [`Number::parse`] or a JSON parser has already checked.
    #[must_use]
    pub fn from_checked(literal: &str) -> Self {
        Self(SmolStr::new(literal))
    }

    /// The literal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest double; infinite where the literal is beyond its range.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        self.0.parse().unwrap_or(f64::NAN)
    }

    /// Whether the literal says a whole number: JSON Schema counts `1.0` among the integers too,
    /// but a device that writes a decimal point means a measurement.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        !self.0.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
    }
}

impl From<i64> for Number {
    fn from(whole: i64) -> Self {
        Self(smol_str::format_smolstr!("{whole}"))
    }
}

impl Value {
    /// A finite double as its shortest literal; `NaN` and the infinities have none.
    #[must_use]
    pub fn from_f64(number: f64) -> Option<Self> {
        serde_json::Number::from_f64(number)
            .map(|n| Self::Number(Number(smol_str::format_smolstr!("{n}"))))
    }

    /// Parses one JSON text of any type.
    ///
    /// # Errors
    /// serde_json's own, with line and column.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<&RawValue>(text).and_then(Self::from_raw)
    }

    /// From JSON that was already found to be well formed. The first byte of a raw value tells
    /// its type, because serde_json cuts off the white space around it.
    pub(crate) fn from_raw(raw: &RawValue) -> Result<Self, serde_json::Error> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't') => Self::Boolean(true),
            Some(b'f') => Self::Boolean(false),
            Some(b'"') => Self::Text(unquote(text)?),
            Some(b'[' | b'{') => Self::Json(SmolStr::new(text)),
            _ => Self::Number(Number::from_checked(text)),
        })
    }

    /// Appends the value as JSON; octets as a base64 string (TD 1.1 `contentEncoding`).
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Boolean(true) => out.extend_from_slice(b"true"),
            Self::Boolean(false) => out.extend_from_slice(b"false"),
            Self::Number(number) => out.extend_from_slice(number.as_str().as_bytes()),
            Self::Json(text) => out.extend_from_slice(text.as_bytes()),
            Self::Text(text) => write_json_string(text, out),
            Self::Octets(octets) => {
                use base64::Engine;
                out.push(b'"');
                let text = base64::engine::general_purpose::STANDARD.encode(octets);
                out.extend_from_slice(text.as_bytes());
                out.push(b'"');
            }
        }
    }

    /// The value as one JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = Vec::new();
        self.write_json(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    /// The value as the bytes that a device would send for it alone: text without quotes.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Octets(octets) => octets.to_vec(),
            other => other.to_json().into_bytes(),
        }
    }

    /// Whether both say the same: numbers by magnitude (`21` and `21.0`), JSON by its content
    /// whatever the white space and the order of keys, all else to the letter.
    #[must_use]
    pub fn means_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) if a.is_integer() && b.is_integer() => a == b,
            (Self::Number(a), Self::Number(b)) => a == b || a.as_f64() == b.as_f64(),
            (Self::Json(a), Self::Json(b)) if a != b => {
                let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
                parsed(a).is_some_and(|a| Some(a) == parsed(b))
            }
            _ => self == other,
        }
    }

    /// About how many bytes this holds on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Number(Number(text)) | Self::Text(text) | Self::Json(text)
                if text.is_heap_allocated() =>
            {
                text.len()
            }
            Self::Octets(octets) => octets.len(),
            _ => 0,
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = RawValue::from_string(self.to_json()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

fn unquote(quoted: &str) -> Result<SmolStr, serde_json::Error> {
    let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    if inner.contains('\\') {
        return serde_json::from_str::<String>(quoted).map(SmolStr::from);
    }
    Ok(SmolStr::new(inner))
}

fn write_json_string(text: &str, out: &mut Vec<u8>) {
    // Writing into a Vec can't fail, and a &str is always representable.
    if serde_json::to_writer(&mut *out, text).is_err() {
        out.extend_from_slice(b"\"\"");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_every_digit() {
        for literal in ["9007199254740993", "21.50", "-0", "1e400", "0.1000000000000000055511"] {
            let value = Value::from_json(literal).unwrap();
            assert_eq!(value.to_json(), literal);
        }
    }

    #[test]
    fn what_json_does_not_know_is_no_number() {
        for text in ["NaN", "Infinity", "+1", "01", "1,5", "", " 1", "1 ", "0x10", "true"] {
            assert!(Number::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn numbers_compare_by_magnitude_and_large_integers_to_the_digit() {
        let same = |a: &str, b: &str| {
            Value::from_json(a).unwrap().means_the_same(&Value::from_json(b).unwrap())
        };
        assert!(same("21", "21.0"));
        assert!(same("2.1e1", "21"));
        assert!(!same("9007199254740993", "9007199254740992"));
        assert!(same(r#"{"a":1,"b":[2]}"#, r#"{ "b": [2], "a": 1 }"#));
        assert!(!same("21", "\"21\""));
    }

    #[test]
    fn text_is_escaped_on_the_way_out_and_unescaped_on_the_way_in() {
        let value = Value::from_json(r#""a\"\u00e9\n""#).unwrap();
        assert_eq!(value, Value::Text("a\"é\n".into()));
        assert_eq!(value.to_json(), "\"a\\\"é\\n\"");
        assert_eq!(value.to_octets(), "a\"é\n".as_bytes());
    }

    #[test]
    fn a_value_is_small() {
        assert!(size_of::<Value>() <= 32);
    }
}
