//! States as SenML (RFC 8428). SenML has no place for quality: bad states are left out.

use thingway_sdk::codec::senml::{Entry, write_json};
use thingway_sdk::{Quality, ThingId};

use crate::registry::Slot;

pub(crate) const SENML_JSON: &str = "application/senml+json";

/// States as one SenML pack, without what SenML can't say: bad states and null.
pub(crate) fn pack<'a>(states: impl Iterator<Item = (&'a ThingId, &'a Slot)>) -> Vec<u8> {
    let told = states.filter(|(_, slot)| slot.state.quality != Quality::Bad);
    write_json(told.map(|(thing, slot)| Entry {
        name: format!("{thing}:{}", slot.property.name).into(),
        unit: slot.property.unit(),
        value: &slot.state.value,
        time: Some(slot.state.time),
    }))
}
