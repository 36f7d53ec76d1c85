//! A publisher over a blocking socket, and the few bytes of MQTT 3.1.1 that it takes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::Result;

/// Unacknowledged QoS 1 messages that a publisher lets stand before it waits.
const WINDOW: usize = 1000;
/// Messages that are written in one go.
const CHUNK: usize = 256;

static CLIENTS: AtomicU32 = AtomicU32::new(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Qos {
    AtMostOnce,
    AtLeastOnce,
}

impl Qos {
    pub(crate) fn level(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Message {
    topic: String,
    payload: String,
}

impl Message {
    pub(crate) fn new(topic: &str, payload: &str) -> Self {
        Self { topic: topic.to_owned(), payload: payload.to_owned() }
    }

    fn encode(&self, qos: Qos, id: u16, buffer: &mut Vec<u8>) {
        buffer.push(0x30 | qos.level() << 1);
        let id_length = if qos == Qos::AtMostOnce { 0 } else { 2 };
        push_length(buffer, 2 + self.topic.len() + id_length + self.payload.len());
        push_string(buffer, &self.topic);
        if qos != Qos::AtMostOnce {
            buffer.extend_from_slice(&id.to_be_bytes());
        }
        buffer.extend_from_slice(self.payload.as_bytes());
    }
}

/// Messages as bytes: nothing but writing is left to do when the clock runs.
pub(crate) struct Burst {
    qos: Qos,
    /// Each with the number of its messages.
    chunks: Vec<(usize, Vec<u8>)>,
}

impl Burst {
    pub(crate) fn new(qos: Qos, messages: impl Iterator<Item = Message>) -> Self {
        let mut chunks: Vec<(usize, Vec<u8>)> = Vec::new();
        for (index, message) in messages.enumerate() {
            if index % CHUNK == 0 {
                chunks.push((0, Vec::new()));
            }
            let Some((count, bytes)) = chunks.last_mut() else { continue };
            message.encode(qos, packet_id(index), bytes);
            *count += 1;
        }
        Self { qos, chunks }
    }
}

/// From 1 to 65,535 and around; 0 is none.
fn packet_id(index: usize) -> u16 {
    u16::try_from(index % usize::from(u16::MAX)).unwrap_or(0) + 1
}

pub(crate) struct Publisher {
    stream: TcpStream,
    sent: usize,
    /// Bytes of acknowledgements; each has four.
    acknowledged: usize,
}

impl Publisher {
    pub(crate) fn connect(broker: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect(broker)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let number = CLIENTS.fetch_add(1, Ordering::Relaxed);
        stream.write_all(&connect(&format!("device-{}-{number}", std::process::id())))?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        match answer {
            [0x20, 2, _, 0] => Ok(Self { stream, sent: 0, acknowledged: 0 }),
            _ => Err(format!("the broker refuses the publisher: {answer:02x?}").into()),
        }
    }

    /// Publishes one message; at QoS 1 it returns when the broker has it.
    pub(crate) fn send(&mut self, message: &Message, qos: Qos) -> Result<()> {
        let mut bytes = Vec::with_capacity(256);
        message.encode(qos, packet_id(self.sent), &mut bytes);
        self.write(1, &bytes, qos)?;
        self.wait(qos, 0)
    }

    /// Publishes as fast as the broker takes it; at QoS 1 it returns when the broker has it all.
    pub(crate) fn send_all(&mut self, burst: &Burst) -> Result<()> {
        for (count, bytes) in &burst.chunks {
            self.write(*count, bytes, burst.qos)?;
            self.wait(burst.qos, WINDOW)?;
        }
        self.wait(burst.qos, 0)
    }

    fn write(&mut self, count: usize, bytes: &[u8], qos: Qos) -> Result<()> {
        self.stream.write_all(bytes)?;
        if qos == Qos::AtLeastOnce {
            self.sent += count;
        }
        Ok(())
    }

    /// Until no more than so many messages are unacknowledged.
    fn wait(&mut self, qos: Qos, unacknowledged: usize) -> Result<()> {
        let mut buffer = [0; 4096];
        while qos == Qos::AtLeastOnce && self.sent > self.acknowledged / 4 + unacknowledged {
            match self.stream.read(&mut buffer)? {
                0 => return Err("the broker hung up on the publisher".into()),
                read => self.acknowledged += read,
            }
        }
        Ok(())
    }
}

/// CONNECT with a clean session and without keep-alive.
pub(crate) fn connect(client_id: &str) -> Vec<u8> {
    let mut packet = vec![0x10];
    push_length(&mut packet, 10 + 2 + client_id.len());
    push_string(&mut packet, "MQTT");
    packet.extend_from_slice(&[4, 0x02, 0, 0]);
    push_string(&mut packet, client_id);
    packet
}

/// SUBSCRIBE to everything.
pub(crate) fn subscribe(qos: Qos) -> Vec<u8> {
    vec![0x82, 6, 0, 1, 0, 1, b'#', qos.level()]
}

fn push_string(buffer: &mut Vec<u8>, text: &str) {
    buffer.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    buffer.extend_from_slice(text.as_bytes());
}

/// MQTT 3.1.1, section 2.2.3.
fn push_length(buffer: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = u8::try_from(length % 128).unwrap_or(0);
        length /= 128;
        buffer.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            return;
        }
    }
}
