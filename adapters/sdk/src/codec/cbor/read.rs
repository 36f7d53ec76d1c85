//! From bytes to values.

use minicbor::data::{Tag, Type};
use minicbor::decode::{Decoder, Error};

use crate::codec::decimal::Decimal;
use crate::codec::{DecodeError, Leaves, Limits};
use crate::model::{Number, Value};

/// Marks bytes as CBOR and says nothing of the item in it (RFC 8949, section 3.4.6).
const SELF_DESCRIBED: Tag = Tag::new(55_799);

/// Hands out the leaves of one item. Tells of what JSON can't say.
pub(in crate::codec) fn walk(
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
pub(in crate::codec) fn whole(bytes: &[u8], limits: &Limits) -> Result<Value, DecodeError> {
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
        crate::codec::push_name(&mut self.path, key);
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
pub(in crate::codec) struct Reader<'b> {
    cbor: Decoder<'b>,
    allowed: usize,
    depth: usize,
    note: Option<String>,
}

impl<'b> Reader<'b> {
    pub(in crate::codec) fn new(bytes: &'b [u8], allowed: usize) -> Self {
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
    pub(in crate::codec) fn end(self) -> Result<Option<String>, DecodeError> {
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

    pub(in crate::codec) fn open_map(&mut self) -> Result<Remaining, DecodeError> {
        self.open()?;
        Ok(self.cbor.map()?)
    }

    pub(in crate::codec) fn open_array(&mut self) -> Result<Remaining, DecodeError> {
        self.open()?;
        Ok(self.cbor.array()?)
    }

    fn open(&mut self) -> Result<(), DecodeError> {
        self.depth += 1;
        if self.depth > self.allowed { Err(DecodeError::TooDeep(self.allowed)) } else { Ok(()) }
    }

    pub(in crate::codec) fn close(&mut self) {
        self.depth -= 1;
    }

    /// Whether another entry comes.
    pub(in crate::codec) fn has_next(
        &mut self,
        remaining: &mut Remaining,
    ) -> Result<bool, DecodeError> {
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
    pub(in crate::codec) fn key(&mut self) -> Result<String, DecodeError> {
        Ok(match self.value("a key")? {
            Value::Text(text) => text.into(),
            Value::Octets(octets) => base64url(&octets),
            other => other.to_json(),
        })
    }

    /// The item that comes next; `name` is said where it has no place in JSON.
    pub(in crate::codec) fn value(&mut self, name: &str) -> Result<Value, DecodeError> {
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

pub(in crate::codec) fn base64url(octets: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets)
}
