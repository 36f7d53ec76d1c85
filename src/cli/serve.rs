//! Runs a gateway in this process until somebody or something ends it.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;
use tracing::{info, warn};

use super::failure::{Exit, Failure};
use crate::config::{Config, Sources};
use crate::gateway::Gateway;
use crate::telemetry::{self, Format};

/// The embedded broker's engine logs every connection of every device.
const USUAL_FILTER: &str = "info,mqtt5=warn";

/// What is logged, and how. Logs go to stderr.
#[derive(Debug, clap::Args)]
pub(super) struct LogArgs {
    /// What to log: error, warn, info, debug or trace, also by module: info,thingway_mqtt=debug
    #[arg(long = "log", env = "THINGWAY_LOG", value_name = "FILTER", default_value = USUAL_FILTER)]
    filter: String,
    /// How to write logs
    #[arg(long = "log-format", value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,
}

impl LogArgs {
    pub(super) fn start(&self) -> Result<(), Failure> {
        telemetry::start(&self.filter, self.format)
            .map_err(|reason| Failure::new(Exit::Configuration, format!("--log: {reason}")))
    }
}

/// Container engines kill what takes longer.
const LONGEST_SHUTDOWN: Duration = Duration::from_secs(10);

/// Starts a gateway, tells `ready` about it, and returns when it has ended.
pub(super) async fn serve(
    config: Config,
    sources: Sources,
    ready: impl AsyncFnOnce(&Gateway) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // Asked for first: a signal that comes while the gateway starts must not be lost.
    let mut signals = Signals::new()?;
    let mut gateway = Gateway::start(config, sources)
        .await
        .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let ended = match ready(&gateway).await {
        // A gateway whose output nobody reads is a gateway all the same.
        Ok(()) | Err(Failure::NobodyReads) => attend(&mut gateway, &mut signals).await,
        Err(failure) => Err(failure),
    };
    stop(gateway, &mut signals).await?;
    ended
}

/// Does what signals ask for, until one asks for the end.
async fn attend(gateway: &mut Gateway, signals: &mut Signals) -> Result<(), Failure> {
    loop {
        tokio::select! {
            _ = signals.hangup.recv() => {}
            name = asks_to_end(&mut signals.interrupt, &mut signals.terminate) => {
                info!(signal = name, "Stopping");
                return Ok(());
            }
            reason = gateway.failed() => {
                return Err(Failure::new(Exit::Failed, reason.to_string()));
            }
        }
        // What is wrong is in the log; whoever wants an answer asks over HTTP.
        let _ = gateway.reload().await;
    }
}

/// Lets work that has begun come to its end, unless that takes too long or nobody wants to wait.
async fn stop(gateway: Gateway, signals: &mut Signals) -> Result<(), Failure> {
    tokio::select! {
        undone = timeout(LONGEST_SHUTDOWN, gateway.shutdown()) => {
            let gave_up = || format!("the shutdown took over {} s", LONGEST_SHUTDOWN.as_secs());
            let undone = undone.unwrap_or_else(|_| vec![gave_up()]);
            undone.iter().for_each(|what| warn!("Left undone: {what}"));
            Ok(())
        }
        _ = signals.next() => Err(Failure::new(Exit::Failed, "ended at once by a second signal")),
    }
}

/// What asks a process to end, or to read its configuration again.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        asks_to_end(&mut self.interrupt, &mut self.terminate).await
    }
}

async fn asks_to_end(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
