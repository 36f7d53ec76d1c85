//! What an address means, worked out with its first message and kept.

use std::collections::HashMap;
use std::sync::Arc;

use smol_str::SmolStr;
use thingway_sdk::{Address, Form, Subject};

use super::reader::Shape;
use super::{PropertyRule, RuleConfig};
use crate::log::{Property, Told, WriteTarget};
use crate::registry::Thing;

/// What an address means.
pub(super) struct Route {
    pub(super) rule: Option<Arc<RuleConfig>>,
    /// What the adapter knows of the address.
    about: Option<Arc<Subject>>,
    /// The thing that the newest payload went to: which it is depends on the payload's shape.
    thing: Option<Arc<Thing>>,
    shape: Shape,
    /// The place of the first leaf of the newest payload there.
    pub(super) first: u32,
}

impl Route {
    pub(super) fn new(rule: Option<Arc<RuleConfig>>) -> Self {
        Self { rule, about: None, thing: None, shape: Shape::Object, first: 0 }
    }

    /// Where payloads of this shape go, unless that thing was removed.
    pub(super) fn living(&self, shape: Shape) -> Option<&Arc<Thing>> {
        self.thing.as_ref().filter(|thing| self.shape == shape && !thing.is_deleted())
    }

    pub(super) fn lead_to(&mut self, shape: Shape, thing: Arc<Thing>) {
        (self.shape, self.thing) = (shape, Some(thing));
    }

    /// Notes what the adapter knows of the address; true when that is new.
    pub(super) fn learn(&mut self, about: &Arc<Subject>) -> bool {
        let known = self.about.as_ref();
        if known.is_some_and(|known| Arc::ptr_eq(known, about) || known == about) {
            return false;
        }
        if known.is_some_and(|known| known.thing != about.thing) {
            self.thing = None;
        }
        self.about = Some(about.clone());
        true
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

    /// The thing that an address led to last.
    pub(super) fn thing(&self, address: &Address) -> Option<Arc<Thing>> {
        let route = self.by_address.get(address)?;
        route.living(route.shape).cloned()
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
    unit: Option<SmolStr>,
    title: Option<SmolStr>,
    semantic_type: Option<SmolStr>,
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
        let likeness = Likeness {
            name: name.clone(),
            slot,
            rule: rule.map_or(0, |rule| Arc::as_ptr(rule).addr()),
            unit: told.unit.clone(),
            title: told.title.clone(),
            semantic_type: told.semantic_type.clone(),
        };
        if let Some(known) = self.known.get(&likeness).filter(|_| told.form.is_none()) {
            return known.clone();
        }
        let of_rule = rule.and_then(|rule| Some((rule, rule.properties.get(name.as_str())?)));
        let ruled = of_rule.and_then(|(rule, property)| {
            let captures = rule.topic.captures(address.as_str())?;
            Some(property.write.as_ref()?.target(&captures))
        });
        let by_form = |form: &Form| WriteTarget { form: form.clone(), template: None };
        let write = ruled.or_else(|| told.form.as_ref().map(by_form));
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
