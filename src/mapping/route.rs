//! What an address means, worked out with its first message and kept.

use std::sync::Arc;

use parking_lot::RwLock;
use smol_str::SmolStr;
use thingway_sdk::Address;

use super::names::numbered;
use super::reader::Shape;
use super::{PropertyRule, RuleConfig};
use crate::log::{Property, Source, WriteTarget};
use crate::registry::Thing;

/// What an address means.
pub(super) struct Route {
    pub(super) rule: Option<Arc<RuleConfig>>,
    object: RwLock<Option<Arc<Target>>>,
    whole: RwLock<Option<Arc<Target>>>,
}

/// The thing that an address names, and the places of its leaves there.
pub(super) struct Target {
    pub(super) thing: Arc<Thing>,
    places: RwLock<Vec<(SmolStr, usize)>>,
}

impl Route {
    pub(super) fn new(rule: Option<Arc<RuleConfig>>) -> Self {
        Self { rule, object: RwLock::default(), whole: RwLock::default() }
    }

    /// Where payloads of this shape go, unless that thing was removed.
    pub(super) fn living(&self, shape: Shape) -> Option<Arc<Target>> {
        self.target(shape).read().clone().filter(|target| !target.thing.is_deleted())
    }

    /// Whether it still leads anywhere.
    pub(super) fn is_living(&self) -> bool {
        [Shape::Object, Shape::Whole].into_iter().any(|shape| self.living(shape).is_some())
    }

    pub(super) fn lead_to(&self, shape: Shape, target: Arc<Target>) {
        *self.target(shape).write() = Some(target);
    }

    fn target(&self, shape: Shape) -> &RwLock<Option<Arc<Target>>> {
        match shape {
            Shape::Object => &self.object,
            Shape::Whole => &self.whole,
        }
    }

    /// A property that comes from this route, with what the rule says of it.
    pub(super) fn property(&self, name: SmolStr, slot: usize, source: Source) -> Property {
        let of_rule =
            self.rule.as_ref().and_then(|rule| Some((rule, rule.properties.get(name.as_str())?)));
        let write = of_rule.and_then(|(rule, property)| {
            let write = property.write.clone()?;
            let captures = rule.topic.captures(source.address.as_str())?;
            let address = Address::from(write.topic.fill(&captures).as_str());
            Some(WriteTarget { address, rule: write })
        });
        let rule = of_rule.map(|(_, property): (_, &PropertyRule)| Arc::new(property.clone()));
        Property { name, slot, source, rule, write }
    }
}

impl Target {
    pub(super) fn new(thing: Arc<Thing>) -> Arc<Self> {
        Arc::new(Self { thing, places: RwLock::default() })
    }

    /// Position in the list and place in the thing of a leaf; `guess` is looked at first.
    pub(super) fn place(&self, path: &str, guess: usize) -> Option<(usize, usize)> {
        let places = self.places.read();
        let at = match places.get(guess) {
            Some((known, _)) if known == path => guess,
            _ => places.iter().position(|(known, _)| known == path)?,
        };
        Some((at, places[at].1))
    }

    pub(super) fn learn(&self, path: &SmolStr, slot: usize) {
        self.places.write().push((path.clone(), slot));
    }

    /// The name under which a leaf becomes a property: its own, or numbered when another address
    /// has it. With it the place, when this very address made the property before.
    pub(super) fn free_name(&self, name: &str, source: &Source) -> (SmolStr, Option<usize>) {
        let mut number = 1;
        loop {
            let candidate = SmolStr::from(numbered(name, number));
            match self.thing.property(&candidate) {
                None => return (candidate, None),
                Some(property) if property.source == *source => {
                    return (candidate, Some(property.slot));
                }
                Some(_) => number += 1,
            }
        }
    }
}
