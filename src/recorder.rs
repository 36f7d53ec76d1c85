//! The only writer of the log and the registry. It decides what is news, folds it into the
//! registry, appends it and wakes who listens; so the registry always is the fold of the log, in
//! the log's own order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard, RwLockWriteGuard};
use serde_json::{Map, Value as Json};
use smol_str::{SmolStr, format_smolstr};
use thingway_sdk::model::Kinds;
use thingway_sdk::{Address, Offer, Quality, ThingId, Timestamp, Value};

use crate::limits::Limits;
use crate::log::{
    DirectoryEvent, Draft, EventLog, Fact, Occurrence, PackedState, Property, Seq, State,
};
use crate::mapping::{PayloadTemplate, RuleConfig};
use crate::registry::{Body, Description, Registry, SlotRef, Thing};

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
    /// Empty, with the room that the last turn took.
    drafts: Vec<Draft>,
}

/// Drafts that there is room for between two turns.
const DRAFTS_KEPT: usize = 4096;
/// Things that are marked as stale in one turn: messages of other adapters wait no longer.
const MARKED_IN_ONE_TURN: usize = 1000;

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
    /// How far the device itself trusts it.
    pub quality: Quality,
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

/// A state that got another quality.
pub struct Marked {
    /// Its place among the thing's properties.
    place: usize,
    /// The revision by which it got it.
    revision: Seq,
    /// The quality that it had.
    before: Quality,
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
    /// See [`Limits::properties_per_thing`].
    #[error("the thing has its limit of {0} actions; raise limits.properties_per_thing")]
    Actions(usize),
    /// See [`Limits::properties_per_thing`].
    #[error("the thing has its limit of {0} events; raise limits.properties_per_thing")]
    Events(usize),
    /// See [`Limits::name_bytes`].
    #[error("the name has more than {0} bytes; raise limits.name_bytes")]
    Name(usize),
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

    /// The registry that it writes to.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// How many changes were recorded since the start.
    #[must_use]
    pub fn recorded(&self) -> u64 {
        self.recorded.load(Ordering::Relaxed)
    }

    /// Begins to write. Everybody else waits until the result is dropped, which also hands what
    /// was written to the log and wakes the listeners: once, however much it was.
    #[must_use]
    pub fn write(&self) -> Writing<'_> {
        let mut held = self.writer.lock();
        Writing {
            recorder: self,
            drafts: std::mem::take(&mut held.drafts),
            newest: self.log.head(),
            created: None,
            redescribed: Vec::new(),
            gone: Vec::new(),
            turn: Some(held),
        }
    }

    /// The link to a silo was lost: all that came from it is stale until it comes again.
    /// Returns how many states that were. Takes many turns, so that others have theirs between.
    pub fn mark_stale(&self, adapter: &str, now: Timestamp) -> usize {
        let mut marked = 0;
        for things in self.registry.things().chunks(MARKED_IN_ONE_TURN) {
            let mut writing = self.write();
            marked += things
                .iter()
                .map(|thing| writing.mark_stale(thing, adapter, None, now).len())
                .sum::<usize>();
        }
        marked
    }
}

/// A turn at writing.
pub struct Writing<'a> {
    recorder: &'a Recorder,
    /// What happened in this turn, for the log.
    drafts: Vec<Draft>,
    /// The number that the log will give to the last of them.
    newest: Seq,
    /// The thing that came into being with the present message.
    created: Option<Arc<Thing>>,
    /// Things whose description changed and was not announced yet.
    redescribed: Vec<Arc<Thing>>,
    /// Things that were removed.
    gone: Vec<Arc<Thing>>,
    /// Some until the turn ends.
    turn: Option<MutexGuard<'a, Held>>,
}

/// A thing that is held for as long as one message is folded into it.
pub struct Fold<'w, 'a> {
    writing: &'w mut Writing<'a>,
    thing: &'w Arc<Thing>,
    body: RwLockWriteGuard<'w, Body>,
}

impl<'a> Writing<'a> {
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
            if thing.adopt(rule, &self.recorder.registry) {
                self.redescribe(&thing);
            }
            return Ok(thing);
        }
        self.refuse_more_properties()?;
        let thing = self.insert(Thing::new(id.clone(), rule.cloned(), now), now)?;
        self.created = Some(thing.clone());
        Ok(thing)
    }

    /// Holds a thing, to fold one message into it.
    pub fn fold<'w>(&'w mut self, thing: &'w Arc<Thing>) -> Fold<'w, 'a> {
        Fold { writing: self, thing, body: thing.hold() }
    }

    /// Records that an event occurred.
    ///
    /// # Errors
    /// When the thing has too many events, or the name is too long.
    pub fn occurred(
        &mut self,
        thing: &Arc<Thing>,
        name: &SmolStr,
        data: Value,
        time: Timestamp,
        received: Timestamp,
    ) -> Result<(), Refusal> {
        let limits = &self.recorder.limits;
        if name.len() > limits.name_bytes {
            return Err(Refusal::Name(limits.name_bytes));
        }
        if thing.add_event(name, Kinds::of(&data), limits.properties_per_thing)? {
            self.redescribe(thing);
        }
        let event = Occurrence { name: name.clone(), data, time };
        self.draft(thing, Fact::Event(Box::new(event)), received);
        Ok(())
    }

    /// Ends a message. Announces what it changed in descriptions: once, however many properties it
    /// brought; and not at all for a thing that came into being with it. A thing that came into
    /// being for nothing, because all of the message was refused, goes again.
    pub fn settle(&mut self, now: Timestamp) {
        match self.created.take() {
            Some(thing) if thing.is_reported() => thing.touch(self.newest, now),
            Some(thing) => drop(self.delete(&thing, now)),
            None => {}
        }
        for thing in std::mem::take(&mut self.redescribed) {
            self.directory(DirectoryEvent::Updated, &thing, now);
        }
    }

    /// Marks what came over an adapter as stale: all of it, or only what came from one address.
    /// Returns those states.
    pub fn mark_stale(
        &mut self,
        thing: &Arc<Thing>,
        adapter: &str,
        address: Option<&Address>,
        now: Timestamp,
    ) -> Vec<Marked> {
        let is_meant = |slot: &SlotRef<'_>| {
            &*slot.property().adapter == adapter
                && address.is_none_or(|address| slot.address() == address)
        };
        self.mark_those_stale(thing, is_meant, now)
    }

    /// Marks states as stale that are not yet, where they are meant; returns those.
    pub fn mark_those_stale(
        &mut self,
        thing: &Arc<Thing>,
        is_meant: impl Fn(&SlotRef<'_>) -> bool,
        now: Timestamp,
    ) -> Vec<Marked> {
        if thing.is_deleted() {
            return Vec::new();
        }
        self.fold(thing).requalify(now, |slot| {
            let is_fresh = slot.state().quality() != Quality::Stale;
            (is_fresh && is_meant(slot)).then_some(Quality::Stale)
        })
    }

    /// States that were marked as stale, and are so since, are as good as they were.
    pub fn vouch(&mut self, thing: &Arc<Thing>, marked: &[Marked], now: Timestamp) {
        if thing.is_deleted() {
            return;
        }
        self.fold(thing).requalify(now, |slot| {
            let is_it = |marked: &&Marked| {
                marked.place == slot.index() && marked.revision == slot.revision()
            };
            marked.iter().find(is_it).map(|marked| marked.before)
        });
    }

    /// Gives the thing an action, unless it has it already; `payload` is what it is invoked with,
    /// where that is not its input as it is.
    ///
    /// # Errors
    /// When it has too many.
    pub fn offer(
        &mut self,
        thing: &Arc<Thing>,
        adapter: &Arc<str>,
        offer: &Offer,
        payload: Option<PayloadTemplate>,
    ) -> Result<(), Refusal> {
        let most = self.recorder.limits.properties_per_thing;
        if thing.offer(adapter, offer, payload, most)? {
            self.redescribe(thing);
        }
        Ok(())
    }

    /// Takes the action of this address away, if there is one.
    pub fn withdraw_action(&mut self, thing: &Arc<Thing>, adapter: &str, address: &Address) {
        if thing.withdraw(adapter, address) {
            self.redescribe(thing);
        }
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
        self.gone.push(thing.clone());
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

    fn redescribe(&mut self, thing: &Arc<Thing>) {
        let same = |other: &Arc<Thing>| Arc::ptr_eq(other, thing);
        if !self.created.iter().chain(&self.redescribed).any(same) {
            self.redescribed.push(thing.clone());
        }
    }

    fn directory(&mut self, event: DirectoryEvent, thing: &Arc<Thing>, now: Timestamp) {
        let lane = self.recorder.registry.directory().clone();
        let revision = self.draft(thing, Fact::Directory(event, lane), now);
        thing.touch(revision, now);
    }

    fn draft(&mut self, thing: &Arc<Thing>, fact: Fact, recorded: Timestamp) -> Seq {
        self.newest.0 += 1;
        self.drafts.push(Draft { thing: thing.clone(), fact, recorded });
        self.newest
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let count = self.drafts.len() as u64;
        let news = self.recorder.log.append(&mut self.drafts);
        self.recorder.recorded.fetch_add(count, Ordering::Relaxed);
        self.drafts.shrink_to(DRAFTS_KEPT);
        if let Some(held) = self.turn.as_deref_mut() {
            held.drafts = std::mem::take(&mut self.drafts);
        }
        // The next one may write while the listeners of this turn are woken.
        self.turn = None;
        news.announce();
        self.gone.iter().for_each(|thing| thing.lane().announce());
    }
}

impl Fold<'_, '_> {
    /// The place of the property that this address has under this name, or, where another address
    /// has the name, under `name-2`, `name-3`…; `guess` is looked at first. Without an address it is
    /// the adapter's, wherever it came from.
    ///
    /// # Errors
    /// The name that it may have, when there is no such property yet.
    pub fn find(
        &self,
        name: &str,
        adapter: &Arc<str>,
        address: Option<&Address>,
        guess: usize,
    ) -> Result<usize, SmolStr> {
        let from_there = |slot: &SlotRef<'_>| {
            address.is_none_or(|address| slot.address() == address)
                && slot.property().adapter == *adapter
        };
        let guessed = self.body.slot(guess).filter(|slot| slot.property().name == name);
        if guessed.as_ref().is_some_and(from_there) {
            return Ok(guess);
        }
        let mut candidate = SmolStr::new(name);
        let mut number = 1;
        loop {
            match self.body.named(&candidate) {
                None => return Err(candidate),
                Some(slot) if from_there(&slot) => return Ok(slot.index()),
                Some(_) => number += 1,
            }
            candidate = format_smolstr!("{name}-{number}");
        }
    }

    /// Applies one reading to a property, if it is news.
    ///
    /// # Errors
    /// When the states take too much memory.
    pub fn observe(&mut self, index: usize, reading: Reading) -> Result<Verdict, Refusal> {
        let Some(slot) = self.body.slot(index) else { return Ok(Verdict::Repeated) };
        let held = slot.state();
        let newest_device_time = slot.newest_device_time();
        match reading.compare(held, newest_device_time) {
            Verdict::Applied => {}
            other => return Ok(other),
        }
        self.writing.hold(reading.value.heap_bytes(), held.heap_bytes())?;
        let kinds = slot.kinds();
        let widened = match kinds.admit(&reading.value) {
            true => kinds,
            false => kinds.widened(Kinds::of(&reading.value)),
        };
        let newest_device_time = newest_device_time.max(reading.newest_device_time());
        let recorded = reading.received;
        let state = PackedState::new(reading.into_state_after(held));
        if widened != kinds {
            self.body.set_kinds(index, widened);
            self.writing.redescribe(self.thing);
        }
        self.put(index, state, newest_device_time, recorded);
        Ok(Verdict::Applied)
    }

    /// One property, by its place.
    #[must_use]
    pub fn property(&self, index: usize) -> Option<&Property> {
        self.body.slot(index).map(|slot| &**slot.property())
    }

    /// A property is another one from here on: the device tells something else of it.
    pub fn describe(&mut self, index: usize, property: Arc<Property>) {
        if self.property(index).is_some_and(|known| !property.reads_like(known)) {
            self.writing.redescribe(self.thing);
        }
        let model = self.body.model().with(index, property);
        self.body.set_model(self.writing.recorder.registry.share(model));
    }

    /// Gives the thing one more property, with its first state.
    ///
    /// # Errors
    /// When the thing or the gateway has too many properties.
    pub fn add(
        &mut self,
        property: Arc<Property>,
        address: Address,
        reading: Reading,
    ) -> Result<(), Refusal> {
        let recorder = self.writing.recorder;
        if self.body.len() >= recorder.limits.properties_per_thing {
            return Err(Refusal::PropertiesOfThing(recorder.limits.properties_per_thing));
        }
        self.writing.refuse_more_properties()?;
        self.writing.hold(reading.value.heap_bytes(), 0)?;
        let kinds = Kinds::of(&reading.value);
        let newest_device_time = reading.newest_device_time();
        let recorded = reading.received;
        let state = PackedState::new(reading.into_state());
        let revision = self.draft(self.body.len(), state.clone(), recorded);
        let model = recorder.registry.share(self.body.model().with(self.body.len(), property));
        self.body.add(model, address, kinds, state, revision, newest_device_time);
        recorder.registry.count_property();
        self.writing.redescribe(self.thing);
        Ok(())
    }

    /// How many properties the thing has.
    #[must_use]
    pub fn property_count(&self) -> usize {
        self.body.len()
    }

    /// Gives states another quality, where there is one for them; returns those.
    fn requalify(
        &mut self,
        now: Timestamp,
        quality: impl Fn(&SlotRef<'_>) -> Option<Quality>,
    ) -> Vec<Marked> {
        let meant = self.body.slots().filter_map(|slot| {
            let state = slot.state().with_quality(quality(&slot)?);
            Some((slot.index(), slot.state().quality(), state, slot.newest_device_time()))
        });
        let meant: Vec<_> = meant.collect();
        let put = |(place, before, state, newest_device_time)| {
            let revision = self.put(place, state, newest_device_time, now);
            Marked { place, revision, before }
        };
        meant.into_iter().map(put).collect()
    }

    fn put(
        &mut self,
        index: usize,
        state: PackedState,
        newest_device_time: Timestamp,
        recorded: Timestamp,
    ) -> Seq {
        let revision = self.draft(index, state.clone(), recorded);
        self.body.put(index, state, revision, newest_device_time);
        revision
    }

    fn draft(&mut self, index: usize, state: PackedState, recorded: Timestamp) -> Seq {
        // There are not as many properties: see `Limits::properties_per_thing`.
        let place = u32::try_from(index).unwrap_or(u32::MAX);
        self.writing.draft(self.thing, Fact::State(place, state), recorded)
    }
}

impl Reading {
    /// What becomes of it, given the state that is held and the newest time that the device told.
    fn compare(&self, held: &PackedState, newest_device_time: Timestamp) -> Verdict {
        let repeats = || held.quality() == self.quality && held.has_value(&self.value);
        match self.device_time {
            Some(time) if time < newest_device_time => Verdict::Older,
            Some(time) if time == newest_device_time && repeats() => Verdict::Repeated,
            None if self.replayed && repeats() => Verdict::Repeated,
            _ => Verdict::Applied,
        }
    }

    fn newest_device_time(&self) -> Timestamp {
        self.device_time.unwrap_or(Timestamp::EPOCH)
    }

    fn into_state(self) -> State {
        State {
            value: self.value,
            time: self.device_time.unwrap_or(self.received),
            received: self.received,
            quality: self.quality,
            replayed: self.replayed,
        }
    }

    /// A replayed value that is still the same was not measured anew: it keeps its time.
    fn into_state_after(self, held: &PackedState) -> State {
        if self.replayed && self.device_time.is_none() && held.has_value(&self.value) {
            return State { time: held.time(), ..self.into_state() };
        }
        self.into_state()
    }
}

#[cfg(test)]
mod tests;
