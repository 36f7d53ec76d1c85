//! States as SenML (RFC 8428). SenML has no place for quality: bad states are left out.

use serde_json::{Value as Json, json};
use thingway_sdk::{Quality, ThingId, Value};

use crate::registry::Slot;

pub(crate) const SENML_JSON: &str = "application/senml+json";

/// States as one SenML pack, without what SenML can't say: bad states and null.
pub(crate) fn pack<'a>(states: impl Iterator<Item = (&'a ThingId, &'a Slot)>) -> Vec<u8> {
    let records = states.filter_map(|(thing, slot)| record(thing, slot));
    records.collect::<Json>().to_string().into_bytes()
}

fn record(thing: &ThingId, slot: &Slot) -> Option<Json> {
    if slot.state.quality == Quality::Bad {
        return None;
    }
    let (label, value) = match &slot.state.value {
        Value::Null => return None,
        Value::Boolean(on) => ("vb", json!(on)),
        Value::Number(number) => ("v", serde_json::from_str(number.as_str()).ok()?),
        Value::Text(text) | Value::Json(text) => ("vs", json!(text)),
        Value::Octets(octets) => ("vd", json!(base64url(octets))),
    };
    let name = name(thing, &slot.property.name);
    let mut record = json!({ "n": name, label: value, "t": seconds(slot) });
    if let Some(unit) = slot.property.unit() {
        record["u"] = json!(unit);
    }
    Some(record)
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
