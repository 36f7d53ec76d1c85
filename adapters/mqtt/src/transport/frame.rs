use bytes::Bytes;

use super::Malformed;
use crate::config::QoS;

/// What every packet begins with. rumqttc has this too, but keeps its fields to itself, and gives
/// no header before the whole packet is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) first: u8,
    /// Bytes of the header itself.
    pub(super) length: usize,
    /// Bytes that follow it.
    pub(super) remaining: usize,
}

impl Header {
    /// `None` when more bytes are needed.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
        let read = varint(rest)?;
        Ok(read.map(|(remaining, digits)| Self { first, length: 1 + digits, remaining }))
    }

    /// The whole packet, in bytes.
    pub(super) fn total(&self) -> usize {
        self.length + self.remaining
    }

    /// The number of the packet's type (MQTT 5, section 2.1.2).
    pub(super) fn packet_type(&self) -> u8 {
        self.first >> 4
    }

    pub(super) fn is_publish(&self) -> bool {
        self.packet_type() == 3
    }

    /// Of a PUBLISH.
    pub(super) fn qos(&self) -> Result<QoS, Malformed> {
        QoS::from_level(self.first >> 1 & 0b11).ok_or(Malformed::QoS)
    }

    /// Of a PUBLISH.
    pub(super) fn duplicate(&self) -> bool {
        self.first & 0b1000 != 0
    }

    /// Of a PUBLISH.
    pub(super) fn retained(&self) -> bool {
        self.first & 1 != 0
    }
}

/// One whole packet; whatever is read out of it shares its memory.
pub(crate) struct Frame {
    pub(super) header: Header,
    /// With the header, as rumqttc wants it.
    pub(super) bytes: Bytes,
}

impl Frame {
    /// What follows the header.
    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[self.header.length..]
    }
}

/// The variable byte integer (MQTT 5, section 1.5.5) at the start of `bytes` and how many of them
/// it takes; `None` when more bytes are needed.
pub(super) fn varint(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(Malformed::Length) }
}
