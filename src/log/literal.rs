use smol_str::SmolStr;
use thingway_sdk::{Number, Value};

/// A short value as the text that says it, without an allocation: in 18 bytes, where a [`Value`]
/// takes 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Literal {
    kind: Kind,
    /// Of the text, in bytes.
    length: u8,
    bytes: [u8; ROOM],
}

const ROOM: usize = 16;
/// Longer numbers are on the heap, where a [`Value`] has them, too.
const LONGEST_NUMBER: usize = 23;
/// All that a number is written with (RFC 8259, section 6): few enough for half a byte.
const SYMBOLS: &[u8; 15] = b"0123456789.-+eE";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `null`, `true`, `false`, an array or an object.
    Json,
    Number,
    /// A longer number, two of its symbols in each byte.
    LongNumber,
    Text,
}

impl Literal {
    /// None when the value is too long, or octets.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Self::new(Kind::Json, "null"),
            Value::Boolean(true) => Self::new(Kind::Json, "true"),
            Value::Boolean(false) => Self::new(Kind::Json, "false"),
            Value::Number(number) => {
                let text = number.as_str();
                Self::new(Kind::Number, text).or_else(|| Self::of_long_number(text))
            }
            Value::Text(text) => Self::new(Kind::Text, text),
            Value::Json(text) => Self::new(Kind::Json, text),
            Value::Octets(_) => None,
        }
    }

    fn new(kind: Kind, text: &str) -> Option<Self> {
        let mut bytes = [0; ROOM];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { kind, length: u8::try_from(text.len()).ok()?, bytes })
    }

    fn of_long_number(text: &str) -> Option<Self> {
        if text.len() > LONGEST_NUMBER {
            return None;
        }
        let mut bytes = [0; ROOM];
        for (index, byte) in text.bytes().enumerate() {
            let symbol = SYMBOLS.iter().position(|symbol| *symbol == byte)?;
            bytes[index / 2] |= u8::try_from(symbol).ok()? << (index % 2 * 4);
        }
        Some(Self { kind: Kind::LongNumber, length: u8::try_from(text.len()).ok()?, bytes })
    }

    pub(super) fn value(&self) -> Value {
        self.with_text(|text| match (self.kind, text) {
            (Kind::Json, "null") => Value::Null,
            (Kind::Json, "true") => Value::Boolean(true),
            (Kind::Json, "false") => Value::Boolean(false),
            (Kind::Json, text) => Value::Json(SmolStr::new(text)),
            (Kind::Number | Kind::LongNumber, text) => Value::Number(Number::from_checked(text)),
            (Kind::Text, text) => Value::Text(SmolStr::new(text)),
        })
    }

    /// Appends the value as JSON.
    pub(super) fn write_json(&self, out: &mut Vec<u8>) {
        match self.kind {
            Kind::Text => self.value().write_json(out),
            _ => self.with_text(|text| out.extend_from_slice(text.as_bytes())),
        }
    }

    fn with_text<R>(&self, look: impl FnOnce(&str) -> R) -> R {
        let length = usize::from(self.length);
        let mut symbols = [0; LONGEST_NUMBER];
        let bytes = if self.kind == Kind::LongNumber {
            for (index, symbol) in symbols.iter_mut().enumerate().take(length) {
                let half = self.bytes[index / 2] >> (index % 2 * 4) & 0xf;
                *symbol = SYMBOLS.get(usize::from(half)).copied().unwrap_or_default();
            }
            &symbols[..length]
        } else {
            &self.bytes[..length]
        };
        look(str::from_utf8(bytes).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_was_said() {
        for json in [
            "null",
            "true",
            "false",
            "0",
            "-0",
            "21.50",
            "1234567890123456",
            "21.299999999999997",
            "-1.7976931348623157e+308",
            "5E-324",
            "9007199254740993",
            "[1,2]",
            "{}",
            r#""""#,
            r#""null""#,
            r#""größer""#,
            r#""a\"\n""#,
            r#""0123456789abcdef""#,
        ] {
            let value = Value::from_json(json).unwrap();
            let Some(literal) = Literal::of(&value) else {
                assert!(json.len() > LONGEST_NUMBER, "{json}");
                continue;
            };
            assert_eq!(literal.value(), value, "{json}");
            let mut written = Vec::new();
            literal.write_json(&mut written);
            assert_eq!(written, value.to_json().into_bytes(), "{json}");
        }
    }

    #[test]
    fn what_is_too_long_is_left_to_others() {
        for json in ["123456789012345678901234", r#""0123456789abcdefg""#, "[1,2,3,4,5,6,7,8]"] {
            assert_eq!(Literal::of(&Value::from_json(json).unwrap()), None, "{json}");
        }
        assert_eq!(Literal::of(&Value::Octets([1].as_slice().into())), None);
    }

    #[test]
    fn all_that_counts_as_on_the_heap_is_there() {
        let number = "1".repeat(LONGEST_NUMBER);
        let value = Value::Number(Number::parse(&number).unwrap());
        assert_eq!((value.heap_bytes(), Literal::of(&value).is_some()), (0, true));
        let longer = Value::Number(Number::parse(&(number + "1")).unwrap());
        assert_eq!((longer.heap_bytes(), Literal::of(&longer)), (24, None));
    }
}
