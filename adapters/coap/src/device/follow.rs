//! Follows one device over a driver: reads its list, observes and polls what is in it, and reports.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use smol_str::SmolStr;
use thingway_sdk::{Address, BoxFuture, Report, Reports};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::resource::WELL_KNOWN;
use super::{Device, Manner, Step};
use crate::driver::{Handle, Mailbox, Notice, RequestError};
use crate::event::{Failure, ObservationId, Trouble};
use crate::exchange::{Request, Response};
use crate::link_format::{self, Limits, Link};
use crate::message::{Code, options};

/// A device that missed so many answers in a row, and said nothing else, is gone.
const MISSES: u32 = 3;
/// Reports that are submitted at one go.
const BATCH: usize = 256;
/// The longest pause between two new starts of all observations, where a device seems to forget.
const LONGEST_DOUBT: Duration = Duration::from_secs(15 * 60);
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

    async fn returned(
        &mut self,
        errand: Errand,
        answer: Result<Response, RequestError>,
    ) -> Result<(), Lost> {
        let now = Instant::now();
        match (errand, answer) {
            (Errand::List, answer) => {
                self.list.due = Some(now + self.manner.list);
                if let Some(response) = self.heard_or_missed(answer)? {
                    self.take_list(&response).await?;
                }
            }
            (Errand::Read(address), Ok(response)) => {
                self.hear();
                self.device.answered(now, &address, &response, &mut self.batch);
            }
            (Errand::Read(address), Err(error)) => {
                if let RequestError::Failed(failure) = error {
                    self.device.failed(now, &address, failure, &mut self.batch);
                }
                self.heard_or_missed(Err(error))?;
            }
            (Errand::Beat(address), answer) => {
                if let Some(response) = self.heard_or_missed(answer)? {
                    self.compare(&address, response).await?;
                }
            }
        }
        Ok(())
    }

    /// Whether an observation still tells what a request is answered. A device that was restarted
    /// knows nothing of its observers.
    async fn compare(&mut self, address: &Address, response: Response) -> Result<(), Lost> {
        // A notification may have overtaken the answer.
        while let Some((id, notice)) = self.mailbox.try_next() {
            self.noticed(id, notice).await?;
        }
        let told = self.device.body(address) == Some(&response.payload);
        if told || response.code != Code::CONTENT {
            return Ok(());
        }
        let now = Instant::now();
        self.device.answered(now, address, &response, &mut self.batch);
        if now < self.doubt.last + self.doubt.pause {
            return Ok(());
        }
        info!(peer = %self.peer, "The device has forgotten what is observed; observing anew");
        self.doubt.pause = (self.doubt.pause * 2).clamp(Duration::from_secs(10), LONGEST_DOUBT);
        self.doubt.last = now;
        for (address, id) in self.device.observed() {
            self.handle.unobserve(id).await;
            self.observe(&address).await?;
        }
        Ok(())
    }

    async fn noticed(&mut self, id: ObservationId, notice: Notice) -> Result<(), Lost> {
        let of_the_list = self.list.observation == Some(id);
        let Some(address) = self.device.address(id).filter(|_| !of_the_list) else {
            return self.list_noticed(id, notice).await;
        };
        let now = Instant::now();
        let over = match notice {
            Notice::State { response, .. } => {
                self.hear();
                let news = self.device.body(&address).is_some_and(|body| *body != response.payload);
                // The answers to the registrations themselves prove nothing.
                if news && now > self.doubt.last + self.manner.answer {
                    self.doubt.pause = Duration::ZERO;
                }
                self.device.answered(now, &address, &response, &mut self.batch)
            }
            Notice::Stale => {
                self.device.outlived(&address, &mut self.batch);
                None
            }
            Notice::Interrupted { trouble: Trouble::Refused(code), .. } => {
                self.hear();
                self.device.refused(now, &address, code, &mut self.batch)
            }
            Notice::Interrupted { trouble: Trouble::Failed(failure), unreachable, .. } => {
                self.device.failed(now, &address, failure, &mut self.batch);
                self.interrupted(failure, unreachable)?;
                None
            }
        };
        if let Some(over) = over {
            self.handle.unobserve(over).await;
        }
        Ok(())
    }

    async fn list_noticed(&mut self, id: ObservationId, notice: Notice) -> Result<(), Lost> {
        if self.list.observation != Some(id) {
            // An observation that was ended while its news waited.
            return Ok(());
        }
        match notice {
            Notice::State { response, .. } => {
                self.hear();
                self.take_list(&response).await
            }
            Notice::Stale => Ok(()),
            Notice::Interrupted { trouble: Trouble::Refused(code), .. } => {
                debug!(peer = %self.peer, %code, "The device's list can't be observed");
                self.list.observation = None;
                self.list.due = Some(Instant::now() + self.manner.list);
                self.handle.unobserve(id).await;
                Ok(())
            }
            Notice::Interrupted { trouble: Trouble::Failed(failure), unreachable, .. } => {
                self.interrupted(failure, unreachable)
            }
        }
    }

    /// Takes over what the device has, and looks for changes of it from here on.
    async fn take_list(&mut self, response: &Response) -> Result<(), Lost> {
        let now = Instant::now();
        if response.code == Code::VALID {
            return Ok(());
        }
        if !response.code.is_success() {
            return Err(Lost::NoList(response.code));
        }
        let limits = Limits { bytes: self.manner.body, ..Limits::default() };
        let links = link_format::parse(&response.payload, &limits)?;
        self.list.etag = response.options.get(options::ETAG).cloned();
        self.take_links(&links).await;
        let own = links.iter().find(|link| {
            super::Target::parse(&link.target).is_some_and(|target| target.is(&WELL_KNOWN))
        });
        let observable = self.manner.observe && own.is_some_and(|link| link.is_observable());
        if observable && self.list.observation.is_none() {
            let id = self.handle.observe(self.peer, list_request(), &self.mailbox).await?;
            self.list.observation = Some(id);
        }
        self.list.due = self.list.observation.is_none().then(|| now + self.manner.list);
        Ok(())
    }

    async fn take_links(&mut self, links: &[Link]) {
        if links.len() > self.manner.resources {
            let most = self.manner.resources;
            warn!(peer = %self.peer, most, "The device has more resources (`max_resources`)");
        }
        for over in self.device.relist(Instant::now(), links, &mut self.batch) {
            self.handle.unobserve(over).await;
        }
    }

    // --- Whether it is there ---

    fn hear(&mut self) {
        self.misses = 0;
        self.beat_at = self.manner.heartbeat.map(|pause| Instant::now() + pause);
    }

    fn interrupted(&mut self, failure: Failure, unreachable: Option<Arc<str>>) -> Result<(), Lost> {
        let error = unreachable.map_or(RequestError::Failed(failure), RequestError::Unreachable);
        self.heard_or_missed(Err(error)).map(drop)
    }

    /// The response, or none when the device may still be there. What breaks the rules was heard
    /// all the same.
    fn heard_or_missed(
        &mut self,
        answer: Result<Response, RequestError>,
    ) -> Result<Option<Response>, Lost> {
        match answer {
            Ok(response) => {
                self.hear();
                Ok(Some(response))
            }
            Err(RequestError::Failed(Failure::Timeout)) => {
                self.misses += 1;
                self.beat_at = self.manner.heartbeat.map(|_| Instant::now());
                if self.misses >= MISSES { Err(Lost::Silent) } else { Ok(None) }
            }
            Err(RequestError::Failed(failure)) => {
                if failure != Failure::Busy {
                    self.hear();
                }
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Waits for what is under way, for ever if nothing is.
async fn on_the_way<T>(errand: &mut Option<BoxFuture<'static, T>>) -> T {
    match errand {
        Some(errand) => errand.await,
        None => std::future::pending().await,
    }
}
