//! The task that owns one socket: it reads a request, or takes an answer, or tells some news,
//! one after the other, each as soon as the peer has taken what was written before. News of those
//! who are up to date is written by the herald, past this task.
//!
//! So nothing queues up here: while the peer does not read, its requests stay in its own buffers
//! and its news in the log. Which one is next is drawn by lot where several are due: a flood of
//! requests does not starve notifications, nor the other way round.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::task::consume_budget;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use tungstenite::{Bytes, Message};

use super::end::End;
use super::heartbeat::Heartbeat;
use super::line::Line;
use super::message::{Body, response};
use super::pending::Pending;
use crate::command::Commands;
use crate::rest::{HttpConfig, Problem};

/// Requests to write that may wait for their devices at once.
const MOST_WRITES: usize = 32;
/// How long a peer may take to answer the end of the socket.
const FAREWELL: Duration = Duration::from_secs(1);

/// One open socket.
pub(super) struct Socket {
    line: Arc<Line>,
    /// There may be more to read, without the socket saying so again.
    unread: bool,
    writes: FuturesUnordered<BoxFuture<'static, String>>,
    heartbeat: Heartbeat,
    closing: CancellationToken,
    commands: Arc<Commands>,
    write_wait: Duration,
    max_message: usize,
}

/// Whose turn it is.
enum Turn {
    Request,
    Written(String),
    News,
    Beat,
}

impl Socket {
    /// A socket that was just opened; it ends when `closing` is cancelled.
    pub(super) fn new(
        line: Arc<Line>,
        commands: Arc<Commands>,
        config: &HttpConfig,
        closing: CancellationToken,
    ) -> Self {
        Self {
            line,
            unread: true,
            writes: FuturesUnordered::new(),
            heartbeat: Heartbeat::new(Duration::from_secs(config.heartbeat_seconds)),
            closing,
            commands,
            write_wait: Duration::from_secs(config.write_wait_seconds),
            max_message: config.max_body_bytes,
        }
    }

    /// Serves the socket until it ends.
    pub(super) async fn run(mut self) {
        let end = loop {
            if let Err(end) = self.take_turn().await {
                break end;
            }
        };
        debug!(?end, "WebSocket ended");
        // The peer may be gone, or not read what we say.
        let _ = timeout(FAREWELL, part(&self.line, end)).await;
    }

    async fn take_turn(&mut self) -> Result<(), End> {
        self.drain().await?;
        consume_budget().await;
        let readable = async {
            if !self.unread {
                self.line.readable().await;
            }
        };
        let turn = tokio::select! {
            () = self.closing.cancelled() => return Err(End::SHUTDOWN),
            () = readable => Turn::Request,
            Some(answer) = self.writes.next() => Turn::Written(answer),
            () = self.line.attention.notified() => Turn::News,
            () = self.heartbeat.beat() => Turn::Beat,
        };
        match turn {
            Turn::Request => self.receive(),
            Turn::Written(answer) => self.line.send(Message::text(answer)),
            Turn::News => self.tell_news(),
            Turn::Beat if self.heartbeat.is_dead() => Err(End::SILENT),
            Turn::Beat => self.line.send(Message::Ping(Bytes::new())),
        }
    }

    fn receive(&mut self) -> Result<(), End> {
        let Some(message) = self.line.read()? else {
            self.unread = false;
            return Ok(());
        };
        self.unread = true;
        self.heartbeat.heard();
        match message {
            Message::Text(text) if text.len() > self.max_message => Err(End::TOO_LARGE),
            Message::Binary(bytes) if bytes.len() > self.max_message => Err(End::TOO_LARGE),
            Message::Text(text) => self.answer(&text),
            Message::Binary(_) => Err(End::BINARY),
            // The WebSocket itself answers pings.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
            Message::Close(_) => Err(End::Peer),
        }
    }

    fn answer(&mut self, text: &str) -> Result<(), End> {
        match self.line.answer(text)? {
            None => Ok(()),
            Some(pending) if self.writes.len() >= MOST_WRITES => self.refuse(&pending),
            Some(pending) => {
                self.writes.push(pending.begin(&self.commands, self.write_wait));
                Ok(())
            }
        }
    }

    fn refuse(&self, pending: &Pending) -> Result<(), End> {
        let detail = format!("{MOST_WRITES} writes of this socket wait already; try again later");
        let refusal = response(pending.head(), Body::error(Problem::busy(detail, 1)));
        self.line.send(Message::text(refusal))
    }

    fn tell_news(&self) -> Result<(), End> {
        if !self.line.tell()? {
            self.line.attention.notify_one();
        }
        Ok(())
    }

    /// Waits until the peer has taken what was written.
    async fn drain(&mut self) -> Result<(), End> {
        if !self.line.is_full() {
            return Ok(());
        }
        tokio::select! {
            drained = timeout(self.heartbeat.patience(), self.line.drained()) => {
                drained.unwrap_or(Err(End::SILENT))
            }
            () = self.closing.cancelled() => Err(End::SHUTDOWN),
        }
    }
}

/// Ends a socket as RFC 6455, section 7, has it: both sides say that it is over.
async fn part(line: &Line, end: End) -> Result<(), End> {
    match end {
        End::Lost => return Ok(()),
        End::Peer => {}
        End::Ours(..) => line.send(Message::Close(end.farewell()))?,
    }
    loop {
        line.drained().await?;
        consume_budget().await;
        if line.read()?.is_none() {
            line.readable().await;
        }
    }
}
