use std::num::NonZeroU16;

use bytes::{Buf, Bytes, BytesMut};
use thingway_sdk::{Address, Payload};

use super::property::Properties;
use super::reader::{Reader, varint};
use super::{ConnAck, Delivery, Incoming, Malformed, Message, PacketId, Reason, Unusable};
use crate::config::{QoS, Version};

/// The largest packet that is not a PUBLISH: room for some long reason strings.
const LARGEST_CONTROL_PACKET: usize = 1024 * 1024;

/// Cuts packets out of the stream of bytes. A message that is larger than it should be is never
/// held in memory: its bytes are passed over as they come.
pub(crate) struct Decoder {
    version: Version,
    max_packet_bytes: usize,
    oversized: Option<Oversized>,
}

/// A message whose payload is being passed over.
struct Oversized {
    delivery: Delivery,
    bytes_left: usize,
}

struct FixedHeader {
    first: u8,
    /// Bytes of the header itself.
    length: usize,
    /// Bytes that follow it.
    remaining: usize,
}

impl FixedHeader {
    fn read(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
        let read = varint(rest)?;
        Ok(read.map(|(remaining, digits)| Self {
            first,
            length: 1 + digits,
            remaining: remaining as usize,
        }))
    }

    fn total(&self) -> usize {
        self.length + self.remaining
    }

    fn is_publish(&self) -> bool {
        self.first >> 4 == 3
    }

    fn qos(&self) -> Result<QoS, Malformed> {
        QoS::from_level(self.first >> 1 & 0b11).ok_or(Malformed::QoS)
    }
}

impl Decoder {
    pub(crate) fn new(version: Version, max_packet_bytes: usize) -> Self {
        Self { version, max_packet_bytes, oversized: None }
    }

    /// The next packet, taken from the front of `bytes`; `None` when more bytes are needed.
    pub(crate) fn next(&mut self, bytes: &mut BytesMut) -> Result<Option<Incoming>, Malformed> {
        if let Some(oversized) = self.oversized.take() {
            return Ok(self.pass_over(oversized, bytes));
        }
        let Some(header) = FixedHeader::read(bytes)? else { return Ok(None) };
        if header.is_publish() && header.total() > self.max_packet_bytes {
            return self.oversized(&header, bytes);
        }
        if !header.is_publish() && header.total() > LARGEST_CONTROL_PACKET {
            return Err(Malformed::TooLarge(header.total()));
        }
        if bytes.len() < header.total() {
            bytes.reserve(header.total() - bytes.len());
            return Ok(None);
        }
        bytes.advance(header.length);
        let body = bytes.split_to(header.remaining).freeze();
        self.packet(&header, body).map(Some)
    }

    fn packet(&self, header: &FixedHeader, body: Bytes) -> Result<Incoming, Malformed> {
        let mut body = Reader::new(body);
        match header.first >> 4 {
            2 => self.conn_ack(&mut body).map(Incoming::ConnAck),
            3 => self.publish(header, body).map(Incoming::Publish),
            4 => self.acknowledgement(&mut body).map(|(id, reason)| Incoming::PubAck(id, reason)),
            5 => self.acknowledgement(&mut body).map(|(id, reason)| Incoming::PubRec(id, reason)),
            6 => body.packet_id().map(Incoming::PubRel),
            7 => body.packet_id().map(Incoming::PubComp),
            9 => self.sub_ack(body),
            13 => Ok(Incoming::PingResp),
            14 if self.version == Version::V5 => disconnect(&mut body),
            other => Err(Malformed::PacketType(other)),
        }
    }

    fn properties(&self, body: &mut Reader) -> Result<Properties, Malformed> {
        match self.version {
            Version::V3_1_1 => Ok(Properties::default()),
            Version::V5 => Properties::read(body),
        }
    }

    fn conn_ack(&self, body: &mut Reader) -> Result<ConnAck, Malformed> {
        let flags = body.u8()?;
        let reason = Reason(body.u8()?);
        let properties = self.properties(body)?;
        Ok(ConnAck {
            session_present: flags & 1 == 1,
            reason,
            text: properties.reason_string,
            receive_maximum: self.receive_maximum(properties.receive_maximum),
            maximum_packet: properties.maximum_packet,
            maximum_qos: properties
                .maximum_qos
                .and_then(QoS::from_level)
                .unwrap_or(QoS::ExactlyOnce),
            keep_alive: properties.server_keep_alive,
        })
    }

    /// Version 5 tells it by leaving it out, too (MQTT 5, section 3.2.2.3.3).
    fn receive_maximum(&self, property: Option<u16>) -> Option<NonZeroU16> {
        match self.version {
            Version::V3_1_1 => None,
            Version::V5 => property.map_or(Some(NonZeroU16::MAX), NonZeroU16::new),
        }
    }

    fn publish(&self, header: &FixedHeader, mut body: Reader) -> Result<Delivery, Malformed> {
        let topic = body.prefixed()?;
        let mut delivery = delivery(header, &mut body, &topic)?;
        let properties = self.properties(&mut body)?;
        // An alias stands for a topic that was sent before; none are in use unless the client
        // offers to remember them.
        if properties.topic_alias.is_some() {
            return Err(Malformed::Alias);
        }
        let bytes = body.rest();
        match &mut delivery.content {
            Ok(message) => {
                message.payload = Payload { bytes, content_type: properties.content_type };
            }
            Err(unusable) => unusable.payload_bytes = bytes.len(),
        }
        Ok(delivery)
    }

    /// Begins to pass over a message, once its topic can be read.
    fn oversized(
        &mut self,
        header: &FixedHeader,
        bytes: &mut BytesMut,
    ) -> Result<Option<Incoming>, Malformed> {
        let Some(topic_bytes) = bytes.get(header.length..header.length + 2) else {
            return Ok(None);
        };
        let topic_bytes = usize::from(u16::from_be_bytes([topic_bytes[0], topic_bytes[1]]));
        let id_bytes = if header.qos()? == QoS::AtMostOnce { 0 } else { 2 };
        let front_bytes = 2 + topic_bytes + id_bytes;
        let Some(property_bytes) = self.property_bytes(bytes, header.length + front_bytes)? else {
            return Ok(None);
        };
        let bytes_left = header.remaining.checked_sub(front_bytes).ok_or(Malformed::Short)?;
        let payload_bytes = bytes_left.checked_sub(property_bytes).ok_or(Malformed::Short)?;
        bytes.advance(header.length);
        let mut front = Reader::new(bytes.split_to(front_bytes).freeze());
        let topic = front.prefixed()?;
        let mut delivery = delivery(header, &mut front, &topic)?;
        delivery.content = Err(Unusable {
            address: lossy(&topic),
            payload_bytes,
            why: format!(
                "the message has {} bytes, more than `max_packet_bytes` = {} lets in; raise it, \
                 or send less at once",
                header.total(),
                self.max_packet_bytes
            ),
        });
        Ok(self.pass_over(Oversized { delivery, bytes_left }, bytes))
    }

    /// How many bytes the properties that begin at `start` take, with their length; `None` when
    /// more bytes are needed to know.
    fn property_bytes(&self, bytes: &[u8], start: usize) -> Result<Option<usize>, Malformed> {
        let Some(rest) = bytes.get(start..) else { return Ok(None) };
        match self.version {
            Version::V3_1_1 => Ok(Some(0)),
            Version::V5 => Ok(varint(rest)?.map(|(length, digits)| digits + length as usize)),
        }
    }

    /// Hands the delivery out when its last byte is here: an acknowledgement that overtakes its
    /// message could confuse the broker.
    fn pass_over(&mut self, mut oversized: Oversized, bytes: &mut BytesMut) -> Option<Incoming> {
        let here = oversized.bytes_left.min(bytes.len());
        bytes.advance(here);
        oversized.bytes_left -= here;
        if oversized.bytes_left == 0 {
            return Some(Incoming::Publish(oversized.delivery));
        }
        self.oversized = Some(oversized);
        None
    }

    fn acknowledgement(&self, body: &mut Reader) -> Result<(PacketId, Reason), Malformed> {
        let id = body.packet_id()?;
        // Version 5 may leave out a reason that is success.
        let reason = if body.is_empty() { Reason::SUCCESS } else { Reason(body.u8()?) };
        Ok((id, reason))
    }

    fn sub_ack(&self, mut body: Reader) -> Result<Incoming, Malformed> {
        let id = body.packet_id()?;
        self.properties(&mut body)?;
        Ok(Incoming::SubAck(id, body.rest().iter().copied().map(Reason).collect()))
    }
}

fn delivery(header: &FixedHeader, body: &mut Reader, topic: &[u8]) -> Result<Delivery, Malformed> {
    let qos = header.qos()?;
    Ok(Delivery {
        id: if qos == QoS::AtMostOnce { None } else { Some(body.packet_id()?) },
        qos,
        duplicate: header.first & 0b1000 != 0,
        retained: header.first & 1 != 0,
        content: content(topic),
    })
}

/// A topic that is not well formed spoils its message, but not the link: the broker would deliver
/// a QoS 1 message again and again.
fn content(topic: &[u8]) -> Result<Message, Unusable> {
    let unusable = |why: String| Unusable { address: lossy(topic), payload_bytes: 0, why };
    let text = str::from_utf8(topic)
        .map_err(|_| unusable("its topic is not UTF-8; let its sender use another".into()))?;
    crate::topic::check_name(text).map_err(|error| unusable(error.to_string()))?;
    Ok(Message { address: Address::from(text), payload: Payload::default() })
}

fn lossy(topic: &[u8]) -> Address {
    Address::from(String::from_utf8_lossy(topic).as_ref())
}

fn disconnect(body: &mut Reader) -> Result<Incoming, Malformed> {
    let reason = if body.is_empty() { Reason::SUCCESS } else { Reason(body.u8()?) };
    let text = if body.is_empty() { None } else { Properties::read(body)?.reason_string };
    Ok(Incoming::Disconnect(reason, text))
}
