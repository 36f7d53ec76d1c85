//! The two who write to a socket, the herald and the socket's own task, and what they share: one
//! consumer's session, and the frames on their way to it.

use std::hint::black_box;
use std::io;
use std::sync::{Arc, Weak};

use bytes::{Buf, Bytes};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tungstenite::Message;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

use super::end::{End, would_block};
use super::following::Told;
use super::pending::Pending;
use super::session::{Reply, Session};
use crate::log::EventLog;
use crate::push::herald::{Follower, Heralds, Voice};
use crate::push::page::Page;
use crate::push::write::write_now;
use crate::registry::Registry;
use crate::rest::Rewound;

/// The read buffer is there from the first byte on, so it is most of what an idle socket costs;
/// requests are a few hundred bytes, and larger ones make it grow for as long as they need.
const READ_BUFFER: usize = 4 * 1024;
/// Notifications are collected up to here and then written in one system call. With one message
/// on top, this is also the most that waits unsent.
const WRITE_BUFFER: usize = 4 * 1024;
/// Notifications that are written before something else gets its turn.
const BURST: usize = 64;

/// One consumer's line.
pub(super) struct Line {
    pub(super) tcp: TcpStream,
    /// Wakes the socket's own task: the herald could not do everything.
    pub(super) attention: Notify,
    ends: Mutex<Ends>,
}

/// Held for as long as one request or one burst takes, and the herald does not wait for it.
struct Ends {
    context: WebSocketContext,
    session: Session,
    /// What the socket did not take of a herald's page; it goes before what the context holds.
    unsent: Bytes,
    /// Something is unsent here or there: the peer has to read before anything more is looked at.
    is_full: bool,
}

/// The socket itself and what was read of it beyond the handshake.
pub(super) fn taken_out(upgraded: hyper::Result<Upgraded>) -> Result<(TcpStream, Bytes), String> {
    let upgraded = upgraded.map_err(|error| error.to_string())?;
    let parts = upgraded.downcast::<TokioIo<Rewound>>();
    let parts = parts.map_err(|_| "the connection is none of the server's")?;
    let (unread, tcp) = parts.io.into_inner().into_parts();
    Ok((tcp, [parts.read_buf, unread].concat().into()))
}

impl Line {
    /// The line of a consumer that has not asked for anything yet, over a socket of which `read`
    /// was read already. Messages of up to `most` bytes are answered.
    pub(super) fn new(
        tcp: TcpStream,
        read: Bytes,
        most: usize,
        log: Arc<dyn EventLog>,
        registry: Arc<Registry>,
        heralds: &Arc<Heralds>,
    ) -> Arc<Self> {
        // Twice the limit is read to its end and then refused: a socket that is closed while its
        // peer still sends is reset, and the peer would not get to see why.
        let most = most.saturating_mul(2);
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_frame_size(Some(most))
            .max_message_size(Some(most));
        let context =
            WebSocketContext::from_partially_read(read.to_vec(), Role::Server, Some(config));
        // HTTP's own read buffer hangs on it.
        drop(read);
        Arc::new_cyclic(|line: &Weak<Self>| {
            let voice = Voice::new(heralds.clone(), line.clone());
            let session = Session::new(log, registry, voice);
            let ends = Mutex::new(Ends { context, session, unsent: Bytes::new(), is_full: false });
            Self { tcp, attention: Notify::new(), ends }
        })
    }

    /// Reads the next message; none when nothing more is there.
    pub(super) fn read(&self) -> Result<Option<Message>, End> {
        let mut ends = self.ends.lock();
        let Ends { context, unsent, .. } = &mut *ends;
        let read = context.read(&mut Wire { tcp: &self.tcp, unsent });
        let message = match read {
            Ok(message @ Message::Close(_)) => return Ok(Some(message)),
            Ok(message) => Some(message),
            Err(error) if would_block(&error) => None,
            Err(error) => return Err(End::of(&error)),
        };
        // Reading answers pings, and the answer may have been taken in part.
        ends.flush(&self.tcp)?;
        Ok(message)
    }

    /// Answers a request, or gives back what has to be done for its answer. What the
    /// request subscribes to is told after the answer.
    pub(super) fn answer(&self, text: &str) -> Result<Option<Box<Pending>>, End> {
        let mut ends = self.ends.lock();
        let reply = ends.session.handle(text);
        if ends.session.has_more() {
            self.attention.notify_one();
        }
        match reply {
            Reply::Now(answer) => ends.send(Message::text(answer), &self.tcp).map(|()| None),
            Reply::Later(pending) => Ok(Some(pending)),
        }
    }

    /// Writes a message, as far as the peer takes it.
    pub(super) fn send(&self, message: Message) -> Result<(), End> {
        self.ends.lock().send(message, &self.tcp)
    }

    /// Tells some of what is new; whether that was all.
    pub(super) fn tell(&self) -> Result<bool, End> {
        self.ends.lock().tell(&self.tcp)
    }

    /// Whether the peer has to read before it gets more.
    pub(super) fn is_full(&self) -> bool {
        self.ends.lock().is_full
    }

    /// Waits until the peer has taken everything.
    pub(super) async fn drained(&self) -> Result<(), End> {
        while self.is_full() {
            self.tcp.writable().await.map_err(|_| End::Lost)?;
            self.ends.lock().flush(&self.tcp)?;
        }
        Ok(())
    }

    /// Waits until there may be something to read.
    pub(super) async fn readable(&self) {
        // What is wrong, the reading says.
        let _ = self.tcp.readable().await;
    }
}

impl Follower for Line {
    fn approach(&self) {
        black_box(self.ends.is_locked());
    }

    fn hear(&self, page: &mut Page) {
        let done = self.ends.try_lock().is_some_and(|mut ends| ends.hear(page, &self.tcp));
        if !done {
            self.attention.notify_one();
        }
    }
}

impl Ends {
    /// Takes a page from a herald; false when the socket's own task has to see to the rest.
    fn hear(&mut self, page: &mut Page, tcp: &TcpStream) -> bool {
        if self.is_full || !self.context.can_write() {
            // Its own task is at it, or it is over.
            return true;
        }
        let told = match self.session.take_from(page) {
            Some(first) => self.tell_page(page, first, tcp),
            None => self.tell(tcp),
        };
        matches!(told, Ok(true))
    }

    /// Writes past the context: its own buffer is empty now, and would have to be touched for
    /// each of its followers.
    fn tell_page(&mut self, page: &mut Page, first: usize, tcp: &TcpStream) -> Result<bool, End> {
        let (entries, scratch) = page.entries_from(first);
        scratch.frames.clear();
        for entry in entries {
            if self.is_full {
                self.session.keep(entry);
                continue;
            }
            self.session.tell(entry, scratch);
            if scratch.frames.len() >= WRITE_BUFFER {
                self.put_out(&mut scratch.frames, tcp)?;
            }
        }
        self.put_out(&mut scratch.frames, tcp)?;
        Ok(!self.is_full && self.session.is_up_to_date())
    }

    fn put_out(&mut self, frames: &mut Vec<u8>, tcp: &TcpStream) -> Result<(), End> {
        let mut rest = &frames[..];
        while !rest.is_empty() {
            match write_now(tcp, rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unsent = Bytes::copy_from_slice(rest);
                    self.is_full = true;
                    break;
                }
                Err(_) => return Err(End::Lost),
            }
        }
        frames.clear();
        Ok(())
    }

    fn tell(&mut self, tcp: &TcpStream) -> Result<bool, End> {
        let mut all = false;
        for _ in 0..BURST {
            if self.is_full {
                break;
            }
            match self.session.next() {
                Told::This(text) => self.put(Message::text(text), tcp)?,
                Told::NothingYet => break,
                Told::All => {
                    all = true;
                    break;
                }
            }
        }
        self.flush(tcp)?;
        Ok(all && !self.is_full)
    }

    fn send(&mut self, message: Message, tcp: &TcpStream) -> Result<(), End> {
        self.put(message, tcp)?;
        self.flush(tcp)
    }

    fn put(&mut self, message: Message, tcp: &TcpStream) -> Result<(), End> {
        let written = self.context.write(&mut Wire { tcp, unsent: &mut self.unsent }, message);
        self.see(written)
    }

    fn flush(&mut self, tcp: &TcpStream) -> Result<(), End> {
        let flushed = self.context.flush(&mut Wire { tcp, unsent: &mut self.unsent });
        self.see(flushed)
    }

    fn see(&mut self, written: tungstenite::Result<()>) -> Result<(), End> {
        self.is_full = match written {
            Ok(()) => false,
            Err(error) if would_block(&error) => true,
            Err(_) => return Err(End::Lost),
        };
        Ok(())
    }
}

/// The socket as those see it who never wait.
struct Wire<'a> {
    tcp: &'a TcpStream,
    unsent: &'a mut Bytes,
}

impl io::Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.try_read(buffer)
    }
}

impl io::Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        self.tcp.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            let written = self.tcp.try_write(self.unsent)?;
            self.unsent.advance(written);
        }
        // An idle socket keeps no memory for it.
        *self.unsent = Bytes::new();
        Ok(())
    }
}
