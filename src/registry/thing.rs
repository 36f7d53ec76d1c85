use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::{RwLock, RwLockWriteGuard};
use serde_json::{Map, Value as Json};
use smol_str::SmolStr;
use thingway_sdk::model::Kinds;
use thingway_sdk::{Address, Offer, ThingId, Timestamp};

use super::action::{self, Action};
use super::body::Body;
use super::slot::{Slot, SlotRef};
use super::{Desired, DesiredStatus, Registry};
use crate::log::{Lane, Property, Seq};
use crate::mapping::{PayloadTemplate, RuleConfig};
use crate::recorder::Refusal;

/// One thing: its lane in the log and, behind a lock that is never held across an await, its
/// properties and what is said of it. In this order, because what is read together is then in
/// fewer cache lines.
#[repr(C)]
pub struct Thing {
    lane: Lane,
    deleted: AtomicBool,
    namer: AtomicU32,
    body: RwLock<Body>,
}

/// What was registered for a thing over the directory.
#[derive(Clone)]
pub struct Description {
    /// Its members.
    pub members: Arc<Map<String, Json>>,
    /// About how much memory it takes: the length of its text.
    pub bytes: usize,
}

impl Description {
    /// Measures a description.
    #[must_use]
    pub fn new(members: Map<String, Json>) -> Self {
        let length = |(name, value): (&String, &Json)| name.len() + value.to_string().len();
        let bytes = members.iter().map(length).sum();
        Self { members: Arc::new(members), bytes }
    }
}

/// Who gave a thing its name: one of those whom `mapping::Names` has numbered.
pub(crate) type Namer = NonZeroU32;

/// One event that a thing emits.
#[derive(Debug, Clone)]
pub struct EventSource {
    /// Its name.
    pub name: SmolStr,
    /// The types its data was seen with.
    pub kinds: Kinds,
}

/// A thing as it was at one moment.
pub struct ThingView {
    /// Its id.
    pub id: ThingId,
    /// Its properties, in the order in which they were first seen.
    pub slots: Vec<Slot>,
    /// Its events.
    pub events: Vec<EventSource>,
    /// Its actions.
    pub actions: Vec<Action>,
    /// What a rule says of it.
    pub rule: Option<Arc<RuleConfig>>,
    /// What was registered for it over the directory.
    pub description: Option<Arc<Map<String, Json>>>,
    /// When it was first seen.
    pub created: Timestamp,
    /// When its description last changed.
    pub modified: Timestamp,
}

impl ThingView {
    /// Whether a device reports it; otherwise it is known by its registration alone.
    #[must_use]
    pub fn is_reported(&self) -> bool {
        !self.slots.is_empty() || !self.events.is_empty() || !self.actions.is_empty()
    }
}

impl Thing {
    pub(crate) fn new(id: ThingId, rule: Option<Arc<RuleConfig>>, now: Timestamp) -> Arc<Self> {
        let body = RwLock::new(Body::new(rule, now));
        let (deleted, namer) = (AtomicBool::new(false), AtomicU32::new(0));
        Arc::new(Self { lane: Lane::new(id), deleted, namer, body })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &ThingId {
        self.lane.id()
    }

    /// Its part of the log.
    #[must_use]
    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Whether it was removed: who still holds it must look it up anew.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    /// Who gave it its name.
    pub(crate) fn namer(&self) -> Option<Namer> {
        NonZeroU32::new(self.namer.load(Ordering::Relaxed))
    }

    pub(crate) fn set_namer(&self, namer: Namer) {
        self.namer.store(namer.get(), Ordering::Relaxed);
    }

    /// Has the processor fetch what a message is folded into, without waiting for it.
    pub(crate) fn approach(&self) {
        black_box((self.is_deleted(), self.body.is_locked(), self.lane.newest()));
    }

    /// Whether it keeps this address: it is that of its first property, and will be.
    pub(crate) fn is_at(&self, address: &Address) -> bool {
        // Others may wait to write while this thread looks at the thing already.
        self.body.read_recursive().address() == Some(address)
    }

    /// The address that it keeps: see [`Thing::is_at`].
    pub(crate) fn address(&self) -> Option<Address> {
        self.body.read_recursive().address().cloned()
    }

    /// The whole thing as it is now.
    #[must_use]
    pub fn view(&self) -> ThingView {
        let body = self.body.read();
        ThingView {
            id: self.id().clone(),
            slots: body.slots().map(|slot| slot.to_slot()).collect(),
            events: body.events().to_vec(),
            actions: body.actions().to_vec(),
            rule: body.rule().cloned(),
            description: body.description().map(|description| description.members.clone()),
            created: body.created,
            modified: body.modified,
        }
    }

    /// The sequence number of the last change of its description: that one's entity tag.
    #[must_use]
    pub fn revision(&self) -> Seq {
        self.body.read().revision
    }

    /// One property with its state, by name.
    #[must_use]
    pub fn slot(&self, name: &str) -> Option<Slot> {
        self.with_slot(name, |slot| slot.to_slot())
    }

    /// Looks at one property without copying it; `look` must be short.
    pub fn with_slot<R>(&self, name: &str, look: impl FnOnce(SlotRef<'_>) -> R) -> Option<R> {
        self.body.read().named(name).map(look)
    }

    /// One property without its state, by name.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<Arc<Property>> {
        self.with_slot(name, |slot| slot.property().clone())
    }

    /// One property with its state, by its place.
    #[must_use]
    pub fn slot_at(&self, index: usize) -> Option<Slot> {
        self.body.read().slot(index).map(|slot| slot.to_slot())
    }

    /// What stays the same of the property in a place, and where its states come from.
    pub(crate) fn property_at(&self, index: usize) -> Option<(Arc<Property>, Address)> {
        let body = self.body.read();
        let slot = body.slot(index)?;
        Some((slot.property().clone(), slot.address().clone()))
    }

    /// Looks at every property without copying them; `look` must be short.
    pub fn each_slot(&self, look: impl FnMut(SlotRef<'_>)) {
        self.body.read().slots().for_each(look);
    }

    /// How many properties it has.
    #[must_use]
    pub fn property_count(&self) -> usize {
        self.body.read().len()
    }

    /// Whether a device reports it; otherwise it is known by its registration alone.
    #[must_use]
    pub fn is_reported(&self) -> bool {
        self.body.read().is_reported()
    }

    /// One event that it emits, by name.
    #[must_use]
    pub fn event(&self, name: &str) -> Option<EventSource> {
        self.body.read().events().iter().find(|event| event.name == name).cloned()
    }

    /// One action that it has, by name.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<Action> {
        self.body.read().actions().iter().find(|action| action.name == name).cloned()
    }

    /// What was registered for it over the directory.
    #[must_use]
    pub fn description(&self) -> Option<Arc<Map<String, Json>>> {
        self.body.read().description().map(|description| description.members.clone())
    }

    /// About how much memory the description takes.
    #[must_use]
    pub fn description_bytes(&self) -> usize {
        self.body.read().description().map_or(0, |description| description.bytes)
    }

    /// About how much memory its values and its description take on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let body = self.body.read();
        let values: usize = body.slots().map(|slot| slot.state().heap_bytes()).sum();
        values + body.description().map_or(0, |description| description.bytes)
    }

    /// Notes what is asked of a property; its reported state stays as it is.
    pub fn set_desired(&self, index: usize, desired: Desired) {
        self.body.write().set_desired(index, desired);
    }

    /// Notes how far what was asked got, unless something newer was asked since.
    pub fn settle_desired(&self, index: usize, command: &str, status: DesiredStatus) {
        self.body.write().settle_desired(index, command, status);
    }
}

/// The fold: only the recorder calls these, under its own lock.
impl Thing {
    /// Its properties, held for as long as one message is folded.
    pub(crate) fn hold(&self) -> RwLockWriteGuard<'_, Body> {
        self.body.write()
    }

    /// True when the event, or a type of its data, is new.
    pub(crate) fn add_event(
        &self,
        name: &SmolStr,
        kinds: Kinds,
        most: usize,
    ) -> Result<bool, Refusal> {
        let mut body = self.body.write();
        let events = &mut body.extra().events;
        let is_full = events.len() >= most;
        match events.iter_mut().find(|event| event.name == *name) {
            Some(event) => {
                let widened = event.kinds.widened(kinds);
                Ok(std::mem::replace(&mut event.kinds, widened) != widened)
            }
            None if is_full => Err(Refusal::Events(most)),
            None => {
                events.push(EventSource { name: name.clone(), kinds });
                Ok(true)
            }
        }
    }

    /// True when the action, or what is told of it, is new.
    pub(crate) fn offer(
        &self,
        adapter: &Arc<str>,
        offer: &Offer,
        payload: Option<PayloadTemplate>,
        most: usize,
    ) -> Result<bool, Refusal> {
        let mut body = self.body.write();
        action::offer(&mut body.extra().actions, adapter, offer, payload, most)
    }

    /// True when there was an action.
    pub(crate) fn withdraw(&self, adapter: &str, address: &Address) -> bool {
        let mut body = self.body.write();
        if body.actions().is_empty() {
            return false;
        }
        let actions = &mut body.extra().actions;
        let before = actions.len();
        actions.retain(|action| !action.is_at(adapter, address));
        actions.len() < before
    }

    pub(crate) fn describe(&self, description: Description) {
        self.body.write().extra().description = Some(description);
    }

    /// Takes over what a rule says of it: a thing that was registered before its device spoke has
    /// none yet, and a convention may learn more. True when its description changes by it.
    pub(crate) fn adopt(&self, rule: Option<&Arc<RuleConfig>>, registry: &Registry) -> bool {
        let Some(rule) = rule else { return false };
        let mut body = self.body.write();
        let by_person =
            |known: &Arc<RuleConfig>| known.convention.is_none() && rule.convention.is_some();
        let known = body.rule();
        if known.is_some_and(|known| by_person(known) || Arc::ptr_eq(known, rule)) {
            return false;
        }
        let is_news = known.is_some_and(|known| !known.describes_like(rule));
        let model = registry.share(body.model().with_rule(rule.clone()));
        body.set_model(model);
        is_news
    }

    pub(crate) fn touch(&self, revision: Seq, now: Timestamp) {
        let mut body = self.body.write();
        body.modified = now;
        body.revision = revision;
    }

    pub(crate) fn mark_deleted(&self) {
        self.deleted.store(true, Ordering::Release);
    }
}
