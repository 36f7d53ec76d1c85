//! Things and their states in memory: the fold of the log. Reads are plain calls, never async,
//! and hand out owned values.

mod desired;
mod record;
mod thing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use parking_lot::RwLock;
use thingway_sdk::ThingId;

use crate::log::{Lane, Seq};

pub use desired::{Desired, DesiredStatus};
pub use record::StateRecord;
pub use thing::{Description, EventSource, Slot, Thing, ThingView};

/// All things, by id and in the order of their ids.
pub struct Registry {
    by_id: DashMap<ThingId, Arc<Thing>>,
    /// The same things in code point order of their ids, for paging; changes only when things
    /// come and go.
    ordered: RwLock<BTreeMap<ThingId, Arc<Thing>>>,
    properties: AtomicUsize,
    directory: Arc<Lane>,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            by_id: DashMap::new(),
            ordered: RwLock::default(),
            properties: AtomicUsize::new(0),
            directory: Lane::new(ThingId::from_name("directory")),
        }
    }
}

impl Registry {
    /// The thing with this id.
    #[must_use]
    pub fn get(&self, id: &ThingId) -> Option<Arc<Thing>> {
        self.by_id.get(id).map(|thing| thing.value().clone())
    }

    /// How many things there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are no things.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// How many properties all things have together.
    #[must_use]
    pub fn property_count(&self) -> usize {
        self.properties.load(Ordering::Relaxed)
    }

    /// A page of the things, in code point order of their ids.
    #[must_use]
    pub fn page(&self, offset: usize, limit: usize) -> Vec<Arc<Thing>> {
        self.ordered.read().values().skip(offset).take(limit).cloned().collect()
    }

    /// All things, in code point order of their ids.
    #[must_use]
    pub fn things(&self) -> Vec<Arc<Thing>> {
        self.page(0, usize::MAX)
    }

    /// The lane in which the directory's own changes stand.
    #[must_use]
    pub fn directory(&self) -> &Arc<Lane> {
        &self.directory
    }

    /// Position of the directory's newest change: its entity tag.
    #[must_use]
    pub fn generation(&self) -> Seq {
        self.directory.newest()
    }

    pub(crate) fn insert(&self, thing: Arc<Thing>) {
        self.ordered.write().insert(thing.id().clone(), thing.clone());
        self.by_id.insert(thing.id().clone(), thing);
    }

    pub(crate) fn remove(&self, thing: &Thing) {
        self.ordered.write().remove(thing.id());
        self.by_id.remove(thing.id());
        self.properties.fetch_sub(thing.property_count(), Ordering::Relaxed);
    }

    pub(crate) fn count_property(&self) {
        self.properties.fetch_add(1, Ordering::Relaxed);
    }
}
