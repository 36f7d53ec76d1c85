//! What an address means, worked out with its first message and kept.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;
use thingway_sdk::{Address, Subject};

use super::RuleConfig;
use super::convention::Concerned;
use super::reader::Shape;
use crate::registry::Thing;

/// What an address means.
pub(super) struct Route {
    address: Address,
    /// The rule that its messages are mapped by: a person's, or a convention's.
    pub(super) rule: Option<Arc<RuleConfig>>,
    /// The conventions that its messages are shown to first.
    pub(super) concerned: Concerned,
    /// What a convention said of it, by its number: kept also where a person's rule goes before.
    said: Option<Box<(u8, Says)>>,
    /// What the adapter knows of the address.
    about: Option<Arc<Subject>>,
    /// The thing that the newest payload went to: which it is depends on the payload's shape.
    thing: Option<Arc<Thing>>,
    shape: Shape,
    /// Its thing came from another meaning of the address.
    is_moved: bool,
    /// What its properties are may be another since the newest payload.
    pub(super) is_news: bool,
    /// The place of the first leaf of the newest payload there.
    pub(super) first: u32,
}

/// What a convention says of an address.
#[derive(PartialEq)]
pub(super) enum Says {
    /// Its messages are mapped by this rule.
    Rule(Arc<RuleConfig>),
    /// Each of its messages is shown to it.
    Claim,
}

impl Route {
    /// An address that no convention said anything of; `concerned` are those that its text alone
    /// concerns.
    pub(super) fn new(
        address: Address,
        rule: Option<Arc<RuleConfig>>,
        concerned: Concerned,
    ) -> Self {
        let mut route = Self {
            address,
            rule: None,
            concerned,
            said: None,
            about: None,
            thing: None,
            shape: Shape::Object,
            is_moved: false,
            is_news: false,
            first: 0,
        };
        route.decide(rule, concerned);
        route
    }

    /// A person's rule goes first; then conventions, in their order.
    fn decide(&mut self, by_person: Option<Arc<RuleConfig>>, by_address: Concerned) {
        (self.rule, self.concerned) = match (by_person, self.said.as_deref()) {
            (Some(rule), _) => (Some(rule), Concerned::default()),
            (None, None) => (None, by_address),
            (None, Some((number, Says::Rule(rule)))) => {
                (Some(rule.clone()), by_address.before(*number))
            }
            (None, Some((number, Says::Claim))) => (None, by_address.before(*number).with(*number)),
        };
    }

    fn by_person(&self) -> Option<&Arc<RuleConfig>> {
        self.rule.as_ref().filter(|rule| rule.convention.is_none())
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Where payloads of this shape go, unless that thing was removed.
    pub(super) fn living(&self, shape: Shape) -> Option<&Arc<Thing>> {
        self.thing.as_ref().filter(|thing| self.shape == shape && !thing.is_deleted())
    }

    /// Where the newest payload went, unless that thing was removed.
    pub(super) fn newest(&self) -> Option<&Arc<Thing>> {
        self.living(self.shape)
    }

    pub(super) fn lead_to(&mut self, shape: Shape, thing: Arc<Thing>) {
        (self.shape, self.thing) = (shape, Some(thing));
    }

    /// Notes what the adapter knows of the address.
    pub(super) fn learn(&mut self, about: &Arc<Subject>) {
        let known = self.about.as_ref();
        if known.is_some_and(|known| Arc::ptr_eq(known, about) || known == about) {
            return;
        }
        if known.is_some_and(|known| known.thing != about.thing) {
            self.thing = None;
        }
        self.about = Some(about.clone());
        self.is_news = true;
    }

    /// A convention says what the address means from now on, unless one that is asked earlier has
    /// said it. False when it has.
    pub(super) fn follow(&mut self, convention: u8, says: Says, by_address: Concerned) -> bool {
        let said = self.said.as_deref();
        if said.is_some_and(|(known, _)| *known < convention) {
            return false;
        }
        if said.is_some_and(|said| said.0 == convention && said.1 == says) {
            return true;
        }
        self.said = Some(Box::new((convention, says)));
        if self.by_person().is_none() {
            self.decide(None, by_address);
            self.is_news = true;
            self.is_moved = self.newest().is_some();
        }
        true
    }

    /// The address means nothing to a convention any more. The thing that it led to by that.
    pub(super) fn let_go(&mut self, convention: u8, by_address: Concerned) {
        if self.said.as_deref().is_some_and(|(known, _)| *known == convention) {
            self.said = None;
            let by_person = self.by_person().cloned();
            self.decide(by_person, by_address);
            self.is_news = true;
        }
    }

    /// A person's rules are others now, and this is the one for the address. True when what the
    /// address said last can be told again.
    pub(super) fn ruled_anew(
        &mut self,
        rule: Option<Arc<RuleConfig>>,
        by_address: Concerned,
        is_renamed: bool,
    ) -> bool {
        let is_same = match (self.by_person(), &rule) {
            (None, None) => true,
            (Some(known), Some(rule)) => known == rule,
            _ => false,
        };
        if is_same && !is_renamed {
            return false;
        }
        let reads_as_it_comes =
            |rule: &Option<Arc<RuleConfig>>| rule.as_ref().is_none_or(|it| it.reads_as_it_comes());
        let was_plain = reads_as_it_comes(&self.rule);
        self.decide(rule, by_address);
        self.is_news = true;
        self.is_moved = self.newest().is_some() && was_plain && reads_as_it_comes(&self.rule);
        self.is_moved
    }

    /// How its newest payload was shaped.
    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// What the adapter knows of the address.
    pub(super) fn about(&self) -> Option<&Arc<Subject>> {
        self.about.as_ref()
    }

    /// The thing that the address led to when it meant something else, and the shape of what it
    /// said: once.
    pub(super) fn take_moved(&mut self) -> Option<(Shape, Arc<Thing>)> {
        if !std::mem::take(&mut self.is_moved) {
            return None;
        }
        let thing = self.newest()?.clone();
        self.thing = None;
        Some((self.shape, thing))
    }

    fn is_living(&self) -> bool {
        self.newest().is_some() || self.said.is_some()
    }
}

/// The routes of the addresses of one adapter.
#[derive(Default)]
pub(super) struct Routes {
    /// Places, by the hash of the address.
    places: HashTable<u32>,
    routes: Vec<Option<Route>>,
    /// Places that may be taken anew.
    free: Vec<u32>,
    /// Places that are free, though somebody may still believe to know who is there.
    freed: Vec<u32>,
    hasher: RandomState,
    /// Attempts to keep one route too many.
    attempts: usize,
}

impl Routes {
    /// From here on nobody knows a place from before.
    pub(super) fn begin(&mut self) {
        self.free.append(&mut self.freed);
    }

    /// The place of an address: it stays its own until the next [`Routes::begin`].
    pub(super) fn place(&self, address: &Address) -> Option<u32> {
        let is_it = |place: &u32| self.at(*place).is_some_and(|route| route.address == *address);
        self.places.find(self.hasher.hash_one(address), is_it).copied()
    }

    /// Has the processor fetch a route and its thing, without waiting for them. A route of the same
    /// hash may be another's: that does no harm.
    pub(super) fn approach(&self, address: &Address) {
        self.places.find(self.hasher.hash_one(address), |place| {
            let thing = self.at(*place).and_then(|route| route.thing.as_ref());
            thing.inspect(|thing| thing.approach());
            true
        });
    }

    pub(super) fn at(&self, place: u32) -> Option<&Route> {
        self.routes.get(place as usize)?.as_ref()
    }

    pub(super) fn at_mut(&mut self, place: u32) -> Option<&mut Route> {
        self.routes.get_mut(place as usize)?.as_mut()
    }

    pub(super) fn get(&self, address: &Address) -> Option<&Route> {
        self.at(self.place(address)?)
    }

    pub(super) fn get_mut(&mut self, address: &Address) -> Option<&mut Route> {
        self.at_mut(self.place(address)?)
    }

    /// The thing that an address led to last.
    pub(super) fn thing(&self, address: &Address) -> Option<Arc<Thing>> {
        self.get(address)?.newest().cloned()
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Route> {
        self.routes.iter_mut().flatten()
    }

    /// Keeps a route, unless there are as many as properties may be: then messages of further
    /// addresses cost their way anew each time. Routes of things that are gone make room.
    pub(super) fn remember(&mut self, route: Route, most: usize) -> Option<u32> {
        if self.places.len() >= most {
            if self.attempts.is_multiple_of(most.max(1)) {
                self.forget_dead();
            }
            self.attempts += 1;
        }
        if self.places.len() >= most {
            return None;
        }
        let hash = self.hasher.hash_one(&route.address);
        let place = match self.free.pop() {
            Some(place) => place,
            None => u32::try_from(self.routes.len()).ok()?,
        };
        match self.routes.get_mut(place as usize) {
            Some(vacant) => *vacant = Some(route),
            None => self.routes.push(Some(route)),
        }
        let (routes, hasher) = (&self.routes, &self.hasher);
        let hash_of = |place: &u32| {
            let route = routes.get(*place as usize).and_then(Option::as_ref);
            route.map_or(0, |route| hasher.hash_one(&route.address))
        };
        self.places.insert_unique(hash, place, hash_of);
        Some(place)
    }

    fn forget_dead(&mut self) {
        let Self { places, routes, freed, .. } = self;
        places.retain(|place| {
            let Some(kept) = routes.get_mut(*place as usize) else { return false };
            let is_living = kept.as_ref().is_some_and(Route::is_living);
            if !is_living {
                *kept = None;
                freed.push(*place);
            }
            is_living
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(address: &str) -> Route {
        Route::new(address.into(), None, Concerned::default())
    }

    #[test]
    fn each_address_has_a_place_of_its_own() {
        let mut routes = Routes::default();
        let places: Vec<_> =
            (0..100).map(|n| routes.remember(route(&format!("a/{n}")), 1000)).collect();
        for (n, place) in places.into_iter().enumerate() {
            let address = Address::from(format!("a/{n}").as_str());
            assert_eq!(routes.place(&address), place);
            assert_eq!(routes.get(&address).unwrap().address(), &address);
        }
        assert!(routes.get(&"b".into()).is_none());
    }

    #[test]
    fn dead_routes_make_room_and_their_places_rest_until_the_next_batch() {
        let mut routes = Routes::default();
        let old = routes.remember(route("old"), 1);
        let new = routes.remember(route("new"), 1);
        assert!(old != new && new.is_some(), "{old:?} {new:?}");
        assert!(routes.get(&"old".into()).is_none());
        routes.begin();
        assert_eq!(routes.remember(route("newer"), 1), old);
    }

    #[test]
    fn a_persons_rule_goes_before_conventions_and_an_earlier_convention_before_a_later() {
        let mut route = route("a");
        let nobody = Concerned::default();
        assert!(route.follow(3, Says::Claim, nobody));
        assert!(!route.follow(4, Says::Claim, nobody));
        assert_eq!(route.concerned, nobody.with(3));
        assert!(route.follow(1, Says::Claim, nobody));
        route.ruled_anew(Some(Arc::new(RuleConfig::default())), nobody, false);
        assert!(route.rule.is_some() && route.concerned.is_nobody());
        route.ruled_anew(None, nobody, false);
        assert!(route.rule.is_none());
        assert_eq!(route.concerned, nobody.with(1), "the convention is right again");
    }

    #[test]
    fn who_is_asked_earlier_sees_what_a_later_one_claims() {
        let mut route = route("a");
        let early = Concerned::default().with(2).with(8);
        route.follow(7, Says::Claim, early);
        assert_eq!(route.concerned, Concerned::default().with(2).with(7));
    }
}
