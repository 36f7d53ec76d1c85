//! Takes messages apart: which values there are, and when they were measured.

use std::mem;
use std::ops::Range;
use std::time::Duration;

use smol_str::SmolStr;
use thingway_sdk::codec::{Decoded, Encoding, Leaves, Measured, MeasuredAt};
use thingway_sdk::{Observation, Timestamp, Value};

use super::convention::{Concerned, Meaning};

/// A message that was taken apart but not applied yet.
pub struct Message {
    pub(super) shape: Shape,
    /// Where its leaves are in the contents.
    pub(super) leaves: Range<usize>,
    /// Where that is which its leaves say of themselves.
    pub(super) own: Range<usize>,
    /// The device's own time, if one of the leaves tells it.
    pub(super) device_time: Option<Timestamp>,
    /// What the payload was taken for; none where a convention understood it as a whole.
    pub encoding: Option<Encoding>,
    /// Set where somebody may have meant something else than what was understood.
    pub note: Option<String>,
    /// The convention by which it is understood.
    pub by: Option<&'static str>,
    /// Where its address is among the routes, if it has been seen before.
    pub(super) place: Option<u32>,
    /// The conventions that were asked.
    pub(super) concerned: Concerned,
    /// What it means to a convention, instead of leaves.
    pub(super) meaning: Option<Box<Meaning>>,
}

impl Message {
    /// A message that a convention understood as a whole.
    pub(super) fn meant(by: &'static str, meaning: Meaning) -> Self {
        Self {
            shape: Shape::Whole,
            leaves: 0..0,
            own: 0..0,
            device_time: None,
            encoding: None,
            note: None,
            by: Some(by),
            place: None,
            concerned: Concerned::default(),
            meaning: Some(Box::new(meaning)),
        }
    }
}

/// The leaves of many messages, one behind the other: two allocations, however many there are.
#[derive(Default)]
pub struct Contents {
    leaves: Vec<Leaf>,
    /// The paths of all leaves, one behind the other.
    paths: String,
    /// What few formats say of each leaf, in the order of the leaves: kept apart, so that all other
    /// leaves cost nothing more.
    own: Vec<Own>,
}

struct Leaf {
    /// Where its path ends; it begins where that of the leaf before ends.
    path_end: usize,
    value: Value,
}

/// What a leaf says of itself beside its value.
#[derive(Clone)]
pub(super) struct Own {
    leaf: usize,
    pub(super) unit: Option<SmolStr>,
    pub(super) time: Option<Timestamp>,
}

impl Contents {
    /// What a leaf of a message says of itself.
    pub(super) fn own(&self, message: &Message, index: usize) -> Option<Own> {
        let own = self.own.get(message.own.clone()).filter(|own| !own.is_empty())?;
        let at = own.binary_search_by_key(&index, |own| own.leaf).ok()?;
        own.get(at).cloned()
    }

    /// The newest time that a leaf of a message says of itself.
    pub(super) fn newest_time(&self, message: &Message) -> Option<Timestamp> {
        self.own.get(message.own.clone())?.iter().filter_map(|own| own.time).max()
    }

    /// Takes a leaf out: its path and its value.
    pub(super) fn take(&mut self, index: usize) -> Option<(&str, Value)> {
        let start = self.path_start(index);
        let leaf = self.leaves.get_mut(index)?;
        let value = mem::replace(&mut leaf.value, Value::Null);
        Some((&self.paths[start..leaf.path_end], value))
    }

    /// Makes one leaf without a path of all leaves of the last message.
    pub(super) fn join(&mut self, message: &mut Message, whole: Value) {
        self.truncate(message.leaves.start, message.own.start);
        self.push("", whole);
        message.leaves.end = self.leaves.len();
        message.own.end = self.own.len();
        message.shape = Shape::Whole;
    }

    fn push(&mut self, path: &str, value: Value) {
        self.paths.push_str(path);
        self.leaves.push(Leaf { path_end: self.paths.len(), value });
    }

    fn truncate(&mut self, leaves: usize, own: usize) {
        self.paths.truncate(self.path_start(leaves));
        self.leaves.truncate(leaves);
        self.own.truncate(own);
    }

    fn path_start(&self, index: usize) -> usize {
        let before = index.checked_sub(1).and_then(|before| self.leaves.get(before));
        before.map_or(0, |before| before.path_end)
    }
}

/// What the payload is as a whole; it decides which thing the address names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A JSON object: the address names the thing.
    Object,
    /// Anything else: the address names the thing and, with its last level, the property.
    Whole,
}

/// A device clock may be this far ahead of ours before it is not believed.
const BELIEVED_AHEAD: Duration = Duration::from_secs(86_400);

/// Whether a time that a device tells may be right.
pub(super) fn is_believed(received: Timestamp, time: Timestamp) -> bool {
    received.until(time) <= BELIEVED_AHEAD
}

/// Takes the leaves of one message as the codec hands them out.
pub(super) struct Collector<'a> {
    contents: &'a mut Contents,
    start: usize,
    own_start: usize,
    received: Timestamp,
    replayed: bool,
    shape: Shape,
    device_time: Option<Timestamp>,
    time_note: Option<String>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(contents: &'a mut Contents, observation: &Observation) -> Self {
        Self {
            start: contents.leaves.len(),
            own_start: contents.own.len(),
            contents,
            received: observation.received,
            replayed: observation.is_replayed(),
            shape: Shape::Object,
            device_time: None,
            time_note: None,
        }
    }

    pub(super) fn finish(self, decoded: Decoded) -> Message {
        Message {
            shape: self.shape,
            leaves: self.start..self.contents.leaves.len(),
            own: self.own_start..self.contents.own.len(),
            device_time: self.device_time,
            encoding: Some(decoded.encoding),
            note: decoded.note.or(self.time_note),
            by: None,
            place: None,
            concerned: Concerned::default(),
            meaning: None,
        }
    }

    /// The message became nothing: what was taken from it goes.
    pub(super) fn give_up(self) {
        self.contents.truncate(self.start, self.own_start);
    }

    fn find_time(&mut self, path: &str, value: &Value) {
        if self.device_time.is_some() || !names_a_time(path) {
            return;
        }
        let text = match value {
            Value::Text(text) => text.as_str(),
            Value::Number(number) => number.as_str(),
            _ => return,
        };
        let Some(time) = Timestamp::parse(text) else { return };
        self.device_time = self.believed(path, time);
    }

    fn believed(&mut self, path: &str, time: Timestamp) -> Option<Timestamp> {
        if is_believed(self.received, time) {
            return Some(time);
        }
        self.time_note = Some(format!(
            "`{path}` says {time}, more than a day ahead: the time of receipt is used instead"
        ));
        None
    }
}

/// The keys under which devices send the time of their measurement.
pub(crate) fn names_a_time(path: &str) -> bool {
    ["ts", "time", "timestamp"].iter().any(|name| path.eq_ignore_ascii_case(name))
}

impl Leaves for Collector<'_> {
    fn leaf(&mut self, path: &str, value: Value) {
        self.find_time(path, &value);
        self.contents.push(path, value);
    }

    fn measured(&mut self, path: &str, value: Value, measured: Measured<'_>) {
        let time = measured.time.and_then(|time| match time {
            MeasuredAt::Time(time) => self.believed(path, time),
            // Nobody knows how long ago the device sent it.
            MeasuredAt::FromReceipt(_) if self.replayed => None,
            MeasuredAt::FromReceipt(micros) => {
                let micros = self.received.as_micros().saturating_add(micros);
                self.believed(path, Timestamp::from_micros(micros))
            }
        });
        let unit = measured.unit.map(SmolStr::new);
        if unit.is_some() || time.is_some() {
            self.contents.own.push(Own { leaf: self.contents.leaves.len(), unit, time });
        }
        self.contents.push(path, value);
    }

    fn whole(&mut self, value: Value) {
        self.restart();
        self.shape = Shape::Whole;
        self.contents.push("", value);
    }

    fn restart(&mut self) {
        self.contents.truncate(self.start, self.own_start);
        self.device_time = None;
        self.time_note = None;
        self.shape = Shape::Object;
    }
}
