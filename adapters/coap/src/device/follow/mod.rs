//! Follows one device over a driver: reads its list, observes and polls what is in it, and reports.

mod heard;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use smol_str::SmolStr;
use thingway_sdk::{Address, BoxFuture, Report, Reports};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::resource::WELL_KNOWN;
use super::{Device, Manner, Step};
use crate::driver::{Handle, Mailbox, RequestError};
use crate::event::ObservationId;
use crate::exchange::{Request, Response};
use crate::link_format::{self, Link};
use crate::message::{Code, options};

/// A device that missed so many answers in a row, and said nothing else, is gone.
const MISSES: u32 = 3;
/// Reports that are submitted at one go.
const BATCH: usize = 256;
/// How long it waits for what is not there.
const LONG: Duration = Duration::from_secs(3600);

/// Addresses to be read again soon: what was written and is not observed.
pub(crate) type Reread = mpsc::Receiver<Address>;

/// Why a device is not followed any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("{0}")]
    Request(#[from] RequestError),
    #[error("it has not answered {MISSES} times in a row")]
    Silent,
    #[error("its /.well-known/core answered {0}")]
    NoList(Code),
    #[error("its /.well-known/core is no link format: {0}")]
    BadList(#[from] link_format::LinkFormatError),
}

/// A device to be followed.
pub(crate) struct Followed {
    pub(crate) handle: Handle,
    pub(crate) peer: SocketAddr,
    pub(crate) thing: SmolStr,
    /// In front of its addresses.
    pub(crate) prefix: String,
    /// What it has, where it has told so; otherwise its own list is read and followed.
    pub(crate) links: Option<Vec<Link>>,
    pub(crate) manner: Manner,
}

struct Following {
    handle: Handle,
    peer: SocketAddr,
    device: Device,
    manner: Manner,
    mailbox: Mailbox,
    list: List,
    errand: Option<BoxFuture<'static, (Errand, Result<Response, RequestError>)>>,
    misses: u32,
    /// When it is asked whether it is there.
    beat_at: Option<Instant>,
    /// How many heartbeats there were, so that each asks for another resource.
    beats: usize,
    doubt: Doubt,
    batch: Vec<Report>,
}

/// How the device's list is followed.
#[derive(Default)]
struct List {
    etag: Option<Bytes>,
    due: Option<Instant>,
    observation: Option<ObservationId>,
}

/// What is asked, one thing at a time.
enum Errand {
    List,
    Read(Address),
    /// Whether what is observed is still as it was told.
    Beat(Address),
}

/// Guards against starting all observations anew again and again, where a resource changes and its
/// device does not tell.
struct Doubt {
    pause: Duration,
    last: Instant,
}

impl Followed {
    /// Reads the list if need be, then reports until `stop`. `ready` is called when the list is here.
    pub(crate) async fn follow(
        self,
        reports: &Reports,
        reread: &mut Reread,
        stop: &CancellationToken,
        ready: impl FnOnce(),
    ) -> Result<(), Lost> {
        let Self { handle, peer, thing, prefix, links, manner } = self;
        let now = Instant::now();
        let listed = match links {
            Some(links) => Ok(links),
            None => tokio::select! {
                () = stop.cancelled() => return Ok(()),
                response = handle.request(peer, list_request(), now + manner.answer) => {
                    Err(response?)
                }
            },
        };
        let device = Device::new(thing, prefix, manner.clone());
        let mut following = Following {
            handle,
            peer,
            device,
            manner,
            mailbox: Mailbox::new(),
            list: List::default(),
            errand: None,
            misses: 0,
            beat_at: None,
            beats: 0,
            doubt: Doubt { pause: Duration::ZERO, last: now },
            batch: Vec::new(),
        };
        following.hear();
        match listed {
            Ok(links) => following.take_links(&links).await,
            Err(response) => following.take_list(&response).await?,
        }
        ready();
        loop {
            reports.submit(&mut following.batch).await;
            if !following.turn(reread, stop).await? {
                return Ok(());
            }
        }
    }
}

fn list_request() -> Request {
    Request::get("").segment(WELL_KNOWN[0]).segment(WELL_KNOWN[1])
}

impl Following {
    /// Does what is due and waits for what happens. False when told to stop.
    async fn turn(&mut self, reread: &mut Reread, stop: &CancellationToken) -> Result<bool, Lost> {
        self.begin_errand().await?;
        let due = self.next_due();
        tokio::select! {
            () = stop.cancelled() => return Ok(false),
            (id, notice) = self.mailbox.next() => {
                self.noticed(id, notice).await?;
                while self.batch.len() < BATCH && let Some((id, notice)) = self.mailbox.try_next() {
                    self.noticed(id, notice).await?;
                }
            }
            (errand, answer) = on_the_way(&mut self.errand) => {
                self.errand = None;
                self.returned(errand, answer).await?;
            }
            // Those who write hold the sender for as long as the device is followed.
            Some(address) = reread.recv() => self.device.read_soon(Instant::now(), &address),
            () = sleep_until(due) => self.device.pass_time(Instant::now(), &mut self.batch),
        }
        Ok(true)
    }

    fn next_due(&self) -> Instant {
        let errands = [self.list.due, self.device.next_due(), self.beat_at];
        let errands = errands.into_iter().flatten().filter(|_| self.errand.is_none());
        let next = errands.chain(self.device.next_stale()).min();
        next.unwrap_or_else(|| Instant::now() + LONG)
    }

    /// Starts what has to be asked next, and all observations that are due.
    async fn begin_errand(&mut self) -> Result<(), Lost> {
        let now = Instant::now();
        if self.errand.is_some() {
            return Ok(());
        }
        if self.list.due.is_some_and(|due| due <= now) {
            self.list.due = None;
            let mut request = list_request();
            if let Some(etag) = self.list.etag.clone() {
                request.options.set(options::ETAG, etag);
            }
            self.send(Errand::List, request);
            return Ok(());
        }
        while let Some(step) = self.device.step(now) {
            match step {
                Step::Observe(address) => self.observe(&address).await?,
                Step::Read(address) => {
                    if let Some(request) = self.device.request(&address, true) {
                        self.send(Errand::Read(address), request);
                    }
                    return Ok(());
                }
            }
        }
        if self.beat_at.is_some_and(|due| due <= now) {
            self.beat();
        }
        Ok(())
    }

    /// Asks for one of the observed resources, each time another; for the list where none is.
    fn beat(&mut self) {
        self.beat_at = self.manner.heartbeat.map(|pause| Instant::now() + pause);
        if self.device.awaits_states() {
            // The registrations show it, and must not wait for their turn behind a heartbeat.
            return;
        }
        let observed = self.device.observed();
        self.beats += 1;
        let chosen = (!observed.is_empty()).then(|| &observed[self.beats % observed.len()].0);
        let asked = chosen.and_then(|address| {
            Some((Errand::Beat(address.clone()), self.device.request(address, false)?))
        });
        match asked {
            Some((errand, request)) => self.send(errand, request),
            None => self.list.due = Some(Instant::now()),
        }
    }

    fn send(&mut self, errand: Errand, request: Request) {
        let (handle, peer) = (self.handle.clone(), self.peer);
        let until = Instant::now() + self.manner.answer;
        self.errand = Some(Box::pin(async move {
            let answer = handle.request(peer, request, until).await;
            (errand, answer)
        }));
    }

    async fn observe(&mut self, address: &Address) -> Result<(), Lost> {
        let Some(request) = self.device.request(address, false) else { return Ok(()) };
        let id = self.handle.observe(self.peer, request, &self.mailbox).await?;
        self.device.observing(address, id);
        Ok(())
    }
}

/// Waits for what is under way, for ever if nothing is.
async fn on_the_way<T>(errand: &mut Option<BoxFuture<'static, T>>) -> T {
    match errand {
        Some(errand) => errand.await,
        None => std::future::pending().await,
    }
}
