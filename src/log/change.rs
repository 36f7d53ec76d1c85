use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use smol_str::SmolStr;
use thingway_sdk::{Address, Form, Operation, Quality, ThingId, Timestamp, Value};

use super::Lane;
use crate::mapping::{PropertyRule, WriteRule};

/// A position in the log: opaque to the outside, except that later is greater. Numbers go on
/// rising over a restart, because they start from the clock, and stay below 2^53 so that
/// JavaScript reads them exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize)]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is known of a property at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// As the device sent it.
    pub value: Value,
    /// When it was so: the device's own time, else the time of receipt.
    pub time: Timestamp,
    /// When the gateway received it.
    pub received: Timestamp,
    /// How far it may be trusted.
    pub quality: Quality,
    /// Whether the silo said it again, rather than the device anew.
    pub replayed: bool,
}

/// One property of one thing: what stays the same while its states change.
#[derive(Debug)]
pub struct Property {
    /// Its name in the thing.
    pub name: SmolStr,
    /// Its place among the thing's properties.
    pub slot: usize,
    /// Where its states come from.
    pub source: Source,
    /// What a rule says of it.
    pub rule: Option<Arc<PropertyRule>>,
    /// How it is written, when it can be.
    pub write: Option<WriteTarget>,
}

/// Where states come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    /// Name of the adapter.
    pub adapter: Arc<str>,
    /// Where in its silo.
    pub address: Address,
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut source = serializer.serialize_struct("Source", 2)?;
        source.serialize_field("adapter", &*self.adapter)?;
        source.serialize_field("address", self.address.as_str())?;
        source.end()
    }
}

impl Property {
    /// Its unit, as a SenML symbol, where a rule names one.
    #[must_use]
    pub fn unit(&self) -> Option<&str> {
        self.rule.as_ref()?.unit.as_deref()
    }
}

/// Where a property's commands go.
#[derive(Debug)]
pub struct WriteTarget {
    /// The command address, its placeholders filled.
    pub address: Address,
    /// The rest of what the rule says.
    pub rule: WriteRule,
}

impl WriteTarget {
    /// The form that an adapter carries a write over.
    #[must_use]
    pub fn form(&self) -> Form {
        let terms = [
            ("mqv:qos".into(), self.rule.qos.to_term()),
            ("mqv:retain".into(), Value::Boolean(self.rule.retain)),
        ];
        Form {
            address: self.address.clone(),
            operation: Operation::WriteProperty,
            terms: terms.into(),
        }
    }
}

/// What happened to the directory (WoT Discovery, section 7.3.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryEvent {
    /// A thing was seen or registered for the first time.
    Created,
    /// Its description changed.
    Updated,
    /// It is gone.
    Deleted,
}

impl DirectoryEvent {
    /// The event's name in streams and paths.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "thing_created",
            Self::Updated => "thing_updated",
            Self::Deleted => "thing_deleted",
        }
    }
}

/// What happened.
#[derive(Debug, Clone)]
pub enum What {
    /// A property has a new state.
    State(Arc<Property>, State),
    /// An event occurred: its name, its data and when.
    Event(SmolStr, Value, Timestamp),
    /// The directory changed for this thing.
    Directory(DirectoryEvent, ThingId),
}

/// A change before it has its sequence number.
#[derive(Debug)]
pub struct Draft {
    /// Whom it belongs to.
    pub lane: Arc<Lane>,
    /// What happened.
    pub what: What,
    /// When the gateway recorded it.
    pub recorded: Timestamp,
}

/// One thing that happened, with its place in the order.
#[derive(Debug)]
pub struct Change {
    /// Its place.
    pub seq: Seq,
    /// The place of the change before it in the same lane.
    pub(super) earlier: Seq,
    /// Whom it belongs to.
    pub lane: Arc<Lane>,
    /// What happened.
    pub what: What,
    /// When the gateway recorded it.
    pub recorded: Timestamp,
    frame: OnceLock<Bytes>,
    record: OnceLock<Bytes>,
    /// The bytes of all frames and records that the log holds.
    cached: Arc<AtomicUsize>,
}

/// Larger frames and records are made anew for each reader: few are, and a log full of them would
/// take more memory than the changes themselves.
const LARGEST_CACHED: usize = 4096;

impl Change {
    pub(super) fn new(seq: Seq, earlier: Seq, draft: Draft, cached: Arc<AtomicUsize>) -> Self {
        let Draft { lane, what, recorded } = draft;
        let (frame, record) = (OnceLock::new(), OnceLock::new());
        Self { seq, earlier, lane, what, recorded, frame, record, cached }
    }

    /// The thing it is about.
    #[must_use]
    pub fn thing(&self) -> &ThingId {
        match &self.what {
            What::Directory(_, thing) => thing,
            _ => self.lane.id(),
        }
    }

    /// The change as the frame of a thing's stream; made by the first reader, shared by all.
    pub fn frame(&self, make: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.keep(&self.frame, make)
    }

    /// The change as a record; made by the first reader, shared by all.
    pub fn record(&self, make: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.keep(&self.record, make)
    }

    fn keep(&self, place: &OnceLock<Bytes>, make: impl FnOnce(&Self) -> Bytes) -> Bytes {
        if let Some(kept) = place.get() {
            return kept.clone();
        }
        let made = make(self);
        if made.len() <= LARGEST_CACHED && place.set(made.clone()).is_ok() {
            self.cached.fetch_add(made.len(), Ordering::Relaxed);
        }
        made
    }

    /// About how much memory it takes, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        /// The `Arc`'s two counters and the ring's pointer to it.
        const AROUND: usize = 3 * size_of::<usize>();
        let held = match &self.what {
            What::State(_, state) => state.value.heap_bytes(),
            What::Event(name, data, _) => name.len() + data.heap_bytes(),
            What::Directory(..) => 0,
        };
        size_of::<Self>() + AROUND + held
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        let kept = [&self.frame, &self.record].into_iter().filter_map(OnceLock::get);
        self.cached.fetch_sub(kept.map(Bytes::len).sum(), Ordering::Relaxed);
    }
}
