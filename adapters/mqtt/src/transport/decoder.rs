use bytes::{Buf, BytesMut};

use super::frame::{Frame, Header};
use super::head::Head;
use super::topics::Topics;
use super::{Delivery, Incoming, Malformed, Transport};

/// The largest packet that is not a PUBLISH: room for some long reason strings.
const LARGEST_CONTROL_PACKET: usize = 1024 * 1024;

/// Cuts packets out of the stream of bytes. A message that is larger than it should be is never
/// held in memory: its bytes are passed over as they come. rumqttc would take it in as a whole, or
/// end the connection over it, and so again with the next connection.
pub(crate) struct Decoder {
    transport: &'static dyn Transport,
    max_packet_bytes: usize,
    topics: Topics,
    oversized: Option<Oversized>,
}

/// A message whose properties and payload are being passed over.
struct Oversized {
    delivery: Delivery,
    bytes_left: usize,
}

impl Decoder {
    pub(crate) fn new(transport: &'static dyn Transport, max_packet_bytes: usize) -> Self {
        Self { transport, max_packet_bytes, topics: Topics::default(), oversized: None }
    }

    /// The next packet, taken from the front of `bytes`; `None` when more bytes are needed.
    pub(crate) fn next(&mut self, bytes: &mut BytesMut) -> Result<Option<Incoming>, Malformed> {
        if let Some(oversized) = self.oversized.take() {
            return Ok(self.pass_over(oversized, bytes));
        }
        let Some(header) = Header::read(bytes)? else { return Ok(None) };
        if header.is_publish() && header.total() > self.max_packet_bytes {
            return self.oversized(header, bytes);
        }
        if !header.is_publish() && header.total() > LARGEST_CONTROL_PACKET {
            return Err(Malformed::TooLarge(header.total()));
        }
        if bytes.len() < header.total() {
            bytes.reserve(header.total() - bytes.len());
            return Ok(None);
        }
        let bytes = bytes.split_to(header.total()).freeze();
        self.transport.decode(&Frame { header, bytes }, &mut self.topics).map(Some)
    }

    /// Begins to pass over a message, once its head can be read.
    fn oversized(
        &mut self,
        header: Header,
        bytes: &mut BytesMut,
    ) -> Result<Option<Incoming>, Malformed> {
        let Some(head) = Head::read(header, self.transport.has_properties(), bytes)? else {
            return Ok(None);
        };
        let delivery = head.unusable(format!(
            "the message has {} bytes, more than `max_packet_bytes` = {} lets in; raise it, or \
             send less at once",
            header.total(),
            self.max_packet_bytes
        ));
        Ok(self.pass_over(Oversized { delivery, bytes_left: header.total() }, bytes))
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
}
