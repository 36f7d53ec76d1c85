use bytes::{Buf, Bytes};
use smol_str::SmolStr;

use super::{Malformed, PacketId};

/// Takes one packet's body apart, front to back; what it hands out shares the packet's memory.
pub(super) struct Reader(Bytes);

impl Reader {
    pub(super) fn new(body: Bytes) -> Self {
        Self(body)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn rest(self) -> Bytes {
        self.0
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<Bytes, Malformed> {
        if self.0.len() < count { Err(Malformed::Short) } else { Ok(self.0.split_to(count)) }
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.0.try_get_u8().map_err(|_| Malformed::Short)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.0.try_get_u16().map_err(|_| Malformed::Short)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.0.try_get_u32().map_err(|_| Malformed::Short)
    }

    pub(super) fn packet_id(&mut self) -> Result<PacketId, Malformed> {
        PacketId::new(self.u16()?).ok_or(Malformed::NoPacketId)
    }

    /// Bytes behind their length in 16 bits.
    pub(super) fn prefixed(&mut self) -> Result<Bytes, Malformed> {
        let length = self.u16()?;
        self.bytes(length.into())
    }

    pub(super) fn text(&mut self) -> Result<SmolStr, Malformed> {
        let bytes = self.prefixed()?;
        str::from_utf8(&bytes).map(SmolStr::new).map_err(|_| Malformed::NotUtf8)
    }

    /// A variable byte integer.
    pub(super) fn varint(&mut self) -> Result<u32, Malformed> {
        let (value, length) = varint(&self.0)?.ok_or(Malformed::Short)?;
        self.0.advance(length);
        Ok(value)
    }

    /// What a variable byte integer counts.
    pub(super) fn section(&mut self) -> Result<Self, Malformed> {
        let length = self.varint()?;
        self.bytes(length as usize).map(Self)
    }
}

/// The variable byte integer (MQTT 5, section 1.5.5) at the start of `bytes` and how many of them
/// it takes; `None` when more bytes are needed.
pub(super) fn varint(bytes: &[u8]) -> Result<Option<(u32, usize)>, Malformed> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(Malformed::Length) }
}
