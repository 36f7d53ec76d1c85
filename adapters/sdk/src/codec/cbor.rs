//! CBOR (RFC 8949): an item comes apart as a JSON object does.
//!
//! Maps nest into paths; what a map's leaf or the whole item is becomes one value: byte strings
//! octets, arrays the JSON that RFC 8949, section 6.1 makes of them (byte strings in base64url),
//! bignums and decimal fractions numbers to the digit. A key that is no text is taken by its text:
//! `1`, `true`. One that stands twice is handed out twice, so that its last value stays. No other
//! tag is heard: a date stays its text, and a time a number.

use minicbor::Encoder;
use minicbor::data::{Tag, Type};
use minicbor::decode::{Decoder, Error};

use super::decimal::Decimal;
use super::{DecodeError, Leaves, Limits};
use crate::model::{Number, Value};

/// Marks bytes as CBOR and says nothing of the item in it (RFC 8949, section 3.4.6).
const SELF_DESCRIBED: Tag = Tag::new(55_799);

/// Hands out the leaves of one item. Tells of what JSON can't say.
pub(super) fn walk(
    bytes: &[u8],
    limits: &Limits,
    out: &mut impl Leaves,
) -> Result<Option<String>, DecodeError> {
    let mut reader = Reader::new(bytes, limits.depth);
    if reader.self_described()? && !reader.is_empty_map() {
        let mut walk = Walk { path: String::new(), leaves: 0, limits, out };
        walk.map(&mut reader)?;
    } else {
        let value = reader.value("")?;
        out.whole(value);
    }
    reader.end()
}

/// The item as one value.
pub(super) fn whole(bytes: &[u8], limits: &Limits) -> Result<Value, DecodeError> {
    let mut reader = Reader::new(bytes, limits.depth);
    reader.self_described()?;
    let value = reader.value("")?;
    reader.end().map(|_| value)
}

struct Walk<'a, L> {
    path: String,
    leaves: usize,
    limits: &'a Limits,
    out: &'a mut L,
}

impl<L: Leaves> Walk<'_, L> {
    fn map(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let mut members = reader.open_map()?;
        while reader.has_next(&mut members)? {
            let key = reader.key()?;
            let parent = self.path.len();
            self.member(&key, reader)?;
            self.path.truncate(parent);
        }
        reader.close();
        Ok(())
    }

    fn member(&mut self, key: &str, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        if !self.path.is_empty() {
            self.path.push('.');
        }
        super::push_name(&mut self.path, key);
        if self.path.len() > self.limits.name_bytes {
            return Err(DecodeError::NameTooLong(self.limits.name_bytes));
        }
        if reader.at_map() && !reader.is_empty_map() {
            return self.map(reader);
        }
        self.leaves += 1;
        if self.leaves > self.limits.leaves {
            return Err(DecodeError::TooManyLeaves(self.limits.leaves));
        }
        let value = reader.value(&self.path)?;
        self.out.leaf(&self.path, value);
        Ok(())
    }
}

/// How many entries of an array or a map are still to come; `None` where its end says so.
type Remaining = Option<u64>;

/// Reads items as values. It recurses only as deep as it is allowed to.
pub(super) struct Reader<'b> {
    cbor: Decoder<'b>,
    allowed: usize,
    depth: usize,
    note: Option<String>,
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8], allowed: usize) -> Self {
        Self { cbor: Decoder::new(bytes), allowed, depth: 0, note: None }
    }

    /// Passes over the mark of CBOR; true when the item behind it is a map.
    fn self_described(&mut self) -> Result<bool, DecodeError> {
        let at = self.cbor.position();
        if self.cbor.datatype()? == Type::Tag && self.cbor.tag()? != SELF_DESCRIBED {
            self.cbor.set_position(at);
        }
        Ok(self.at_map())
    }

    /// Nothing may stand behind the item.
    pub(super) fn end(self) -> Result<Option<String>, DecodeError> {
        match self.cbor.input().len() - self.cbor.position() {
            0 => Ok(self.note),
            more => Err(DecodeError::NotCbor(format!("{more} bytes stand behind the item"))),
        }
    }

    fn at_map(&self) -> bool {
        matches!(self.cbor.datatype(), Ok(Type::Map | Type::MapIndef))
    }

    fn is_empty_map(&self) -> bool {
        let rest = self.cbor.input().get(self.cbor.position()..).unwrap_or_default();
        matches!(rest, [0xa0, ..] | [0xbf, 0xff, ..])
    }

    pub(super) fn open_map(&mut self) -> Result<Remaining, DecodeError> {
        self.open()?;
        Ok(self.cbor.map()?)
    }

    pub(super) fn open_array(&mut self) -> Result<Remaining, DecodeError> {
        self.open()?;
        Ok(self.cbor.array()?)
    }

    fn open(&mut self) -> Result<(), DecodeError> {
        self.depth += 1;
        if self.depth > self.allowed { Err(DecodeError::TooDeep(self.allowed)) } else { Ok(()) }
    }

    pub(super) fn close(&mut self) {
        self.depth -= 1;
    }

    /// Whether another entry comes.
    pub(super) fn has_next(&mut self, remaining: &mut Remaining) -> Result<bool, DecodeError> {
        match remaining {
            Some(0) => Ok(false),
            Some(count) => {
                *count -= 1;
                Ok(true)
            }
            None if self.cbor.datatype()? == Type::Break => {
                self.cbor.set_position(self.cbor.position() + 1);
                Ok(false)
            }
            None => Ok(true),
        }
    }

    /// A map's key as text.
    pub(super) fn key(&mut self) -> Result<String, DecodeError> {
        Ok(match self.value("a key")? {
            Value::Text(text) => text.into(),
            Value::Octets(octets) => base64url(&octets),
            other => other.to_json(),
        })
    }

    /// The item that comes next; `name` is said where it has no place in JSON.
    pub(super) fn value(&mut self, name: &str) -> Result<Value, DecodeError> {
        Ok(match self.cbor.datatype()? {
            Type::Bool => Value::Boolean(self.cbor.bool()?),
            Type::Null => {
                self.cbor.null()?;
                Value::Null
            }
            Type::Undefined => {
                self.cbor.undefined()?;
                Value::Null
            }
            Type::F16 => {
                let number = self.cbor.f16()?;
                self.float(number.into(), name)
            }
            Type::F32 => {
                // The shortest decimal that means this very float: 21.1, not 21.100000381469727.
                let number = self.cbor.f32()?;
                self.float(number.to_string().parse().unwrap_or(number.into()), name)
            }
            Type::F64 => {
                let number = self.cbor.f64()?;
                self.float(number, name)
            }
            Type::String | Type::StringIndef => {
                let mut text = String::new();
                for part in self.cbor.str_iter()? {
                    text.push_str(part?);
                }
                Value::Text(text.into())
            }
            Type::Bytes | Type::BytesIndef => Value::Octets(self.octets()?.into()),
            Type::Array | Type::ArrayIndef | Type::Map | Type::MapIndef => {
                let mut json = Vec::new();
                self.write_json(&mut json, name)?;
                let json =
                    String::from_utf8(json).map_err(|e| DecodeError::NotCbor(e.to_string()))?;
                Value::Json(json.into())
            }
            Type::Tag => self.tagged(name)?,
            Type::Simple => {
                let simple = self.cbor.simple()?;
                self.no_json(name, &format!("the simple value {simple}"))
            }
            Type::Break => return Err(self.malformed("a break where an item was expected")),
            Type::Unknown(byte) => {
                return Err(self.malformed(&format!("byte 0x{byte:02x} begins no item")));
            }
            _ => Value::Number(Number::from_checked(&self.cbor.int()?.to_string())),
        })
    }

    fn octets(&mut self) -> Result<Vec<u8>, DecodeError> {
        let mut octets = Vec::new();
        for part in self.cbor.bytes_iter()? {
            octets.extend_from_slice(part?);
        }
        Ok(octets)
    }

    fn float(&mut self, number: f64, name: &str) -> Value {
        Value::from_f64(number).unwrap_or_else(|| self.no_json(name, &number.to_string()))
    }

    fn no_json(&mut self, name: &str, what: &str) -> Value {
        self.note.get_or_insert_with(|| {
            let name = if name.is_empty() { "the value" } else { name };
            format!("{name} is {what}, which is no JSON value: kept as null")
        });
        Value::Null
    }

    fn malformed(&self, what: &str) -> DecodeError {
        DecodeError::NotCbor(format!("{what}, at byte {}", self.cbor.position()))
    }

    /// A tag's item (RFC 8949, section 3.4). Tags nest like arrays do.
    fn tagged(&mut self, name: &str) -> Result<Value, DecodeError> {
        self.open()?;
        let tag = self.cbor.tag()?.as_u64();
        let value = match (tag, self.cbor.datatype()?) {
            (2 | 3, Type::Bytes | Type::BytesIndef) => bignum(tag == 3, self.octets()?),
            (4 | 5, Type::Array | Type::ArrayIndef) => {
                let parts = self.exponent_and_mantissa()?;
                self.scaled(tag == 4, parts, name)
            }
            _ => self.value(name)?,
        };
        self.close();
        Ok(value)
    }

    fn exponent_and_mantissa(&mut self) -> Result<(Value, Value), DecodeError> {
        let wrong = "a fraction is an array of exponent and mantissa";
        let mut parts = self.open_array()?;
        let mut next = |reader: &mut Self| match reader.has_next(&mut parts)? {
            true => reader.value(""),
            false => Err(reader.malformed(wrong)),
        };
        let found = (next(self)?, next(self)?);
        if self.has_next(&mut parts)? {
            return Err(self.malformed(wrong));
        }
        self.close();
        Ok(found)
    }

    fn scaled(&mut self, decimal: bool, parts: (Value, Value), name: &str) -> Value {
        let (exponent, mantissa) = parts;
        let whole = |value: &Value| match value {
            Value::Number(number) => number.as_str().parse::<i128>().ok(),
            _ => None,
        };
        let exponent = whole(&exponent).and_then(|exponent| i32::try_from(exponent).ok());
        let number =
            whole(&mantissa).zip(exponent).and_then(|(mantissa, exponent)| match decimal {
                true => Some(Value::Number(Decimal::new(mantissa, exponent).to_number())),
                #[expect(clippy::cast_precision_loss, reason = "a bigfloat is read as a double")]
                false => Value::from_f64(mantissa as f64 * f64::from(exponent).exp2()),
            });
        number.unwrap_or_else(|| self.no_json(name, "a fraction beyond every range"))
    }

    fn write_json(&mut self, json: &mut Vec<u8>, name: &str) -> Result<(), DecodeError> {
        match self.cbor.datatype()? {
            Type::Array | Type::ArrayIndef => {
                let mut entries = self.open_array()?;
                self.write_entries(json, &mut entries, [b'[', b']'], |reader, json| {
                    reader.write_json(json, name)
                })
            }
            Type::Map | Type::MapIndef => {
                let mut members = self.open_map()?;
                self.write_entries(json, &mut members, [b'{', b'}'], |reader, json| {
                    Value::Text(reader.key()?.into()).write_json(json);
                    json.push(b':');
                    reader.write_json(json, name)
                })
            }
            _ => {
                match self.value(name)? {
                    Value::Octets(octets) => {
                        Value::Text(base64url(&octets).into()).write_json(json)
                    }
                    value => value.write_json(json),
                }
                Ok(())
            }
        }
    }

    fn write_entries(
        &mut self,
        json: &mut Vec<u8>,
        remaining: &mut Remaining,
        [open, close]: [u8; 2],
        mut entry: impl FnMut(&mut Self, &mut Vec<u8>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        json.push(open);
        let mut first = true;
        while self.has_next(remaining)? {
            if !std::mem::take(&mut first) {
                json.push(b',');
            }
            entry(self, json)?;
        }
        json.push(close);
        self.close();
        Ok(())
    }
}

impl From<Error> for DecodeError {
    fn from(error: Error) -> Self {
        Self::NotCbor(error.to_string())
    }
}

/// Up to 128 bits a number, beyond them the bytes.
fn bignum(negative: bool, octets: Vec<u8>) -> Value {
    let significant = octets.iter().position(|byte| *byte != 0).unwrap_or(octets.len());
    let mut padded = [0; 16];
    let Some(start) = 16_usize.checked_sub(octets.len() - significant) else {
        return Value::Octets(octets.into());
    };
    padded[start..].copy_from_slice(&octets[significant..]);
    let magnitude = u128::from_be_bytes(padded);
    match (negative, magnitude.checked_add(1)) {
        (false, _) => Value::Number(Number::from_checked(&magnitude.to_string())),
        (true, Some(magnitude)) => Value::Number(Number::from_checked(&format!("-{magnitude}"))),
        (true, None) => Value::Octets(octets.into()),
    }
}

pub(super) fn base64url(octets: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets)
}

/// A value that CBOR or SenML can't say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EncodeError(pub(super) String);

/// One value as a CBOR item in preferred serialization (RFC 8949, section 4.1): the shortest
/// integers, the shortest float that is the same number.
///
/// # Errors
/// When a number is beyond the range of a double.
pub fn encode(value: &Value) -> Result<Vec<u8>, EncodeError> {
    let mut cbor = Encoder::new(Vec::new());
    put(&mut cbor, value)?;
    Ok(cbor.into_writer())
}

/// Appends a value.
pub(super) fn put(cbor: &mut Encoder<Vec<u8>>, value: &Value) -> Result<(), EncodeError> {
    match value {
        Value::Null => cbor.null().map(drop),
        Value::Boolean(boolean) => cbor.bool(*boolean).map(drop),
        Value::Text(text) => cbor.str(text).map(drop),
        Value::Octets(octets) => cbor.bytes(octets).map(drop),
        Value::Number(number) => return put_number(cbor, number),
        Value::Json(text) => {
            let parsed = serde_json::from_str(text).map_err(|e| EncodeError(e.to_string()))?;
            return put_json(cbor, &parsed);
        }
    }
    .map_err(unwritten)
}

fn put_number(cbor: &mut Encoder<Vec<u8>>, number: &Number) -> Result<(), EncodeError> {
    let whole = number.as_str().parse::<i128>().ok().filter(|_| number.is_integer());
    match whole.and_then(|whole| minicbor::data::Int::try_from(whole).ok()) {
        Some(whole) => cbor.int(whole).map(drop).map_err(unwritten),
        None => put_float(cbor, number.as_f64()),
    }
}

pub(super) fn put_float(cbor: &mut Encoder<Vec<u8>>, number: f64) -> Result<(), EncodeError> {
    if !number.is_finite() {
        return Err(EncodeError("a number is beyond the range of a double".to_owned()));
    }
    #[expect(clippy::cast_possible_truncation, reason = "that it is the same number is looked at")]
    let single = number as f32;
    if f64::from(single) != number {
        cbor.f64(number)
    } else if half::f16::from_f32(single).to_f32() == single {
        cbor.f16(single)
    } else {
        cbor.f32(single)
    }
    .map(drop)
    .map_err(unwritten)
}

fn put_json(cbor: &mut Encoder<Vec<u8>>, json: &serde_json::Value) -> Result<(), EncodeError> {
    use serde_json::Value as Json;
    match json {
        Json::Null => cbor.null().map(drop).map_err(unwritten),
        Json::Bool(boolean) => cbor.bool(*boolean).map(drop).map_err(unwritten),
        Json::String(text) => cbor.str(text).map(drop).map_err(unwritten),
        Json::Number(number) => put_number(cbor, &Number::from_checked(&number.to_string())),
        Json::Array(entries) => {
            cbor.array(entries.len() as u64).map_err(unwritten)?;
            entries.iter().try_for_each(|entry| put_json(cbor, entry))
        }
        Json::Object(members) => {
            cbor.map(members.len() as u64).map_err(unwritten)?;
            members.iter().try_for_each(|(name, value)| {
                cbor.str(name).map_err(unwritten)?;
                put_json(cbor, value)
            })
        }
    }
}

pub(super) fn unwritten(error: impl std::fmt::Display) -> EncodeError {
    EncodeError(error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::tests::Seen;

    const LIMITS: Limits = Limits { depth: 8, leaves: 20, name_bytes: 64 };

    type Leaf = (String, String);

    fn try_read(bytes: &[u8]) -> Result<(Vec<Leaf>, Option<String>), DecodeError> {
        let mut seen = Seen::default();
        walk(bytes, &LIMITS, &mut seen).map(|note| (seen.0, note))
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        digits.chunks(2).map(|pair| byte(pair).unwrap()).collect()
    }

    fn leaves(hex: &str) -> Vec<Leaf> {
        try_read(&bytes(hex)).unwrap().0
    }

    fn whole(hex: &str) -> String {
        let leaves = leaves(hex);
        assert_eq!((leaves.len(), leaves[0].0.as_str()), (1, ""), "{hex}");
        leaves[0].1.clone()
    }

    #[test]
    fn the_examples_of_rfc_8949_appendix_a() {
        for (hex, json) in [
            ("00", "0"),
            ("1b000000e8d4a51000", "1000000000000"),
            ("1bffffffffffffffff", "18446744073709551615"),
            ("c249010000000000000000", "18446744073709551616"),
            ("3bffffffffffffffff", "-18446744073709551616"),
            ("c349010000000000000000", "-18446744073709551617"),
            ("3903e7", "-1000"),
            ("f93c00", "1.0"),
            ("f97bff", "65504.0"),
            ("fa47c35000", "100000.0"),
            ("fb3ff199999999999a", "1.1"),
            ("f90001", "5.960464477539063e-8"),
            ("f4", "false"),
            ("f6", "null"),
            ("f7", "null"),
            ("c074323031332d30332d32315432303a30343a30305a", "\"2013-03-21T20:04:00Z\""),
            ("c11a514b67b0", "1363896240"),
            ("c48221196ab3", "273.15"),
            ("c5822003", "1.5"),
            ("4401020304", "\"AQIDBA==\""),
            ("62c3bc", "\"ü\""),
            ("8301820203820405", "[1,[2,3],[4,5]]"),
            ("a0", "{}"),
            ("5f42010243030405ff", "\"AQIDBAU=\""),
            ("7f657374726561646d696e67ff", "\"streaming\""),
            ("9f018202039f0405ffff", "[1,[2,3],[4,5]]"),
            ("826161bf61626163ff", "[\"a\",{\"b\":\"c\"}]"),
            ("d9d9f700", "0"),
        ] {
            assert_eq!(whole(hex), json, "{hex}");
        }
    }

    #[test]
    fn a_map_comes_apart_into_its_leaves() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<Leaf> {
            pairs.iter().map(|(path, value)| ((*path).into(), (*value).into())).collect()
        };
        // {"t": 21.1 (single), "p": {"x": 1, 2: h'ff'}, "l": [h'ff'], "e": {}}
        let map = "a46174fa41a8cccd6170a261780102 41ff616c8141ff6165a0";
        let expected =
            [("t", "21.1"), ("p.x", "1"), ("p.2", "\"/w==\""), ("l", "[\"_w\"]"), ("e", "{}")];
        assert_eq!(leaves(map), pairs(&expected));
        assert_eq!(leaves("d9d9f7bf616101ff"), pairs(&[("a", "1")]));
        assert_eq!(leaves("a2616101616102"), pairs(&[("a", "1"), ("a", "2")]));
    }

    #[test]
    fn what_json_cannot_say_becomes_null_and_is_noted() {
        for (hex, what) in [
            ("a16174f97e00", "t is NaN"),
            ("a16174fa7f800000", "t is inf"),
            ("a16174fbfff0000000000000", "t is -inf"),
            ("a16174f8ff", "t is the simple value 255"),
        ] {
            let (seen, note) = try_read(&bytes(hex)).unwrap();
            assert_eq!(seen, [("t".to_owned(), "null".to_owned())]);
            assert!(note.unwrap().contains(what), "{what}");
        }
    }

    #[test]
    fn what_is_no_cbor_is_refused() {
        for hex in ["18", "6261", "0000", "ff", "9f", "a161", "5f6161ff", "62c328", "1c", "bf61ff"]
        {
            let refused = try_read(&bytes(hex));
            assert!(matches!(refused, Err(DecodeError::NotCbor(_))), "{hex}: {refused:?}");
        }
    }

    #[test]
    fn limits_hold() {
        assert_eq!(try_read(&[0x81; 100_000]), Err(DecodeError::TooDeep(8)));
        assert_eq!(try_read(&[0xc1; 100_000]), Err(DecodeError::TooDeep(8)));
        let nested = bytes("a16161").repeat(9);
        assert_eq!(try_read(&nested), Err(DecodeError::TooDeep(8)));
        let long = [bytes("a17841"), vec![b'k'; 65], vec![0]].concat();
        assert_eq!(try_read(&long), Err(DecodeError::NameTooLong(64)));
        let many = [vec![0xb5], bytes("616100").repeat(21)].concat();
        assert_eq!(try_read(&many), Err(DecodeError::TooManyLeaves(20)));
        // An array that says it has 2^64 - 1 entries.
        assert!(try_read(&bytes("9bffffffffffffffff")).is_err());
    }

    #[test]
    fn values_are_written_in_the_shortest_way() {
        for (json, hex) in [
            ("0", "00"),
            ("-1000", "3903e7"),
            ("18446744073709551615", "1bffffffffffffffff"),
            ("1.5", "f93e00"),
            ("100000.0", "fa47c35000"),
            ("1.1", "fb3ff199999999999a"),
            ("\"a\"", "6161"),
            ("null", "f6"),
            ("true", "f5"),
            ("[1,{\"a\":\"b\"}]", "8201a161616162"),
        ] {
            assert_eq!(encode(&Value::from_json(json).unwrap()).unwrap(), bytes(hex), "{json}");
        }
        assert!(encode(&Value::from_json("1e400").unwrap()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 1..300)) {
            let _ = try_read(&bytes);
        }

        #[test]
        fn a_number_comes_back_as_it_was(number in prop::num::f64::NORMAL, whole in any::<i64>()) {
            for value in [Value::from_f64(number).unwrap(), Value::Number(whole.into())] {
                let (seen, _) = try_read(&encode(&value).unwrap()).unwrap();
                let back = Value::from_json(&seen[0].1).unwrap();
                prop_assert!(back.means_the_same(&value), "{:?} {:?}", back, value);
            }
        }
    }
}
