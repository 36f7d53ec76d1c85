//! The adapter that connects to one device.

pub(crate) mod command;
mod config;
mod url;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thingway_sdk::{
    Acknowledgement, Adapter, AdapterError, Address, BoxFuture, Command, Operation, Reports,
};
use tokio::net::lookup_host;
use tokio::sync::{mpsc, watch};
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::debug;

pub use config::{DeviceConfig, InvalidDevice};
pub use url::{DeviceUrl, InvalidUrl};

use crate::Config;
use crate::device::{Followed, Lost, Reread};
use crate::driver::{self, Driver, Handle, Secure, Tally};
use crate::dtls::Keys;

/// Written resources that wait to be read again. Beyond, polling will show what became of them.
const REREADS: usize = 64;
/// The longest pause between two attempts to observe something.
const BACK_OFF_LIMIT: Duration = Duration::from_secs(8);
/// How long the driver may take for its leave.
const LEAVE: Duration = Duration::from_millis(1500);

/// A connection to one CoAP device.
pub struct Bridge {
    config: DeviceConfig,
    /// The way to the device, while there is one.
    session: watch::Sender<Option<Session>>,
    tally: Arc<Tally>,
}

#[derive(Clone)]
struct Session {
    handle: Handle,
    peer: SocketAddr,
    reread: mpsc::Sender<Address>,
}

/// Why there is no way to the device.
#[derive(Debug, thiserror::Error)]
enum NoLink {
    #[error("its name is not found: {0}; check `url`")]
    Name(std::io::Error),
    #[error("no socket: {0}")]
    Socket(std::io::Error),
    #[error("{0}")]
    Keys(#[from] crate::dtls::KeyFileError),
    #[error("{0}")]
    Driver(#[from] driver::DriverError),
    #[error("{0}; check that it is on, and that host and port in `url` are right")]
    Lost(#[from] Lost),
}

impl Bridge {
    /// The adapter for a device, not yet connected.
    ///
    /// # Errors
    /// When options contradict each other.
    pub fn new(config: DeviceConfig) -> Result<Self, InvalidDevice> {
        config.check()?;
        let tally = Arc::new(Tally::new(config.url.secure()));
        Ok(Self { config, session: watch::Sender::new(None), tally })
    }

    /// One life of the link. A name that leads to several addresses is tried with one after the
    /// other until one answers.
    async fn serve(&self, reports: Reports, stop: CancellationToken) -> Result<(), AdapterError> {
        let served = tokio::select! {
            () = stop.cancelled() => Ok(Vec::new()),
            peers = self.resolve() => peers,
        };
        let served = match served {
            Ok(peers) => self.serve_first(&peers, &reports, &stop).await,
            Err(error) => Err(error),
        };
        served.map_err(|error| {
            AdapterError::Link(format!("the device at {}: {error}", self.config.url))
        })
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, NoLink> {
        let name = (self.config.url.host(), self.config.url.port());
        Ok(lookup_host(name).await.map_err(NoLink::Name)?.collect())
    }

    async fn serve_first(
        &self,
        peers: &[SocketAddr],
        reports: &Reports,
        stop: &CancellationToken,
    ) -> Result<(), NoLink> {
        let mut ended = Ok(());
        for peer in peers {
            let connected = watch::Sender::new(false);
            ended = self.serve_at(*peer, reports, stop, &connected).await;
            if ended.is_ok() || *connected.borrow() {
                break;
            }
        }
        ended
    }

    async fn serve_at(
        &self,
        peer: SocketAddr,
        reports: &Reports,
        stop: &CancellationToken,
        connected: &watch::Sender<bool>,
    ) -> Result<(), NoLink> {
        let socket = driver::connect(peer).await.map_err(NoLink::Socket)?;
        let leaving = CancellationToken::new();
        let (secure, config) = (self.secure()?, self.endpoint_config());
        let driver =
            Driver::start_counting(socket, secure, config, self.tally.clone(), leaving.clone())?;
        let Driver { handle, task, .. } = driver;
        let (reread, rereads) = mpsc::channel(REREADS);
        let session = Session { handle: handle.clone(), peer, reread };
        let ended = self
            .follow(handle, peer, reports, rereads, stop, || {
                connected.send_replace(true);
                debug!(device = %self.config.url, %peer, "The device has answered");
                self.session.send_replace(Some(session));
                reports.connected();
            })
            .await;
        self.session.send_replace(None);
        leaving.cancel();
        // It ends by itself all the same.
        let _ = timeout(LEAVE, task).await;
        Ok(ended?)
    }

    async fn follow(
        &self,
        handle: Handle,
        peer: SocketAddr,
        reports: &Reports,
        mut reread: Reread,
        stop: &CancellationToken,
        ready: impl FnOnce(),
    ) -> Result<(), Lost> {
        let named = self.config.thing.as_deref().map(Into::into);
        let thing = named.unwrap_or_else(|| self.config.url.thing());
        let manner = self.config.manner();
        Followed { handle, peer, thing, prefix: String::new(), links: None, manner }
            .follow(reports, &mut reread, stop, ready)
            .await
    }

    fn secure(&self) -> Result<Option<Secure>, NoLink> {
        let (Some(identity), Some(file)) = (&self.config.identity, &self.config.key_file) else {
            return Ok(None);
        };
        let (keys, warning) = Keys::read(file)?;
        if let Some(warning) = warning {
            tracing::warn!(file = %file.display(), "{warning}");
        }
        Ok(Some(Secure { keys, identity: Some(identity.clone()), hint: None }))
    }

    fn endpoint_config(&self) -> Config {
        let mut config = Config { transmission: self.config.transmission(), ..Config::default() };
        config.limits.body = self.config.max_body_bytes.get();
        config.observe.back_off_limit = BACK_OFF_LIMIT;
        config.observe.poll_at_most = Duration::from_secs(self.config.poll_seconds.get().into());
        config
    }

    async fn command(&self, command: Command) -> Result<Acknowledgement, AdapterError> {
        let url = &self.config.url;
        let mut sessions = self.session.subscribe();
        let there = timeout_at(command.deadline, sessions.wait_for(Option::is_some)).await;
        let Some(session) = there.ok().and_then(|there| there.ok()?.clone()) else {
            let reason = format!("there is no link to the device at {url}; check that it is on");
            return Err(AdapterError::TimedOut(reason));
        };
        let Session { handle, peer, reread } = session;
        let outcome = command::carry(&handle, peer, &command, "", &url.to_string()).await?;
        if command.form.operation == Operation::WriteProperty {
            // Where too many wait, polling will show it.
            let _ = reread.try_send(command.form.address);
        }
        Ok(outcome)
    }
}

impl Adapter for Bridge {
    fn endpoint(&self) -> String {
        self.config.url.to_string()
    }

    fn run(
        &self,
        reports: Reports,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<(), AdapterError>> {
        Box::pin(self.serve(reports, stop))
    }

    fn execute(&self, command: Command) -> BoxFuture<'_, Result<Acknowledgement, AdapterError>> {
        Box::pin(self.command(command))
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        self.tally.counts()
    }
}
