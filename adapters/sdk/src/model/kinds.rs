use serde_json::json;

use super::Value;

/// The set of JSON types that a property was seen with. It only widens: integer to number, one
/// type to any of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds(u8);

const NULL: u8 = 1;
const BOOLEAN: u8 = 1 << 1;
const INTEGER: u8 = 1 << 2;
const NUMBER: u8 = 1 << 3;
const STRING: u8 = 1 << 4;
const ARRAY: u8 = 1 << 5;
const OBJECT: u8 = 1 << 6;
const OCTETS: u8 = 1 << 7;

impl Kinds {
    /// Nothing but `null` was seen.
    pub const NULL: Self = Self(NULL);
    /// True and false.
    pub const BOOLEAN: Self = Self(BOOLEAN);
    /// Bytes.
    pub const OCTETS: Self = Self(OCTETS);
    /// Numbers, whole or not.
    pub const NUMBER: Self = Self(NUMBER);

    /// The set as one bit for each type.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set that [`Kinds::bits`] gave.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether these are numbers and nothing else.
    #[must_use]
    pub const fn is_numeric(self) -> bool {
        self.0 != 0 && self.0 & !(INTEGER | NUMBER) == 0
    }

    /// The type of one value.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        Self(match value {
            Value::Null => NULL,
            Value::Boolean(_) => BOOLEAN,
            Value::Number(number) if number.is_integer() => INTEGER,
            Value::Number(_) => NUMBER,
            Value::Text(_) => STRING,
            Value::Json(text) if text.starts_with('[') => ARRAY,
            Value::Json(_) => OBJECT,
            Value::Octets(_) => OCTETS,
        })
    }

    /// The type that a JSON Schema `type` names; none for a word that JSON Schema does not know.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(Self(match name {
            "null" => NULL,
            "boolean" => BOOLEAN,
            "integer" => INTEGER,
            "number" => NUMBER,
            "string" => STRING,
            "array" => ARRAY,
            "object" => OBJECT,
            _ => return None,
        }))
    }

    /// Both sets together.
    #[must_use]
    pub fn widened(self, other: Self) -> Self {
        let mut both = self.0 | other.0;
        if both & NUMBER != 0 {
            both &= !INTEGER;
        }
        Self(both)
    }

    /// Whether this value is of one of these types: a whole number is where numbers are.
    #[must_use]
    pub fn admit(self, value: &Value) -> bool {
        let is_number = matches!(value, Value::Number(_));
        // Most values are numbers, and their digits need no look then.
        is_number && self.0 & NUMBER != 0 || self.admits(Self::of(value))
    }

    /// Whether a value of these types fits: a whole number fits where numbers do.
    #[must_use]
    pub fn admits(self, other: Self) -> bool {
        self.widened(other) == self
    }

    /// The data schema that says so (TD 1.1, section 5.3.2).
    #[must_use]
    pub fn schema(self) -> serde_json::Map<String, serde_json::Value> {
        let names: Vec<&str> = [
            (NULL, "null"),
            (BOOLEAN, "boolean"),
            (INTEGER, "integer"),
            (NUMBER, "number"),
            (STRING | OCTETS, "string"),
            (ARRAY, "array"),
            (OBJECT, "object"),
        ]
        .into_iter()
        .filter(|(bits, _)| self.0 & bits != 0)
        .map(|(_, name)| name)
        .collect();
        let mut schema = serde_json::Map::new();
        match names.as_slice() {
            [] => {}
            [only] => {
                schema.insert("type".into(), json!(only));
            }
            several => {
                let any: Vec<_> = several.iter().map(|name| json!({ "type": name })).collect();
                schema.insert("oneOf".into(), any.into());
            }
        }
        if self.0 == OCTETS {
            schema.insert("contentEncoding".into(), json!("base64"));
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Kinds {
        Kinds::of(&Value::from_json(json).unwrap())
    }

    #[test]
    fn types_widen_and_never_narrow() {
        let number = of("1").widened(of("1.5"));
        assert_eq!(serde_json::Value::from(number.schema()), json!({"type": "number"}));
        assert_eq!(number.widened(of("2")), number);
        let any = number.widened(of("\"off\""));
        assert_eq!(
            serde_json::Value::from(any.schema()),
            json!({"oneOf": [{"type": "number"}, {"type": "string"}]})
        );
        assert!(any.admits(of("3")) && !any.admits(of("true")));
    }

    #[test]
    fn bytes_say_how_they_are_encoded() {
        let octets = Kinds::of(&Value::Octets([0xff, 0].as_slice().into()));
        let expected = json!({"type": "string", "contentEncoding": "base64"});
        assert_eq!(serde_json::Value::from(octets.schema()), expected);
        let mixed = octets.widened(of("\"text\""));
        assert_eq!(serde_json::Value::from(mixed.schema()), json!({"type": "string"}));
    }
}
