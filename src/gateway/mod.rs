//! The whole gateway, wired together: started from a configuration, told of changes to it, ended
//! in order.

mod fleet;
mod reload;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thingway_sdk::Exposed;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::fleet::Fleet;
use self::reload::Reloader;
use crate::adapters::{BuildError, Listening};
use crate::command::Commands;
use crate::config::{Config, Sources};
use crate::exposed::ExposedThings;
use crate::log::{EventLog, MemoryLog};
use crate::mapping::RuleConfig;
use crate::push::streams::Streams;
use crate::push::webhook::Webhooks;
use crate::recorder::Recorder;
use crate::registry::Registry;
use crate::rest::{self, App, HttpConfig, Metrics, Reloaded, ValidationError};

/// All of it ends within this time, also when something hangs.
const END_WITHIN: Duration = Duration::from_secs(8);
/// What commands under way get of it, and then deliveries.
const FINISH_WITHIN: Duration = Duration::from_secs(3);

/// A running gateway.
pub struct Gateway {
    addresses: Addresses,
    app: Arc<App>,
    fleet: Arc<Fleet>,
    tasks: Tasks,
}

/// Where a running gateway is reached.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// HTTP.
    pub http: SocketAddr,
    /// Embedded servers: the adapter's name and where devices connect to it.
    pub servers: Vec<(String, Listening)>,
}

impl Addresses {
    /// Where servers of these URIs are.
    pub fn of<'a>(&'a self, schemes: &'a [&str]) -> impl Iterator<Item = Listening> + 'a {
        let servers = self.servers.iter().map(|(_, listening)| *listening);
        servers.filter(|listening| schemes.contains(&listening.scheme))
    }
}

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or the address is not this machine's.
    #[error(
        "can't listen for HTTP on {address}: {cause}; name another one with --http ADDRESS:PORT"
    )]
    Http {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        cause: std::io::Error,
    },
    /// An adapter can't be made.
    #[error("adapter `{name}`: {cause}")]
    Adapter {
        /// Its name.
        name: String,
        /// Why.
        cause: BuildError,
    },
    /// A configured webhook can't be made.
    #[error("webhooks: {0}")]
    Webhooks(String),
}

struct Tasks {
    /// Ends the adapters.
    intake: CancellationToken,
    /// Ends streams and the HTTP server.
    closing: CancellationToken,
    http: JoinHandle<()>,
}

impl Gateway {
    /// Takes the ports and starts everything. The sources are those of the configuration, for when
    /// it is to be read again.
    ///
    /// # Errors
    /// When a port is taken or an adapter can't be made; then nothing is left running.
    pub async fn start(config: Config, sources: Sources) -> Result<Self, StartError> {
        let listener = listen(&config.http).await?;
        let http = listener.local_addr().unwrap_or(config.http.listen);
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(config.log.clone()));
        let registry = Arc::new(Registry::default());
        let recorder =
            Arc::new(Recorder::new(log.clone(), registry.clone(), config.limits.clone()));
        let exposed = ExposedThings::new(log.clone(), registry.clone());
        let (intake, closing) = (CancellationToken::new(), CancellationToken::new());
        let shown: Arc<dyn Exposed> = exposed.clone();
        let (mapping, limits) = (config.mapping.clone(), config.limits.clone());
        let fleet = Fleet::new(recorder.clone(), shown, mapping, limits, intake.clone());
        let fleet = Arc::new(fleet);
        fleet.names.join(&config.joins);
        let rules: Vec<Arc<RuleConfig>> = config.rules.iter().cloned().map(Arc::new).collect();
        let servers = fleet.fill(config.all_adapters(), &rules).await?;
        let webhooks = Webhooks::start(
            &config.webhooks,
            config.delivery.clone(),
            log.clone(),
            registry.clone(),
            config.limits.webhooks,
            CancellationToken::new(),
        )
        .map_err(|error| StartError::Webhooks(error.to_string()))?;
        let deadline = Duration::from_secs(config.http.command_deadline_seconds);
        let most_commands = config.limits.commands_waiting;
        let commands = Commands::new(log.clone(), fleet.silos.clone(), most_commands, deadline);
        exposed.accept_writes(&commands);
        let reload = Reloader::new(sources, fleet.clone(), webhooks.clone(), config.clone());
        let app = Arc::new(App {
            registry,
            log: log.clone(),
            recorder,
            commands,
            silos: fleet.silos.clone(),
            streams: Streams::new(config.limits.streams, closing.clone(), log.clone()),
            webhooks,
            metrics: Metrics::default(),
            reload: Arc::new(reload),
            // With the port that was taken, where any was asked for.
            config: HttpConfig { listen: http, ..config.http },
            limits: config.limits,
        });
        fleet.start().await;
        let server = tokio::spawn(rest::serve(listener, app.clone(), closing.clone()));
        let tasks = Tasks { intake, closing, http: server };
        info!(%http, "Gateway started");
        Ok(Self { addresses: Addresses { http, servers }, app, fleet, tasks })
    }

    /// Where it is reached.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Waits until the HTTP server ends on its own, which it never should; says why. Adapters do
    /// not end on their own: their supervisor runs them again.
    pub async fn failed(&mut self) -> String {
        format!("the HTTP server ended: {:?}", (&mut self.tasks.http).await)
    }

    /// Reads the configuration again and applies what is different.
    ///
    /// # Errors
    /// What is wrong with it; then everything stays as it was.
    pub async fn reload(&self) -> Result<Vec<Reloaded>, Vec<ValidationError>> {
        self.app.reload.reload().await
    }

    /// Ends everything in order: no more requests; commands under way get their time; the links
    /// close; deliveries get theirs. Returns what was left undone.
    pub async fn shutdown(self) -> Vec<String> {
        let Self { app, fleet, tasks, .. } = self;
        let end = Instant::now() + END_WITHIN;
        let mut undone = Vec::new();
        tasks.closing.cancel();
        let commands = app.commands.drain(Instant::now() + FINISH_WITHIN).await;
        if commands > 0 {
            undone.push(format!("{commands} commands were not answered by their devices"));
        }
        tasks.intake.cancel();
        for name in fleet.ended(end).await {
            undone.push(format!("the adapter `{name}` did not end in time"));
        }
        // Last, because the adapters may have handed over something until now.
        let deliveries = app.webhooks.drain(end.min(Instant::now() + FINISH_WITHIN)).await;
        if deliveries > 0 {
            undone.push(format!("{deliveries} changes were not delivered to webhooks"));
        }
        // A handle whose end was seen already must not be asked again.
        if !tasks.http.is_finished() && timeout_at(end, tasks.http).await.is_err() {
            undone.push("HTTP requests were still under way".to_owned());
        }
        info!("Gateway stopped");
        undone
    }
}

async fn listen(config: &HttpConfig) -> Result<TcpListener, StartError> {
    let address = config.listen;
    TcpListener::bind(address).await.map_err(|cause| StartError::Http { address, cause })
}
