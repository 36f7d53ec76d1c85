use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use smol_str::SmolStr;
use thingway_sdk::codec;
use thingway_sdk::{Address, Form, Payload, Quality, ThingId, Timestamp, Value};

use super::{Lane, PackedState};
use crate::mapping::{PayloadTemplate, PropertyRule};
use crate::registry::Thing;

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

/// One property: what stays the same while its states change. Things that are alike share it.
#[derive(Debug)]
pub struct Property {
    /// Its name in the thing.
    pub name: SmolStr,
    /// Its place among the thing's properties.
    pub slot: usize,
    /// Name of the adapter that its states come from.
    pub adapter: Arc<str>,
    /// What a rule says of it.
    pub rule: Option<Arc<PropertyRule>>,
    /// What the device tells of it.
    pub told: Told,
    /// How it is written, when it can be.
    pub write: Option<WriteTarget>,
}

/// What a device or its protocol tells of a property, beside its values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// Its unit, as a SenML symbol.
    pub unit: Option<SmolStr>,
    /// Human-readable title.
    pub title: Option<SmolStr>,
    /// Semantic type, as TD `@type`.
    pub semantic_type: Option<SmolStr>,
    /// How it is written, when it can be.
    pub form: Option<Form>,
}

impl Property {
    /// Its unit, as a SenML symbol: the one that a rule names, else the one that the device tells.
    #[must_use]
    pub fn unit(&self) -> Option<&str> {
        let ruled = self.rule.as_ref().and_then(|rule| rule.unit.as_deref());
        ruled.or(self.told.unit.as_deref())
    }

    /// The unit in payloads, where a rule says that it is another one than the unit shown.
    fn unit_sent(&self) -> Option<&str> {
        let ruled = self.rule.as_ref().and_then(|rule| rule.unit_in_payload.as_deref());
        ruled.or(self.unit())
    }

    /// Its title: the one that a rule gives, else the one that the device tells.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        let ruled = self.rule.as_ref().and_then(|rule| rule.title.as_deref());
        ruled.or(self.told.title.as_deref())
    }

    /// Its semantic types: those that a rule names, else those that the device tells.
    #[must_use]
    pub fn semantic_type(&self) -> Option<&str> {
        let ruled = self.rule.as_ref().and_then(|rule| rule.semantic_type.as_deref());
        ruled.or(self.told.semantic_type.as_deref())
    }

    /// Whether its description says the same as the other's.
    #[must_use]
    pub fn reads_like(&self, other: &Self) -> bool {
        self.unit() == other.unit()
            && self.title() == other.title()
            && self.semantic_type() == other.semantic_type()
            && self.write.is_some() == other.write.is_some()
            && self.rule == other.rule
    }
}

/// How a property is written.
#[derive(Debug)]
pub struct WriteTarget {
    /// What an adapter carries the command over.
    pub form: Form,
    /// What a rule makes of the value; without it the value is encoded as the form says.
    pub template: Option<PayloadTemplate>,
}

impl WriteTarget {
    /// The payload that says this value of the property.
    ///
    /// # Errors
    /// When the rule or the form's media type can't say it.
    pub fn payload(&self, value: &Value, property: &Property) -> Result<Payload, String> {
        let sent = match &property.rule {
            Some(rule) => rule.give_out(value.clone())?,
            None => value.clone(),
        };
        let content_type = self.form.content_type.clone();
        let bytes = match &self.template {
            Some(template) => template.fill(&sent)?,
            None => {
                let unit = property.unit_sent();
                codec::encode(&sent, content_type.as_deref(), &property.name, unit)
                    .map_err(|error| error.to_string())?
            }
        };
        Ok(Payload { bytes: bytes.into(), content_type })
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

/// A change before it has its place in the order.
pub struct Draft {
    /// The thing that it is about.
    pub thing: Arc<Thing>,
    /// What happened, in few bytes.
    pub fact: Fact,
    /// When the gateway recorded it.
    pub recorded: Timestamp,
}

/// What happened, as the log keeps it: [`What`] is made of it for who reads it.
pub enum Fact {
    /// The property in this place has a new state.
    State(u32, PackedState),
    /// An event occurred.
    Event(Box<Occurrence>),
    /// The directory, whose lane this is, changed for the thing.
    Directory(DirectoryEvent, Arc<Lane>),
}

/// One occurrence of an event.
pub struct Occurrence {
    /// The event's name.
    pub name: SmolStr,
    /// What it says.
    pub data: Value,
    /// When it was.
    pub time: Timestamp,
}

impl Draft {
    /// The lane that it belongs to.
    #[must_use]
    pub fn lane(&self) -> &Lane {
        match &self.fact {
            Fact::Directory(_, lane) => lane,
            _ => self.thing.lane(),
        }
    }

    /// About how many bytes it holds on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match &self.fact {
            Fact::State(_, state) => state.heap_bytes(),
            Fact::Event(event) => {
                size_of::<Occurrence>() + event.name.len() + event.data.heap_bytes()
            }
            Fact::Directory(..) => 0,
        }
    }
}

/// One thing that happened, with its place in the order: what a reader gets.
pub struct Change {
    /// Its place.
    pub seq: Seq,
    /// The thing that it is about.
    pub about: Arc<Thing>,
    address: Option<Address>,
    /// What happened.
    pub what: What,
    /// When the gateway recorded it.
    pub recorded: Timestamp,
    frame: OnceLock<Bytes>,
    record: OnceLock<Bytes>,
    /// The bytes of all changes, frames and records that readers had made.
    made: Arc<AtomicUsize>,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {:?}", self.seq, self.thing(), self.what)
    }
}

/// Larger frames and records are made anew for each reader: few are, and a log full of them would
/// take more memory than the changes themselves.
const LARGEST_CACHED: usize = 4096;

impl Change {
    /// What a draft says, for readers. None when its property is not there, which can't be.
    pub(super) fn new(seq: Seq, draft: &Draft, made: &Arc<AtomicUsize>) -> Option<Arc<Self>> {
        let (what, address) = match &draft.fact {
            Fact::State(slot, state) => {
                let (property, address) = draft.thing.property_at(*slot as usize)?;
                (What::State(property, state.unpack()), Some(address))
            }
            Fact::Event(event) => {
                (What::Event(event.name.clone(), event.data.clone(), event.time), None)
            }
            Fact::Directory(event, _) => (What::Directory(*event, draft.thing.id().clone()), None),
        };
        let change = Self {
            seq,
            about: draft.thing.clone(),
            address,
            what,
            recorded: draft.recorded,
            frame: OnceLock::new(),
            record: OnceLock::new(),
            made: made.clone(),
        };
        made.fetch_add(change.size(), Ordering::Relaxed);
        Some(Arc::new(change))
    }

    /// The thing it is about.
    #[must_use]
    pub fn thing(&self) -> &ThingId {
        self.about.id()
    }

    /// Where a state came from in its silo; empty for what is no state.
    #[must_use]
    pub fn address(&self) -> &str {
        self.address.as_ref().map_or("", Address::as_str)
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
            self.made.fetch_add(made.len(), Ordering::Relaxed);
        }
        made
    }

    /// About how much memory it takes, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        /// The `Arc`'s two counters.
        const AROUND: usize = 2 * size_of::<usize>();
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
        let kept: usize = kept.map(Bytes::len).sum();
        self.made.fetch_sub(self.size() + kept, Ordering::Relaxed);
    }
}
