//! Packs in JSON and in CBOR into records.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::record::{Label, Record};
use crate::codec::cbor::Reader;
use crate::codec::json::Key;
use crate::codec::{DecodeError, Limits};
use crate::model::Value;

/// A JSON array of objects (RFC 8428, section 5).
pub(super) fn read_json(bytes: &[u8], limits: &Limits) -> Result<Vec<Record>, DecodeError> {
    let mut records = Vec::new();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = (Pack { records: &mut records, most: limits.leaves }).deserialize(&mut json);
    match read.and_then(|()| json.end()) {
        Ok(()) => Ok(records),
        // One more than was allowed was begun.
        Err(_) if records.len() > limits.leaves => Err(DecodeError::TooManyLeaves(limits.leaves)),
        Err(error) => Err(DecodeError::NotSenml(error.to_string())),
    }
}

struct Pack<'r> {
    records: &'r mut Vec<Record>,
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Pack<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Pack<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut record = Record::default();
        while entries.next_element_seed(Fields(&mut record))?.is_some() {
            self.records.push(std::mem::take(&mut record));
            if self.records.len() > self.most {
                return Err(serde::de::Error::custom("too many records"));
            }
        }
        Ok(())
    }
}

struct Fields<'r>(&'r mut Record);

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        use serde::de::Error;
        while let Some(name) = fields.next_key_seed(Key)? {
            let name: Cow<'de, str> = name;
            let Some(label) = Label::by_name(&name).map_err(A::Error::custom)? else {
                fields.next_value::<IgnoredAny>()?;
                continue;
            };
            let raw: &RawValue = fields.next_value()?;
            let value = Value::from_raw(raw).map_err(A::Error::custom)?;
            self.0.set(label, value).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// A CBOR array of maps (RFC 8428, section 6).
pub(super) fn read_cbor(bytes: &[u8], limits: &Limits) -> Result<Vec<Record>, DecodeError> {
    let mut records = Vec::new();
    let mut cbor = Reader::new(bytes, limits.depth);
    let mut entries = cbor.open_array()?;
    while cbor.has_next(&mut entries)? {
        if records.len() == limits.leaves {
            return Err(DecodeError::TooManyLeaves(limits.leaves));
        }
        let index = records.len();
        let wrong = |reason| DecodeError::NotSenml(format!("record {index}: {reason}"));
        records.push(read_record(&mut cbor, wrong)?);
    }
    cbor.close();
    cbor.end()?;
    Ok(records)
}

fn read_record(
    cbor: &mut Reader<'_>,
    wrong: impl Fn(String) -> DecodeError,
) -> Result<Record, DecodeError> {
    let mut record = Record::default();
    let mut fields = cbor.open_map()?;
    while cbor.has_next(&mut fields)? {
        let label = match cbor.value("a label")? {
            Value::Number(number) => number.as_str().parse().ok().and_then(Label::by_number),
            Value::Text(name) => Label::by_name(&name).map_err(&wrong)?,
            _ => None,
        };
        let value = cbor.value("a field")?;
        if let Some(label) = label {
            record.set(label, value).map_err(&wrong)?;
        }
    }
    cbor.close();
    Ok(record)
}
