//! From values to bytes.

use minicbor::Encoder;

use crate::model::{Number, Value};

/// A value that CBOR or SenML can't say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EncodeError(pub(in crate::codec) String);

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
pub(in crate::codec) fn put(cbor: &mut Encoder<Vec<u8>>, value: &Value) -> Result<(), EncodeError> {
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

pub(in crate::codec) fn put_float(
    cbor: &mut Encoder<Vec<u8>>,
    number: f64,
) -> Result<(), EncodeError> {
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

pub(in crate::codec) fn unwritten(error: impl std::fmt::Display) -> EncodeError {
    EncodeError(error.to_string())
}
