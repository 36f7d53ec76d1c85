//! How a change is written into streams. Each form is made once per change and shared.

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use thingway_sdk::{ThingId, Timestamp, Value};

use super::feed::{Gap, Newest};
use crate::log::{Change, Property, Seq, State, What};
use crate::registry::StateRecord;

/// What a record usually takes.
const RECORD_BYTES: usize = 384;

/// One server-sent event (HTML Living Standard, section 9.2.6).
pub(crate) fn sse(id: Option<Seq>, event: Option<&str>, data: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(data.len() + 64);
    if let Some(id) = id {
        frame.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    if let Some(event) = event {
        frame.extend_from_slice(format!("event: {event}\n").as_bytes());
    }
    // JSON text from a device may hold line breaks between its tokens: each line is a data line.
    for line in data.split(|byte| *byte == b'\n' || *byte == b'\r') {
        frame.extend_from_slice(b"data: ");
        frame.extend_from_slice(line);
        frame.push(b'\n');
    }
    frame.push(b'\n');
    frame.into()
}

/// A value with the name of its property or event as the event's name.
pub(crate) fn named_frame(seq: Seq, name: &str, value: &Value) -> Bytes {
    sse(Some(seq), Some(name), &json_of(value))
}

/// The same without a name: what `EventSource.onmessage` hears.
pub(crate) fn plain_frame(seq: Seq, value: &Value) -> Bytes {
    sse(Some(seq), None, &json_of(value))
}

/// Tells a reader that changes are missing. It has no id: who breaks off right after it resumes
/// from before the gap and is told again.
pub(crate) fn gap_frame(gap: &Gap) -> Bytes {
    let data = json!({ "after": gap.after, "until": gap.until, "reason": gap.reason });
    sse(None, Some("gap"), data.to_string().as_bytes())
}

/// Tells a reader why its stream ends.
pub(crate) fn end_frame(reason: &str) -> Bytes {
    sse(None, Some("end"), json!({ "reason": reason }).to_string().as_bytes())
}

/// A change as a record: the state record of a property, or the like for an event.
pub(crate) fn record(change: &Change) -> Bytes {
    change.record(|change| match &change.what {
        What::State(property, state) => {
            state_record(change.thing(), property, change.address(), state, change.seq)
        }
        What::Event(name, data, time) => to_bytes(&EventRecord {
            thing: change.thing(),
            event: name,
            data,
            time: *time,
            received: change.recorded,
            revision: change.seq,
        }),
        What::Directory(event, thing) => {
            json!({ "thing": thing, "event": event.name(), "revision": change.seq })
                .to_string()
                .into()
        }
    })
}

/// The newest state as a record.
pub(crate) fn newest_record(newest: &Newest) -> Bytes {
    let slot = &newest.slot;
    let address = slot.address.as_str();
    state_record(newest.thing.id(), &slot.property, address, &slot.state, slot.revision)
}

/// One occurrence of an event with all that belongs to it.
#[derive(Serialize)]
struct EventRecord<'a> {
    thing: &'a ThingId,
    event: &'a str,
    data: &'a Value,
    time: Timestamp,
    received: Timestamp,
    revision: Seq,
}

fn state_record(
    thing: &ThingId,
    property: &Property,
    address: &str,
    state: &State,
    revision: Seq,
) -> Bytes {
    to_bytes(&StateRecord { thing, property, address, state, revision, desired: None })
}

fn to_bytes(record: &impl Serialize) -> Bytes {
    let mut bytes = Vec::with_capacity(RECORD_BYTES);
    // Serialising plain structs with string keys into memory can't fail.
    let _ = serde_json::to_writer(&mut bytes, record);
    bytes.into()
}

fn json_of(value: &Value) -> Vec<u8> {
    let mut json = Vec::new();
    value.write_json(&mut json);
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_with_line_breaks_stays_one_event() {
        let value = Value::from_json("[1,\n 2]").unwrap();
        let frame = named_frame(Seq(7), "list", &value);
        assert_eq!(&frame[..], b"id: 7\nevent: list\ndata: [1,\ndata:  2]\n\n");
    }
}
