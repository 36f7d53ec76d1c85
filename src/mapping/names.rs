//! What things are called: an address gives the name, and two addresses never share one by
//! accident.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use smol_str::SmolStr;
use thingway_sdk::{ThingId, codec};

use super::JoinConfig;

/// Longest name that an address may give, in bytes.
pub(super) const LONGEST: usize = 512;

/// The names that are taken, over all adapters. A name once given to an address stays with it for
/// as long as the gateway runs.
#[derive(Default)]
pub struct Names(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    joined: Joined,
    owners: HashMap<ThingId, Owner>,
    /// Those whose own name another had before.
    numbered: HashMap<Base, ThingId>,
    /// For how many of them a name was numbered so far.
    numbers: HashMap<String, usize>,
    adapters: Vec<Arc<str>>,
}

/// The thing that names are joined to, by their own.
type Joined = HashMap<String, ThingId>;

/// Who has a name. There is one for each thing that ever was, so it is small.
#[derive(Clone, PartialEq, Eq)]
enum Owner {
    /// Named by a rule: every address may join.
    Rule,
    /// What the name itself spells, with slashes for its dots.
    Spelled(AdapterNumber),
    /// Any other.
    Other(Box<Base>),
}

type AdapterNumber = u32;

/// The part of an adapter's address after which a thing is named.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Base(AdapterNumber, Box<str>);

/// A name on its way to its thing: given back, if it was given anew and is not kept.
pub(super) struct Name<'a> {
    names: &'a Names,
    id: ThingId,
    given_anew: bool,
}

impl Name<'_> {
    pub(super) fn id(&self) -> &ThingId {
        &self.id
    }

    /// The thing is there, so the name stays.
    pub(super) fn keep(mut self) {
        self.given_anew = false;
    }
}

impl Drop for Name<'_> {
    fn drop(&mut self) {
        if self.given_anew {
            let mut taken = self.names.0.lock();
            if let Some(Owner::Other(base)) = taken.owners.remove(&self.id) {
                taken.numbered.remove(&base);
            }
        }
    }
}

impl Names {
    /// From here on these names are joined: what they would name is another thing.
    pub fn join(&self, joins: &[JoinConfig]) {
        let of = |join: &JoinConfig| {
            let thing = ThingId::from_name(&sanitise(&join.thing, '.'));
            join.of.iter().map(move |name| (sanitise(name, '.'), thing.clone())).collect::<Vec<_>>()
        };
        self.0.lock().joined = joins.iter().flat_map(of).collect();
    }

    /// The name of the thing that a rule names.
    pub(super) fn of_rule(&self, name: &str) -> Name<'_> {
        let name = sanitise(name, '.');
        let mut taken = self.0.lock();
        let id = taken.joined.get(&name).cloned().unwrap_or_else(|| ThingId::from_name(&name));
        let before = taken.owners.insert(id.clone(), Owner::Rule);
        Name { names: self, id, given_anew: before.is_none() }
    }

    /// The name of the thing that an address names, numbered when another address has it.
    pub(super) fn of_base(&self, adapter: &Arc<str>, base: &str) -> Name<'_> {
        let (id, given_anew) = self.0.lock().of_base(adapter, base);
        Name { names: self, id, given_anew }
    }
}

impl Taken {
    /// The name, and whether it was given just now.
    fn of_base(&mut self, adapter: &Arc<str>, base: &str) -> (ThingId, bool) {
        let name = sanitise(base, '/');
        if let Some(id) = self.joined.get(&name).cloned() {
            let before = self.owners.insert(id.clone(), Owner::Rule);
            return (id, before.is_none());
        }
        let adapter = self.number(adapter);
        let other = Base(adapter, base.into());
        let owner = match name.replace('.', "/") == base {
            true => Owner::Spelled(adapter),
            false => Owner::Other(Box::new(other.clone())),
        };
        if let Some(id) = self.numbered.get(&other) {
            return (id.clone(), false);
        }
        let plain = ThingId::from_name(&name);
        match self.owners.get(&plain) {
            None => {
                self.owners.insert(plain.clone(), owner);
                (plain, true)
            }
            Some(known) if *known == Owner::Rule || *known == owner => (plain, false),
            Some(_) => {
                let id = self.free(&name);
                self.owners.insert(id.clone(), Owner::Other(Box::new(other.clone())));
                self.numbered.insert(other, id.clone());
                (id, true)
            }
        }
    }

    fn number(&mut self, adapter: &Arc<str>) -> AdapterNumber {
        let known = self.adapters.iter().position(|known| known == adapter);
        let number = known.unwrap_or_else(|| {
            self.adapters.push(adapter.clone());
            self.adapters.len() - 1
        });
        AdapterNumber::try_from(number).unwrap_or(AdapterNumber::MAX)
    }

    /// The first free one of `name-2`, `name-3`… that was not tried before: names that differ
    /// only in characters that no name can have would else be tried over and over.
    fn free(&mut self, name: &str) -> ThingId {
        let mut number = self.numbers.get(name).copied().unwrap_or(2);
        let id = loop {
            let id = ThingId::from_name(&format!("{name}-{number}"));
            if !self.owners.contains_key(&id) {
                break id;
            }
            number += 1;
        };
        self.numbers.insert(name.to_owned(), number);
        id
    }
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

/// The part of a scalar's address that names its thing: the levels before the last. An address of
/// one level names both the thing and the property.
pub(super) fn base_of(address: &str) -> &str {
    address.rsplit_once('/').map_or(address, |(base, _)| base)
}

/// The property that a scalar's address names: its last level.
pub(super) fn property_of(address: &str) -> SmolStr {
    let last = address.rsplit_once('/').map_or(address, |(_, last)| last);
    codec::property_name(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(names: &Names, base: &str) -> String {
        kept(names.of_base(&"mqtt".into(), base))
    }

    fn kept(name: Name<'_>) -> String {
        let id = name.id().clone();
        name.keep();
        id.name().to_owned()
    }

    #[test]
    fn a_topic_names_its_thing() {
        let names = Names::default();
        assert_eq!(name(&names, "home/kitchen/lamp"), "home.kitchen.lamp");
        assert_eq!(name(&names, "/a b//ü.x"), "_.a_b._.__x");
        let scalar = |address| (base_of(address), property_of(address).to_string());
        assert_eq!(scalar("home/kitchen/temp"), ("home/kitchen", "temp".to_owned()));
        assert_eq!(scalar("x"), ("x", "x".to_owned()));
        assert_eq!(scalar("x/"), ("x", "_".to_owned()));
        assert_eq!(scalar("x/a\nid: 9"), ("x", "a_id: 9".to_owned()));
    }

    #[test]
    fn addresses_that_would_collide_are_numbered_and_stay_so() {
        let names = Names::default();
        assert_eq!(name(&names, "a b"), "a_b");
        assert_eq!(name(&names, "a_b"), "a_b-2");
        assert_eq!(name(&names, "a.b"), "a_b-3");
        assert_eq!(name(&names, "a_b"), "a_b-2");
        assert_eq!(kept(names.of_base(&"other".into(), "a b")), "a_b-4");
    }

    #[test]
    fn a_name_whose_thing_could_not_be_made_is_free_again() {
        let names = Names::default();
        drop(names.of_base(&"mqtt".into(), "a b"));
        assert_eq!(name(&names, "a_b"), "a_b");
        drop(names.of_base(&"mqtt".into(), "a_b"));
        assert_eq!(name(&names, "a b"), "a_b-2");
    }

    #[test]
    fn names_that_are_joined_lead_to_one_thing() {
        let names = Names::default();
        let of = vec!["zigbee.0x01".to_owned(), "home.lamp".to_owned()];
        names.join(&[JoinConfig { thing: "kitchen.lamp".to_owned(), of }]);
        assert_eq!(name(&names, "zigbee/0x01"), "kitchen.lamp");
        assert_eq!(kept(names.of_base(&"other".into(), "home/lamp")), "kitchen.lamp");
        assert_eq!(kept(names.of_rule("home.lamp")), "kitchen.lamp");
        assert_eq!(name(&names, "kitchen/lamp"), "kitchen.lamp");
        names.join(&[]);
        assert_eq!(name(&names, "home/lamp"), "home.lamp");
    }

    #[test]
    fn a_name_given_by_a_rule_may_be_shared() {
        let names = Names::default();
        assert_eq!(kept(names.of_rule("home.hall door")), "home.hall_door");
        assert_eq!(name(&names, "home/hall_door"), "home.hall_door");
    }
}
