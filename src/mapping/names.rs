//! What things are called: an address gives the name, and two addresses never share one by
//! accident.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use thingway_sdk::ThingId;

/// Longest name that an address may give, in bytes.
pub(super) const LONGEST: usize = 512;

/// The names that are taken, over all adapters. A name once given to an address stays with it for
/// as long as the gateway runs.
#[derive(Default)]
pub struct Names(Mutex<HashMap<ThingId, Owner>>);

#[derive(Clone, PartialEq, Eq)]
enum Owner {
    /// Named by a rule: every address may join.
    Rule,
    /// Named after this part of an adapter's address.
    Base(Arc<str>, Box<str>),
}

impl Names {
    /// The id of the thing that a rule names.
    pub(super) fn of_rule(&self, name: &str) -> ThingId {
        let id = ThingId::from_name(&sanitise(name, '.'));
        self.0.lock().insert(id.clone(), Owner::Rule);
        id
    }

    /// The id of the thing that an address names, numbered when another address has the name.
    pub(super) fn of_base(&self, adapter: &Arc<str>, base: &str) -> ThingId {
        let name = sanitise(base, '/');
        let owner = Owner::Base(adapter.clone(), base.into());
        let mut taken = self.0.lock();
        let mut number = 1;
        loop {
            let id = ThingId::from_name(&numbered(&name, number));
            match taken.entry(id.clone()) {
                Entry::Vacant(free) => {
                    free.insert(owner);
                    return id;
                }
                Entry::Occupied(other) if *other.get() == owner || *other.get() == Owner::Rule => {
                    return id;
                }
                Entry::Occupied(_) => number += 1,
            }
        }
    }

    /// Gives a name back: its thing could not be made.
    pub(super) fn release(&self, id: &ThingId) {
        self.0.lock().remove(id);
    }
}

/// `name`, then `name-2`, `name-3`…
pub(super) fn numbered(name: &str, number: usize) -> String {
    if number == 1 { name.to_owned() } else { format!("{name}-{number}") }
}

/// Levels joined by dots; within a level only `A-Z a-z 0-9 - _`, all else becomes `_`.
fn sanitise(address: &str, separator: char) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let level = |level: &str| match level {
        "" => "_".to_owned(),
        _ => level.chars().map(allowed).collect::<String>(),
    };
    address.split(separator).map(level).collect::<Vec<_>>().join(".")
}

/// What a scalar's topic says: the thing is the levels before the last, the property the last. A
/// topic of one level names both.
pub(super) fn split_scalar(address: &str) -> (&str, &str) {
    let (base, last) = address.rsplit_once('/').unwrap_or((address, address));
    (base, if last.is_empty() { "_" } else { last })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(names: &Names, base: &str) -> String {
        names.of_base(&"mqtt".into(), base).name().to_owned()
    }

    #[test]
    fn a_topic_names_its_thing() {
        let names = Names::default();
        assert_eq!(name(&names, "home/kitchen/lamp"), "home.kitchen.lamp");
        assert_eq!(name(&names, "/a b//ü.x"), "_.a_b._.__x");
        assert_eq!(split_scalar("home/kitchen/temperature"), ("home/kitchen", "temperature"));
        assert_eq!(split_scalar("x"), ("x", "x"));
        assert_eq!(split_scalar("x/"), ("x", "_"));
    }

    #[test]
    fn addresses_that_would_collide_are_numbered_and_stay_so() {
        let names = Names::default();
        assert_eq!(name(&names, "a b"), "a_b");
        assert_eq!(name(&names, "a_b"), "a_b-2");
        assert_eq!(name(&names, "a.b"), "a_b-3");
        assert_eq!(name(&names, "a_b"), "a_b-2");
        assert_eq!(names.of_base(&"other".into(), "a b").name(), "a_b-4");
    }

    #[test]
    fn a_name_given_by_a_rule_may_be_shared() {
        let names = Names::default();
        assert_eq!(names.of_rule("home.hall door").name(), "home.hall_door");
        assert_eq!(name(&names, "home/hall_door"), "home.hall_door");
    }
}
