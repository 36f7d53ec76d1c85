use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use thingway_sdk::Timestamp;

use crate::log::{Change, Seq, What};
use crate::push::feed::Newest;
use crate::push::frames;

const PROPERTY_CHANGED: &str = "thingway.property.changed";
const EVENT_OCCURRED: &str = "thingway.event.occurred";
const GAP: &str = "thingway.gap";
const TEST: &str = "thingway.test";
/// What the attributes usually take.
const ATTRIBUTES_BYTES: usize = 320;

/// One CloudEvent, ready to be sent, with what the delivery log says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// The CloudEvent's `id`, and its `webhook-id`.
    pub(super) id: String,
    pub(super) kind: &'static str,
    /// The property or event that it is about. What has the same subject stays in order.
    pub(super) subject: Option<String>,
    pub(super) sequence: Option<Seq>,
    pub(super) body: Bytes,
}

/// Makes events. Their ids hold a number drawn at each start: so a receiver that sorts out
/// repeated ids can be told by several gateways, and by one that was started anew.
#[derive(Debug)]
pub(super) struct Events {
    instance: String,
}

/// The attributes of a CloudEvent (CloudEvents 1.0.2, section 3.1) without its data. `sequence`
/// is the extension of that name: a string that sorts, because all numbers have 16 digits.
#[derive(Serialize)]
struct Attributes<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'static str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    time: Timestamp,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<&'a str>,
}

impl Events {
    pub(super) fn new() -> Self {
        Self { instance: format!("{:08x}", rand::random::<u32>()) }
    }

    /// A change; what happened to the directory is not for webhooks.
    pub(super) fn change(&self, change: &Change) -> Option<Event> {
        let (kind, name, time) = match &change.what {
            What::State(property, state) => (PROPERTY_CHANGED, &property.name, state.time),
            What::Event(name, _, time) => (EVENT_OCCURRED, name, *time),
            What::Directory(..) => return None,
        };
        let subject = [&change.thing().uri(), "/", name].concat();
        Some(self.about(kind, subject, change.seq, time, &frames::record(change)))
    }

    /// The newest state of a property: the same event as the change that brought it.
    pub(super) fn newest(&self, newest: &Newest) -> Event {
        let slot = &newest.slot;
        let subject = [&newest.thing.id().uri(), "/", &slot.property.name].concat();
        let record = frames::newest_record(newest);
        self.about(PROPERTY_CHANGED, subject, slot.revision, slot.state.time, &record)
    }

    /// Says that changes are missing, and between which positions.
    pub(super) fn gap(&self, after: Seq, until: Seq, reason: &str) -> Event {
        let id = format!("{}-gap-{after}-{until}", self.instance);
        let data = json!({ "after": after, "until": until, "reason": reason }).to_string();
        let body = body(&id, GAP, None, Timestamp::now(), None, data.as_bytes());
        Event { id, kind: GAP, subject: None, sequence: None, body }
    }

    /// Shows a receiver what deliveries look like.
    pub(super) fn test(&self, webhook: &str) -> Event {
        let id = format!("{}-test-{:016x}", self.instance, rand::random::<u64>());
        let data = json!({ "webhook": webhook, "message": "This webhook works." }).to_string();
        let body = body(&id, TEST, None, Timestamp::now(), None, data.as_bytes());
        Event { id, kind: TEST, subject: None, sequence: None, body }
    }

    fn about(
        &self,
        kind: &'static str,
        subject: String,
        seq: Seq,
        time: Timestamp,
        record: &[u8],
    ) -> Event {
        let mut digits = itoa::Buffer::new();
        let sequence = digits.format(seq.0);
        let id = [&self.instance, "-", sequence].concat();
        let body = body(&id, kind, Some(&subject), time, Some(sequence), record);
        Event { id, kind, subject: Some(subject), sequence: Some(seq), body }
    }
}

/// The event in the JSON format (CloudEvents JSON 1.0.2), with the data spliced in as it is.
fn body(
    id: &str,
    kind: &'static str,
    subject: Option<&str>,
    time: Timestamp,
    sequence: Option<&str>,
    data: &[u8],
) -> Bytes {
    let attributes = Attributes {
        specversion: "1.0",
        id,
        source: "urn:thingway:gateway",
        r#type: kind,
        subject,
        time,
        datacontenttype: "application/json",
        sequence,
    };
    let mut body = Vec::with_capacity(ATTRIBUTES_BYTES + data.len());
    // Serialising a plain struct into memory can't fail.
    let _ = serde_json::to_writer(&mut body, &attributes);
    body.pop();
    body.extend_from_slice(b",\"data\":");
    body.extend_from_slice(data);
    body.push(b'}');
    body.into()
}
