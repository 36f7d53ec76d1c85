//! Bytes in which values stand at fixed places.

use serde::Deserialize;
use thingway_sdk::Value;
use thingway_sdk::codec::DecodeError;
use thingway_sdk::model::Number;

use crate::mapping::conversion::scaled;
use crate::mapping::rule::Flaws;

/// One value in `layout`.
#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The property that it becomes.
    pub name: String,
    /// Bytes before it, counted from 0.
    pub offset: usize,
    /// How its bytes are to be understood.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// Which byte comes first.
    #[serde(default)]
    pub endian: Endian,
    /// The lowest of its bits, counted from the least significant one of a whole number: only a
    /// part of the number is meant.
    pub bit: Option<u32>,
    /// How many bits are meant: 1 when left out.
    pub bits: Option<u32>,
    /// How many bytes an `ascii` or `hex` has; up to the end when left out.
    pub length: Option<usize>,
    /// The number is multiplied by this.
    pub scale: Option<f64>,
}

/// How bytes are to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// Whole number of 1 byte, from 0 on.
    U8,
    /// Whole number of 1 byte, two's complement.
    I8,
    /// Whole number of 2 bytes, from 0 on.
    U16,
    /// Whole number of 2 bytes, two's complement.
    I16,
    /// Whole number of 3 bytes, from 0 on.
    U24,
    /// Whole number of 3 bytes, two's complement.
    I24,
    /// Whole number of 4 bytes, from 0 on.
    U32,
    /// Whole number of 4 bytes, two's complement.
    I32,
    /// Whole number of 8 bytes, from 0 on.
    U64,
    /// Whole number of 8 bytes, two's complement.
    I64,
    /// IEEE 754 number of 4 bytes.
    F32,
    /// IEEE 754 number of 8 bytes.
    F64,
    /// One byte, or one bit of it: 0 is false.
    Bool,
    /// Text up to the first zero byte.
    Ascii,
    /// Bytes in hexadecimal.
    Hex,
}

/// The order of a number's bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Endian {
    /// The most significant byte first, as in most protocols.
    #[default]
    Big,
    /// The least significant byte first.
    Little,
}

impl FieldType {
    /// How many bytes it has; none where that differs.
    const fn width(self) -> Option<usize> {
        Some(match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U24 | Self::I24 => 3,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
            Self::Ascii | Self::Hex => return None,
        })
    }

    const fn is_signed(self) -> bool {
        matches!(self, Self::I8 | Self::I16 | Self::I24 | Self::I32 | Self::I64)
    }

    const fn is_whole(self) -> bool {
        !matches!(self, Self::F32 | Self::F64 | Self::Ascii | Self::Hex)
    }
}

/// The fields as an object.
pub(super) fn read(bytes: &[u8], layout: &[Field]) -> Result<Value, DecodeError> {
    let mut json = Vec::from(b"{");
    for field in layout {
        if json.len() > 1 {
            json.push(b',');
        }
        Value::Text(field.name.as_str().into()).write_json(&mut json);
        json.push(b':');
        field.value(bytes)?.write_json(&mut json);
    }
    json.push(b'}');
    let json = String::from_utf8(json).map_err(|_| DecodeError::NotText)?;
    Ok(Value::Json(json.into()))
}

impl Field {
    fn value(&self, bytes: &[u8]) -> Result<Value, DecodeError> {
        let length = self.kind.width().or(self.length);
        let end = length.map_or(Some(bytes.len()), |length| self.offset.checked_add(length));
        let own = end.and_then(|end| bytes.get(self.offset..end)).ok_or_else(|| {
            DecodeError::Refused(format!(
                "the payload has {} bytes, and `{}` stands behind them: correct `layout`, or say \
                 with another topic which messages it is for",
                bytes.len(),
                self.name
            ))
        })?;
        Ok(match self.kind {
            FieldType::F32 => {
                let number = f32::from_bits(u32::try_from(self.raw(own)).unwrap_or_default());
                // The shortest decimal that means this very float: 21.1, not 21.100000381469727.
                self.number(number.to_string().parse().unwrap_or(f64::NAN))
            }
            FieldType::F64 => self.number(f64::from_bits(self.raw(own))),
            FieldType::Ascii => {
                let text = own.split(|byte| *byte == 0).next().unwrap_or_default();
                Value::Text(String::from_utf8_lossy(text).trim_end().into())
            }
            FieldType::Hex => {
                let digits: String = own.iter().map(|byte| format!("{byte:02x}")).collect();
                Value::Text(digits.into())
            }
            FieldType::Bool => Value::Boolean(self.whole(own) != 0),
            _ => self.scaled(Number::parse(&self.whole(own).to_string()).ok()),
        })
    }

    /// `NaN` and the infinities have no place in JSON: there is no value.
    fn number(&self, number: f64) -> Value {
        match Value::from_f64(number) {
            Some(Value::Number(number)) => self.scaled(Some(number)),
            _ => Value::Null,
        }
    }

    fn scaled(&self, number: Option<Number>) -> Value {
        match (number, self.scale) {
            (Some(number), Some(scale)) => scaled(&number, scale),
            (Some(number), None) => Value::Number(number),
            (None, _) => Value::Null,
        }
    }

    /// All bits of up to eight bytes.
    fn raw(&self, own: &[u8]) -> u64 {
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        match self.endian {
            Endian::Big => own.iter().fold(0, join),
            Endian::Little => own.iter().rev().fold(0, join),
        }
    }

    /// The number that the bits which are meant say.
    fn whole(&self, own: &[u8]) -> i128 {
        let all = u32::try_from(8 * own.len()).unwrap_or(64);
        let lowest = self.bit.unwrap_or(0).min(63);
        let bits = match (self.bit, self.bits) {
            (None, None) => all,
            (_, bits) => bits.unwrap_or(1).clamp(1, 64),
        };
        let number = i128::from(self.raw(own) >> lowest) & ((1 << bits) - 1);
        let is_negative = self.kind.is_signed() && number >> (bits - 1) == 1;
        if is_negative { number - (1 << bits) } else { number }
    }
}

pub(super) fn check(layout: &[Field], flaws: &mut Flaws) {
    for (index, field) in layout.iter().enumerate() {
        let mut own = Flaws::new(&["layout", &index.to_string()]);
        if field.name.is_empty() || layout[..index].iter().any(|other| other.name == field.name) {
            let reason = format!("`{}` can't be the name of this one, too", field.name);
            own.add("name", reason, "give each a name of its own");
        }
        field.check(&mut own);
        flaws.found.extend(own.found);
    }
}

impl Field {
    fn check(&self, flaws: &mut Flaws) {
        let all = self.kind.width().unwrap_or_default() * 8;
        let part = [("bit", self.bit), ("bits", self.bits)];
        for (key, _) in part.iter().filter(|(_, bit)| bit.is_some() && !self.kind.is_whole()) {
            flaws.add(
                key,
                "only whole numbers have bits",
                "name a type such as u8, or leave it out",
            );
        }
        let last = self.bit.unwrap_or(0).saturating_add(self.bits.unwrap_or(1).max(1));
        let is_part = self.bit.is_some() || self.bits.is_some();
        if self.kind.is_whole() && is_part && (self.bits == Some(0) || last as usize > all) {
            let key = if self.bits.is_some() { "bits" } else { "bit" };
            let reason = format!("the type has {all} bits, and these are not among them");
            flaws.add(key, reason, "name a wider type, or fewer bits");
        }
        if self.length.is_some() && self.kind.width().is_some() {
            flaws.add("length", "the type says how long it is", "leave it out");
        }
        let has_number = !matches!(self.kind, FieldType::Bool | FieldType::Ascii | FieldType::Hex);
        if self.scale.is_some() && !has_number {
            flaws.add("scale", "only numbers can be scaled", "leave it out");
        }
        if self.scale.is_some_and(|scale| scale == 0.0 || !scale.is_finite()) {
            flaws.add("scale", "numbers times this can't be told apart", "write another number");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(json: serde_json::Value) -> Vec<Field> {
        serde_json::from_value(json).unwrap()
    }

    fn value(bytes: &[u8], field: serde_json::Value) -> String {
        let mut field = field;
        field["name"] = "x".into();
        field["offset"] = field.get("offset").cloned().unwrap_or(0.into());
        let read = read(bytes, &layout(serde_json::json!([field])));
        read.map_or_else(|e| e.to_string(), |v| v.to_json().replace("{\"x\":", "").replace('}', ""))
    }

    #[test]
    fn numbers_are_read_in_their_order_and_width() {
        use serde_json::json;
        let bytes = [0xff, 0x01, 0x02, 0x03, 0x42, 0xf6, 0xe9, 0x79];
        assert_eq!(value(&bytes, json!({ "type": "u8" })), "255");
        assert_eq!(value(&bytes, json!({ "type": "i8" })), "-1");
        assert_eq!(value(&bytes, json!({ "type": "u16", "offset": 1 })), "258");
        assert_eq!(value(&bytes, json!({ "type": "u16", "offset": 1, "endian": "little" })), "513");
        assert_eq!(value(&bytes, json!({ "type": "i24", "offset": 0 })), "-65278");
        assert_eq!(value(&bytes, json!({ "type": "f32", "offset": 4 })), "123.456");
        assert_eq!(value(&bytes, json!({ "type": "u64" })), "18374970167679969657");
        assert_eq!(value(&[0xff; 8], json!({ "type": "u64" })), "18446744073709551615");
        assert_eq!(
            value(&[0x80, 0, 0, 0, 0, 0, 0, 0], json!({ "type": "i64" })),
            "-9223372036854775808"
        );
        assert_eq!(value(&bytes, json!({ "type": "i16", "scale": 0.1 })), "-25.5");
        assert_eq!(value(&[0x7f, 0xc0, 0, 0], json!({ "type": "f32" })), "null");
    }

    #[test]
    fn bits_are_parts_of_numbers() {
        use serde_json::json;
        assert_eq!(value(&[0b1010_0100], json!({ "type": "bool", "bit": 2 })), "true");
        assert_eq!(value(&[0b1010_0100], json!({ "type": "bool", "bit": 0 })), "false");
        assert_eq!(value(&[0b1010_0100], json!({ "type": "u8", "bit": 4, "bits": 4 })), "10");
        assert_eq!(value(&[0b1010_0100], json!({ "type": "i8", "bit": 4, "bits": 4 })), "-6");
    }

    #[test]
    fn texts_and_what_is_missing() {
        use serde_json::json;
        assert_eq!(value(b"ab\0\0", json!({ "type": "ascii" })), "\"ab\"");
        assert_eq!(value(&[0xde, 0xad, 0xbe], json!({ "type": "hex", "length": 2 })), "\"dead\"");
        assert!(
            value(&[1], json!({ "type": "u16" })).contains("has 1 bytes, and `x` stands behind")
        );
        assert!(value(&[1], json!({ "type": "hex", "offset": 5 })).contains("stands behind"));
    }

    #[test]
    fn a_layout_that_can_not_be_is_named() {
        let mut flaws = Flaws::new(&[]);
        check(
            &layout(serde_json::json!([
                { "name": "a", "offset": 0, "type": "f32", "bit": 1 },
                { "name": "a", "offset": 0, "type": "u8", "bit": 6, "bits": 3 },
                { "name": "c", "offset": 0, "type": "u8", "length": 3 },
            ])),
            &mut flaws,
        );
        let at: Vec<String> = flaws.found.iter().map(|flaw| flaw.at.join(".")).collect();
        assert_eq!(at, ["layout.0.bit", "layout.1.name", "layout.1.bits", "layout.2.length"]);
    }
}
