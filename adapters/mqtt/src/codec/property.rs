use smol_str::SmolStr;

use super::Malformed;
use super::reader::Reader;

/// Identifiers of the properties that are used here (MQTT 5, section 2.2.2.2).
pub(super) const CONTENT_TYPE: u32 = 0x03;
pub(super) const SESSION_EXPIRY: u32 = 0x11;
pub(super) const SERVER_KEEP_ALIVE: u32 = 0x13;
pub(super) const REASON_STRING: u32 = 0x1f;
pub(super) const RECEIVE_MAXIMUM: u32 = 0x21;
pub(super) const TOPIC_ALIAS: u32 = 0x23;
pub(super) const MAXIMUM_QOS: u32 = 0x24;
pub(super) const MAXIMUM_PACKET: u32 = 0x27;

/// The properties of one packet, as far as they mean something here.
#[derive(Default)]
pub(super) struct Properties {
    pub(super) content_type: Option<SmolStr>,
    pub(super) reason_string: Option<SmolStr>,
    pub(super) receive_maximum: Option<u16>,
    pub(super) server_keep_alive: Option<u16>,
    pub(super) topic_alias: Option<u16>,
    pub(super) maximum_qos: Option<u8>,
    pub(super) maximum_packet: Option<u32>,
}

impl Properties {
    pub(super) fn read(packet: &mut Reader) -> Result<Self, Malformed> {
        let mut section = packet.section()?;
        let mut found = Self::default();
        while !section.is_empty() {
            let id = section.varint()?;
            found.read_one(id, &mut section)?;
        }
        Ok(found)
    }

    fn read_one(&mut self, id: u32, section: &mut Reader) -> Result<(), Malformed> {
        match id {
            CONTENT_TYPE => self.content_type = Some(section.text()?),
            REASON_STRING => self.reason_string = Some(section.text()?),
            RECEIVE_MAXIMUM => self.receive_maximum = Some(section.u16()?),
            SERVER_KEEP_ALIVE => self.server_keep_alive = Some(section.u16()?),
            TOPIC_ALIAS => self.topic_alias = Some(section.u16()?),
            MAXIMUM_QOS => self.maximum_qos = Some(section.u8()?),
            MAXIMUM_PACKET => self.maximum_packet = Some(section.u32()?),
            other => skip(other, section)?,
        }
        Ok(())
    }
}

/// Passes over a property; its identifier tells its type.
fn skip(id: u32, section: &mut Reader) -> Result<(), Malformed> {
    match id {
        0x01 | 0x17 | 0x19 | 0x25 | 0x28 | 0x29 | 0x2a => section.u8().map(drop),
        0x22 => section.u16().map(drop),
        0x02 | 0x11 | 0x18 => section.u32().map(drop),
        0x0b => section.varint().map(drop),
        0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1a | 0x1c => section.prefixed().map(drop),
        // A user property is a pair of strings.
        0x26 => section.prefixed().and_then(|_name| section.prefixed()).map(drop),
        unknown => Err(Malformed::Property(unknown)),
    }
}
