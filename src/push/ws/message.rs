//! What consumers get.

use serde::ser::{Serialize, SerializeMap, Serializer};
use smol_str::SmolStr;
use thingway_sdk::{Quality, ThingId, Timestamp, Value};
use uuid::Uuid;

use super::request::Head;
use super::subscriptions::Subscription;
use crate::log::{Seq, State};
use crate::rest::{ActionState, Problem};

/// One answer to a consumer.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    /// Absent where a request did not name a thing.
    #[serde(rename = "thingID", skip_serializing_if = "Option::is_none")]
    thing: Option<&'a ThingId>,
    #[serde(rename = "messageID")]
    id: String,
    message_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(flatten)]
    body: Body<'a>,
    #[serde(rename = "correlationID", skip_serializing_if = "Option::is_none")]
    correlation: Option<&'a str>,
}

/// What a message says, beside what it belongs to.
#[derive(Default, serde::Serialize)]
pub(super) struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) values: Option<Values<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<ActionStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quality: Option<Quality>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gap: Option<Missing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Problem>,
    #[serde(rename = "notificationID", skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<Seq>,
}

/// How far an action got that is not over yet.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActionStatus {
    /// Its id, under which it is also looked up over HTTP.
    #[serde(rename = "actionID")]
    pub(super) id: SmolStr,
    pub(super) state: ActionState,
    pub(super) time_requested: Timestamp,
}

/// What happened between two sequence numbers is not all there.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(super) struct Missing {
    /// The position before the gap.
    pub(super) after: Seq,
    /// The position after it.
    pub(super) until: Seq,
    /// Why there is one.
    pub(super) reason: &'static str,
}

/// Values by the names of their properties.
pub(super) struct Values<'a>(pub(super) &'a [(SmolStr, Value)]);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut values = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            values.serialize_entry(name, value)?;
        }
        values.end()
    }
}

impl<'a> Body<'a> {
    /// A property's state.
    pub(super) fn state(state: &'a State) -> Self {
        Self {
            value: Some(&state.value),
            timestamp: Some(state.time),
            quality: Some(state.quality).filter(|quality| *quality != Quality::Good),
            ..Self::default()
        }
    }

    /// What went wrong.
    pub(super) fn error(mut problem: Problem) -> Self {
        if let Some(kind) = error_type(problem.status) {
            problem.kind = kind;
        }
        Self { error: Some(problem), timestamp: Some(Timestamp::now()), ..Self::default() }
    }
}

/// An answer to the request with this head.
pub(super) fn response(head: &Head, body: Body<'_>) -> String {
    let message = Message {
        thing: head.thing.as_ref(),
        id: uuid_v4().to_string(),
        message_type: "response",
        operation: head.operation.as_deref(),
        name: head.name.as_deref(),
        body,
        correlation: head.correlation.as_deref(),
    };
    json(&message)
}

/// Something new for a subscription, which concerns one property or event, or all of them.
pub(super) fn notification(
    thing: &ThingId,
    subscription: &Subscription,
    name: Option<&str>,
    body: Body<'_>,
) -> String {
    Notification::new(thing, name.or(subscription.name.as_deref()), body).to(subscription)
}

/// A notification without what is different for each subscription.
pub(super) struct Notification {
    /// Up to the operation.
    head: String,
    /// Behind the operation.
    tail: String,
}

/// What a notification says to all alike.
#[derive(serde::Serialize)]
struct News<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(flatten)]
    body: Body<'a>,
}

impl Notification {
    pub(super) fn new(thing: &ThingId, name: Option<&str>, body: Body<'_>) -> Self {
        let members = json(&News { name, body });
        // Its members go on those of the whole message.
        let members = members.trim_start_matches('{').strip_suffix('}').unwrap_or_default();
        Self {
            head: format!(
                r#"{{"thingID":{},"messageID":"{}","messageType":"notification","operation":"#,
                json(thing),
                uuid_v4()
            ),
            tail: if members.is_empty() { String::new() } else { format!(",{members}") },
        }
    }

    /// The notification as one subscription gets it.
    pub(super) fn to(&self, subscription: &Subscription) -> String {
        let mut text = Vec::with_capacity(self.head.len() + self.tail.len() + 256);
        self.write_to(subscription, &mut text);
        // All of its parts are text.
        String::from_utf8(text).unwrap_or_default()
    }

    /// The same, to the end of what is there.
    pub(super) fn write_to(&self, subscription: &Subscription, text: &mut Vec<u8>) {
        text.extend_from_slice(self.head.as_bytes());
        write_json(&subscription.operation, text);
        text.extend_from_slice(self.tail.as_bytes());
        if let Some(correlation) = &subscription.correlation {
            text.extend_from_slice(br#","correlationID":"#);
            write_json(correlation, text);
        }
        text.push(b'}');
    }
}

/// Writing text into memory can't fail.
fn write_json(text: &str, to: &mut Vec<u8>) {
    let _ = serde_json::to_writer(to, text);
}

fn json(value: &impl Serialize) -> String {
    // Serialising plain structs with string keys into memory can't fail.
    serde_json::to_string(value).unwrap_or_default()
}

/// The draft's common error types; others have none of their own.
fn error_type(status: u16) -> Option<&'static str> {
    Some(match status {
        400 => "https://w3c.github.io/web-thing-protocol/errors#400",
        403 => "https://w3c.github.io/web-thing-protocol/errors#403",
        404 => "https://w3c.github.io/web-thing-protocol/errors#404",
        500 => "https://w3c.github.io/web-thing-protocol/errors#500",
        503 => "https://w3c.github.io/web-thing-protocol/errors#503",
        _ => return None,
    })
}

/// A random UUID. The bits come from this thread's generator: asking the operating system for
/// them in each notification would cost more than all the rest of it.
fn uuid_v4() -> Uuid {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_are_uuids_of_version_4() {
        let (one, other) = (uuid_v4(), uuid_v4());
        assert_ne!(one, other);
        let one = one.to_string();
        assert_eq!(one.len(), 36);
        assert!([8, 13, 18, 23].iter().all(|at| one.as_bytes()[*at] == b'-'), "{one}");
        assert_eq!(one.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&one.as_bytes()[19]), "{one}");
    }

    #[test]
    fn values_are_spliced_in_to_the_digit() {
        let head = Head { name: Some("v".into()), ..Head::default() };
        let value = Value::from_json("9007199254740993.50").unwrap();
        let text = response(&head, Body { value: Some(&value), ..Body::default() });
        assert!(text.contains(r#""name":"v","value":9007199254740993.50"#), "{text}");
    }
}
