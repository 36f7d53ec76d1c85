//! Things that are out of reach, as their conventions tell it.

use std::collections::HashMap;

use thingway_sdk::{Observation, ThingId, Timestamp};

use super::mapper::Outcome;
use crate::recorder::{Marked, Writing};
use crate::registry::SlotRef;

/// The things that are out of reach, with the states that are stale because of it.
#[derive(Default)]
pub(super) struct Reach(HashMap<ThingId, Vec<Marked>>);

impl Reach {
    /// A thing is out of reach: its states from this adapter are stale. At most so many things are
    /// remembered.
    pub(super) fn lose(
        &mut self,
        id: &ThingId,
        adapter: &str,
        most: usize,
        now: Timestamp,
        writing: &mut Writing<'_>,
    ) {
        if !self.0.contains_key(id) && self.0.len() >= most {
            return;
        }
        let lost = self.0.entry(id.clone()).or_default();
        if let Some(thing) = writing.find(id) {
            lost.extend(writing.mark_stale(&thing, adapter, None, now));
        }
    }

    /// A thing is within reach again: what became stale because it was not is as good as it was,
    /// unless something else was heard of it since. Its time tells how old it is.
    pub(super) fn regain(&mut self, id: &ThingId, now: Timestamp, writing: &mut Writing<'_>) {
        let lost = self.0.remove(id).unwrap_or_default();
        if let Some(thing) = writing.find(id) {
            writing.vouch(&thing, &lost, now);
        }
    }

    /// A thing is no more.
    pub(super) fn forget(&mut self, id: &ThingId) {
        self.0.remove(id);
    }

    /// What the silo kept of a thing that is out of reach is stale, too.
    pub(super) fn check(
        &mut self,
        outcome: &Outcome,
        observation: &Observation,
        writing: &mut Writing<'_>,
    ) {
        if self.0.is_empty() || !observation.is_replayed() {
            return;
        }
        let Outcome::Applied(applied) = outcome else { return };
        let Some(thing) = &applied.thing else { return };
        if let Some(lost) = self.0.get_mut(thing.id()) {
            let is_meant = |slot: &SlotRef<'_>| applied.has(slot.index());
            lost.extend(writing.mark_those_stale(thing, is_meant, observation.received));
        }
    }
}
