use thingway_sdk::Timestamp;
use tokio::time::Instant;

use super::outcome::Outcome;

/// How a webhook's deliveries go.
#[derive(Debug, Default)]
pub(super) struct Health {
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) given_up: u64,
    pub(super) consecutive_failures: u64,
    pub(super) last_success: Option<Timestamp>,
    pub(super) last_failure: Option<Timestamp>,
    pub(super) last_error: Option<String>,
    pub(super) next_attempt: Option<Instant>,
    pub(super) disabled_because: Option<&'static str>,
}

impl Health {
    /// Notes how one attempt ended.
    pub(super) fn note(&mut self, outcome: &Outcome) {
        let now = Some(Timestamp::now());
        match outcome.error() {
            None => {
                self.delivered += 1;
                self.consecutive_failures = 0;
                self.last_success = now;
            }
            Some(error) => {
                self.failed += 1;
                self.consecutive_failures += 1;
                self.last_failure = now;
                self.last_error = Some(error.to_owned());
            }
        }
    }
}
