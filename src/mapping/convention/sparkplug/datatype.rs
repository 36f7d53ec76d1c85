use smol_str::format_smolstr;
use thingway_sdk::{Timestamp, Value};

use super::payload::{DataSet, MetricValue};

/// The datatype of a metric (specification, section 6.4.16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datatype {
    /// So many bits, with a sign.
    Signed(u8),
    /// So many bits, without one.
    Unsigned(u8),
    Float,
    Double,
    Boolean,
    Text,
    DateTime,
    Bytes,
    DataSet,
    Template,
    Array(Item),
}

/// What is in an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    Signed(u8),
    Unsigned(u8),
    Float,
    Double,
    Boolean,
    Text,
    DateTime,
}

impl Datatype {
    /// By its number; `None` for those that carry no value of their own, or are unknown.
    pub(super) fn of(number: u32) -> Option<Self> {
        Some(match number {
            1..=4 => Self::Signed(8 << (number - 1)),
            5..=8 => Self::Unsigned(8 << (number - 5)),
            9 => Self::Float,
            10 => Self::Double,
            11 => Self::Boolean,
            12 | 14 | 15 => Self::Text,
            13 => Self::DateTime,
            16 => Self::DataSet,
            17 | 18 => Self::Bytes,
            19 => Self::Template,
            22..=25 => Self::Array(Item::Signed(8 << (number - 22))),
            26..=29 => Self::Array(Item::Unsigned(8 << (number - 26))),
            30 => Self::Array(Item::Float),
            31 => Self::Array(Item::Double),
            32 => Self::Array(Item::Boolean),
            33 => Self::Array(Item::Text),
            34 => Self::Array(Item::DateTime),
            _ => return None,
        })
    }

    /// As a property's type.
    pub(super) fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Signed(_) | Self::Unsigned(_) => "integer",
            Self::Float | Self::Double => "number",
            Self::Boolean => "boolean",
            Self::Text | Self::DateTime => "string",
            Self::DataSet | Self::Array(_) => "array",
            Self::Template | Self::Bytes => return None,
        })
    }

    /// The smallest and largest integer, as far as a double can say it.
    pub(super) fn range(self) -> Option<(f64, f64)> {
        match self {
            Self::Signed(bits @ ..=32) => {
                let half = f64::from(1_u32 << (bits - 1));
                Some((-half, half - 1.0))
            }
            Self::Unsigned(bits @ ..=32) => Some((0.0, f64::from(u32::MAX >> (32 - bits)))),
            _ => None,
        }
    }

    /// Whether a value of it can be written.
    pub(super) fn is_writable(self) -> bool {
        !matches!(self, Self::DataSet | Self::Template | Self::Array(_))
    }

    /// The value of a metric.
    ///
    /// # Errors
    /// When its encoding is not that of the datatype.
    pub(super) fn read(self, value: MetricValue) -> Result<Value, String> {
        Ok(match (self, value) {
            (Self::Signed(bits), MetricValue::Int(raw)) => signed(u64::from(raw), bits),
            (Self::Signed(bits), MetricValue::Long(raw)) => signed(raw, bits),
            (Self::Unsigned(_), MetricValue::Int(raw)) => unsigned(u64::from(raw)),
            (Self::Unsigned(_), MetricValue::Long(raw)) => unsigned(raw),
            (Self::Float, MetricValue::Float(number)) => single(number),
            (Self::Float, MetricValue::Double(number))
            | (Self::Double, MetricValue::Double(number)) => double(number),
            (Self::Double, MetricValue::Float(number)) => single(number),
            (Self::Boolean, MetricValue::Boolean(boolean)) => Value::Boolean(boolean),
            (Self::Text, MetricValue::Text(text)) => Value::Text(text.into()),
            (Self::DateTime, MetricValue::Long(millis)) => moment(millis),
            (Self::Bytes, MetricValue::Bytes(bytes)) => Value::Octets(bytes.as_ref().into()),
            (Self::DataSet, MetricValue::DataSet(table)) => rows(table),
            (Self::Array(item), MetricValue::Bytes(bytes)) => item.read(&bytes)?,
            (datatype, _) => return Err(format!("its value is not encoded as {datatype:?}")),
        })
    }

    /// A value as a metric of the datatype carries it.
    ///
    /// # Errors
    /// When it has no such value.
    pub(super) fn write(self, value: &Value) -> Result<MetricValue, String> {
        let refused = || format!("{} is no value of {self:?}", value.to_json());
        Ok(match (self, value) {
            (Self::Signed(bits), Value::Number(number)) => {
                let whole = whole(number.as_str(), number.as_f64()).ok_or_else(refused)?;
                let most = (1_i128 << (bits - 1)) - 1;
                if whole > most || whole < -most - 1 {
                    return Err(refused());
                }
                raw(whole, bits)
            }
            (Self::Unsigned(bits), Value::Number(number)) => {
                let whole = whole(number.as_str(), number.as_f64()).ok_or_else(refused)?;
                if !(0..1_i128 << bits).contains(&whole) {
                    return Err(refused());
                }
                raw(whole, bits)
            }
            #[expect(clippy::cast_possible_truncation, reason = "a Float has that precision")]
            (Self::Float, Value::Number(number)) => MetricValue::Float(number.as_f64() as f32),
            (Self::Double, Value::Number(number)) => MetricValue::Double(number.as_f64()),
            (Self::Boolean, Value::Boolean(boolean)) => MetricValue::Boolean(*boolean),
            (Self::Text, Value::Text(text)) => MetricValue::Text(text.to_string()),
            (Self::DateTime, Value::Text(text)) => {
                let moment = Timestamp::parse(text).ok_or_else(refused)?;
                MetricValue::Long((moment.as_micros() / 1000).unsigned_abs())
            }
            (Self::Bytes, Value::Octets(octets)) => MetricValue::Bytes(octets.to_vec().into()),
            (Self::Bytes, Value::Text(text)) => {
                use base64::Engine;
                let octets = base64::engine::general_purpose::STANDARD.decode(text.as_bytes());
                MetricValue::Bytes(octets.map_err(|_| refused())?.into())
            }
            _ => return Err(refused()),
        })
    }
}

impl Item {
    /// An array: its items in little-endian order one behind the other (section 6.4.17).
    fn read(self, bytes: &[u8]) -> Result<Value, String> {
        let items: Vec<Value> = match self {
            Self::Signed(bits) => chunks(bytes, bits)?.map(|raw| signed(raw, bits)).collect(),
            Self::Unsigned(bits) => chunks(bytes, bits)?.map(unsigned).collect(),
            #[expect(clippy::cast_possible_truncation, reason = "a chunk of 32 bits")]
            Self::Float => {
                chunks(bytes, 32)?.map(|raw| single(f32::from_bits(raw as u32))).collect()
            }
            Self::Double => chunks(bytes, 64)?.map(|raw| double(f64::from_bits(raw))).collect(),
            Self::DateTime => chunks(bytes, 64)?.map(moment).collect(),
            Self::Boolean => booleans(bytes)?,
            Self::Text => {
                let texts = bytes.strip_suffix(b"\0").unwrap_or(bytes).split(|byte| *byte == 0);
                texts.map(|text| Value::Text(String::from_utf8_lossy(text).into())).collect()
            }
        };
        Ok(list(&items))
    }
}

/// The little-endian numbers of so many bits each.
fn chunks(bytes: &[u8], bits: u8) -> Result<impl Iterator<Item = u64>, String> {
    let size = usize::from(bits / 8);
    if !bytes.len().is_multiple_of(size) {
        return Err(format!("an array of items of {size} bytes has {}", bytes.len()));
    }
    let number = |chunk: &[u8]| chunk.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte));
    Ok(bytes.chunks_exact(size).map(number))
}

/// Their count in four bytes, then eight of them in each byte, the first in its highest bit.
fn booleans(bytes: &[u8]) -> Result<Vec<Value>, String> {
    let short = || "an array of booleans is shorter than its count says".to_owned();
    let (count, bits) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
    let count = u32::from_le_bytes(*count) as usize;
    if count > bits.len().saturating_mul(8) {
        return Err(short());
    }
    let bit = |at: usize| Value::Boolean(bits[at / 8] >> (7 - at % 8) & 1 == 1);
    Ok((0..count).map(bit).collect())
}

/// A table as an array with an object for each row.
fn rows(table: DataSet) -> Value {
    let mut out = Vec::from(*b"[");
    for (index, row) in table.rows.into_iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"{" } else { b",{" });
        let cells = table.columns.iter().zip(&table.types).zip(row.elements);
        for (index, ((column, number), element)) in cells.enumerate() {
            let read = |value| Datatype::of(*number)?.read(MetricValue::from(value)).ok();
            let value = element.value.and_then(read).unwrap_or(Value::Null);
            if index > 0 {
                out.push(b',');
            }
            Value::Text(column.as_str().into()).write_json(&mut out);
            out.push(b':');
            value.write_json(&mut out);
        }
        out.push(b'}');
    }
    out.push(b']');
    Value::Json(String::from_utf8_lossy(&out).into())
}

fn list(items: &[Value]) -> Value {
    let mut out = Vec::from(*b"[");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        item.write_json(&mut out);
    }
    out.push(b']');
    Value::Json(String::from_utf8_lossy(&out).into())
}

/// A signed integer, which stands in its lowest bits, whatever is above.
fn signed(raw: u64, bits: u8) -> Value {
    let above = 64 - u32::from(bits);
    Value::Number((raw.cast_signed() << above >> above).into())
}

fn unsigned(raw: u64) -> Value {
    i64::try_from(raw).map_or_else(
        // Beyond of what a signed integer holds.
        |_| Value::from_json(&raw.to_string()).unwrap_or(Value::Null),
        |whole| Value::Number(whole.into()),
    )
}

fn double(number: f64) -> Value {
    Value::from_f64(number).unwrap_or(Value::Null)
}

/// With the digits of its own precision: 21.1, not 21.100000381469727.
fn single(number: f32) -> Value {
    if !number.is_finite() {
        return Value::Null;
    }
    Value::from_json(&format_smolstr!("{number:?}")).unwrap_or_else(|_| double(number.into()))
}

fn moment(millis: u64) -> Value {
    let micros = i64::try_from(millis.saturating_mul(1000)).unwrap_or(i64::MAX);
    Value::Text(format_smolstr!("{}", Timestamp::from_micros(micros)))
}

fn whole(literal: &str, number: f64) -> Option<i128> {
    #[expect(clippy::cast_possible_truncation, reason = "it is a whole number, and clamped")]
    let rounded = || (number.fract() == 0.0).then_some(number as i128);
    literal.parse().ok().or_else(rounded)
}

/// The bits of a whole number, no more than it has: signed ones are sent as if they had no sign.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "only its bits count")]
fn raw(whole: i128, bits: u8) -> MetricValue {
    match bits {
        64 => MetricValue::Long(whole as u64),
        _ => MetricValue::Int(whole as u32 & (u32::MAX >> (32 - bits))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(datatype: u32, value: MetricValue) -> String {
        Datatype::of(datatype).unwrap().read(value).unwrap().to_json()
    }

    #[test]
    fn values_are_read_by_their_datatype() {
        assert_eq!(json(1, MetricValue::Int(0xff)), "-1");
        assert_eq!(json(2, MetricValue::Int((-300_i32) as u32)), "-300");
        assert_eq!(json(3, MetricValue::Int(u32::MAX)), "-1");
        assert_eq!(json(4, MetricValue::Long(u64::MAX)), "-1");
        assert_eq!(json(8, MetricValue::Long(u64::MAX)), "18446744073709551615");
        assert_eq!(json(9, MetricValue::Float(21.1)), "21.1");
        assert_eq!(json(9, MetricValue::Float(f32::NAN)), "null");
        assert_eq!(json(13, MetricValue::Long(1_767_607_323_250)), "\"2026-01-05T10:02:03.25Z\"");
        let array = |datatype, bytes: &'static [u8]| {
            json(datatype, MetricValue::Bytes(bytes::Bytes::from_static(bytes)))
        };
        assert_eq!(array(23, b"\xd4\xfe\x10\x00"), "[-300,16]");
        assert_eq!(
            array(32, b"\x0a\0\0\0\xa0\x40"),
            "[true,false,true,false,false,false,false,false,false,true]"
        );
        assert_eq!(array(33, b"ab\0c\0"), r#"["ab","c"]"#);
        assert!(Datatype::of(11).unwrap().read(MetricValue::Int(1)).is_err());
        assert!(Datatype::of(22 + 1).unwrap().read(MetricValue::Bytes("abc".into())).is_err());
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for (number, literal) in [
            (1, "-128"),
            (3, "-5"),
            (4, "-9007199254740993"),
            (5, "255"),
            (7, "4294967295"),
            (8, "18446744073709551615"),
            (9, "21.5"),
            (10, "0.1"),
            (11, "true"),
            (12, "\"a\""),
            (13, "\"2026-01-05T10:02:03.25Z\""),
            (17, "\"/wA=\""),
        ] {
            let datatype = Datatype::of(number).unwrap();
            let written = datatype.write(&Value::from_json(literal).unwrap()).unwrap();
            assert_eq!(datatype.read(written).unwrap().to_json(), literal);
        }
        let short = Datatype::Signed(16).write(&Value::from_json("-7").unwrap());
        assert_eq!(short, Ok(MetricValue::Int(0xfff9)), "sixteen bits, and none above");
        for (number, literal) in [(1, "128"), (5, "-1"), (3, "1.5"), (11, "1"), (7, "4294967296")] {
            let value = Value::from_json(literal).unwrap();
            assert!(Datatype::of(number).unwrap().write(&value).is_err(), "{number} {literal}");
        }
    }
}
