//! Takes one message apart: which value goes where, and when it was measured.

use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;
use thingway_sdk::codec::{Decoded, Encoding, Leaves};
use thingway_sdk::{Timestamp, Value};

use super::route::{Route, Target};

/// A message that was taken apart but not applied yet.
pub struct Message {
    pub(super) shape: Shape,
    pub(super) leaves: Vec<Leaf>,
    /// Whose places the leaves have.
    target: Option<Arc<Target>>,
    /// The device's own time, if one of the leaves tells it.
    pub(super) device_time: Option<Timestamp>,
    /// What the payload was taken for.
    pub encoding: Encoding,
    /// Set where somebody may have meant something else than what was understood.
    pub note: Option<String>,
}

impl Message {
    /// Whether the places of its leaves are those that the route leads to now.
    pub(super) fn is_for(&self, route: &Route) -> bool {
        let leads_to = route.living(self.shape);
        match (&self.target, &leads_to) {
            (Some(mine), Some(now)) => Arc::ptr_eq(mine, now),
            // Leaves without places find them when they are applied.
            (None, _) => true,
            (Some(_), None) => false,
        }
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

pub(super) struct Leaf {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// Where a leaf goes.
pub(super) enum Place {
    /// To this property of the route's thing.
    Slot(usize),
    /// To a property that the route does not know yet.
    Path(SmolStr),
}

/// A device clock may be this far ahead of ours before it is not believed.
const BELIEVED_AHEAD: Duration = Duration::from_secs(86_400);

/// Takes the leaves of one message as the codec hands them out, and finds the place of each: as a
/// rule a device sends the same leaves in the same order, so the next place is the first guess.
pub(super) struct Collector<'a> {
    object: Option<&'a Arc<Target>>,
    whole: Option<&'a Arc<Target>>,
    received: Timestamp,
    next: usize,
    shape: Shape,
    leaves: Vec<Leaf>,
    device_time: Option<Timestamp>,
    time_note: Option<String>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        object: Option<&'a Arc<Target>>,
        whole: Option<&'a Arc<Target>>,
        received: Timestamp,
    ) -> Self {
        Self {
            object,
            whole,
            received,
            next: 0,
            shape: Shape::Object,
            leaves: Vec::new(),
            device_time: None,
            time_note: None,
        }
    }

    pub(super) fn finish(self, decoded: Decoded) -> Message {
        let target = match self.shape {
            Shape::Object => self.object,
            Shape::Whole => self.whole,
        };
        Message {
            target: target.cloned(),
            shape: self.shape,
            leaves: self.leaves,
            device_time: self.device_time,
            encoding: decoded.encoding,
            note: decoded.note.or(self.time_note),
        }
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
        if self.received.until(time) > BELIEVED_AHEAD {
            self.time_note = Some(format!(
                "`{path}` says {time}, more than a day ahead: the time of receipt is used instead"
            ));
        } else {
            self.device_time = Some(time);
        }
    }
}

/// The keys under which devices send the time of their measurement.
fn names_a_time(path: &str) -> bool {
    ["ts", "time", "timestamp"].iter().any(|name| path.eq_ignore_ascii_case(name))
}

impl Leaves for Collector<'_> {
    fn leaf(&mut self, path: &str, value: Value) {
        self.find_time(path, &value);
        let known = self.object.and_then(|target| target.place(path, self.next));
        let place = match known {
            Some((position, slot)) => {
                self.next = position + 1;
                Place::Slot(slot)
            }
            None => Place::Path(path.into()),
        };
        self.leaves.push(Leaf { place, value });
    }

    fn whole(&mut self, value: Value) {
        self.leaves.clear();
        self.device_time = None;
        self.time_note = None;
        self.shape = Shape::Whole;
        let known = self.whole.and_then(|target| target.place("", 0));
        let place = known.map_or(Place::Path(SmolStr::default()), |(_, slot)| Place::Slot(slot));
        self.leaves.push(Leaf { place, value });
    }
}
