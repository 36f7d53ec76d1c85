//! One life of a server's socket: who asks what, and what becomes of it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use thingway_sdk::{AdapterError, Reports};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::info;
use url::Url;

use super::ServerConfig;
use super::devices::Devices;
use super::observer::Observer;
use crate::content_format::LINK_FORMAT;
use crate::directory::{EndpointName, Fetch, Location};
use crate::driver::{Handle, Incoming, RequestError};
use crate::event::{IncomingId, ObserverId};
use crate::exchange::{Request, Response};
use crate::serving::{Answer, Effect, Observed, Path, Registrar, Things, Write, answer_to_write};

/// How long a write waits for its device: the endpoint gives up a request after a minute.
const WRITE_WITHIN: Duration = Duration::from_secs(50);
/// How long the links of a simple registration may take.
const FETCH_WITHIN: Duration = Duration::from_secs(90);
/// How long it waits for what is not there.
const LONG: Duration = Duration::from_secs(3600);

pub(super) struct Session {
    scheme: &'static str,
    things: Things,
    registrar: Registrar,
    handle: Handle,
    devices: Devices,
    reports: Reports,
    began: Instant,
    /// All that waits for something: as many as the endpoint's limits of requests that are worked
    /// on and of observers, and the directory's limit of fetches, let there be.
    tasks: JoinSet<Done>,
    observers: HashMap<ObserverId, AbortHandle>,
}

/// What a task has come to.
enum Done {
    Answered,
    Unobserved(ObserverId),
    Fetched(EndpointName, SocketAddr, Result<Response, RequestError>),
}

impl Session {
    pub(super) fn new(
        config: &ServerConfig,
        things: Things,
        handle: Handle,
        devices: Devices,
        reports: Reports,
    ) -> Self {
        Self {
            scheme: config.scheme(),
            things,
            registrar: Registrar::new(config.directory()),
            handle,
            devices,
            reports,
            began: Instant::now(),
            tasks: JoinSet::new(),
            observers: HashMap::new(),
        }
    }

    pub(super) async fn run(
        mut self,
        incoming: mpsc::Receiver<Incoming>,
        stop: &CancellationToken,
    ) -> Result<(), AdapterError> {
        let ended = self.serve(incoming, stop).await;
        self.devices.end_all().await;
        ended
    }

    async fn serve(
        &mut self,
        mut incoming: mpsc::Receiver<Incoming>,
        stop: &CancellationToken,
    ) -> Result<(), AdapterError> {
        loop {
            let due = self.due();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                came = incoming.recv() => match came {
                    Some(Incoming::Request { id, from, request, observe }) => {
                        self.request(id, from, request, observe).await;
                    }
                    Some(Incoming::ObserverGone(id)) => self.unobserve(id),
                    Some(Incoming::NoAssociation { peer, reason }) => {
                        self.reports.troubled(format!("{peer}: {reason}"));
                    }
                    None => return Err(AdapterError::Link("the socket was closed".to_owned())),
                },
                Some(done) = self.tasks.join_next() => match done {
                    Ok(done) => self.done(done).await,
                    // An observer that has left, or has begun anew.
                    Err(error) if error.is_cancelled() => {}
                    Err(error) => return Err(AdapterError::Link(error.to_string())),
                },
                () = sleep_until(due) => self.expire().await,
            }
        }
    }

    async fn request(&mut self, id: IncomingId, from: SocketAddr, request: Request, observe: bool) {
        let path = Path::of(&request);
        if let Some(path) = path.as_ref().filter(|path| path.is_of_the_directory()) {
            return self.ask_directory(id, from, path, &request).await;
        }
        match self.things.answer(path, &request) {
            Answer::Now(response) => self.handle.respond(id, response).await,
            Answer::State(response, observed) if observe && response.code.is_success() => {
                self.observe(id, response, observed).await;
            }
            Answer::State(response, _) => self.handle.respond(id, response).await,
            Answer::Later(write) => self.write(id, write),
        }
    }

    fn write(&mut self, id: IncomingId, write: Write) {
        let (things, handle) = (self.things.clone(), self.handle.clone());
        self.tasks.spawn(async move {
            let outcome = things.carry_out(write, Instant::now() + WRITE_WITHIN).await;
            handle.respond(id, answer_to_write(outcome)).await;
            Done::Answered
        });
    }

    async fn observe(&mut self, id: IncomingId, response: Response, observed: Observed) {
        let told = observed.revision;
        let following = self.things.follow(&observed);
        let observer = match following.is_some() {
            true => self.handle.respond_and_observe(id, observed.registered(response)).await,
            false => {
                self.handle.respond(id, response).await;
                None
            }
        };
        let (Some(id), Some(following)) = (observer, following) else { return };
        let observer = Observer { id, observed, following, told };
        let task = self.tasks.spawn({
            let (things, handle) = (self.things.clone(), self.handle.clone());
            async move { Done::Unobserved(observer.attend(things, handle).await) }
        });
        // Who renews its observation keeps its id.
        if let Some(before) = self.observers.insert(id, task) {
            before.abort();
        }
    }

    fn unobserve(&mut self, id: ObserverId) {
        if let Some(task) = self.observers.remove(&id) {
            task.abort();
        }
    }

    async fn done(&mut self, done: Done) {
        match done {
            Done::Answered => {}
            Done::Unobserved(id) => drop(self.observers.remove(&id)),
            Done::Fetched(name, from, outcome) => self.fetched(&name, from, outcome).await,
        }
    }

    // --- The resource directory ---

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn due(&self) -> Instant {
        self.began + self.registrar.next_deadline().unwrap_or_else(|| self.now() + LONG)
    }

    async fn ask_directory(
        &mut self,
        id: IncomingId,
        from: SocketAddr,
        path: &Path,
        request: &Request,
    ) {
        let Ok(source) = Url::parse(&format!("{}://{from}", self.scheme)) else { return };
        let (response, effect) = self.registrar.answer(self.now(), &source, path, request);
        self.handle.respond(id, response).await;
        match effect {
            Effect::Nothing => {}
            Effect::Registered(location) => self.registered(location, from).await,
            Effect::Updated(location) => {
                if let Some(endpoint) = self.registrar.endpoint(location) {
                    self.devices.updated(endpoint, from.ip()).await;
                }
            }
            Effect::Removed(endpoint) => self.devices.removed(endpoint.name()).await,
            Effect::Fetch(fetch) => self.fetch(from, fetch),
        }
    }

    fn fetch(&mut self, from: SocketAddr, fetch: Fetch) {
        let handle = self.handle.clone();
        self.tasks.spawn(async move {
            let request = Request::get(fetch.target.path()).accept(LINK_FORMAT);
            let outcome = handle.request(from, request, Instant::now() + FETCH_WITHIN).await;
            Done::Fetched(fetch.name, from, outcome)
        });
    }

    async fn fetched(
        &mut self,
        name: &EndpointName,
        from: SocketAddr,
        outcome: Result<Response, RequestError>,
    ) {
        let failure = match outcome {
            Ok(response) if response.code.is_success() => {
                match self.registrar.fetched(self.now(), name, &response) {
                    Ok(location) => return self.registered(location, from).await,
                    Err(refusal) => refusal.to_string(),
                }
            }
            Ok(response) => format!("answered {}", response.code),
            Err(error) => error.to_string(),
        };
        self.registrar.not_fetched(name);
        let endpoint = &name.endpoint;
        info!(%endpoint, reason = %failure, "The links of an endpoint could not be fetched");
    }

    async fn registered(&mut self, location: Location, from: SocketAddr) {
        if let Some(endpoint) = self.registrar.endpoint(location) {
            self.devices.registered(endpoint, from.ip()).await;
        }
    }

    async fn expire(&mut self) {
        for endpoint in self.registrar.expire(self.now()) {
            self.devices.removed(endpoint.name()).await;
        }
    }
}
