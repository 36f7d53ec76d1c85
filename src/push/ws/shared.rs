//! One change, told to many: whoever asked in the same words gets the same bytes.

use smol_str::SmolStr;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use super::message::Notification;
use super::news::of_change;
use super::subscriptions::Subscription;
use crate::log::Change;
use crate::push::page::Scratch;

/// A change in the frames of its followers.
pub(in crate::push) struct Shared {
    notification: Notification,
    /// As the first of them got it.
    finished: Option<Finished>,
}

/// A frame, and the words of the subscription that it was made for.
struct Finished {
    operation: SmolStr,
    correlation: Option<SmolStr>,
    frame: Vec<u8>,
}

impl Shared {
    /// Nobody was told yet.
    pub(super) fn new(change: &Change) -> Self {
        Self { notification: of_change(change), finished: None }
    }

    /// Adds the frame for a subscription to those in the scratch.
    pub(super) fn put(&mut self, subscription: &Subscription, scratch: &mut Scratch) {
        if let Some(finished) = self.finished.as_ref().filter(|one| one.fits(subscription)) {
            return scratch.frames.extend_from_slice(&finished.frame);
        }
        let start = scratch.frames.len();
        scratch.text.clear();
        self.notification.write_to(subscription, &mut scratch.text);
        put_frame(&scratch.text, &mut scratch.frames);
        self.finished.get_or_insert_with(|| Finished {
            operation: subscription.operation.clone(),
            correlation: subscription.correlation.clone(),
            frame: scratch.frames[start..].to_vec(),
        });
    }
}

impl Finished {
    fn fits(&self, subscription: &Subscription) -> bool {
        self.operation == subscription.operation && self.correlation == subscription.correlation
    }
}

/// One text message of a server: a single frame, not masked (RFC 6455, section 5.2).
fn put_frame(text: &[u8], frames: &mut Vec<u8>) {
    let head = FrameHeader { opcode: OpCode::Data(Data::Text), ..FrameHeader::default() };
    // Writing into memory can't fail.
    let _ = head.format(text.len() as u64, frames);
    frames.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Seq;
    use crate::push::ws::message::Body;
    use thingway_sdk::{ThingId, Value};

    fn subscription(correlation: Option<&str>) -> Subscription {
        Subscription {
            id: 1,
            operation: "observeproperty".into(),
            name: Some("level".into()),
            correlation: correlation.map(SmolStr::new),
            after: Seq(0),
        }
    }

    fn told(shared: &mut Shared, subscription: &Subscription) -> Vec<u8> {
        let mut scratch = Scratch::default();
        shared.put(subscription, &mut scratch);
        scratch.frames
    }

    #[test]
    fn the_same_words_get_the_same_bytes_and_others_their_own() {
        let value = Value::from_json("21.5").unwrap();
        let body = Body { value: Some(&value), ..Body::default() };
        let thing = ThingId::resolve("tank").unwrap();
        let notification = Notification::new(&thing, Some("level"), body);
        let mut shared = Shared { notification, finished: None };
        let first = told(&mut shared, &subscription(Some("one")));
        let other = told(&mut shared, &subscription(Some("other")));
        let none = told(&mut shared, &subscription(None));
        assert_eq!(first, told(&mut shared, &subscription(Some("one"))));
        assert!(first.ends_with(br#""value":21.5,"correlationID":"one"}"#));
        assert!(other.ends_with(br#""value":21.5,"correlationID":"other"}"#));
        assert!(none.ends_with(br#""value":21.5}"#));
        // Up to 125 bytes the length would be one byte; these have two more (RFC 6455, section 5.2).
        for frame in [first, other, none] {
            assert_eq!(frame[..2], [0x81, 126]);
            let length = u16::from_be_bytes([frame[2], frame[3]]);
            assert_eq!(usize::from(length), frame.len() - 4);
        }
    }

    #[test]
    fn all_operations_have_their_own_words() {
        let thing = ThingId::resolve("tank").unwrap();
        let notification = Notification::new(&thing, None, Body::default());
        let mut shared = Shared { notification, finished: None };
        let one = told(&mut shared, &subscription(None));
        let all = Subscription { operation: "observeallproperties".into(), ..subscription(None) };
        assert_ne!(one, told(&mut shared, &all));
    }
}
