//! What an address said last, put together again from the states that it became: for when the
//! address turns out to mean something else.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use thingway_sdk::{Address, Observation, Payload, Quality, Value};

use super::reader::Shape;
use crate::registry::Thing;

/// The newest message of an address as if the silo sent it again, and whether its states are not
/// good any more, so that they are not to become so by this. None when it left no state.
pub(super) fn observation(
    thing: &Thing,
    adapter: &Arc<str>,
    address: &Address,
    shape: Shape,
) -> Option<(Observation, bool)> {
    let mut received = None;
    let mut is_stale = false;
    let mut leaves = Vec::new();
    thing.each_slot(|slot| {
        if slot.property().adapter == *adapter && slot.address() == address {
            let state = slot.state().unpack();
            is_stale |= state.quality != Quality::Good;
            received = received.max(Some(state.received));
            // As the device said it, before its rule changed it.
            let value = state.value;
            let said =
                slot.property().rule.as_ref().and_then(|rule| rule.give_out(value.clone()).ok());
            leaves.push((slot.property().name.clone(), said.unwrap_or(value)));
        }
    });
    let bytes = match (shape, &leaves[..]) {
        (Shape::Whole, [(_, value)]) => value.to_octets(),
        _ => {
            let mut object = Object::default();
            leaves.iter().for_each(|(name, value)| object.put(name, value));
            object.to_json().into_bytes()
        }
    };
    let observation = Observation {
        address: address.clone(),
        about: None,
        payload: Payload { bytes: Bytes::from(bytes), content_type: None },
        received: received?,
        retained: true,
        redelivered: false,
    };
    Some((observation, is_stale))
}

/// An object of leaves whose names tell how they are nested.
#[derive(Default)]
struct Object<'a>(BTreeMap<&'a str, Member<'a>>);

enum Member<'a> {
    Leaf(&'a Value),
    Object(Object<'a>),
}

impl<'a> Object<'a> {
    fn put(&mut self, name: &'a str, value: &'a Value) {
        let nested = name.split_once('.').filter(|(outer, inner)| {
            !inner.is_empty() && !matches!(self.0.get(outer), Some(Member::Leaf(_)))
        });
        let Some((outer, inner)) = nested else {
            self.0.insert(name, Member::Leaf(value));
            return;
        };
        let member = self.0.entry(outer).or_insert_with(|| Member::Object(Self::default()));
        if let Member::Object(object) = member {
            object.put(inner, value);
        }
    }

    fn to_json(&self) -> String {
        let member = |(name, member): (&&str, &Member<'_>)| {
            let value = match member {
                Member::Leaf(value) => value.to_json(),
                Member::Object(object) => object.to_json(),
            };
            format!("{}:{value}", serde_json::Value::from(*name))
        };
        let members: Vec<String> = self.0.iter().map(member).collect();
        format!("{{{}}}", members.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_nested_as_their_names_say() {
        let value = |json: &str| Value::from_json(json).unwrap();
        let leaves = [("a", value("1.50")), ("b.c", value("\"x\"")), ("b.d", value("true"))];
        let mut object = Object::default();
        leaves.iter().for_each(|(name, value)| object.put(name, value));
        assert_eq!(object.to_json(), r#"{"a":1.50,"b":{"c":"x","d":true}}"#);
    }

    #[test]
    fn a_leaf_whose_name_begins_another_is_not_lost() {
        let value = Value::Boolean(true);
        let mut object = Object::default();
        object.put("a", &value);
        object.put("a.b", &value);
        assert_eq!(object.to_json(), r#"{"a":true,"a.b":true}"#);
    }
}
