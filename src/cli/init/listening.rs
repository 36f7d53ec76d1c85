//! The inward half of a gateway, for as long as `init` listens.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use thingway_sdk::{Adapter, BoxFuture, Intake, Report as Reported, Reports};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::families::Family;
use super::findings;
use super::progress;
use super::report::Report;
use super::survey::Survey;
use crate::cli::failure::{Exit, Failure};
use crate::limits::Limits;
use crate::log::{LogConfig, MemoryLog};
use crate::mapping::{Mapper, MappingConfig, Names};
use crate::recorder::Recorder;
use crate::registry::Registry;
use crate::silo::{Silo, SiloIntake};

/// Whoever reports to it is written down, after the gateway's own intake has taken it in.
pub(super) struct Listener {
    silo: Arc<Silo>,
    registry: Arc<Registry>,
    intake: SiloIntake,
    survey: Mutex<Survey>,
    connected: Notify,
}

/// More than the largest batch of an adapter: what a batch brought is looked up after it.
const MESSAGES_REMEMBERED: usize = 10_000;

const REDRAW: Duration = Duration::from_millis(250);

impl Listener {
    pub(super) fn new(name: &str, adapter: Arc<dyn Adapter>) -> Arc<Self> {
        let limits = Limits { messages_remembered: MESSAGES_REMEMBERED, ..Limits::default() };
        let registry = Arc::new(Registry::default());
        let log = Arc::new(MemoryLog::new(LogConfig::default()));
        let recorder = Arc::new(Recorder::new(log, registry.clone(), limits.clone()));
        let names = Arc::new(Names::new(registry.clone()));
        let mapping = MappingConfig::default();
        let mapper = Mapper::new(name.into(), &mapping, &[], names, limits);
        let silo = Silo::new("mqtt", name.into(), adapter, mapper, recorder, MESSAGES_REMEMBERED);
        let intake = SiloIntake(silo.clone());
        let (survey, connected) = (Mutex::default(), Notify::new());
        Arc::new(Self { silo, registry, intake, survey, connected })
    }

    /// Listens for this long, from when the broker granted the subscription.
    ///
    /// # Errors
    /// When the link can't be had, or is lost.
    pub(super) async fn listen(
        self: &Arc<Self>,
        whole: Duration,
        shows: bool,
    ) -> Result<(), Failure> {
        let stop = CancellationToken::new();
        let mut link = pin!(self.silo.adapter.run(Reports::new(self.clone()), stop.clone()));
        tokio::select! {
            ended = &mut link => return Err(self.lost(ended.err().map(|error| error.to_string()))),
            () = self.connected.notified() => {}
        }
        let begun = Instant::now();
        let mut redraw = interval(REDRAW);
        redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = loop {
            tokio::select! {
                ended = &mut link => break Some(ended),
                () = sleep_until(begun + whole) => break None,
                _ = redraw.tick(), if shows => {
                    let (messages, topics) = self.survey.lock().counts();
                    progress::draw(begun.elapsed(), whole, messages, topics);
                }
            }
        };
        if shows {
            progress::clear();
        }
        match ended {
            Some(ended) => Err(self.lost(ended.err().map(|error| error.to_string()))),
            None => {
                stop.cancel();
                // What still comes of it is the broker's goodbye.
                let _ = link.await;
                Ok(())
            }
        }
    }

    /// What was found, and the families of topics that rules may be written for.
    pub(super) fn found(&self, seconds: u64) -> (Report, Vec<Family>) {
        let trouble = self.silo.health.status().last_error;
        let endpoint = self.silo.adapter.endpoint();
        let survey = self.survey.lock();
        findings::of(&survey, &self.registry, Report::new(endpoint, seconds, trouble))
    }

    fn lost(&self, reason: Option<String>) -> Failure {
        let reason =
            reason.unwrap_or_else(|| format!("{} went away", self.silo.adapter.endpoint()));
        let message = format!(
            "{reason}\nnothing was written; check --mqtt: host and port, mqtts:// for TLS, user \
             and password"
        );
        Failure::new(Exit::Unreachable, message)
    }
}

impl Intake for Listener {
    fn connected(&self) {
        self.intake.connected();
        self.connected.notify_one();
    }

    fn troubled(&self, reason: String) {
        self.intake.troubled(reason);
    }

    fn submit<'a>(&'a self, batch: &'a mut Vec<Reported>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let messages = batch.iter().filter(|report| report.is_message()).count();
            self.intake.submit(batch).await;
            let records = self.silo.history.newest(&self.silo.name, None, messages);
            let mut survey = self.survey.lock();
            records.into_iter().rev().for_each(|record| survey.take(record));
        })
    }
}
