//! A stream on a socket of its own: the herald writes what is new straight into it, and the
//! stream's task is woken only when that is not the end of it.

use std::borrow::Cow;
use std::hint::black_box;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use bytes::{Buf, Bytes, BytesMut};
use jiff::fmt::rfc2822::DateTimePrinter;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::view::Shown;
use super::{Order, STILL_HERE, View, farewell};
use crate::push::cursor::Cursor;
use crate::push::feed::Next;
use crate::push::herald::Follower;
use crate::push::page::{Entry, Page};
use crate::push::write::write_now;

/// A chunk of no bytes ends the body (RFC 9112, section 7.1).
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A stream on its socket. In this order, so that `approach` reaches both ends of what a herald
/// looks at.
#[repr(C)]
struct Stream {
    tcp: TcpStream,
    state: Mutex<State>,
    view: View,
    /// Wakes the stream's own task: the herald could not do everything.
    attention: Notify,
    heartbeat: Duration,
    closing: CancellationToken,
}

/// What the herald and the stream's own task share. Either holds it for one page at most, and the
/// herald does not wait for it.
struct State {
    cursor: Cursor,
    /// What the socket did not take yet. Nothing new is looked at before it has.
    unsent: Bytes,
    /// When something was written last.
    written: Instant,
    /// All that there is to say was said.
    complete: bool,
    broken: bool,
    /// The peer sent something behind its request.
    interrupted: bool,
}

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// All that there was to say was said.
    Complete,
    /// The gateway is shutting down.
    Closing,
    /// The peer hung up, or the connection broke.
    Lost,
}

/// How far a stream got.
enum Step {
    /// There may be more to write.
    More,
    /// The peer has to read first.
    Blocked,
    /// Nothing is new.
    Idle,
    Over(End),
}

/// Serves a stream over the socket on which it was asked for; `headers` are those of its answer.
/// Returns the socket when the stream came to its end and another request may follow; otherwise
/// the connection is closed.
pub async fn serve_on(tcp: TcpStream, headers: &HeaderMap, order: Order) -> Option<TcpStream> {
    let Order { cursor, view, heartbeat, closing, heralds, place } = order;
    let parts = cursor.parts();
    let state = Mutex::new(State::new(cursor, head(headers)));
    let attention = Notify::new();
    let stream = Arc::new(Stream { tcp, state, view, attention, heartbeat, closing });
    let places: Vec<_> =
        parts.iter().map(|part| heralds.join(part, Arc::downgrade(&stream) as _)).collect();
    let end = stream.run().await;
    debug!(?end, "Event stream ended");
    drop((places, place));
    // While a herald has its hand on the stream, the socket can't be had; then it is closed.
    let stream = Arc::into_inner(stream).filter(|_| end == End::Complete)?;
    (!stream.state.into_inner().interrupted).then_some(stream.tcp)
}

impl Follower for Stream {
    fn approach(&self) {
        black_box((self.state.is_locked(), mem::discriminant(&self.view)));
    }

    fn hear(&self, page: &mut Page) {
        let done = self.state.try_lock().is_some_and(|mut state| state.hear(page, self));
        if !done {
            self.attention.notify_one();
        }
    }
}

impl Stream {
    async fn run(&self) -> End {
        let end = tokio::select! {
            biased;
            () = self.closing.cancelled() => End::Closing,
            () = self.hung_up() => End::Lost,
            end = self.flow() => end,
        };
        if end == End::Closing {
            self.state.lock().part(&self.tcp);
        }
        end
    }

    async fn flow(&self) -> End {
        loop {
            let step = self.state.lock().step(self);
            match step {
                Step::More => yield_now().await,
                Step::Blocked if self.tcp.writable().await.is_err() => return End::Lost,
                Step::Blocked => {}
                Step::Idle => self.rest().await,
                Step::Over(end) => return end,
            }
        }
    }

    /// Waits until the herald needs help or the stream was quiet for too long.
    async fn rest(&self) {
        loop {
            let quiet_until = self.state.lock().written + self.heartbeat;
            if quiet_until <= Instant::now() {
                return self.state.lock().give_sign(&self.tcp);
            }
            tokio::select! {
                () = self.attention.notified() => return,
                () = sleep_until(quiet_until) => {}
            }
        }
    }

    /// Waits for the end of the connection. What else comes is not looked at.
    async fn hung_up(&self) {
        while self.tcp.readable().await.is_ok() {
            match self.tcp.try_read(&mut [0; 512]) {
                Ok(0) => return,
                Ok(_) => self.state.lock().interrupted = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

impl State {
    fn new(cursor: Cursor, head: Bytes) -> Self {
        Self {
            cursor,
            unsent: head,
            written: Instant::now(),
            complete: false,
            broken: false,
            interrupted: false,
        }
    }

    /// Takes a page from a herald; false when the stream's own task has to see to the rest.
    fn hear(&mut self, page: &mut Page, stream: &Stream) -> bool {
        if !self.unsent.is_empty() || self.complete || self.broken {
            // Its own task is at it.
            return true;
        }
        let Some(first) = self.cursor.take_from(page) else { return false };
        let read = page.read;
        let (entries, _) = page.entries_from(first);
        if let Some(chunks) = self.chunks(entries, &stream.view) {
            self.written = read;
            self.send(&chunks, &stream.tcp);
        }
        self.unsent.is_empty() && !self.broken && !self.cursor.lost_a_thing()
    }

    /// What of a page is shown: as it is in other streams, when that is all.
    fn chunks<'a>(&self, entries: &'a mut [Entry], view: &View) -> Option<Cow<'a, Bytes>> {
        let mut chunks = entries.iter_mut().filter_map(|entry| {
            let change = &entry.change;
            let shown = self.cursor.admits(change).then(|| view.shows(change))??;
            Some(match shown {
                Shown::Alike(form) => {
                    Cow::Borrowed(entry.chunk(form, |change| chunk(&form.frame(change))))
                }
                Shown::Own(frame) => Cow::Owned(chunk(&frame)),
            })
        });
        let one = chunks.next()?;
        let Some(next) = chunks.next() else { return Some(one) };
        let mut all = BytesMut::from(&one[..]);
        all.extend_from_slice(&next);
        chunks.for_each(|chunk| all.extend_from_slice(&chunk));
        Some(Cow::Owned(all.freeze()))
    }

    /// Writes what is left, or the next page.
    fn step(&mut self, stream: &Stream) -> Step {
        self.flush(&stream.tcp);
        match () {
            () if self.broken => Step::Over(End::Lost),
            () if !self.unsent.is_empty() => Step::Blocked,
            () if self.complete => Step::Over(End::Complete),
            () => self.turn_page(stream),
        }
    }

    fn turn_page(&mut self, stream: &Stream) -> Step {
        let Some(next) = self.cursor.poll() else { return Step::Idle };
        self.complete = matches!(next, Next::Gone(_));
        let frames = stream.view.next(next);
        if !frames.is_empty() {
            let mut bytes = BytesMut::from(&chunk(&frames)[..]);
            if self.complete {
                bytes.extend_from_slice(LAST_CHUNK);
            }
            self.written = Instant::now();
            self.send(&bytes.freeze(), &stream.tcp);
        }
        Step::More
    }

    fn give_sign(&mut self, tcp: &TcpStream) {
        self.written = Instant::now();
        if self.unsent.is_empty() {
            self.send(&chunk(STILL_HERE), tcp);
        }
    }

    /// Says goodbye, unless something before it is still waiting to be taken.
    fn part(&mut self, tcp: &TcpStream) {
        self.flush(tcp);
        if self.unsent.is_empty() && !self.complete {
            let farewell = [&chunk(&farewell()), LAST_CHUNK].concat();
            self.send(&farewell.into(), tcp);
        }
    }

    /// Writes when nothing is unsent, and takes hold only of what the socket does not take.
    fn send(&mut self, bytes: &Bytes, tcp: &TcpStream) {
        match write_now(tcp, bytes) {
            Ok(written) if written == bytes.len() => {}
            Ok(written) => {
                self.unsent = bytes.slice(written..);
                self.flush(tcp);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.unsent = bytes.clone(),
            Err(_) => self.broken = true,
        }
    }

    fn flush(&mut self, tcp: &TcpStream) {
        while !self.unsent.is_empty() {
            match tcp.try_write(&self.unsent) {
                Ok(written) => self.unsent.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.broken = true;
                    self.unsent.clear();
                }
            }
        }
        // Nothing of a page that others share is held on to.
        self.unsent = Bytes::new();
    }
}

/// The head of the answer (RFC 9112, section 4): that of the response, with what HTTP adds to it
/// on the way out.
fn head(headers: &HeaderMap) -> Bytes {
    let mut head = BytesMut::from("HTTP/1.1 200 OK\r\n");
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&jiff::Timestamp::now());
    head.extend_from_slice(b"transfer-encoding: chunked\r\ndate: ");
    head.extend_from_slice(date.unwrap_or_default().as_bytes());
    head.extend_from_slice(b"\r\n\r\n");
    head.freeze()
}

/// One chunk of the body (RFC 9112, section 7.1).
fn chunk(data: &[u8]) -> Bytes {
    let mut chunk = BytesMut::with_capacity(data.len() + 16);
    chunk.extend_from_slice(format!("{:X}\r\n", data.len()).as_bytes());
    chunk.extend_from_slice(data);
    chunk.extend_from_slice(b"\r\n");
    chunk.freeze()
}
