//! What packets say, in the same words for both versions.

use std::num::NonZeroU16;

use smol_str::SmolStr;
use thingway_sdk::{Address, Payload};

use super::Reason;
use crate::config::QoS;
use crate::form::Publication;
use crate::topic::TopicFilter;

/// Names one exchange of a QoS 1 or 2 message, or one subscription, while it lasts.
pub(crate) type PacketId = NonZeroU16;

/// What we send.
#[derive(Debug)]
pub(crate) enum Outgoing<'a> {
    Connect(Connect<'a>),
    /// `id` must be there for QoS 1 and 2, and only for them.
    Publish {
        publication: &'a Publication,
        id: Option<PacketId>,
        duplicate: bool,
    },
    PubAck(PacketId),
    PubRec(PacketId),
    PubRel(PacketId),
    PubComp(PacketId),
    Subscribe {
        id: PacketId,
        filters: &'a [TopicFilter],
        qos: QoS,
    },
    PingReq,
    Disconnect,
}

/// Who we are and what we ask for.
#[derive(Debug)]
pub(crate) struct Connect<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) username: Option<&'a str>,
    /// An empty one can't be told from none: rumqttc writes neither.
    pub(crate) password: Option<&'a str>,
    pub(crate) keep_alive_seconds: u16,
    pub(crate) clean_session: bool,
    pub(crate) session_expiry_seconds: u32,
}

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

impl Incoming {
    /// Whether the broker waits for our answer before it sends others in its place.
    pub(crate) fn is_owed_an_answer(&self) -> bool {
        match self {
            Self::Publish(delivery) => delivery.id.is_some(),
            Self::PubRel(_) => true,
            _ => false,
        }
    }
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

impl ConnAck {
    /// Without terms.
    pub(crate) fn new(session_present: bool, reason: Reason) -> Self {
        Self {
            session_present,
            reason,
            text: None,
            receive_maximum: None,
            maximum_packet: None,
            maximum_qos: QoS::ExactlyOnce,
            keep_alive: None,
        }
    }
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
    /// In the words of rumqttc.
    #[error("a packet that is not well formed ({0})")]
    Packet(String),
}

impl From<rumqttc::mqttbytes::Error> for Malformed {
    fn from(error: rumqttc::mqttbytes::Error) -> Self {
        Self::Packet(error.to_string())
    }
}

impl From<rumqttc::v5::mqttbytes::Error> for Malformed {
    fn from(error: rumqttc::v5::mqttbytes::Error) -> Self {
        Self::Packet(error.to_string())
    }
}

pub(super) fn packet_id(number: u16) -> Result<PacketId, Malformed> {
    // rumqttc lets 0 pass everywhere but in PUBLISH.
    PacketId::new(number).ok_or(Malformed::NoPacketId)
}
