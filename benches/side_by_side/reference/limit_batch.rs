//! limit-batch: what MQTT costs when next to nothing is done. One thread reads a blocking socket,
//! walks over the packets, writes straight to the followers, and naps between two reads.
//!
//! Over a WebSocket it sends the bare value, in a frame of as many bytes as naive's: what is left
//! of a delivery is the kernel's write.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{sleep, spawn};
use std::time::Duration;

use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::Result;
use crate::client::http::end_of_head;
use crate::client::mqtt::{Qos, connect, subscribe};

/// What the reading thread and the web server share.
#[derive(Default)]
pub(super) struct Hub {
    pub(super) count: AtomicUsize,
    followers: Mutex<Vec<TcpStream>>,
    /// They follow over WebSockets, all of them.
    sockets: AtomicBool,
}

const NAP: Duration = Duration::from_millis(1);
const BUFFER: usize = 1024 * 1024;

pub(super) fn run(broker: SocketAddr) -> Result<()> {
    let hub = Arc::new(Hub::default());
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("HTTP http://{}", listener.local_addr()?);
    let shared = hub.clone();
    spawn(move || accept(&listener, &shared));
    let mut link = TcpStream::connect(broker)?;
    link.set_nodelay(true)?;
    link.write_all(&connect("limit-batch"))?;
    link.write_all(&subscribe(Qos::AtLeastOnce))?;
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        match link.read(&mut buffer[filled..])? {
            0 => return Ok(()),
            read => filled += read,
        }
        let sockets = hub.sockets.load(Ordering::Relaxed);
        let mut batch = Batch { sockets, ..Batch::default() };
        let walked = batch.walk(&buffer[..filled]);
        hub.take(&batch);
        link.write_all(&batch.acknowledgements)?;
        buffer.copy_within(walked..filled, 0);
        filled -= walked;
        sleep(NAP);
    }
}

/// What one read brought.
#[derive(Default)]
struct Batch {
    messages: usize,
    acknowledgements: Vec<u8>,
    frames: Vec<u8>,
    sockets: bool,
}

impl Batch {
    /// Walks over whole packets and returns where the first one begins that is not all there.
    fn walk(&mut self, bytes: &[u8]) -> usize {
        let mut position = 0;
        while let Some((head, body)) = packet(&bytes[position..]) {
            let start = position + head;
            if bytes[position] >> 4 == 3 {
                self.publish(bytes[position], &bytes[start..start + body]);
            }
            position = start + body;
        }
        position
    }

    fn publish(&mut self, flags: u8, body: &[u8]) {
        self.messages += 1;
        let mut payload = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        if flags & 0x06 != 0 {
            let id = &body[payload..payload + 2];
            self.acknowledgements.extend_from_slice(&[0x40, 2, id[0], id[1]]);
            payload += 2;
        }
        self.tell(&body[payload..]);
    }

    fn tell(&mut self, value: &[u8]) {
        if self.sockets {
            let head = FrameHeader { opcode: OpCode::Data(Data::Text), ..FrameHeader::default() };
            // Writing into memory can't fail.
            let _ = head.format(value.len() as u64, &mut self.frames);
            return self.frames.extend_from_slice(value);
        }
        self.frames.extend_from_slice(b"data: ");
        self.frames.extend_from_slice(value);
        self.frames.extend_from_slice(b"\n\n");
    }
}

/// Lengths of the head and the body of the packet at the beginning, if it is all there.
fn packet(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut body = 0;
    for (index, byte) in bytes.iter().skip(1).take(4).enumerate() {
        body |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let head = index + 2;
            return (bytes.len() >= head + body).then_some((head, body));
        }
    }
    None
}

impl Hub {
    fn take(&self, batch: &Batch) {
        self.count.fetch_add(batch.messages, Ordering::Relaxed);
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        followers.retain_mut(|follower| follower.write_all(&batch.frames).is_ok());
    }

    fn follow(&self, stream: TcpStream) {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
    }
}

pub(super) fn accept(listener: &TcpListener, hub: &Arc<Hub>) {
    for stream in listener.incoming().flatten() {
        let hub = hub.clone();
        spawn(move || serve(stream, &hub));
    }
}

/// Answers with the count, until somebody wants to follow.
fn serve(mut stream: TcpStream, hub: &Hub) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 1024];
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        // Its clients send small requests one at a time: each comes in one piece.
        debug_assert!(end_of_head(&buffer[..read]).is_some());
        if buffer.starts_with(b"GET /events") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")?;
            hub.follow(stream);
            return Ok(());
        }
        if let Some(key) = key_of(&buffer[..read]) {
            let accept = derive_accept_key(key);
            write!(
                stream,
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            )?;
            hub.sockets.store(true, Ordering::Relaxed);
            hub.follow(stream);
            return Ok(());
        }
        let count = hub.count.load(Ordering::Relaxed).to_string();
        let length = count.len();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{count}")?;
    }
}

/// The key of a handshake (RFC 6455, section 4.1).
fn key_of(request: &[u8]) -> Option<&[u8]> {
    let mut lines = request.split(|byte| *byte == b'\n');
    lines.find_map(|line| line.strip_prefix(b"Sec-WebSocket-Key: ")).map(<[u8]>::trim_ascii)
}
