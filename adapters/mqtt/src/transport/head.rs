use thingway_sdk::{Address, Payload};

use super::frame::{Header, varint};
use super::topics::Topics;
use super::{Delivery, Malformed, Message, PacketId, Unusable, packet};
use crate::config::QoS;
use crate::topic;

/// What a PUBLISH says before its properties. It is read without rumqttc, which would make a copy
/// of each topic, and can't read a message that is too large to be held in memory, nor one whose
/// text is not UTF-8, which must be acknowledged all the same.
pub(super) struct Head<'a> {
    header: Header,
    topic: &'a [u8],
    qos: QoS,
    id: Option<PacketId>,
    /// Whether it has properties.
    pub(super) is_adorned: bool,
    /// Where the payload begins, in bytes from the start of the packet.
    pub(super) payload_start: usize,
}

impl<'a> Head<'a> {
    /// Of the packet that begins with `bytes`; `None` when more of them are needed.
    pub(super) fn read(
        header: Header,
        has_properties: bool,
        bytes: &'a [u8],
    ) -> Result<Option<Self>, Malformed> {
        let qos = header.qos()?;
        let Some((topic, mut rest)) = bytes.get(header.length..).and_then(prefixed) else {
            return Ok(None);
        };
        let mut id = None;
        if qos != QoS::AtMostOnce {
            let Some((number, after)) = number(rest) else { return Ok(None) };
            id = Some(packet::packet_id(number)?);
            rest = after;
        }
        let mut payload_start = bytes.len() - rest.len();
        let mut is_adorned = false;
        if has_properties {
            let Some((length, digits)) = varint(rest)? else { return Ok(None) };
            is_adorned = length > 0;
            payload_start += digits + length;
        }
        if payload_start > header.total() {
            return Err(Malformed::Short);
        }
        Ok(Some(Self { header, topic, qos, id, is_adorned, payload_start }))
    }

    fn delivery(&self, content: Result<Message, Unusable>) -> Delivery {
        Delivery {
            id: self.id,
            qos: self.qos,
            duplicate: self.header.duplicate(),
            retained: self.header.retained(),
            content,
        }
    }

    /// The delivery of `payload`. A topic that is not well formed spoils it, but not the link: the
    /// broker would deliver a QoS 1 message again and again.
    pub(super) fn message(&self, payload: Payload, topics: &mut Topics) -> Delivery {
        if let Some(address) = topics.known(self.topic) {
            return self.delivery(Ok(Message { address, payload }));
        }
        let Ok(topic) = str::from_utf8(self.topic) else { return self.not_utf8() };
        match topic::check_name(topic) {
            Ok(()) => self.delivery(Ok(Message { address: topics.learn(topic), payload })),
            Err(error) => self.unusable(error.to_string()),
        }
    }

    /// A delivery that is no good, and why.
    pub(super) fn unusable(&self, why: String) -> Delivery {
        self.delivery(Err(Unusable {
            address: Address::from(String::from_utf8_lossy(self.topic).as_ref()),
            payload_bytes: self.header.total() - self.payload_start,
            why,
        }))
    }

    /// A delivery whose text is not UTF-8.
    pub(super) fn not_utf8(&self) -> Delivery {
        let what = if str::from_utf8(self.topic).is_ok() { "properties" } else { "topic" };
        self.unusable(format!("its {what} must be UTF-8; correct what its sender writes"))
    }
}

/// 16 bits, and what follows them.
pub(super) fn number(bytes: &[u8]) -> Option<(u16, &[u8])> {
    bytes.split_first_chunk().map(|(&number, rest)| (u16::from_be_bytes(number), rest))
}

/// Bytes behind their length in 16 bits, and what follows them.
fn prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = number(bytes)?;
    rest.split_at_checked(length.into())
}
