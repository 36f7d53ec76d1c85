//! States as SenML (RFC 8428). SenML has no place for quality: bad states are left out.

use thingway_sdk::{Quality, ThingId, Value};

use crate::registry::Slot;

pub(crate) const SENML_JSON: &str = "application/senml+json";

/// States as one SenML pack, without what SenML can't say: bad states and null.
pub(crate) fn pack<'a>(states: impl Iterator<Item = (&'a ThingId, &'a Slot)>) -> Vec<u8> {
    let mut pack = vec![b'['];
    for (thing, slot) in states {
        if let Some((label, value)) = labelled(slot) {
            if pack.len() > 1 {
                pack.push(b',');
            }
            write_record(&mut pack, thing, slot, label, &value);
        }
    }
    pack.push(b']');
    pack
}

/// The value with its label (RFC 8428, section 4.3).
fn labelled(slot: &Slot) -> Option<(&'static str, Value)> {
    let value = &slot.state.value;
    Some(match value {
        _ if slot.state.quality == Quality::Bad => return None,
        Value::Null => return None,
        Value::Boolean(_) => ("vb", value.clone()),
        Value::Number(_) => ("v", value.clone()),
        Value::Text(text) | Value::Json(text) => ("vs", Value::Text(text.clone())),
        Value::Octets(octets) => ("vd", Value::Text(base64url(octets).into())),
    })
}

/// Written by hand, because numbers are literals: none loses a digit on its way through a float.
fn write_record(pack: &mut Vec<u8>, thing: &ThingId, slot: &Slot, label: &str, value: &Value) {
    pack.extend_from_slice(br#"{"n":"#);
    Value::Text(name(thing, &slot.property.name).into()).write_json(pack);
    if let Some(unit) = slot.property.unit() {
        pack.extend_from_slice(br#","u":"#);
        Value::Text(unit.into()).write_json(pack);
    }
    pack.extend_from_slice(format!(r#","{label}":"#).as_bytes());
    value.write_json(pack);
    pack.extend_from_slice(format!(r#","t":{}}}"#, seconds(slot)).as_bytes());
}

/// Seconds since the epoch, to the microsecond (RFC 8428, section 4.5.3).
#[expect(clippy::cast_precision_loss, reason = "53 bits hold microseconds until the year 2255")]
fn seconds(slot: &Slot) -> f64 {
    slot.state.time.as_micros() as f64 / 1e6
}

/// A globally unique name of only those characters that SenML allows (RFC 8428, section 4.5.1).
fn name(thing: &ThingId, property: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "-:./_".contains(c) { c } else { '_' };
    thing.as_str().chars().chain([':']).chain(property.chars()).map(allowed).collect()
}

fn base64url(octets: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_only_what_senml_allows() {
        let id = ThingId::from_name("home.lamp");
        assert_eq!(name(&id, "Wärme (max)"), "urn:thingway:home.lamp:W_rme__max_");
    }
}
