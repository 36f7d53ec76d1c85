use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use smol_str::SmolStr;
use thingway_sdk::codec::Encoding;
use thingway_sdk::{Address, Report, Timestamp};

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
struct Entry {
    address: Address,
    received: Timestamp,
    size: usize,
    preview: Vec<u8>,
    retained: bool,
    ended: Ended,
}

/// What became of one message.
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) encoding: Option<Encoding>,
    pub(super) note: Option<String>,
    /// The convention by which it was understood.
    pub(super) by: Option<&'static str>,
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
    /// The convention that it was recognised by: `zigbee2mqtt`.
    pub convention: Option<&'static str>,
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

    /// Remembers the messages of a batch, or what of them would not be forgotten at once.
    pub(super) fn remember(&self, batch: &[Report], ended: Vec<Ended>) {
        let forgotten = ended.len().saturating_sub(self.most);
        let messages = batch.iter().filter(|report| report.is_message());
        let mut entries = self.entries.lock();
        // Whose things were last used so long ago that they are in no cache: the processor fetches
        // several at the same time.
        let going = (entries.len() + ended.len() - forgotten).saturating_sub(self.most);
        entries.iter().take(going).for_each(Entry::approach);
        for (report, ended) in messages.zip(ended).skip(forgotten) {
            // A full history makes room for the new in what it kept of the oldest.
            let oldest = if entries.len() < self.most { None } else { entries.pop_front() };
            let preview = oldest.map(|oldest| oldest.preview).unwrap_or_default();
            entries.extend(Entry::new(report, ended, preview));
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
    /// None of what is no message.
    fn new(report: &Report, ended: Ended, mut preview: Vec<u8>) -> Option<Self> {
        preview.clear();
        let (received, size, retained) = match report {
            Report::Observed(observation) => {
                let payload = &observation.payload.bytes;
                preview.extend_from_slice(&payload[..payload.len().min(PREVIEW)]);
                (observation.received, payload.len(), observation.retained)
            }
            Report::Rejected(rejection) => (rejection.received, rejection.size, false),
            Report::Offered(_) | Report::Withdrawn(_) | Report::Stale(_) => return None,
        };
        let address = report.address().clone();
        Some(Self { address, received, size, preview, retained, ended })
    }

    /// Looks at what it holds on to.
    fn approach(&self) {
        if let Outcome::Applied(Applied { thing: Some(thing), .. }) = &self.ended.outcome {
            black_box(Arc::strong_count(thing));
        }
    }

    fn show(&self, adapter: &str) -> MessageRecord {
        let (outcome, reason, applied) = match &self.ended.outcome {
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
            note: self.ended.note.clone().or_else(|| applied?.note.clone()),
            convention: self.ended.by,
            thing: applied.and_then(|applied| Some(applied.thing.as_ref()?.id().to_string())),
            properties: applied.map(properties).unwrap_or_default(),
            encoding: self.ended.encoding.map(Encoding::as_str),
            payload: String::from_utf8_lossy(&self.preview).into_owned(),
        }
    }
}

fn properties(applied: &Applied) -> Vec<SmolStr> {
    let Some(thing) = &applied.thing else { return Vec::new() };
    let slots = applied.slots.iter().filter_map(|slot| thing.property_at(*slot as usize));
    slots.map(|(property, _)| property.name.clone()).collect()
}
