//! The only writer of the log and the registry. It decides what is news, appends it, folds it and
//! wakes who listens; so the registry always is the fold of the log, in the log's own order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use serde_json::{Map, Value as Json};
use smol_str::SmolStr;
use thingway_sdk::model::Kinds;
use thingway_sdk::{Quality, ThingId, Timestamp, Value};

use crate::limits::Limits;
use crate::log::{DirectoryEvent, Draft, EventLog, Lane, Property, Seq, State, What};
use crate::mapping::RuleConfig;
use crate::registry::{Description, Registry, Slot, Thing};

/// Turns what was observed into changes.
pub struct Recorder {
    log: Arc<dyn EventLog>,
    registry: Arc<Registry>,
    limits: Limits,
    writer: Mutex<Held>,
    recorded: AtomicU64,
}

/// What only the writer keeps.
#[derive(Default)]
struct Held {
    /// Bytes on the heap of all states and descriptions: see [`Limits::state_bytes`].
    bytes: usize,
}

/// One value of one property, as it arrived.
pub struct Reading {
    /// What arrived.
    pub value: Value,
    /// The device's own time, if the message told one.
    pub device_time: Option<Timestamp>,
    /// When the gateway received it.
    pub received: Timestamp,
    /// Whether it tells of the present rather than of something that happened just now: kept by
    /// the silo for newcomers, or sent once more.
    pub replayed: bool,
}

/// What became of one reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the property's new state.
    Applied,
    /// It says what was known already.
    Repeated,
    /// The state held has a newer device time.
    Older,
}

/// Why something new was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// See [`Limits::things`].
    #[error(
        "the gateway holds its limit of {0} things; raise limits.things or narrow the topic filters"
    )]
    Things(usize),
    /// See [`Limits::properties_per_thing`].
    #[error("the thing has its limit of {0} properties; raise limits.properties_per_thing")]
    PropertiesOfThing(usize),
    /// See [`Limits::properties`].
    #[error("the gateway holds its limit of {0} properties; raise limits.properties")]
    Properties(usize),
    /// See [`Limits::state_bytes`].
    #[error("the states take their limit of {0} bytes; raise limits.state_bytes or send less")]
    StateBytes(usize),
}

impl Recorder {
    /// A recorder for this log and this registry, which nothing else may write to.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, registry: Arc<Registry>, limits: Limits) -> Self {
        Self { log, registry, limits, writer: Mutex::default(), recorded: AtomicU64::new(0) }
    }

    /// How many changes were recorded since the start.
    #[must_use]
    pub fn recorded(&self) -> u64 {
        self.recorded.load(Ordering::Relaxed)
    }

    /// Begins to write. Everybody else waits until the result is dropped, which also wakes the
    /// listeners: once, however much was written.
    #[must_use]
    pub fn write(&self) -> Writing<'_> {
        Writing {
            recorder: self,
            touched: Vec::new(),
            created: None,
            redescribed: Vec::new(),
            turn: Some(self.writer.lock()),
        }
    }
}

/// A turn at writing.
pub struct Writing<'a> {
    recorder: &'a Recorder,
    /// Lanes to announce; a lane may stand here more than once.
    touched: Vec<Arc<Lane>>,
    /// The thing that came into being with the present message.
    created: Option<Arc<Thing>>,
    /// Things whose description changed and was not announced yet.
    redescribed: Vec<Arc<Thing>>,
    /// Some until the turn ends.
    turn: Option<MutexGuard<'a, Held>>,
}

impl Writing<'_> {
    /// Makes a thing, or finds the one that has the id already.
    ///
    /// # Errors
    /// When there are too many things.
    pub fn thing(
        &mut self,
        id: &ThingId,
        rule: Option<&Arc<RuleConfig>>,
        now: Timestamp,
    ) -> Result<Arc<Thing>, Refusal> {
        if let Some(thing) = self.recorder.registry.get(id) {
            thing.adopt(rule);
            return Ok(thing);
        }
        self.refuse_more_properties()?;
        let thing = self.insert(Thing::new(id.clone(), rule.cloned(), now), now)?;
        self.created = Some(thing.clone());
        Ok(thing)
    }

    /// Gives a thing one more property, with its first state.
    ///
    /// # Errors
    /// When the thing or the gateway has too many properties.
    pub fn add_property(
        &mut self,
        thing: &Arc<Thing>,
        property: Property,
        reading: Reading,
    ) -> Result<(), Refusal> {
        let limits = &self.recorder.limits;
        if thing.property_count() >= limits.properties_per_thing {
            return Err(Refusal::PropertiesOfThing(limits.properties_per_thing));
        }
        self.refuse_more_properties()?;
        self.hold(reading.value.heap_bytes(), 0)?;
        let property = Arc::new(property);
        let kinds = Kinds::of(&reading.value);
        let newest_device_time = reading.device_time;
        let state = reading.into_state();
        let what = What::State(property.clone(), state.clone());
        let revision = self.append(thing.lane(), what, state.received);
        thing.add_slot(Slot {
            property,
            kinds,
            state,
            revision,
            newest_device_time,
            desired: None,
        });
        self.recorder.registry.count_property();
        self.redescribe(thing);
        Ok(())
    }

    /// Applies one reading to a property, if it is news.
    ///
    /// # Errors
    /// When the states take too much memory.
    pub fn observe(
        &mut self,
        thing: &Arc<Thing>,
        index: usize,
        reading: Reading,
    ) -> Result<Verdict, Refusal> {
        let Some(slot) = thing.slot_at(index) else { return Ok(Verdict::Repeated) };
        match reading.compare(&slot) {
            Verdict::Applied => {}
            other => return Ok(other),
        }
        self.hold(reading.value.heap_bytes(), slot.state.value.heap_bytes())?;
        let kinds = Kinds::of(&reading.value);
        if !slot.kinds.admits(kinds) && thing.widen(index, kinds) {
            self.redescribe(thing);
        }
        let device_time = reading.device_time;
        let state = reading.into_state_after(&slot.state);
        let recorded = state.received;
        self.put(thing, slot.property, state, device_time, recorded);
        Ok(Verdict::Applied)
    }

    /// Records that an event occurred.
    pub fn occurred(
        &mut self,
        thing: &Arc<Thing>,
        name: &SmolStr,
        data: Value,
        time: Timestamp,
        received: Timestamp,
    ) {
        if thing.add_event(name, Kinds::of(&data)) {
            self.redescribe(thing);
        }
        self.append(thing.lane(), What::Event(name.clone(), data, time), received);
    }

    /// Ends a message. Announces what it changed in descriptions: once, however many properties it
    /// brought; and not at all for a thing that came into being with it. A thing that came into
    /// being for nothing, because all of the message was refused, goes again.
    pub fn settle(&mut self, now: Timestamp) {
        match self.created.take() {
            Some(thing) if thing.is_reported() => thing.touch(thing.lane().newest(), now),
            Some(thing) => drop(self.delete(&thing, now)),
            None => {}
        }
        for thing in std::mem::take(&mut self.redescribed) {
            self.directory(DirectoryEvent::Updated, &thing, now);
        }
    }

    /// The link to a silo was lost: all that came from it is stale until it comes again.
    /// Returns how many states that were.
    pub fn mark_stale(&mut self, adapter: &str, now: Timestamp) -> usize {
        let mut marked = 0;
        for thing in self.recorder.registry.things() {
            let mut fresh = Vec::new();
            thing.each_slot(|slot| {
                let from_there = &*slot.property.source.adapter == adapter;
                if from_there && slot.state.quality != Quality::Stale {
                    fresh.push((slot.property.clone(), slot.state.clone()));
                }
            });
            marked += fresh.len();
            for (property, state) in fresh {
                let state = State { quality: Quality::Stale, ..state };
                self.put(&thing, property, state, None, now);
            }
        }
        marked
    }

    /// The thing with this id, as it is in this turn.
    #[must_use]
    pub fn find(&self, id: &ThingId) -> Option<Arc<Thing>> {
        self.recorder.registry.get(id)
    }

    /// Sets what is registered for a thing, which is one that [`Writing::find`] found.
    ///
    /// # Errors
    /// When descriptions take too much memory.
    pub fn describe(
        &mut self,
        thing: &Arc<Thing>,
        description: Map<String, Json>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let description = Description::new(description);
        self.hold(description.bytes, thing.description_bytes())?;
        thing.describe(description);
        self.redescribe(thing);
        self.settle(now);
        Ok(())
    }

    /// Registers a thing that no device has reported, under an id that [`Writing::find`] did not
    /// find.
    ///
    /// # Errors
    /// When there are too many things, or descriptions take too much memory.
    pub fn register(
        &mut self,
        id: &ThingId,
        description: Map<String, Json>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let description = Description::new(description);
        self.hold(description.bytes, 0)?;
        let bytes = description.bytes;
        let thing = Thing::new(id.clone(), None, now);
        thing.describe(description);
        let inserted = self.insert(thing, now);
        if inserted.is_err() {
            self.let_go(bytes);
        }
        inserted.map(drop)
    }

    /// Removes a thing; false when that was done before. A device that reports again comes back as
    /// a new one.
    pub fn delete(&mut self, thing: &Arc<Thing>, now: Timestamp) -> bool {
        if thing.is_deleted() {
            return false;
        }
        thing.mark_deleted();
        self.recorder.registry.remove(thing);
        self.let_go(thing.heap_bytes());
        self.directory(DirectoryEvent::Deleted, thing, now);
        // Whoever follows the thing wakes up and finds it gone.
        self.touched.push(thing.lane().clone());
        true
    }

    fn refuse_more_properties(&self) -> Result<(), Refusal> {
        let most = self.recorder.limits.properties;
        let room = self.recorder.registry.property_count() < most;
        if room { Ok(()) } else { Err(Refusal::Properties(most)) }
    }

    /// Accounts for `more` bytes that take the place of `fewer`.
    fn hold(&mut self, more: usize, fewer: usize) -> Result<(), Refusal> {
        let most = self.recorder.limits.state_bytes;
        let Some(held) = self.turn.as_deref_mut() else { return Ok(()) };
        let bytes = held.bytes.saturating_sub(fewer) + more;
        if more > fewer && bytes > most {
            return Err(Refusal::StateBytes(most));
        }
        held.bytes = bytes;
        Ok(())
    }

    fn let_go(&mut self, bytes: usize) {
        if let Some(held) = self.turn.as_deref_mut() {
            held.bytes = held.bytes.saturating_sub(bytes);
        }
    }

    fn insert(&mut self, thing: Arc<Thing>, now: Timestamp) -> Result<Arc<Thing>, Refusal> {
        let most = self.recorder.limits.things;
        if self.recorder.registry.len() >= most {
            return Err(Refusal::Things(most));
        }
        self.recorder.registry.insert(thing.clone());
        self.directory(DirectoryEvent::Created, &thing, now);
        Ok(thing)
    }

    fn put(
        &mut self,
        thing: &Thing,
        property: Arc<Property>,
        state: State,
        device_time: Option<Timestamp>,
        recorded: Timestamp,
    ) {
        let index = property.slot;
        let revision = self.append(thing.lane(), What::State(property, state.clone()), recorded);
        thing.fold(index, state, device_time, revision);
    }

    fn redescribe(&mut self, thing: &Arc<Thing>) {
        let same = |other: &Arc<Thing>| Arc::ptr_eq(other, thing);
        if !self.created.iter().chain(&self.redescribed).any(same) {
            self.redescribed.push(thing.clone());
        }
    }

    fn directory(&mut self, event: DirectoryEvent, thing: &Thing, now: Timestamp) {
        let lane = self.recorder.registry.directory().clone();
        let revision = self.append(&lane, What::Directory(event, thing.id().clone()), now);
        thing.touch(revision, now);
    }

    fn append(&mut self, lane: &Arc<Lane>, what: What, recorded: Timestamp) -> Seq {
        if !self.touched.last().is_some_and(|last| Arc::ptr_eq(last, lane)) {
            self.touched.push(lane.clone());
        }
        self.recorder.recorded.fetch_add(1, Ordering::Relaxed);
        self.recorder.log.append(Draft { lane: lane.clone(), what, recorded })
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if self.touched.is_empty() {
            return;
        }
        self.recorder.log.publish();
        // The next one may write while the listeners of this turn are woken.
        self.turn = None;
        self.touched.sort_unstable_by_key(Arc::as_ptr);
        self.touched.dedup_by_key(|lane| Arc::as_ptr(lane));
        self.touched.iter().for_each(|lane| lane.announce());
        self.recorder.log.announce();
    }
}

impl Reading {
    /// What becomes of it, given the state that is held.
    fn compare(&self, slot: &Slot) -> Verdict {
        let held = &slot.state;
        let repeats = held.quality == Quality::Good && held.value == self.value;
        match self.device_time {
            Some(time) if Some(time) < slot.newest_device_time => Verdict::Older,
            Some(time) if Some(time) == slot.newest_device_time && repeats => Verdict::Repeated,
            None if self.replayed && repeats => Verdict::Repeated,
            _ => Verdict::Applied,
        }
    }

    fn into_state(self) -> State {
        State {
            value: self.value,
            time: self.device_time.unwrap_or(self.received),
            received: self.received,
            quality: Quality::Good,
            replayed: self.replayed,
        }
    }

    /// A replayed value that is still the same was not measured anew: it keeps its time.
    fn into_state_after(self, held: &State) -> State {
        if self.replayed && self.device_time.is_none() && self.value == held.value {
            return State { time: held.time, ..self.into_state() };
        }
        self.into_state()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Source;
    use thingway_sdk::Address;

    const T0: i64 = 1_767_607_323_000_000;

    fn slot(json: &str, device_time: Option<i64>, quality: Quality) -> Slot {
        let received = Timestamp::from_micros(T0);
        let newest_device_time = device_time.map(Timestamp::from_micros);
        let value = Value::from_json(json).unwrap();
        let source = Source { adapter: "mqtt".into(), address: Address::from("a/b") };
        Slot {
            property: Arc::new(Property {
                name: "b".into(),
                slot: 0,
                source,
                rule: None,
                write: None,
            }),
            kinds: Kinds::of(&value),
            state: State {
                value,
                time: newest_device_time.unwrap_or(received),
                received,
                quality,
                replayed: false,
            },
            revision: Seq(1),
            newest_device_time,
            desired: None,
        }
    }

    fn reading(json: &str, device_time: Option<i64>, replayed: bool) -> Reading {
        Reading {
            value: Value::from_json(json).unwrap(),
            device_time: device_time.map(Timestamp::from_micros),
            received: Timestamp::from_micros(T0 + 5_000_000),
            replayed,
        }
    }

    #[test]
    fn an_older_device_time_never_overwrites_a_newer() {
        let held = slot("1", Some(T0), Quality::Good);
        assert_eq!(reading("2", Some(T0 - 1), false).compare(&held), Verdict::Older);
        assert_eq!(reading("2", Some(T0), false).compare(&held), Verdict::Applied);
        assert_eq!(reading("1", Some(T0), false).compare(&held), Verdict::Repeated);
    }

    #[test]
    fn a_time_of_receipt_is_no_device_time_to_compare_with() {
        let held = slot("1", None, Quality::Good);
        assert_eq!(reading("1", Some(T0 - 9), false).compare(&held), Verdict::Applied);
    }

    #[test]
    fn the_same_value_again_is_news_unless_it_is_a_replay() {
        let held = slot("1", None, Quality::Good);
        assert_eq!(reading("1", None, false).compare(&held), Verdict::Applied);
        assert_eq!(reading("1", None, true).compare(&held), Verdict::Repeated);
        assert_eq!(reading("2", None, true).compare(&held), Verdict::Applied);
    }

    #[test]
    fn a_replay_makes_a_stale_value_good_again_and_leaves_its_time() {
        let held = slot("1", None, Quality::Stale);
        let reading = reading("1", None, true);
        assert_eq!(reading.compare(&held), Verdict::Applied);
        let state = reading.into_state_after(&held.state);
        assert_eq!((state.quality, state.time), (Quality::Good, held.state.time));
        assert!(state.received > held.state.received);
    }

    fn recorder(limits: Limits) -> (Arc<Recorder>, Arc<Registry>) {
        use crate::log::{LogConfig, MemoryLog};
        let registry = Arc::new(Registry::default());
        let log = Arc::new(MemoryLog::new(LogConfig::default()));
        (Arc::new(Recorder::new(log, registry.clone(), limits)), registry)
    }

    fn property(json: &str) -> (Property, Reading) {
        let Slot { property, .. } = slot(json, None, Quality::Good);
        (Arc::into_inner(property).unwrap(), reading(json, None, false))
    }

    #[test]
    fn deleting_twice_counts_once() {
        let (recorder, registry) = recorder(Limits::default());
        let now = Timestamp::from_micros(T0);
        let mut writing = recorder.write();
        let thing = writing.thing(&ThingId::from_name("a"), None, now).unwrap();
        let (one, first) = property("1");
        writing.add_property(&thing, one, first).unwrap();
        writing.settle(now);
        assert!(writing.delete(&thing, now));
        let again = writing.thing(&ThingId::from_name("a"), None, now).unwrap();
        let (one, first) = property("1");
        writing.add_property(&again, one, first).unwrap();
        writing.settle(now);
        assert!(!writing.delete(&thing, now));
        drop(writing);
        assert_eq!((registry.len(), registry.property_count()), (1, 1));
        assert!(Arc::ptr_eq(&registry.get(again.id()).unwrap(), &again));
    }

    #[test]
    fn a_thing_that_came_into_being_for_nothing_goes_again() {
        let (recorder, registry) = recorder(Limits { state_bytes: 100, ..Limits::default() });
        let now = Timestamp::from_micros(T0);
        let mut writing = recorder.write();
        let thing = writing.thing(&ThingId::from_name("a"), None, now).unwrap();
        let (large, first) = property(&format!("\"{}\"", "x".repeat(101)));
        let refused = writing.add_property(&thing, large, first);
        assert_eq!(refused, Err(Refusal::StateBytes(100)));
        writing.settle(now);
        drop(writing);
        assert!(registry.is_empty());
    }

    #[test]
    fn memory_that_is_let_go_can_be_held_again() {
        let (recorder, _) = recorder(Limits { state_bytes: 100, ..Limits::default() });
        let now = Timestamp::from_micros(T0);
        for _ in 0..3 {
            let mut writing = recorder.write();
            let thing = writing.thing(&ThingId::from_name("a"), None, now).unwrap();
            let (large, first) = property(&format!("\"{}\"", "x".repeat(90)));
            writing.add_property(&thing, large, first).unwrap();
            writing.observe(&thing, 0, reading("1", None, false)).unwrap();
            let text = format!("\"{}\"", "y".repeat(99));
            writing.observe(&thing, 0, reading(&text, None, false)).unwrap();
            writing.settle(now);
            assert!(writing.delete(&thing, now));
        }
    }
}
