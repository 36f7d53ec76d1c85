//! Payload bytes to values, by media type.
//!
//! Without a media type the bytes decide: JSON if they parse as JSON, else text if they are
//! UTF-8, else octets. Nothing is guessed beyond that: `NaN`, `+1` and broken JSON stay text, and
//! [`Decoded::note`] says so.

pub mod cbor;
mod decimal;
mod encode;
mod flat;
mod json;
pub mod senml;

pub use cbor::EncodeError;
pub use encode::encode;
pub use json::Key;

use std::str;

use smol_str::SmolStr;

use crate::adapter::Payload;
use crate::model::{Timestamp, Value};

/// How much of one payload is taken apart.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Objects nested deeper than this are refused.
    pub depth: usize,
    /// Leaves of one object beyond this are refused.
    pub leaves: usize,
    /// Bytes of one property name, dots included, beyond this are refused.
    pub name_bytes: usize,
}

/// What the bytes turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Well-formed JSON (RFC 8259).
    Json,
    /// UTF-8 text.
    Text,
    /// One CBOR item (RFC 8949).
    Cbor,
    /// SenML in JSON (RFC 8428, section 5).
    SenmlJson,
    /// SenML in CBOR (RFC 8428, section 6).
    SenmlCbor,
    /// Text in cells, of which a rule says the names.
    Csv,
    /// Bytes of which a rule says the layout.
    Layout,
    /// Anything else.
    Octets,
}

impl Encoding {
    /// Whether its records are measurements with names of their own.
    #[must_use]
    pub const fn has_records(self) -> bool {
        matches!(self, Self::SenmlJson | Self::SenmlCbor)
    }

    /// The word used in every representation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
            Self::Cbor => "cbor",
            Self::SenmlJson => "senml+json",
            Self::SenmlCbor => "senml+cbor",
            Self::Csv => "csv",
            Self::Layout => "bytes",
            Self::Octets => "octets",
        }
    }
}

/// Takes the pieces of one payload, in the order in which they stand.
pub trait Leaves {
    /// One leaf of a JSON object: `path` is its keys joined by dots.
    fn leaf(&mut self, path: &str, value: Value);
    /// The same from a format that says of each leaf in which unit and when it was measured.
    fn measured(&mut self, path: &str, value: Value, measured: Measured<'_>) {
        let Measured { unit: _, time: _ } = measured;
        self.leaf(path, value);
    }
    /// The payload as a whole, when it is no JSON object. Leaves that came before are void: the
    /// payload turned out to be something else (a string deep in it was no valid JSON string).
    fn whole(&mut self, value: Value);
    /// What came before is void: the payload is read anew.
    fn restart(&mut self);
}

/// What a format says of one leaf beside its value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured<'a> {
    /// Its unit, as a SenML symbol (RFC 8428, section 12.1).
    pub unit: Option<&'a str>,
    /// When it was measured.
    pub time: Option<MeasuredAt>,
}

/// When something was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasuredAt {
    /// At this moment, by the device's clock.
    Time(Timestamp),
    /// So many microseconds after the message was received; before it, when negative.
    FromReceipt(i64),
}

/// How a payload was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// What the bytes were taken for.
    pub encoding: Encoding,
    /// Set where somebody may have meant something else than what was understood.
    pub note: Option<String>,
}

/// Why a payload became no values at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Zero bytes. In MQTT that clears a retained message.
    #[error("the payload is empty")]
    Empty,
    /// See [`Limits::depth`].
    #[error("objects nest deeper than {0} levels; raise limits.json_depth or send flatter JSON")]
    TooDeep(usize),
    /// See [`Limits::leaves`].
    #[error("more than {0} leaves in one message; raise limits.leaves_per_message or split it")]
    TooManyLeaves(usize),
    /// See [`Limits::name_bytes`].
    #[error("a property name is longer than {0} bytes; use shorter keys")]
    NameTooLong(usize),
    /// The sender declared JSON and did not send it.
    #[error("declared as JSON, but it is not: {0}")]
    NotJson(String),
    /// The sender declared text and did not send UTF-8.
    #[error("declared as text, but it is not UTF-8")]
    NotText,
    /// The sender declared CBOR and did not send it.
    #[error("declared as CBOR, but it is not: {0}")]
    NotCbor(String),
    /// The sender declared SenML and did not send it.
    #[error("declared as SenML, but it is not: {0}")]
    NotSenml(String),
    /// It is not what a rule says that it is.
    #[error("{0}")]
    Refused(String),
}

/// Takes one payload apart. On an error some leaves may already have been handed over.
///
/// # Errors
/// When a limit is passed, or the payload is not what its media type says.
pub fn decode(
    payload: &Payload,
    limits: &Limits,
    out: &mut impl Leaves,
) -> Result<Decoded, DecodeError> {
    let bytes = payload.bytes.as_ref();
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    match declared(payload.content_type.as_deref()) {
        None => undeclared(bytes, limits, out),
        Some(Encoding::Json) => match json(bytes, limits, out)? {
            Ok(()) => Ok(Decoded { encoding: Encoding::Json, note: None }),
            Err(not_json) => Err(DecodeError::NotJson(not_json.to_string())),
        },
        Some(Encoding::Cbor) => {
            Ok(Decoded { encoding: Encoding::Cbor, note: cbor::walk(bytes, limits, out)? })
        }
        Some(encoding @ Encoding::SenmlJson) => {
            let note = senml::walk_json(bytes, limits, out)?;
            Ok(Decoded { encoding, note })
        }
        Some(encoding @ Encoding::SenmlCbor) => {
            let note = senml::walk_cbor(bytes, limits, out)?;
            Ok(Decoded { encoding, note })
        }
        Some(Encoding::Text) => {
            let text = str::from_utf8(bytes).map_err(|_| DecodeError::NotText)?;
            out.whole(Value::Text(text.into()));
            Ok(Decoded { encoding: Encoding::Text, note: None })
        }
        // No media type is declared as cells or as a layout: rules say that.
        Some(Encoding::Octets | Encoding::Csv | Encoding::Layout) => {
            out.whole(Value::Octets(bytes.into()));
            Ok(Decoded { encoding: Encoding::Octets, note: None })
        }
    }
}

/// The outer result is a limit that was passed; the inner one tells whether this is JSON at all.
type Walked = Result<Result<(), serde_json::Error>, DecodeError>;

fn json(bytes: &[u8], limits: &Limits, out: &mut impl Leaves) -> Walked {
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Ok(Err(serde::de::Error::custom(error))),
    };
    if flat::read(text, limits, out).is_some() {
        return Ok(Ok(()));
    }
    out.restart();
    json::walk(text, limits, out)
}

/// A payload that [`decode`] took apart, as the one value that it is: for JSON without what stands
/// around it, such as a byte order mark. `None` where it turns out to be something else.
#[must_use]
pub fn whole(payload: &Payload, encoding: Encoding, limits: &Limits) -> Option<Value> {
    let bytes = payload.bytes.as_ref();
    match encoding {
        Encoding::Json | Encoding::SenmlJson => {
            Value::from_json(str::from_utf8(bytes).ok()?.trim_start_matches('\u{feff}')).ok()
        }
        Encoding::Cbor | Encoding::SenmlCbor => cbor::whole(bytes, limits).ok(),
        Encoding::Text | Encoding::Csv => {
            str::from_utf8(bytes).ok().map(|text| Value::Text(text.into()))
        }
        Encoding::Layout | Encoding::Octets => Some(Value::Octets(bytes.into())),
    }
}

fn declared(content_type: Option<&str>) -> Option<Encoding> {
    let essence = content_type?.split(';').next()?.trim().to_ascii_lowercase();
    match essence.as_str() {
        // A stream of records that has ended is a pack (RFC 8428, section 4.8).
        "application/senml+json" | "application/sensml+json" => Some(Encoding::SenmlJson),
        "application/senml+cbor" | "application/sensml+cbor" => Some(Encoding::SenmlCbor),
        cbor if cbor == "application/cbor" || cbor.ends_with("+cbor") => Some(Encoding::Cbor),
        json if json == "application/json" || json.ends_with("+json") => Some(Encoding::Json),
        "text/plain" | "application/link-format" => Some(Encoding::Text),
        "application/octet-stream" => Some(Encoding::Octets),
        // A media type that is not known here says nothing: the bytes decide.
        _ => None,
    }
}

fn undeclared(
    bytes: &[u8],
    limits: &Limits,
    out: &mut impl Leaves,
) -> Result<Decoded, DecodeError> {
    // A byte order mark before JSON may be ignored (RFC 8259, section 8.1); text keeps it.
    let unmarked = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let not_json = match json(unmarked, limits, out)? {
        Ok(()) => return Ok(Decoded { encoding: Encoding::Json, note: None }),
        Err(error) => error,
    };
    match str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => {
            out.whole(Value::Text(SmolStr::new(text)));
            let note = resembles_json(text)
                .then(|| format!("kept as text, because it is not valid JSON: {not_json}"));
            Ok(Decoded { encoding: Encoding::Text, note })
        }
        _ => {
            out.whole(Value::Octets(bytes.into()));
            let note = Some("kept as bytes, because it is neither JSON nor UTF-8 text".to_owned());
            Ok(Decoded { encoding: Encoding::Octets, note })
        }
    }
}

/// A key or the last level of an address as a property name.
///
/// Names go into event streams and URLs: a control character in one would end a line there, an
/// empty one is no path segment, and `.` and `..` are taken out of URLs by whoever reads them.
#[must_use]
pub fn property_name(text: &str) -> SmolStr {
    if is_plain_name(text) {
        return text.into();
    }
    let mut name = String::with_capacity(text.len());
    push_name(&mut name, text);
    name.into()
}

fn push_name(name: &mut String, text: &str) {
    match text {
        "" | "." => name.push('_'),
        ".." => name.push_str("__"),
        _ => name.extend(text.chars().map(|c| if c.is_control() { '_' } else { c })),
    }
}

/// Whether a text is a property name as it is: printable ASCII, as nearly all are.
fn is_plain_name(text: &str) -> bool {
    // Without a way out at the first that is not, so that many are looked at in one go.
    let is_plain = text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    is_plain && !matches!(text, "" | "." | "..")
}

/// Text that its sender probably took for a JSON value.
fn resembles_json(text: &str) -> bool {
    let text = text.trim();
    let unsigned = text.trim_start_matches(['+', '-']);
    text.starts_with(['{', '[', '"'])
        || unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || ["nan", "inf", "infinity"].iter().any(|word| unsigned.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    pub(super) struct Seen(pub(super) Vec<(String, String)>);

    impl Leaves for Seen {
        fn leaf(&mut self, path: &str, value: Value) {
            self.0.push((path.to_owned(), value.to_json()));
        }
        fn whole(&mut self, value: Value) {
            self.0.clear();
            self.0.push((String::new(), value.to_json()));
        }
        fn restart(&mut self) {
            self.0.clear();
        }
    }

    const LIMITS: Limits = Limits { depth: 32, leaves: 100, name_bytes: 256 };

    fn read(
        bytes: &[u8],
        content_type: Option<&str>,
    ) -> (Vec<(String, String)>, Result<Decoded, DecodeError>) {
        let payload = Payload {
            bytes: bytes::Bytes::copy_from_slice(bytes),
            content_type: content_type.map(SmolStr::new),
        };
        let mut seen = Seen::default();
        let decoded = decode(&payload, &LIMITS, &mut seen);
        (seen.0, decoded)
    }

    fn leaves(bytes: &[u8]) -> Vec<(String, String)> {
        read(bytes, None).0
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_object_comes_apart_into_its_leaves() {
        let payload = br#"{"temp":21.50,"on":false,"pos":{"x":1,"deep":{"y":null}},"list":[1,{"a":2}],"none":{}}"#;
        assert_eq!(
            leaves(payload),
            pairs(&[
                ("temp", "21.50"),
                ("on", "false"),
                ("pos.x", "1"),
                ("pos.deep.y", "null"),
                ("list", r#"[1,{"a":2}]"#),
                ("none", "{}"),
            ])
        );
    }

    #[test]
    fn what_is_no_object_stays_whole() {
        assert_eq!(leaves(b" 21.5\n"), pairs(&[("", "21.5")]));
        assert_eq!(leaves(b"\"on\""), pairs(&[("", "\"on\"")]));
        assert_eq!(leaves(b"[1,2]"), pairs(&[("", "[1,2]")]));
        assert_eq!(leaves(b"ON"), pairs(&[("", "\"ON\"")]));
        assert_eq!(leaves(&[0xff, 0x00]), pairs(&[("", "\"/wA=\"")]));
        assert_eq!(leaves(b"a\0b"), pairs(&[("", "\"YQBi\"")]));
    }

    #[test]
    fn what_looks_like_json_and_is_not_stays_text_and_says_so() {
        for text in [
            "NaN",
            "-Infinity",
            "{\"a\":NaN}",
            "{\"a\":1",
            "+5",
            "007",
            "1,5",
            "[1,]",
            "{\"a\":1}x",
            r#"{"a":1,"b":"\ud800"}"#,
        ] {
            let (seen, decoded) = read(text.as_bytes(), None);
            let decoded = decoded.unwrap();
            let quoted = serde_json::to_string(text).unwrap();
            assert_eq!(seen, pairs(&[("", quoted.as_str())]), "{text}");
            assert_eq!(decoded.encoding, Encoding::Text);
            assert!(decoded.note.unwrap().contains("not valid JSON"), "{text}");
        }
        assert_eq!(read(b"open", None).1.unwrap().note, None);
    }

    #[test]
    fn a_declared_media_type_is_believed_and_held_to() {
        assert_eq!(read(b"21.5", Some("text/plain; charset=utf-8")).0, pairs(&[("", "\"21.5\"")]));
        assert_eq!(read(b"21", Some("application/octet-stream")).0, pairs(&[("", "\"MjE=\"")]));
        assert!(matches!(read(b"ON", Some("application/json")).1, Err(DecodeError::NotJson(_))));
        assert_eq!(read(&[0xff], Some("text/plain")).1, Err(DecodeError::NotText));
        assert_eq!(read(b"5", Some("application/x-unheard-of")).0, pairs(&[("", "5")]));
    }

    #[test]
    fn limits_are_errors_that_name_the_option() {
        let deep = "{\"a\":".repeat(33) + "1" + &"}".repeat(33);
        assert_eq!(read(deep.as_bytes(), None).1, Err(DecodeError::TooDeep(32)));
        let fits = "{\"a\":".repeat(32) + "1" + &"}".repeat(32);
        assert!(read(fits.as_bytes(), None).1.is_ok());
        let many: Vec<String> = (0..101).map(|i| format!("\"k{i}\":1")).collect();
        let many = format!("{{{}}}", many.join(","));
        assert_eq!(read(many.as_bytes(), None).1, Err(DecodeError::TooManyLeaves(100)));
        let long = format!("{{\"{}\":1}}", "k".repeat(257));
        assert_eq!(read(long.as_bytes(), None).1, Err(DecodeError::NameTooLong(256)));
        assert_eq!(read(b"", None).1, Err(DecodeError::Empty));
    }

    #[test]
    fn keys_that_would_break_a_line_protocol_are_cleaned() {
        assert_eq!(leaves(b"{\"a\\nb\":1,\"\":2}"), pairs(&[("a_b", "1"), ("_", "2")]));
        assert_eq!(leaves(b"{\".\":1,\"..\":2}"), pairs(&[("_", "1"), ("__", "2")]));
    }

    #[test]
    fn arrays_of_any_depth_are_kept_without_recursion() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let (seen, decoded) = read(deep.as_bytes(), None);
        assert_eq!(decoded, Err(DecodeError::TooDeep(32)), "{seen:?}");
    }
}
