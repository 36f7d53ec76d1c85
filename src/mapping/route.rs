//! What an address means, worked out with its first message and kept.

use std::collections::HashMap;
use std::sync::Arc;

use smol_str::SmolStr;
use thingway_sdk::Address;

use super::reader::Shape;
use super::{PropertyRule, RuleConfig};
use crate::log::{Property, Told, WriteTarget};
use crate::registry::Thing;

/// What an address means.
pub(super) struct Route {
    pub(super) rule: Option<Arc<RuleConfig>>,
    /// The thing that the newest payload went to: which it is depends on the payload's shape.
    thing: Option<Arc<Thing>>,
    shape: Shape,
    /// The place of the first leaf of the newest payload there.
    pub(super) first: u32,
}

impl Route {
    pub(super) fn new(rule: Option<Arc<RuleConfig>>) -> Self {
        Self { rule, thing: None, shape: Shape::Object, first: 0 }
    }

    /// Where payloads of this shape go, unless that thing was removed.
    pub(super) fn living(&self, shape: Shape) -> Option<&Arc<Thing>> {
        self.thing.as_ref().filter(|thing| self.shape == shape && !thing.is_deleted())
    }

    pub(super) fn lead_to(&mut self, shape: Shape, thing: Arc<Thing>) {
        (self.shape, self.thing) = (shape, Some(thing));
    }

    fn is_living(&self) -> bool {
        self.living(self.shape).is_some()
    }
}

/// The routes of the addresses of one adapter.
#[derive(Default)]
pub(super) struct Routes {
    by_address: HashMap<Address, Route>,
    /// Attempts to keep one route too many.
    attempts: usize,
}

impl Routes {
    pub(super) fn get_mut(&mut self, address: &Address) -> Option<&mut Route> {
        self.by_address.get_mut(address)
    }

    /// Keeps a route, unless there are as many as properties may be: then messages of further
    /// addresses cost their way anew each time. Routes of things that are gone make room.
    pub(super) fn remember(&mut self, address: &Address, route: Route, most: usize) {
        if self.by_address.len() >= most {
            if self.attempts.is_multiple_of(most) {
                self.by_address.retain(|_, route| route.is_living());
            }
            self.attempts += 1;
        }
        if self.by_address.len() < most {
            self.by_address.insert(address.clone(), route);
        }
    }
}

/// The properties of one adapter's things. Devices of one kind have the same ones, which are kept
/// once for all of them.
#[derive(Default)]
pub(super) struct Properties {
    known: HashMap<Likeness, Arc<Property>>,
    /// How many may be known before those that no thing has any more are let go.
    room: usize,
}

/// Properties of which this is the same are the same.
#[derive(PartialEq, Eq, Hash)]
struct Likeness {
    name: SmolStr,
    slot: usize,
    /// Where the rule is in memory, in which it stays for as long as its adapter runs.
    rule: usize,
    told: Told,
}

impl Properties {
    /// A property with what the rule of its address says of it.
    pub(super) fn describe(
        &mut self,
        name: SmolStr,
        slot: usize,
        adapter: &Arc<str>,
        address: &Address,
        rule: Option<&Arc<RuleConfig>>,
        told: Told,
    ) -> Arc<Property> {
        let rule_address = rule.map_or(0, |rule| Arc::as_ptr(rule).addr());
        let likeness = Likeness { name, slot, rule: rule_address, told };
        if let Some(known) = self.known.get(&likeness) {
            return known.clone();
        }
        let (name, told) = (likeness.name.clone(), likeness.told.clone());
        let of_rule = rule.and_then(|rule| Some((rule, rule.properties.get(name.as_str())?)));
        let write = of_rule.and_then(|(rule, property)| {
            let write = property.write.clone()?;
            let captures = rule.topic.captures(address.as_str())?;
            let address = Address::from(write.topic.fill(&captures).as_str());
            Some(WriteTarget { address, rule: write })
        });
        let is_shared = write.is_none();
        let rule = of_rule.map(|(_, property): (_, &PropertyRule)| Arc::new(property.clone()));
        let adapter = adapter.clone();
        let property = Arc::new(Property { name, slot, adapter, rule, told, write });
        // Where it is written differs from address to address.
        if is_shared {
            self.keep(likeness, property.clone());
        }
        property
    }

    fn keep(&mut self, likeness: Likeness, property: Arc<Property>) {
        if self.known.len() >= self.room {
            self.known.retain(|_, known| Arc::strong_count(known) > 1);
            self.room = (2 * self.known.len()).max(64);
        }
        self.known.insert(likeness, property);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(properties: &mut Properties, name: &str, slot: usize) -> Arc<Property> {
        properties.describe(
            name.into(),
            slot,
            &"mqtt".into(),
            &Address::from("a"),
            None,
            Told::default(),
        )
    }

    #[test]
    fn things_that_are_alike_share_their_properties() {
        let mut properties = Properties::default();
        let one = describe(&mut properties, "temp", 0);
        assert!(Arc::ptr_eq(&one, &describe(&mut properties, "temp", 0)));
        assert!(!Arc::ptr_eq(&one, &describe(&mut properties, "temp", 1)));
    }

    #[test]
    fn what_no_thing_has_any_more_makes_room() {
        let mut properties = Properties::default();
        let held = describe(&mut properties, "held", 0);
        for slot in 0..1000 {
            describe(&mut properties, "passing", slot);
        }
        assert!(properties.known.len() <= 64);
        assert!(Arc::ptr_eq(&held, &describe(&mut properties, "held", 0)));
    }
}
