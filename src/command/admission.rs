use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thingway_sdk::Value;
use thingway_sdk::model::Kinds;

use crate::registry::Slot;

/// The largest value that is sent or kept, in bytes: a thousand commands with theirs are kept.
pub(super) const LARGEST: usize = 64 * 1024;

/// The value that is sent, if it may be: by the rule, and where that names no type, by the types
/// that the property was seen with. A device that has sent whole numbers so far may be sent any
/// number. Bytes are shown as base64 and so also written.
pub(super) fn admitted(slot: &Slot, value: Value) -> Result<Value, String> {
    within_limits(&value)?;
    let rule = slot.property.rule.as_deref();
    if let Some(rule) = rule {
        rule.admits(&value)?;
    }
    if rule.is_some_and(|rule| rule.declared_type().is_some()) {
        return Ok(value);
    }
    let kinds = Kinds::of(&value);
    let as_number = slot.kinds.widened(Kinds::NUMBER) == Kinds::NUMBER && kinds.is_numeric();
    if as_number || slot.kinds.admits(kinds) || slot.kinds == Kinds::NULL {
        return Ok(value);
    }
    match value {
        Value::Text(text) if slot.kinds.admits(Kinds::OCTETS) => {
            let octets = STANDARD.decode(text.as_str());
            let octets = octets.map_err(|error| format!("it is no base64: {error}"))?;
            Ok(Value::Octets(octets.into()))
        }
        value => {
            Err(format!("{} is of another type than what the device reports", value.to_json()))
        }
    }
}

pub(super) fn within_limits(value: &Value) -> Result<(), String> {
    match value.heap_bytes() {
        bytes if bytes > LARGEST => Err(format!("it takes more than {LARGEST} bytes")),
        _ => Ok(()),
    }
}
