//! The adapter that connects to a broker elsewhere.

mod connection;
mod flood;
mod handshake;
mod heartbeat;
mod pace;
mod thread;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thingway_sdk::{Acknowledgement, Adapter, AdapterError, BoxFuture, Command, Reports};
use tokio::sync::Notify;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use self::connection::{Connection, Lost};
use crate::config::{BridgeConfig, InvalidBridge};
use crate::form::Publication;
use crate::outbox::Refusal;
use crate::session::Session;

/// A connection to an MQTT broker that runs elsewhere.
pub struct Bridge(Arc<Core>);

/// What the connection and those who send commands share.
struct Core {
    config: BridgeConfig,
    client_id: String,
    /// Locked for the length of plain calls only, never across an await. Commands reach it while
    /// the link is down, too.
    session: Mutex<Session>,
    command_waits: Notify,
}

impl Bridge {
    /// The adapter called `name`, not yet connected.
    ///
    /// # Errors
    /// When options contradict each other.
    pub fn new(name: &str, config: BridgeConfig) -> Result<Self, InvalidBridge> {
        config.check()?;
        let client_id = config.client_id.clone().unwrap_or_else(|| default_client_id(name));
        let session = Mutex::new(Session::new(&config));
        Ok(Self(Arc::new(Core { config, client_id, session, command_waits: Notify::new() })))
    }
}

impl Core {
    fn session(&self) -> MutexGuard<'_, Session> {
        // Every call leaves the session whole, or it would not return.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One life of the link.
    async fn serve(
        self: Arc<Self>,
        reports: Reports,
        stop: CancellationToken,
    ) -> Result<(), AdapterError> {
        let opened = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            opened = Connection::open(self.clone(), reports) => opened,
        };
        let ended = match opened {
            Ok(connection) => connection.serve(&stop).await,
            Err(lost) => Err(lost),
        };
        ended.map_err(|lost| self.link_error(&lost))
    }

    fn link_error(&self, lost: &Lost) -> AdapterError {
        AdapterError::Link(format!("the broker at {}: {lost}", self.config.url))
    }

    async fn publish(&self, command: Command) -> Result<Acknowledgement, AdapterError> {
        let deadline = command.deadline;
        let topic = command.form.address.clone();
        let publication = Publication::try_from(command)?;
        let outcome = self.session().outbox.put(publication).ok_or_else(|| {
            let most = self.config.max_waiting_commands;
            AdapterError::Busy(format!("{most} for {} (`max_waiting_commands`)", self.config.url))
        })?;
        self.command_waits.notify_one();
        match timeout_at(deadline, outcome).await {
            Ok(Ok(Ok(()))) => Ok(Acknowledgement::Accepted),
            Ok(Ok(Err(refusal))) => Err(AdapterError::Refused(format!("`{topic}`: {refusal}"))),
            Ok(Err(_)) | Err(_) => Err(AdapterError::TimedOut(format!(
                "the broker at {} did not take the message to `{topic}`; check that it can be \
                 reached",
                self.config.url
            ))),
        }
    }
}

impl Adapter for Bridge {
    fn endpoint(&self) -> String {
        self.0.config.url.to_string()
    }

    fn run(
        &self,
        reports: Reports,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<(), AdapterError>> {
        Box::pin(self.0.clone().serve(reports, stop))
    }

    fn execute(&self, command: Command) -> BoxFuture<'_, Result<Acknowledgement, AdapterError>> {
        Box::pin(self.0.publish(command))
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broker(reason) => write!(f, "the broker says: {reason}"),
            Self::TooLarge(bytes) => write!(f, "the broker takes packets of {bytes} bytes at most"),
            Self::QoS(qos) => write!(f, "the broker takes QoS {} at most", qos.level()),
        }
    }
}

/// The same after a restart, so that the broker finds the session again.
fn default_client_id(name: &str) -> String {
    format!("thingway-{}-{name}", gethostname::gethostname().to_string_lossy())
}
