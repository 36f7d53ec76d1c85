//! One life of the link, from CONNACK to its end.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use thingway_sdk::{BoxFuture, Reports, Timestamp};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Core;
use super::flood;
use super::handshake::{Accepted, HandshakeError};
use super::heartbeat::{Beat, Heartbeat};
use super::pace::Pace;
use crate::batch::Batch;
use crate::link::{Exchanged, Link};
use crate::session::{Broken, Next};
use crate::transport::{Decoder, Malformed};

/// How long the broker may take to grant the subscriptions.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the end of a connection may take: first to finish what was begun, then to take leave.
const DRAIN: Duration = Duration::from_secs(1);
const LEAVE: Duration = Duration::from_millis(250);

/// No further commands are written while more than this waits to be, in bytes.
const OUTGOING_BYTES: usize = 256 * 1024;

/// Why the connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("{0}")]
    Handshake(#[from] HandshakeError),
    #[error(
        "it closed the connection without a word; check its log, and that no other client \
        has the client id `{client_id}`"
    )]
    Closed { client_id: String },
    #[error("the connection broke: {0}; check the network in between and the broker's log")]
    Io(io::Error),
    #[error("the operating system gives no thread to take in a flood: {0}")]
    Thread(io::Error),
    #[error("it sent {0}, so nothing that follows can be understood")]
    Malformed(#[from] Malformed),
    #[error("{0}")]
    Broken(#[from] Broken),
    #[error("it was silent for {0:?} (`keep_alive_seconds`); check the network in between")]
    Silent(Duration),
    #[error("it did not answer the subscription within {} s; check its log", PATIENCE.as_secs())]
    NotSubscribed,
}

/// Why the connection does not go on as before.
pub(super) enum Turned {
    Stopped,
    Lost(Lost),
    /// A flood began, or is over.
    Tide,
}

pub(super) struct Connection {
    core: Arc<Core>,
    pub(super) link: Link,
    decoder: Decoder,
    reports: Reports,
    heartbeat: Heartbeat,
    pub(super) pace: Pace,
    /// Whether it lives on a thread of its own: see `flood`.
    pub(super) alone: bool,
    keep_alive: Duration,
    /// `None` once the subscriptions are granted.
    subscribed_by: Option<Instant>,
    /// What came while the batch before it was being applied.
    batch: Batch,
    /// The batch that the gateway is applying. It is never dropped half-way while there is time.
    applying: Option<BoxFuture<'static, Batch>>,
    /// The allocations of a batch that is done.
    spare: Batch,
}

impl Connection {
    pub(super) async fn open(core: Arc<Core>, reports: Reports) -> Result<Self, Lost> {
        let Accepted { mut link, decoder, ack } = core.shake_hands().await?;
        core.session().connected(&ack, Instant::now(), &mut link.outgoing);
        info!(
            broker = %core.config.url,
            client.id = %core.client_id,
            session.kept = ack.session_present,
            "Connected"
        );
        let seconds = ack.keep_alive.filter(|&seconds| seconds > 0);
        let seconds = seconds.unwrap_or(core.config.keep_alive_seconds.get());
        let keep_alive = Duration::from_secs(seconds.into());
        Ok(Self {
            core,
            link,
            decoder,
            reports,
            heartbeat: Heartbeat::new(keep_alive),
            pace: Pace::new(Instant::now()),
            alone: false,
            keep_alive,
            subscribed_by: Some(Instant::now() + PATIENCE),
            batch: Batch::default(),
            applying: None,
            spare: Batch::default(),
        })
    }

    /// Until `stop` (`Ok`) or until the link is lost.
    pub(super) async fn serve(mut self, stop: &CancellationToken) -> Result<(), Lost> {
        let lost = loop {
            let mut turned = self.work(stop).await;
            if let Turned::Tide = turned {
                (self, turned) = self.endure(stop).await?;
            }
            match turned {
                Turned::Stopped => {
                    self.leave().await;
                    return Ok(());
                }
                Turned::Lost(lost) => break lost,
                Turned::Tide => {}
            }
        };
        tokio::select! {
            () = self.apply_rest() => {}
            () = patience_after(stop) => warn!("Stopped before everything received was applied"),
        }
        Err(lost)
    }

    pub(super) async fn work(&mut self, stop: &CancellationToken) -> Turned {
        // A turn may be dropped at any of its awaits: all that lasts is kept in `self`.
        tokio::select! {
            biased;
            () = stop.cancelled() => Turned::Stopped,
            turned = self.turns() => turned,
        }
    }

    async fn turns(&mut self) -> Turned {
        loop {
            if let Err(lost) = self.turn(true).await {
                return Turned::Lost(lost);
            }
            if self.pace.is_flood() != self.alone {
                return Turned::Tide;
            }
        }
    }

    /// Takes in what came, hands out what waits, and then lasts until something happens.
    async fn turn(&mut self, listening: bool) -> Result<(), Lost> {
        self.take_in()?;
        self.apply();
        self.send();
        let listening = listening && !self.batch.is_full();
        let idle = self.applying.is_none() && self.link.is_written();
        tokio::select! {
            // In this order: the last is asked when there is nothing else to do.
            biased;
            batch = applied(&mut self.applying) => self.acknowledge(batch),
            () = self.heartbeat.tick() => self.beat(listening)?,
            () = reached(self.subscribed_by) => return Err(Lost::NotSubscribed),
            () = self.core.command_waits.notified() => {}
            exchanged = self.link.exchange(listening) => self.exchanged(exchanged)?,
            () = flood::begins(&mut self.pace, self.alone), if idle => {}
        }
        Ok(())
    }

    /// Packets out of what was read, until there are no more or the batch is full.
    fn take_in(&mut self) -> Result<(), Lost> {
        let received = Timestamp::now();
        let mut session = self.core.session();
        session.echoes.forget(Instant::now());
        while !self.batch.is_full()
            && let Some(packet) = self.decoder.next(&mut self.link.incoming)?
        {
            self.pace.arrived(packet.is_owed_an_answer());
            let out = &mut self.link.outgoing;
            if session.handle(packet, received, &mut self.batch, out)? == Next::Subscribed {
                self.subscribed_by = None;
                self.reports.connected();
            }
        }
        Ok(())
    }

    /// Hands the batch over, unless the one before it is still being applied.
    fn apply(&mut self) {
        if self.applying.is_some() || self.batch.is_empty() {
            return;
        }
        let spare = std::mem::take(&mut self.spare);
        let mut batch = std::mem::replace(&mut self.batch, spare);
        let reports = self.reports.clone();
        self.applying = Some(Box::pin(async move {
            reports.submit(&mut batch.reports).await;
            batch
        }));
    }

    fn acknowledge(&mut self, mut batch: Batch) {
        self.applying = None;
        self.core.session().applied(&batch, &mut self.link.outgoing);
        batch.clear();
        self.spare = batch;
    }

    fn send(&mut self) {
        let room = OUTGOING_BYTES.saturating_sub(self.link.outgoing.len());
        self.core.session().send_waiting(room, Instant::now(), &mut self.link.outgoing);
    }

    fn exchanged(&mut self, exchanged: io::Result<Exchanged>) -> Result<(), Lost> {
        match exchanged {
            Ok(Exchanged::Read) => self.heartbeat.heard(),
            Ok(Exchanged::Written) => self.core.session().outbox.written(),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Lost::Closed { client_id: self.core.client_id.clone() });
            }
            Err(error) => return Err(Lost::Io(error)),
        }
        Ok(())
    }

    fn beat(&mut self, listening: bool) -> Result<(), Lost> {
        match self.heartbeat.beat(listening) {
            Beat::Ping => self.core.session().ping(&mut self.link.outgoing),
            Beat::GiveUp => return Err(Lost::Silent(self.keep_alive)),
        }
        Ok(())
    }

    /// Finishes what was begun and takes leave, each within its time.
    async fn leave(mut self) {
        if timeout(DRAIN, self.drain()).await.is_err() {
            warn!(broker = %self.core.config.url, "Stopped before everything was acknowledged");
        }
        self.core.session().disconnect(&mut self.link.outgoing);
        // Whether it still hears this or not, the broker will find out that we are gone.
        timeout(LEAVE, self.link.exchange(false)).await.ok();
    }

    async fn drain(&mut self) {
        loop {
            let settled = self.core.session().outbox.is_settled();
            let idle = self.applying.is_none() && self.batch.is_empty();
            if settled && idle && self.link.is_written() {
                return;
            }
            if self.turn(!settled).await.is_err() {
                return self.apply_rest().await;
            }
        }
    }

    /// The link is gone. What came over it is applied all the same: nobody sends QoS 0 again.
    async fn apply_rest(&mut self) {
        loop {
            // The link is given up for an error already, so a further one says nothing new.
            self.take_in().ok();
            self.apply();
            if self.applying.is_none() {
                return;
            }
            let mut batch = applied(&mut self.applying).await;
            self.applying = None;
            self.core.session().applied_too_late(&batch);
            batch.clear();
            self.spare = batch;
        }
    }
}

async fn applied(applying: &mut Option<BoxFuture<'static, Batch>>) -> Batch {
    match applying {
        Some(batch) => batch.await,
        None => pending().await,
    }
}

async fn reached(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}

async fn patience_after(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(DRAIN).await;
}
