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
use crate::registry::{Registry, Slot, Thing};

/// Turns what was observed into changes.
pub struct Recorder {
    log: Arc<dyn EventLog>,
    registry: Arc<Registry>,
    limits: Limits,
    writer: Mutex<()>,
    recorded: AtomicU64,
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
}

impl Recorder {
    /// A recorder for this log and this registry, which nothing else may write to.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, registry: Arc<Registry>, limits: Limits) -> Self {
        Self { log, registry, limits, writer: Mutex::new(()), recorded: AtomicU64::new(0) }
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
            _turn: self.writer.lock(),
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
    _turn: MutexGuard<'a, ()>,
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
            return Ok(thing);
        }
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
        if self.recorder.registry.property_count() >= limits.properties {
            return Err(Refusal::Properties(limits.properties));
        }
        let property = Arc::new(property);
        let kinds = Kinds::of(&reading.value);
        let state = reading.into_state();
        let what = What::State(property.clone(), state.clone());
        let revision = self.append(thing.lane(), what, state.received);
        thing.add_slot(Slot { property, kinds, state, revision, desired: None });
        self.recorder.registry.count_property();
        self.redescribe(thing);
        Ok(())
    }

    /// Applies one reading to a property, if it is news.
    pub fn observe(&mut self, thing: &Arc<Thing>, index: usize, reading: Reading) -> Verdict {
        let Some(slot) = thing.slot_at(index) else { return Verdict::Repeated };
        match reading.compare(&slot.state) {
            Verdict::Applied => {}
            other => return other,
        }
        let kinds = Kinds::of(&reading.value);
        if !slot.kinds.admits(kinds) && thing.widen(index, kinds) {
            self.redescribe(thing);
        }
        let state = reading.into_state_after(&slot.state);
        let recorded = state.received;
        self.put(thing, slot.property, state, recorded);
        Verdict::Applied
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

    /// Announces what the last message changed in descriptions: once, however many properties it
    /// brought; and not at all for a thing that came into being with it.
    pub fn settle(&mut self, now: Timestamp) {
        self.created = None;
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
                self.put(&thing, property, state, now);
            }
        }
        marked
    }

    /// Sets what is registered for a thing.
    pub fn describe(&mut self, thing: &Arc<Thing>, description: Map<String, Json>, now: Timestamp) {
        thing.describe(description);
        self.redescribe(thing);
        self.settle(now);
    }

    /// Registers a thing that no device has reported.
    ///
    /// # Errors
    /// When there are too many things.
    pub fn register(
        &mut self,
        id: &ThingId,
        description: Map<String, Json>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let thing = Thing::new(id.clone(), None, now);
        thing.describe(description);
        self.insert(thing, now).map(drop)
    }

    /// Removes a thing. A device that reports again comes back as a new one.
    pub fn delete(&mut self, thing: &Arc<Thing>, now: Timestamp) {
        thing.mark_deleted();
        self.recorder.registry.remove(thing);
        self.directory(DirectoryEvent::Deleted, thing, now);
        // Whoever follows the thing wakes up and finds it gone.
        self.touched.push(thing.lane().clone());
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

    fn put(&mut self, thing: &Thing, property: Arc<Property>, state: State, recorded: Timestamp) {
        let index = property.slot;
        let revision = self.append(thing.lane(), What::State(property, state.clone()), recorded);
        thing.fold(index, state, revision);
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
        for lane in &self.touched {
            lane.announce();
        }
        self.recorder.log.announce();
    }
}

impl Reading {
    /// What becomes of it, given the state that is held.
    fn compare(&self, held: &State) -> Verdict {
        let repeats = held.quality == Quality::Good && held.value == self.value;
        match self.device_time {
            Some(time) if held.device_time && time < held.time => Verdict::Older,
            Some(time) if held.device_time && time == held.time && repeats => Verdict::Repeated,
            None if self.replayed && repeats => Verdict::Repeated,
            _ => Verdict::Applied,
        }
    }

    fn into_state(self) -> State {
        State {
            value: self.value,
            time: self.device_time.unwrap_or(self.received),
            device_time: self.device_time.is_some(),
            received: self.received,
            quality: Quality::Good,
        }
    }

    /// A replayed value that is still the same was not measured anew: it keeps its time.
    fn into_state_after(self, held: &State) -> State {
        if self.replayed && self.device_time.is_none() && self.value == held.value {
            return State { received: self.received, quality: Quality::Good, ..held.clone() };
        }
        self.into_state()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: i64 = 1_767_607_323_000_000;

    fn held(json: &str, device_time: Option<i64>, quality: Quality) -> State {
        let received = Timestamp::from_micros(T0);
        State {
            value: Value::from_json(json).unwrap(),
            time: device_time.map_or(received, Timestamp::from_micros),
            device_time: device_time.is_some(),
            received,
            quality,
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
        let held = held("1", Some(T0), Quality::Good);
        assert_eq!(reading("2", Some(T0 - 1), false).compare(&held), Verdict::Older);
        assert_eq!(reading("2", Some(T0), false).compare(&held), Verdict::Applied);
        assert_eq!(reading("1", Some(T0), false).compare(&held), Verdict::Repeated);
    }

    #[test]
    fn a_time_of_receipt_is_no_device_time_to_compare_with() {
        let held = held("1", None, Quality::Good);
        assert_eq!(reading("1", Some(T0 - 9), false).compare(&held), Verdict::Applied);
    }

    #[test]
    fn the_same_value_again_is_news_unless_it_is_a_replay() {
        let held = held("1", None, Quality::Good);
        assert_eq!(reading("1", None, false).compare(&held), Verdict::Applied);
        assert_eq!(reading("1", None, true).compare(&held), Verdict::Repeated);
        assert_eq!(reading("2", None, true).compare(&held), Verdict::Applied);
    }

    #[test]
    fn a_replay_makes_a_stale_value_good_again_and_leaves_its_time() {
        let held = held("1", None, Quality::Stale);
        let reading = reading("1", None, true);
        assert_eq!(reading.compare(&held), Verdict::Applied);
        let state = reading.into_state_after(&held);
        assert_eq!((state.quality, state.time), (Quality::Good, held.time));
        assert!(state.received > held.received);
    }
}
