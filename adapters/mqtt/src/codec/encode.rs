use bytes::{BufMut, BytesMut};

use super::{PacketId, property};
use crate::config::{QoS, Version};
use crate::form::Publication;
use crate::topic::TopicFilter;

/// How many QoS 1 and 2 messages a broker may send ahead of our acknowledgements (version 5): as
/// many as one batch holds.
const RECEIVE_MAXIMUM: u16 = 4096;

/// Writes packets behind each other into a buffer.
pub(crate) struct Encoder {
    version: Version,
}

/// Who we are and what we ask for.
pub(crate) struct Connect<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) username: Option<&'a str>,
    pub(crate) password: Option<&'a str>,
    pub(crate) keep_alive_seconds: u16,
    pub(crate) clean_session: bool,
    pub(crate) session_expiry_seconds: u32,
}

impl Encoder {
    pub(crate) fn new(version: Version) -> Self {
        Self { version }
    }

    pub(crate) fn connect(&self, connect: &Connect<'_>, out: &mut BytesMut) {
        let mut body = BytesMut::new();
        put_text("MQTT", &mut body);
        body.put_u8(match self.version {
            Version::V3_1_1 => 4,
            Version::V5 => 5,
        });
        body.put_u8(
            u8::from(connect.username.is_some()) << 7
                | u8::from(connect.password.is_some()) << 6
                | u8::from(connect.clean_session) << 1,
        );
        body.put_u16(connect.keep_alive_seconds);
        self.put_properties(&mut body, |properties| {
            let expiry = if connect.clean_session { 0 } else { connect.session_expiry_seconds };
            put_id(property::SESSION_EXPIRY, properties);
            properties.put_u32(expiry);
            put_id(property::RECEIVE_MAXIMUM, properties);
            properties.put_u16(RECEIVE_MAXIMUM);
        });
        put_text(connect.client_id, &mut body);
        for text in [connect.username, connect.password].into_iter().flatten() {
            put_text(text, &mut body);
        }
        put_packet(0x10, &body, out);
    }

    /// `id` must be there for QoS 1 and 2, and only for them.
    pub(crate) fn publish(
        &self,
        publication: &Publication,
        id: Option<PacketId>,
        duplicate: bool,
        out: &mut BytesMut,
    ) {
        let mut front = BytesMut::new();
        put_text(publication.topic.as_str(), &mut front);
        if let Some(id) = id {
            front.put_u16(id.get());
        }
        self.put_properties(&mut front, |properties| {
            if let Some(content_type) = &publication.payload.content_type {
                put_id(property::CONTENT_TYPE, properties);
                put_text(content_type, properties);
            }
        });
        let payload = &publication.payload.bytes;
        let flags =
            u8::from(duplicate) << 3 | publication.qos.level() << 1 | u8::from(publication.retain);
        put_header(0x30 | flags, front.len() + payload.len(), out);
        out.put_slice(&front);
        out.put_slice(payload);
    }

    pub(crate) fn pub_ack(&self, id: PacketId, out: &mut BytesMut) {
        put_packet(0x40, &id.get().to_be_bytes(), out);
    }

    pub(crate) fn pub_rec(&self, id: PacketId, out: &mut BytesMut) {
        put_packet(0x50, &id.get().to_be_bytes(), out);
    }

    pub(crate) fn pub_rel(&self, id: PacketId, out: &mut BytesMut) {
        put_packet(0x62, &id.get().to_be_bytes(), out);
    }

    pub(crate) fn pub_comp(&self, id: PacketId, out: &mut BytesMut) {
        put_packet(0x70, &id.get().to_be_bytes(), out);
    }

    pub(crate) fn subscribe(
        &self,
        id: PacketId,
        filters: &[TopicFilter],
        qos: QoS,
        out: &mut BytesMut,
    ) {
        let mut body = BytesMut::new();
        body.put_u16(id.get());
        self.put_properties(&mut body, |_none| {});
        for filter in filters {
            put_text(filter.as_str(), &mut body);
            body.put_u8(qos.level() | self.no_local(filter));
        }
        put_packet(0x82, &body, out);
    }

    /// What we publish is a wish, no evidence of a device's state, so it shall not come back. The
    /// standard forbids to ask for that in a shared subscription (MQTT 5, section 3.8.3.1), and
    /// 3.1.1 has no way to ask.
    fn no_local(&self, filter: &TopicFilter) -> u8 {
        u8::from(self.version == Version::V5 && !filter.is_shared()) << 2
    }

    pub(crate) fn ping_req(&self, out: &mut BytesMut) {
        out.put_slice(&[0xc0, 0]);
    }

    pub(crate) fn disconnect(&self, out: &mut BytesMut) {
        out.put_slice(&[0xe0, 0]);
    }

    fn put_properties(&self, body: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
        if self.version == Version::V5 {
            let mut properties = BytesMut::new();
            write(&mut properties);
            put_varint(properties.len(), body);
            body.put_slice(&properties);
        }
    }
}

fn put_packet(first: u8, body: &[u8], out: &mut BytesMut) {
    put_header(first, body.len(), out);
    out.put_slice(body);
}

fn put_header(first: u8, remaining: usize, out: &mut BytesMut) {
    out.reserve(5 + remaining);
    out.put_u8(first);
    put_varint(remaining, out);
}

fn put_varint(mut value: usize, out: &mut BytesMut) {
    loop {
        let digit = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return out.put_u8(digit);
        }
        out.put_u8(digit | 0x80);
    }
}

/// Text behind its length. Topics and filters were checked to fit; of anything longer, which no
/// broker could take, the length says only what 16 bits can.
fn put_text(text: &str, out: &mut BytesMut) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.put_u16(length);
    out.put_slice(&text.as_bytes()[..usize::from(length)]);
}

fn put_id(id: u32, out: &mut BytesMut) {
    put_varint(id as usize, out);
}
