//! The whole gateway, wired together: started from a configuration, ended in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thingway_sdk::Exposed;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::adapters::{BuildError, Listening};
use crate::command::Commands;
use crate::config::Config;
use crate::exposed::ExposedThings;
use crate::log::{EventLog, MemoryLog};
use crate::mapping::{Mapper, Names, RuleConfig};
use crate::push::streams::Streams;
use crate::push::webhook::Webhooks;
use crate::recorder::Recorder;
use crate::registry::Registry;
use crate::rest::{self, App, HttpConfig, Metrics};
use crate::silo::Silo;
use crate::supervisor::supervise;

/// All of it ends within this time, also when something hangs.
const END_WITHIN: Duration = Duration::from_secs(8);
/// What commands under way get of it, and then deliveries.
const FINISH_WITHIN: Duration = Duration::from_secs(3);

/// A running gateway.
pub struct Gateway {
    addresses: Addresses,
    app: Arc<App>,
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
    adapters: Vec<(Arc<str>, JoinHandle<()>)>,
    http: JoinHandle<()>,
}

impl Gateway {
    /// Takes the ports and starts everything.
    ///
    /// # Errors
    /// When a port is taken or an adapter can't be made; then nothing is left running.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let listener = listen(&config.http).await?;
        let http = listener.local_addr().unwrap_or(config.http.listen);
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(config.log.clone()));
        let registry = Arc::new(Registry::default());
        let recorder =
            Arc::new(Recorder::new(log.clone(), registry.clone(), config.limits.clone()));
        let exposed = ExposedThings::new(log.clone(), registry.clone());
        let (silos, servers) = silos(&config, &recorder, &exposed).await?;
        let closing = CancellationToken::new();
        let webhooks = Webhooks::start(
            &config.webhooks,
            config.delivery,
            log.clone(),
            registry.clone(),
            config.limits.webhooks,
            CancellationToken::new(),
        )
        .map_err(|error| StartError::Webhooks(error.to_string()))?;
        let deadline = Duration::from_secs(config.http.command_deadline_seconds);
        let most_commands = config.limits.commands_waiting;
        let commands = Commands::new(log.clone(), silos.clone(), most_commands, deadline);
        exposed.accept_writes(&commands);
        let app = Arc::new(App {
            registry,
            log: log.clone(),
            recorder,
            commands,
            silos,
            streams: Streams::new(config.limits.streams, closing.clone(), log.clone()),
            webhooks,
            metrics: Metrics::default(),
            // With the port that was taken, where any was asked for.
            config: HttpConfig { listen: http, ..config.http },
            limits: config.limits,
        });
        let tasks = Tasks::start(&app, listener, closing);
        info!(%http, "Gateway started");
        Ok(Self { addresses: Addresses { http, servers }, app, tasks })
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

    /// Ends everything in order: no more requests; commands under way get their time; the links
    /// close; deliveries get theirs. Returns what was left undone.
    pub async fn shutdown(self) -> Vec<String> {
        let Self { app, tasks, .. } = self;
        let end = Instant::now() + END_WITHIN;
        let mut undone = Vec::new();
        tasks.closing.cancel();
        let commands = app.commands.drain(Instant::now() + FINISH_WITHIN).await;
        if commands > 0 {
            undone.push(format!("{commands} commands were not answered by their devices"));
        }
        tasks.intake.cancel();
        for (name, task) in tasks.adapters {
            if timeout_at(end, task).await.is_err() {
                undone.push(format!("the adapter `{name}` did not end in time"));
            }
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

impl Tasks {
    fn start(app: &Arc<App>, listener: TcpListener, closing: CancellationToken) -> Self {
        let intake = CancellationToken::new();
        let supervised = app
            .silos
            .iter()
            .map(|silo| (silo.name.clone(), supervise(silo.clone(), intake.clone())));
        let adapters = supervised.collect();
        let http = tokio::spawn(rest::serve(listener, app.clone(), closing.clone()));
        Self { intake, closing, adapters, http }
    }
}

async fn listen(config: &HttpConfig) -> Result<TcpListener, StartError> {
    let address = config.listen;
    TcpListener::bind(address).await.map_err(|cause| StartError::Http { address, cause })
}

type Servers = Vec<(String, Listening)>;

async fn silos(
    config: &Config,
    recorder: &Arc<Recorder>,
    exposed: &Arc<ExposedThings>,
) -> Result<(Vec<Arc<Silo>>, Servers), StartError> {
    let names = Arc::new(Names::new(recorder.registry().clone()));
    let rules: Vec<Arc<RuleConfig>> = config.rules.iter().cloned().map(Arc::new).collect();
    let exposed: Arc<dyn Exposed> = exposed.clone();
    let (mut silos, mut servers) = (Vec::new(), Vec::new());
    for entry in config.all_adapters() {
        let built = entry.build(&exposed).await;
        let built =
            built.map_err(|cause| StartError::Adapter { name: entry.name.clone(), cause })?;
        servers.extend(built.listens.map(|listening| (entry.name.clone(), listening)));
        let name: Arc<str> = entry.name.as_str().into();
        let mapper = Mapper::new(name.clone(), &rules, names.clone(), config.limits.clone());
        silos.push(Silo::new(
            entry.protocol.name(),
            name,
            built.adapter,
            mapper,
            recorder.clone(),
            config.limits.messages_remembered,
        ));
    }
    Ok((silos, servers))
}
