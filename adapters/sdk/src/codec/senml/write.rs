//! Packs of measurements, in JSON and in CBOR.

use std::borrow::Cow;

use minicbor::Encoder;

use super::record::Label;
use crate::codec::cbor::{self, EncodeError, base64url, unwritten};
use crate::model::{Timestamp, Value};

/// One measurement to be written.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// Its full name; what SenML does not allow in it becomes `_`.
    pub name: Cow<'a, str>,
    /// Its unit, as a SenML symbol.
    pub unit: Option<&'a str>,
    /// What was measured. SenML has no null: such an entry is left out.
    pub value: &'a Value,
    /// When it was measured; now, when left out (RFC 8428, section 4.5.3).
    pub time: Option<Timestamp>,
}

/// A pack in JSON (`application/senml+json`). Numbers are written as the literals that they are:
/// none loses a digit on its way through a float.
#[must_use]
pub fn write_json<'a>(entries: impl IntoIterator<Item = Entry<'a>>) -> Vec<u8> {
    let mut pack = vec![b'['];
    for entry in entries {
        let (label, value) = match entry.value {
            Value::Null => continue,
            Value::Boolean(_) => ("vb", entry.value.clone()),
            Value::Number(_) => ("v", entry.value.clone()),
            Value::Text(text) | Value::Json(text) => ("vs", Value::Text(text.clone())),
            Value::Octets(octets) => ("vd", Value::Text(base64url(octets).into())),
        };
        if pack.len() > 1 {
            pack.push(b',');
        }
        pack.extend_from_slice(br#"{"n":"#);
        Value::Text(entry.clean_name().into()).write_json(&mut pack);
        if let Some(unit) = entry.unit {
            pack.extend_from_slice(br#","u":"#);
            Value::Text(unit.into()).write_json(&mut pack);
        }
        pack.extend_from_slice(format!(r#","{label}":"#).as_bytes());
        value.write_json(&mut pack);
        if let Some(seconds) = entry.seconds() {
            pack.extend_from_slice(format!(r#","t":{seconds}"#).as_bytes());
        }
        pack.push(b'}');
    }
    pack.push(b']');
    pack
}

/// A pack in CBOR (`application/senml+cbor`).
///
/// # Errors
/// When a number is beyond the range of a double.
pub fn write_cbor<'a>(
    entries: impl IntoIterator<Item = Entry<'a>>,
) -> Result<Vec<u8>, EncodeError> {
    let entries: Vec<_> = entries.into_iter().filter(|entry| *entry.value != Value::Null).collect();
    let mut cbor = Encoder::new(Vec::new());
    cbor.array(entries.len() as u64).map_err(unwritten)?;
    for entry in &entries {
        entry.put_cbor(&mut cbor)?;
    }
    Ok(cbor.into_writer())
}

impl Entry<'_> {
    fn put_cbor(&self, cbor: &mut Encoder<Vec<u8>>) -> Result<(), EncodeError> {
        let label = match self.value {
            Value::Boolean(_) => Label::BooleanValue,
            Value::Number(_) => Label::Value,
            Value::Octets(_) => Label::DataValue,
            Value::Text(_) | Value::Json(_) | Value::Null => Label::StringValue,
        };
        let put = |cbor: &mut Encoder<Vec<u8>>, label: Label, value: &Value| {
            cbor.i64(label.number()).map_err(unwritten)?;
            cbor::put(cbor, value)
        };
        let given = u64::from(self.unit.is_some()) + u64::from(self.time.is_some());
        cbor.map(2 + given).map_err(unwritten)?;
        put(cbor, Label::Name, &Value::Text(self.clean_name().into()))?;
        if let Some(unit) = self.unit {
            put(cbor, Label::Unit, &Value::Text(unit.into()))?;
        }
        match self.value {
            Value::Json(text) => put(cbor, label, &Value::Text(text.clone()))?,
            value => put(cbor, label, value)?,
        }
        let Some(seconds) = self.seconds() else { return Ok(()) };
        cbor.i64(Label::Time.number()).map_err(unwritten)?;
        cbor::put_float(cbor, seconds)
    }

    /// Only those characters that SenML allows (RFC 8428, section 4.5.1).
    fn clean_name(&self) -> String {
        let allowed =
            |c: char| if c.is_ascii_alphanumeric() || "-:./_".contains(c) { c } else { '_' };
        self.name.chars().map(allowed).collect()
    }

    /// Seconds since the epoch, to the microsecond (RFC 8428, section 4.5.3).
    #[expect(clippy::cast_precision_loss, reason = "53 bits hold microseconds until the year 2255")]
    fn seconds(&self) -> Option<f64> {
        self.time.map(|time| time.as_micros() as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_only_what_senml_allows() {
        let value = Value::from_json("21.50").unwrap();
        let time = Some(Timestamp::from_micros(1_767_607_323_250_000));
        let name = "urn:thingway:home.lamp:Wärme (max)".into();
        let pack = write_json([Entry { name, unit: Some("Cel"), value: &value, time }]);
        assert_eq!(
            String::from_utf8(pack).unwrap(),
            r#"[{"n":"urn:thingway:home.lamp:W_rme__max_","u":"Cel","v":21.50,"t":1767607323.25}]"#
        );
    }
}
