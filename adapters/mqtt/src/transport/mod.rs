//! Packets to bytes and back, as a client needs them, for MQTT 3.1.1 and 5. rumqttc's packet codec
//! does the work, and only this module knows it; where it can't say something, that is done here,
//! with the reason beside it. No sockets, no state of a session: one packet at a time.
//!
//! rumqttc's own event loop is not used: it forgets what is under way when the broker has lost the
//! session, ends the connection over a QoS 2 exchange that a restart cut in two, and holds whole
//! packets in memory however large they are.

mod decoder;
mod frame;
mod head;
mod packet;
mod reason;
#[cfg(test)]
mod tests;
mod topics;
mod v4;
mod v5;

use bytes::BytesMut;
use tracing::error;

pub(crate) use decoder::Decoder;
pub(crate) use packet::{
    ConnAck, Connect, Delivery, Incoming, Malformed, Message, Outgoing, PacketId, Unusable,
};
pub(crate) use reason::{Reason, refusal};

use self::frame::Frame;
use self::topics::Topics;
use crate::config::Version;

/// One version of the protocol.
pub(crate) trait Transport: Send + Sync {
    /// Appends a packet to `out`. An error may leave half of it there.
    fn encode(
        &self,
        packet: &Outgoing<'_>,
        out: &mut BytesMut,
    ) -> Result<usize, Box<dyn std::error::Error>>;

    /// What a whole packet says.
    fn decode(&self, frame: &Frame, topics: &mut Topics) -> Result<Incoming, Malformed>;

    /// Whether a PUBLISH has properties in front of its payload.
    fn has_properties(&self) -> bool;

    /// Whether the broker can be asked not to send us what we published.
    fn has_no_local(&self) -> bool;

    /// Appends a packet to `out`, whole or not at all.
    fn write(&self, packet: &Outgoing<'_>, out: &mut BytesMut) {
        let before = out.len();
        if let Err(error) = self.encode(packet, out) {
            // Only a packet that is too large for the protocol gets here: publications are
            // checked before, so it takes subscriptions of some 256 MiB.
            out.truncate(before);
            error!(%error, "Could not write a packet");
        }
    }
}

/// The transport for the version that is configured.
pub(crate) fn of(version: Version) -> &'static dyn Transport {
    match version {
        Version::V3_1_1 => &v4::V4,
        Version::V5 => &v5::V5,
    }
}
