//! Packets to bytes and back, as a client needs them, for MQTT 3.1.1 and 5. No sockets, no state
//! of a session: one packet at a time.

mod decode;
mod encode;
mod property;
mod reader;
mod reason;
#[cfg(test)]
mod tests;

use std::num::NonZeroU16;

use smol_str::SmolStr;
use thingway_sdk::{Address, Payload};

pub(crate) use decode::Decoder;
pub(crate) use encode::{Connect, Encoder};
pub(crate) use reason::{Reason, refusal};

use crate::config::QoS;

/// Names one exchange of a QoS 1 or 2 message, or one subscription, while it lasts.
pub(crate) type PacketId = NonZeroU16;

/// What a broker sends.
#[derive(Debug)]
pub(crate) enum Incoming {
    ConnAck(ConnAck),
    Publish(Delivery),
    PubAck(PacketId, Reason),
    PubRec(PacketId, Reason),
    PubRel(PacketId),
    PubComp(PacketId),
    /// One reason for each filter, in the order in which they were asked for.
    SubAck(PacketId, Vec<Reason>),
    PingResp,
    /// Version 5 only, with the broker's own words where it has any.
    Disconnect(Reason, Option<SmolStr>),
}

/// Whether the broker takes us, and on which terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnAck {
    pub(crate) session_present: bool,
    pub(crate) reason: Reason,
    /// The broker's own words.
    pub(crate) text: Option<SmolStr>,
    /// How many of our QoS 1 and 2 messages may be under way at one time, where it is told.
    pub(crate) receive_maximum: Option<NonZeroU16>,
    /// The largest packet that the broker takes, in bytes.
    pub(crate) maximum_packet: Option<u32>,
    /// The highest QoS that the broker takes.
    pub(crate) maximum_qos: QoS,
    /// How often the broker wants to hear from us, in seconds, where it overrules us.
    pub(crate) keep_alive: Option<u16>,
}

/// A message that the broker delivers.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// `None` at QoS 0, which nobody acknowledges.
    pub(crate) id: Option<PacketId>,
    pub(crate) qos: QoS,
    pub(crate) duplicate: bool,
    pub(crate) retained: bool,
    pub(crate) content: Result<Message, Unusable>,
}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) address: Address,
    pub(crate) payload: Payload,
}

/// A delivery that is well formed enough to be acknowledged, but no more.
#[derive(Debug)]
pub(crate) struct Unusable {
    pub(crate) address: Address,
    pub(crate) payload_bytes: usize,
    pub(crate) why: String,
}

/// The broker does not keep to the protocol; the link can't go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("a packet that ends too early")]
    Short,
    #[error("a packet length that is no variable byte integer")]
    Length,
    #[error("text that is not UTF-8")]
    NotUtf8,
    #[error("an unknown property {0:#04x}")]
    Property(u32),
    #[error("packet identifier 0")]
    NoPacketId,
    #[error("QoS 3")]
    QoS,
    #[error("a topic alias, which was not offered")]
    Alias,
    #[error("a packet of type {0}, which no broker sends")]
    PacketType(u8),
    #[error("{0} bytes that are no PUBLISH, more than is ever needed")]
    TooLarge(usize),
}
