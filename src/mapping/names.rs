//! What things are called: an address gives the name, and two addresses never share one by
//! accident.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use smol_str::SmolStr;
use thingway_sdk::{ThingId, codec};

use super::JoinConfig;
use crate::registry::{Namer, Registry, Thing};

/// Longest name that an address may give, in bytes.
pub(super) const LONGEST: usize = 512;

/// The names that are taken, over all adapters. A name once given to an address stays with it for
/// as long as the gateway runs.
pub struct Names {
    /// Things know themselves who named them, unless it is one of the few in `taken`.
    registry: Arc<Registry>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    joined: Joined,
    /// Who has a name that spells it badly.
    others: HashMap<ThingId, Base>,
    /// Those whose own name another had before.
    numbered: HashMap<Base, ThingId>,
    /// For how many of them a name was numbered so far.
    numbers: HashMap<String, usize>,
    adapters: Vec<Arc<str>>,
}

/// The thing that names are joined to, by their own.
type Joined = HashMap<String, ThingId>;

/// Who has a name.
#[derive(PartialEq, Eq)]
enum Owner {
    /// A rule, which every address may join; or what the name itself spells, with slashes for its
    /// dots, at one adapter.
    Namer(Namer),
    /// Any other.
    Other(Base),
}

/// A rule has given the name.
const RULE: Namer = Namer::MIN;

/// The part of an adapter's address after which a thing is named.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Base(Namer, Box<str>);

/// A name on its way to its thing: free again, unless it is kept.
pub(super) struct Name<'a> {
    names: &'a Names,
    id: ThingId,
    claim: Claim,
}

/// What is noted when a name is kept.
enum Claim {
    /// It is noted already, or a rule's.
    Nothing,
    By(Namer),
    Other(Base),
    /// It is the plain name with this number.
    Numbered(Base, String, usize),
}

impl Name<'_> {
    pub(super) fn id(&self) -> &ThingId {
        &self.id
    }

    /// The thing is there, so the name stays.
    pub(super) fn keep(self, thing: &Thing) {
        let mut taken = self.names.taken.lock();
        match self.claim {
            Claim::Nothing => {}
            Claim::By(namer) => {
                thing.set_namer(namer);
                taken.others.remove(&self.id);
            }
            Claim::Other(base) => drop(taken.others.insert(self.id, base)),
            Claim::Numbered(base, plain, number) => {
                taken.numbers.insert(plain, number);
                taken.numbered.insert(base.clone(), self.id.clone());
                taken.others.insert(self.id, base);
            }
        }
    }
}

impl Names {
    /// The names of the things of this registry.
    #[must_use]
    pub fn new(registry: Arc<Registry>) -> Self {
        Self { registry, taken: Mutex::default() }
    }

    /// From here on these names are joined: what they would name is another thing.
    pub fn join(&self, joins: &[JoinConfig]) {
        let of = |join: &JoinConfig| {
            let thing = ThingId::from_name(&sanitise(&join.thing, '.'));
            join.of.iter().map(move |name| (sanitise(name, '.'), thing.clone())).collect::<Vec<_>>()
        };
        self.taken.lock().joined = joins.iter().flat_map(of).collect();
    }

    /// The name of the thing that a rule names.
    pub(super) fn of_rule(&self, name: &str) -> Name<'_> {
        let name = sanitise(name, '.');
        let joined = self.taken.lock().joined.get(&name).cloned();
        let id = joined.unwrap_or_else(|| ThingId::from_name(&name));
        Name { names: self, id, claim: Claim::By(RULE) }
    }

    /// The name of the thing that an address names, numbered when another address has it.
    pub(super) fn of_base(&self, adapter: &Arc<str>, base: &str) -> Name<'_> {
        let mut taken = self.taken.lock();
        let name = sanitise(base, '/');
        if let Some(id) = taken.joined.get(&name).cloned() {
            return Name { names: self, id, claim: Claim::By(RULE) };
        }
        let adapter = taken.number(adapter);
        let other = Base(adapter, base.into());
        if let Some(id) = taken.numbered.get(&other) {
            return Name { names: self, id: id.clone(), claim: Claim::Nothing };
        }
        let plain = ThingId::from_name(&name);
        let claim = match name.replace('.', "/") == base {
            true => Claim::By(adapter),
            false => Claim::Other(other.clone()),
        };
        let (id, claim) = match (self.owner(&plain, &taken), &claim) {
            (None, _) => (plain, claim),
            (Some(Owner::Namer(RULE)), _) => (plain, Claim::Nothing),
            (Some(Owner::Namer(owner)), Claim::By(adapter)) if owner == *adapter => (plain, claim),
            (Some(Owner::Other(owner)), _) if owner == other => (plain, Claim::Nothing),
            (Some(_), _) => {
                let (id, number) = self.free(&name, &taken);
                (id, Claim::Numbered(other, name, number))
            }
        };
        Name { names: self, id, claim }
    }

    fn owner(&self, id: &ThingId, taken: &Taken) -> Option<Owner> {
        let other = taken.others.get(id).cloned().map(Owner::Other);
        other.or_else(|| self.registry.namer(id).map(Owner::Namer))
    }

    /// The first free one of `name-2`, `name-3`… that was not tried before: names that differ
    /// only in characters that no name can have would else be tried over and over.
    fn free(&self, name: &str, taken: &Taken) -> (ThingId, usize) {
        let mut number = taken.numbers.get(name).copied().unwrap_or(2);
        loop {
            let id = ThingId::from_name(&format!("{name}-{number}"));
            if self.owner(&id, taken).is_none() {
                return (id, number);
            }
            number += 1;
        }
    }
}

impl Taken {
    /// The number of an adapter: all above that of rules.
    fn number(&mut self, adapter: &Arc<str>) -> Namer {
        let known = self.adapters.iter().position(|known| known == adapter);
        let number = known.unwrap_or_else(|| {
            self.adapters.push(adapter.clone());
            self.adapters.len() - 1
        });
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        RULE.saturating_add(1).saturating_add(number)
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
    use thingway_sdk::Timestamp;

    fn names() -> Names {
        Names::new(Arc::default())
    }

    fn name(names: &Names, base: &str) -> String {
        kept(names.of_base(&"mqtt".into(), base))
    }

    /// The name after its thing was made.
    fn kept(name: Name<'_>) -> String {
        let registry = name.names.registry.clone();
        let id = name.id().clone();
        let thing = registry.get(&id).unwrap_or_else(|| {
            let thing = Thing::new(id.clone(), None, Timestamp::EPOCH);
            registry.insert(thing.clone());
            thing
        });
        name.keep(&thing);
        id.name().to_owned()
    }

    #[test]
    fn a_topic_names_its_thing() {
        let names = names();
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
        let names = names();
        assert_eq!(name(&names, "a b"), "a_b");
        assert_eq!(name(&names, "a_b"), "a_b-2");
        assert_eq!(name(&names, "a.b"), "a_b-3");
        assert_eq!(name(&names, "a_b"), "a_b-2");
        assert_eq!(kept(names.of_base(&"other".into(), "a b")), "a_b-4");
    }

    #[test]
    fn a_name_whose_thing_could_not_be_made_is_free_again() {
        let names = names();
        drop(names.of_base(&"mqtt".into(), "a b"));
        assert_eq!(name(&names, "a_b"), "a_b");
        drop(names.of_base(&"mqtt".into(), "a_b"));
        assert_eq!(name(&names, "a b"), "a_b-2");
    }

    #[test]
    fn names_that_are_joined_lead_to_one_thing() {
        let names = names();
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
        let names = names();
        assert_eq!(kept(names.of_rule("home.hall door")), "home.hall_door");
        assert_eq!(name(&names, "home/hall_door"), "home.hall_door");
    }

    #[test]
    fn a_name_stays_with_its_address_when_the_thing_is_gone() {
        let names = names();
        for base in ["a_b", "c d"] {
            let own = name(&names, base);
            let thing = names.registry.get(&ThingId::from_name(&own)).unwrap();
            names.registry.remove(&thing);
            assert_eq!(kept(names.of_base(&"other".into(), base)), format!("{own}-2"));
            assert_eq!(name(&names, base), own);
        }
    }

    #[test]
    fn a_rule_takes_over_a_name_that_an_address_had() {
        let names = names();
        for (base, own) in [("a_b", "a_b"), ("c d", "c_d")] {
            assert_eq!(name(&names, base), own);
            assert_eq!(kept(names.of_rule(own)), own);
            assert_eq!(kept(names.of_base(&"other".into(), base)), own);
        }
    }
}
