//! One adapter at work: the gateway's side of its link. It takes the adapter's reports in, counts
//! what became of each, remembers the last ones, and knows how the link is.

mod counters;
mod health;
mod history;
mod intake;
mod questions;
mod quiet;
mod silos;
mod tending;

use std::convert::Infallible;
use std::sync::Arc;

use thingway_sdk::{Adapter, Observation, Timestamp};

use crate::mapping::{Mapper, Outcome, RuleConfig, Trial};
use crate::recorder::Recorder;

pub use counters::{Count, Counters};
pub use health::{Health, LinkStatus};
pub use history::{History, MessageRecord};
pub use intake::SiloIntake;
pub use silos::Silos;

/// One adapter with all that the gateway keeps of it.
pub struct Silo {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Name of its protocol.
    pub protocol: &'static str,
    /// The adapter.
    pub adapter: Arc<dyn Adapter>,
    /// What became of its messages.
    pub counters: Counters,
    /// Its last messages.
    pub history: History,
    /// How the link is.
    pub health: Health,
    mapper: Mapper,
    recorder: Arc<Recorder>,
    failures: quiet::Quiet,
    questions: questions::Questions,
}

impl Silo {
    /// An adapter that has not started yet.
    #[must_use]
    pub fn new(
        protocol: &'static str,
        name: Arc<str>,
        adapter: Arc<dyn Adapter>,
        mapper: Mapper,
        recorder: Arc<Recorder>,
        messages_remembered: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            protocol,
            adapter,
            counters: Counters::default(),
            history: History::new(messages_remembered),
            health: Health::default(),
            mapper,
            recorder,
            failures: quiet::Quiet::default(),
            questions: questions::Questions::default(),
        })
    }

    /// Tells what a message would become, and changes nothing.
    ///
    /// # Errors
    /// What would become of one that goes nowhere.
    pub fn try_out(&self, observation: &Observation) -> Result<Trial, Outcome> {
        self.mapper.try_out(observation)
    }

    /// Other rules from here on: see [`Mapper::set_rules`].
    pub fn set_rules(&self, rules: &[Arc<RuleConfig>]) {
        self.mapper.set_rules(rules, &self.recorder);
    }

    /// Asks the devices what the mapping wants to know of them, for as long as it is polled.
    pub async fn ask_devices(&self) -> Infallible {
        self.questions.carry(&*self.adapter, &self.name).await
    }

    /// Marks what came from here as stale; returns how many states that were.
    pub fn mark_stale(&self) -> usize {
        self.mapper.forget_reach();
        self.recorder.mark_stale(&self.name, Timestamp::now())
    }
}
