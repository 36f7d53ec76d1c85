//! What an address means, worked out with its first message and kept.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;
use smallvec::SmallVec;
use thingway_sdk::{Address, Subject};

use super::RuleConfig;
use super::convention::Concerned;
use super::reader::Shape;
use crate::registry::Thing;

/// What an address means. There may be millions of them, so each byte counts.
pub(super) struct Route {
    /// The thing that the newest payload went to: which it is depends on the payload's shape.
    thing: Option<Arc<Thing>>,
    /// None where its thing keeps the address and nothing else is known of it.
    rare: Option<Box<Rare>>,
    /// The place of the first leaf of the newest payload there.
    pub(super) first: u32,
    /// The conventions that its messages are shown to first.
    pub(super) concerned: Concerned,
    shape: Shape,
    /// What its properties are may be another since the newest payload.
    pub(super) is_news: bool,
}

/// What only some addresses have.
#[derive(PartialEq)]
struct Rare {
    address: Address,
    /// The rule that its messages are mapped by: a person's, or a convention's.
    rule: Option<Arc<RuleConfig>>,
    /// What a convention said of it, by its number: kept also where a person's rule goes before.
    said: Option<Box<(u8, Says)>>,
    /// What the adapter knows of the address.
    about: Option<Arc<Subject>>,
    /// Its thing came from another meaning of the address.
    is_moved: bool,
}

/// What a convention says of an address.
#[derive(PartialEq)]
pub(super) enum Says {
    /// Its messages are mapped by this rule.
    Rule(Arc<RuleConfig>),
    /// Each of its messages is shown to it.
    Claim,
}

impl Rare {
    fn new(address: Address) -> Self {
        Self { address, rule: None, said: None, about: None, is_moved: false }
    }
}

impl Route {
    /// An address that no convention said anything of; `concerned` are those that its text alone
    /// concerns.
    pub(super) fn new(
        address: Address,
        rule: Option<Arc<RuleConfig>>,
        concerned: Concerned,
    ) -> Self {
        let rare = Some(Box::new(Rare::new(address)));
        let shape = Shape::Object;
        let mut route = Self { thing: None, rare, first: 0, concerned, shape, is_news: false };
        route.decide(rule, concerned);
        route
    }

    /// A person's rule goes first; then conventions, in their order.
    fn decide(&mut self, by_person: Option<Arc<RuleConfig>>, by_address: Concerned) {
        let (rule, concerned) = match (by_person, self.said()) {
            (Some(rule), _) => (Some(rule), Concerned::default()),
            (None, None) => (None, by_address),
            (None, Some((number, Says::Rule(rule)))) => {
                (Some(rule.clone()), by_address.before(*number))
            }
            (None, Some((number, Says::Claim))) => (None, by_address.before(*number).with(*number)),
        };
        self.rare().rule = rule;
        self.concerned = concerned;
    }

    pub(super) fn address(&self) -> Address {
        match &self.rare {
            Some(rare) => rare.address.clone(),
            None => self.address_of_thing(),
        }
    }

    fn address_of_thing(&self) -> Address {
        let kept = self.thing.as_ref().and_then(|thing| thing.address());
        kept.unwrap_or_else(|| Address::from(""))
    }

    fn is_at(&self, address: &Address) -> bool {
        match &self.rare {
            Some(rare) => rare.address == *address,
            None => self.thing.as_ref().is_some_and(|thing| thing.is_at(address)),
        }
    }

    fn rare(&mut self) -> &mut Rare {
        let kept = self.rare.take().unwrap_or_else(|| Box::new(Rare::new(self.address_of_thing())));
        self.rare.insert(kept)
    }

    /// Leaves the address to its thing, where that keeps it and there is nothing else to know.
    fn slim(&mut self) {
        let Some(thing) = &self.thing else { return };
        self.rare.take_if(|rare| {
            thing.is_at(&rare.address) && **rare == Rare::new(rare.address.clone())
        });
    }

    /// The rule that its messages are mapped by: a person's, or a convention's.
    pub(super) fn rule(&self) -> Option<&Arc<RuleConfig>> {
        self.rare.as_ref()?.rule.as_ref()
    }

    fn said(&self) -> Option<&(u8, Says)> {
        self.rare.as_ref()?.said.as_deref()
    }

    fn by_person(&self) -> Option<&Arc<RuleConfig>> {
        self.rule().filter(|rule| rule.convention.is_none())
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
        self.shape = shape;
        self.set_thing(Some(thing));
    }

    /// The thing before may have kept the address.
    fn set_thing(&mut self, thing: Option<Arc<Thing>>) {
        self.rare();
        self.thing = thing;
    }

    /// Notes what the adapter knows of the address.
    pub(super) fn learn(&mut self, about: &Arc<Subject>) {
        let known = self.about();
        if known.is_some_and(|known| Arc::ptr_eq(known, about) || known == about) {
            return;
        }
        if known.is_some_and(|known| known.thing != about.thing) {
            self.set_thing(None);
        }
        self.rare().about = Some(about.clone());
        self.is_news = true;
    }

    /// A convention says what the address means from now on, unless one that is asked earlier has
    /// said it. False when it has.
    pub(super) fn follow(&mut self, convention: u8, says: Says, by_address: Concerned) -> bool {
        let said = self.said();
        if said.is_some_and(|(known, _)| *known < convention) {
            return false;
        }
        if said.is_some_and(|said| said.0 == convention && said.1 == says) {
            return true;
        }
        self.rare().said = Some(Box::new((convention, says)));
        if self.by_person().is_none() {
            self.decide(None, by_address);
            self.is_news = true;
            self.rare().is_moved = self.newest().is_some();
        }
        true
    }

    /// The address means nothing to a convention any more. The thing that it led to by that.
    pub(super) fn let_go(&mut self, convention: u8, by_address: Concerned) {
        if self.said().is_some_and(|(known, _)| *known == convention) {
            self.rare().said = None;
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
        let was_plain = self.reads_as_it_comes();
        self.decide(rule, by_address);
        self.is_news = true;
        let is_moved = self.newest().is_some() && was_plain && self.reads_as_it_comes();
        self.rare().is_moved = is_moved;
        is_moved
    }

    fn reads_as_it_comes(&self) -> bool {
        self.rule().is_none_or(|rule| rule.reads_as_it_comes())
    }

    /// How its newest payload was shaped.
    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// What the adapter knows of the address.
    pub(super) fn about(&self) -> Option<&Arc<Subject>> {
        self.rare.as_ref()?.about.as_ref()
    }

    /// The thing that the address led to when it meant something else, and the shape of what it
    /// said: once.
    pub(super) fn take_moved(&mut self) -> Option<(Shape, Arc<Thing>)> {
        if !std::mem::take(&mut self.rare.as_mut()?.is_moved) {
            return None;
        }
        let thing = self.newest()?.clone();
        self.set_thing(None);
        Some((self.shape, thing))
    }

    fn is_living(&self) -> bool {
        self.newest().is_some() || self.said().is_some()
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
        let is_it = |place: &u32| self.at(*place).is_some_and(|route| route.is_at(address));
        self.places.find(self.hasher.hash_one(address), is_it).copied()
    }

    /// Has the processor fetch the routes of these addresses and their things. Each step needs what
    /// the one before it brought, so each is taken for many addresses before the next: they wait for
    /// memory together. A place of the same hash may be another's: that does no harm.
    pub(super) fn approach<'a>(&self, mut addresses: impl Iterator<Item = &'a Address>) {
        const TOGETHER: usize = 32;
        let hash = |address| self.hasher.hash_one(address);
        loop {
            let some = addresses.by_ref().take(TOGETHER);
            let places: SmallVec<[Option<&u32>; TOGETHER]> =
                some.map(|address| self.places.find(hash(address), |_| true)).collect();
            if places.is_empty() {
                return;
            }
            let routes = places.iter().filter_map(|place| self.at(*(*place)?));
            let things: SmallVec<[&Arc<Thing>; TOGETHER]> =
                routes.filter_map(|route| route.thing.as_ref()).collect();
            things.iter().for_each(|thing| thing.approach());
        }
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
    pub(super) fn remember(&mut self, mut route: Route, most: usize) -> Option<u32> {
        if self.places.len() >= most {
            if self.attempts.is_multiple_of(most.max(1)) {
                self.forget_dead();
            }
            self.attempts += 1;
        }
        if self.places.len() >= most {
            return None;
        }
        route.slim();
        let hash = self.hasher.hash_one(route.address());
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
            route.map_or(0, |route| hasher.hash_one(route.address()))
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
    use crate::log::{PackedState, Property, Seq, State, Told};
    use crate::registry::Model;
    use thingway_sdk::model::Kinds;
    use thingway_sdk::{Quality, ThingId, Timestamp, Value};

    fn route(address: &str) -> Route {
        Route::new(address.into(), None, Concerned::default())
    }

    /// A thing whose first property comes from this address.
    fn thing_at(address: &str) -> Arc<Thing> {
        let (now, told) = (Timestamp::EPOCH, Told::default());
        let thing = Thing::new(ThingId::from_name(address), None, now);
        let (name, adapter) = ("a".into(), "mqtt".into());
        let property = Property { name, slot: 0, adapter, rule: None, told, write: None };
        let model = Arc::new(Model::default().with(0, Arc::new(property)));
        let (value, quality) = (Value::Null, Quality::Good);
        let state = State { value, time: now, received: now, quality, replayed: false };
        let state = PackedState::new(state);
        thing.hold().add(model, address.into(), Kinds::NULL, state, Seq(1), now);
        thing
    }

    #[test]
    fn each_address_has_a_place_of_its_own() {
        let mut routes = Routes::default();
        let places: Vec<_> =
            (0..100).map(|n| routes.remember(route(&format!("a/{n}")), 1000)).collect();
        for (n, place) in places.into_iter().enumerate() {
            let address = Address::from(format!("a/{n}").as_str());
            assert_eq!(routes.place(&address), place);
            assert_eq!(routes.get(&address).unwrap().address(), address);
        }
        assert!(routes.get(&"b".into()).is_none());
    }

    #[test]
    fn an_address_that_its_thing_keeps_is_not_kept_twice() {
        assert!(size_of::<Option<Route>>() <= 24, "{}", size_of::<Option<Route>>());
        let mut routes = Routes::default();
        let address = Address::from("a");
        let mut plain = route("a");
        plain.lead_to(Shape::Object, thing_at("a"));
        let place = routes.remember(plain, 1000).unwrap();
        assert!(routes.at(place).unwrap().rare.is_none());
        // So many that the table grows.
        for n in 0..100 {
            routes.remember(route(&format!("a/{n}")), 1000);
        }
        assert_eq!(routes.place(&address), Some(place));
        routes.at_mut(place).unwrap().lead_to(Shape::Object, thing_at("b"));
        assert_eq!(routes.place(&address), Some(place), "another thing keeps another address");
        assert_eq!(routes.place(&"b".into()), None);
        assert_eq!(routes.at(place).unwrap().address(), address);
    }

    #[test]
    fn an_address_that_means_more_than_a_thing_is_kept() {
        let mut routes = Routes::default();
        let mut ruled = route("a");
        ruled.lead_to(Shape::Object, thing_at("a"));
        ruled.ruled_anew(Some(Arc::new(RuleConfig::default())), Concerned::default(), false);
        let place = routes.remember(ruled, 1000);
        assert!(routes.get(&"a".into()).unwrap().rule().is_some());
        let mut shared = route("a/b");
        shared.lead_to(Shape::Object, thing_at("a"));
        let other = routes.remember(shared, 1000);
        assert_eq!((routes.place(&"a".into()), routes.place(&"a/b".into())), (place, other));
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
        assert!(route.rule().is_some() && route.concerned.is_nobody());
        route.ruled_anew(None, nobody, false);
        assert!(route.rule().is_none());
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
