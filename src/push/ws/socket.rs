//! The task that owns one socket: it reads a request, or takes an answer, or tells some news,
//! one after the other, each as soon as the peer has taken what was written before.
//!
//! So nothing queues up here: while the peer does not read, its requests stay in its own buffers
//! and its news in the log. Which one is next is drawn by lot where several are due: a flood of
//! requests does not starve notifications, nor the other way round.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::end::End;
use super::heartbeat::Heartbeat;
use super::message::{Body, response};
use super::session::{Reply, Session};
use super::writes::Write;
use crate::command::Commands;
use crate::rest::{HttpConfig, Problem};

/// Requests to write that may wait for their devices at once.
const MOST_WRITES: usize = 32;
/// Notifications that are written before something else gets its turn.
const BURST: usize = 64;
/// How long a peer may take to answer the end of the socket.
const FAREWELL: Duration = Duration::from_secs(1);

/// One open socket.
pub(super) struct Socket {
    ws: WebSocket,
    session: Session,
    writes: FuturesUnordered<BoxFuture<'static, String>>,
    heartbeat: Heartbeat,
    closing: CancellationToken,
    commands: Arc<Commands>,
    write_wait: Duration,
    max_message: usize,
}

/// Whose turn it is.
enum Turn {
    Received(Option<Result<Message, axum::Error>>),
    Written(String),
    News,
    Beat,
}

impl Socket {
    /// A socket that was just opened; it ends when `closing` is cancelled.
    pub(super) fn new(
        ws: WebSocket,
        session: Session,
        commands: Arc<Commands>,
        config: &HttpConfig,
        closing: CancellationToken,
    ) -> Self {
        Self {
            ws,
            session,
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
        let _ = timeout(FAREWELL, self.part(end)).await;
    }

    async fn take_turn(&mut self) -> Result<(), End> {
        let turn = tokio::select! {
            () = self.closing.cancelled() => return Err(End::SHUTDOWN),
            received = self.ws.recv() => Turn::Received(received),
            Some(answer) = self.writes.next() => Turn::Written(answer),
            () = self.session.wait() => Turn::News,
            () = self.heartbeat.beat() => Turn::Beat,
        };
        match turn {
            Turn::Received(Some(Ok(message))) => self.receive(message).await,
            Turn::Received(Some(Err(error))) => Err(End::broken(&error)),
            Turn::Received(None) => Err(End::Lost),
            Turn::Written(answer) => self.send(answer).await,
            Turn::News => self.tell_news().await,
            Turn::Beat if self.heartbeat.is_dead() => Err(End::SILENT),
            Turn::Beat => self.deliver([Message::Ping(axum::body::Bytes::new())]).await,
        }
    }

    async fn receive(&mut self, message: Message) -> Result<(), End> {
        self.heartbeat.heard();
        match message {
            Message::Text(text) if text.len() > self.max_message => Err(End::TOO_LARGE),
            Message::Binary(bytes) if bytes.len() > self.max_message => Err(End::TOO_LARGE),
            Message::Text(text) => self.answer(&text).await,
            Message::Binary(_) => Err(End::BINARY),
            // The WebSocket itself answers pings.
            Message::Ping(_) | Message::Pong(_) => Ok(()),
            Message::Close(_) => Err(End::Peer),
        }
    }

    async fn answer(&mut self, text: &str) -> Result<(), End> {
        match self.session.handle(text) {
            Reply::Now(answer) => self.send(answer).await,
            Reply::Later(write) if self.writes.len() >= MOST_WRITES => self.refuse(&write).await,
            Reply::Later(write) => {
                let answer = write.begin(&self.commands, self.write_wait);
                self.writes.push(Box::pin(answer));
                Ok(())
            }
        }
    }

    async fn refuse(&mut self, write: &Write) -> Result<(), End> {
        let detail = format!("{MOST_WRITES} writes of this socket wait already; try again later");
        self.send(response(&write.head, Body::error(Problem::busy(detail, 1)))).await
    }

    async fn tell_news(&mut self) -> Result<(), End> {
        let news: Vec<_> = (0..BURST).map_while(|_| self.session.notification()).collect();
        self.deliver(news.into_iter().map(|text| Message::Text(text.into()))).await
    }

    async fn send(&mut self, text: String) -> Result<(), End> {
        self.deliver([Message::Text(text.into())]).await
    }

    /// Writes messages in one go and waits until the peer has taken them.
    async fn deliver(&mut self, messages: impl IntoIterator<Item = Message>) -> Result<(), End> {
        let ws = &mut self.ws;
        let written = async {
            for message in messages {
                ws.feed(message).await?;
            }
            ws.flush().await
        };
        tokio::select! {
            written = timeout(self.heartbeat.patience(), written) => match written {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(End::Lost),
                Err(_) => Err(End::SILENT),
            },
            () = self.closing.cancelled() => Err(End::SHUTDOWN),
        }
    }

    /// Ends the socket as RFC 6455, section 7, has it: both sides say that it is over.
    async fn part(&mut self, end: End) {
        match end {
            End::Lost => return,
            End::Peer => {}
            End::Ours(code, reason) => {
                let frame = CloseFrame { code, reason: reason.into() };
                if self.ws.send(Message::Close(Some(frame))).await.is_err() {
                    return;
                }
            }
        }
        while let Some(Ok(_)) = self.ws.recv().await {}
    }
}
