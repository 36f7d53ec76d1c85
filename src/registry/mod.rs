//! Things and their states in memory: the fold of the log. Reads are plain calls, never async,
//! and hand out owned values.

mod action;
mod body;
mod desired;
mod model;
mod record;
mod slot;
mod thing;

use std::borrow::Borrow;
use std::cmp;
use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashSet;
use parking_lot::{Mutex, RwLock};
use thingway_sdk::ThingId;

use crate::log::{Lane, Seq};

pub use action::Action;
pub(crate) use body::Body;
pub use desired::{Desired, DesiredStatus};
pub(crate) use model::Model;
use model::Models;
pub use record::StateRecord;
pub use slot::{Slot, SlotRef};
pub(crate) use thing::Namer;
pub use thing::{Description, EventSource, Thing, ThingView};

/// All things, by id and in the order of their ids.
pub struct Registry {
    by_id: DashSet<ById>,
    /// The same things in code point order of their ids, for paging; changes only when things
    /// come and go.
    ordered: RwLock<BTreeSet<ById>>,
    /// Who named the things that are gone: their names stay with them.
    departed: Mutex<HashMap<ThingId, Namer>>,
    properties: AtomicUsize,
    models: Mutex<Models>,
    directory: Arc<Lane>,
}

/// A thing that stands for its id, so that no collection keeps the id beside it.
#[derive(Clone)]
struct ById(Arc<Thing>);

/// For lookups by hash: the order is another.
impl Borrow<str> for ById {
    fn borrow(&self) -> &str {
        self.0.id().as_short()
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id().as_short().hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }
}

impl Eq for ById {}

impl PartialOrd for ById {
    fn partial_cmp(&self, other: &Self) -> Option<cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ById {
    fn cmp(&self, other: &Self) -> cmp::Ordering {
        self.0.id().cmp(other.0.id())
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            by_id: DashSet::new(),
            ordered: RwLock::default(),
            departed: Mutex::default(),
            properties: AtomicUsize::new(0),
            models: Mutex::default(),
            directory: Arc::new(Lane::new(ThingId::from_name("directory"))),
        }
    }
}

impl Registry {
    /// The thing with this id.
    #[must_use]
    pub fn get(&self, id: &ThingId) -> Option<Arc<Thing>> {
        self.find(id.as_short())
    }

    /// The thing with this id, as [`ThingId::shorten`] writes it.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Arc<Thing>> {
        self.by_id.get(id).map(|thing| thing.0.clone())
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
        let ordered = self.ordered.read();
        ordered.iter().skip(offset).take(limit).map(|thing| thing.0.clone()).collect()
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

    /// Who named the thing that has or had this id.
    pub(crate) fn namer(&self, id: &ThingId) -> Option<Namer> {
        let living = self.by_id.get(id.as_short()).and_then(|thing| thing.0.namer());
        living.or_else(|| self.departed.lock().get(id).copied())
    }

    pub(crate) fn insert(&self, thing: Arc<Thing>) {
        self.ordered.write().insert(ById(thing.clone()));
        self.by_id.insert(ById(thing));
    }

    pub(crate) fn remove(&self, thing: &Thing) {
        if let Some(known) = self.by_id.remove(thing.id().as_short()) {
            self.ordered.write().remove(&known);
        }
        if let Some(namer) = thing.namer() {
            self.departed.lock().insert(thing.id().clone(), namer);
        }
        self.properties.fetch_sub(thing.property_count(), Ordering::Relaxed);
    }

    /// The model that all things share which are alike.
    pub(crate) fn share(&self, model: Model) -> Arc<Model> {
        self.models.lock().share(model)
    }

    pub(crate) fn count_property(&self) {
        self.properties.fetch_add(1, Ordering::Relaxed);
    }
}
