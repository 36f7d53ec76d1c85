use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::Serialize;
use smol_str::SmolStr;
use thingway_sdk::codec::Encoding;
use thingway_sdk::{Address, Timestamp};

use crate::mapping::{Applied, Outcome};

/// The last messages of a silo with what became of each: the answer to "it is on the broker, but
/// I don't see it". The oldest go when it is full.
pub struct History {
    entries: Mutex<VecDeque<Entry>>,
    most: usize,
}

/// How much of a payload is remembered, in bytes.
const PREVIEW: usize = 256;

/// One remembered message, in the form that costs least to make: most are never looked at.
pub(super) struct Entry {
    pub(super) address: Address,
    pub(super) received: Timestamp,
    pub(super) size: usize,
    pub(super) preview: Box<[u8]>,
    pub(super) retained: bool,
    pub(super) encoding: Option<Encoding>,
    pub(super) note: Option<String>,
    pub(super) outcome: Outcome,
}

/// One remembered message as it is shown.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct MessageRecord {
    /// Name of the adapter.
    pub adapter: String,
    /// Where it came from: an MQTT topic.
    pub address: String,
    /// When it arrived.
    #[schema(value_type = String, format = DateTime)]
    pub received: Timestamp,
    /// Size of its payload, in bytes.
    pub bytes: usize,
    /// Whether the silo kept it for newcomers.
    pub retained: bool,
    /// `mapped`, `duplicate`, `unmapped` or `failed`.
    pub outcome: &'static str,
    /// Why it was not mapped, and what to change.
    pub reason: Option<String>,
    /// What may have been meant otherwise than it was understood.
    pub note: Option<String>,
    /// The thing that it was mapped to.
    pub thing: Option<String>,
    /// The properties that it spoke of.
    #[schema(value_type = Vec<String>)]
    pub properties: Vec<SmolStr>,
    /// `json`, `text` or `octets`.
    pub encoding: Option<&'static str>,
    /// The beginning of the payload as text; what is not UTF-8 is replaced.
    pub payload: String,
}

impl History {
    /// A history of at most this many messages.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { entries: Mutex::default(), most }
    }

    pub(super) fn remember(&self, batch: impl Iterator<Item = Entry>) {
        if self.most == 0 {
            return;
        }
        let mut entries = self.entries.lock();
        for entry in batch {
            if entries.len() >= self.most {
                entries.pop_front();
            }
            entries.push_back(entry);
        }
    }

    /// At most `limit` messages, the newest first; only those of `address` when one is given.
    #[must_use]
    pub fn newest(&self, adapter: &str, address: Option<&str>, limit: usize) -> Vec<MessageRecord> {
        let entries = self.entries.lock();
        let wanted = |entry: &&Entry| address.is_none_or(|wanted| entry.address.as_str() == wanted);
        entries.iter().rev().filter(wanted).take(limit).map(|entry| entry.show(adapter)).collect()
    }
}

impl Entry {
    /// The part of a payload that is remembered.
    pub(super) fn preview(payload: &[u8]) -> Box<[u8]> {
        payload[..payload.len().min(PREVIEW)].into()
    }

    fn show(&self, adapter: &str) -> MessageRecord {
        let (outcome, reason, applied) = match &self.outcome {
            Outcome::Applied(applied) => ("mapped", None, Some(applied)),
            Outcome::Duplicate(applied, reason) => ("duplicate", Some(*reason), Some(applied)),
            Outcome::Unmapped(reason) => ("unmapped", Some(reason.as_str()), None),
            Outcome::Failed(reason) => ("failed", Some(reason.as_str()), None),
        };
        MessageRecord {
            adapter: adapter.to_owned(),
            address: self.address.as_str().to_owned(),
            received: self.received,
            bytes: self.size,
            retained: self.retained,
            outcome,
            reason: reason.map(str::to_owned),
            note: self.note.clone().or_else(|| applied?.note.clone()),
            thing: applied.map(|applied| applied.thing.id().to_string()),
            properties: applied.map(properties).unwrap_or_default(),
            encoding: self.encoding.map(Encoding::as_str),
            payload: String::from_utf8_lossy(&self.preview).into_owned(),
        }
    }
}

fn properties(applied: &Applied) -> Vec<SmolStr> {
    let slots = applied.slots.iter().filter_map(|slot| applied.thing.slot_at(*slot));
    slots.map(|slot| slot.property.name.clone()).collect()
}
