//! Keeps every adapter running: one task each. A lost link is tried again after a pause that
//! grows and is jittered; meanwhile what came over it is stale. One adapter's failure touches no
//! other.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use rand::RngExt;
use thingway_sdk::Reports;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::silo::{Silo, SiloIntake};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A link that held this long was a good one: the next pause is the first again.
const GOOD_LINK: Duration = Duration::from_secs(10);

/// Starts the task that keeps one adapter running until `stop`.
pub fn supervise(silo: Arc<Silo>, stop: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut pauses = Pauses::default();
        while !stop.is_cancelled() {
            let started = Instant::now();
            let reports = Reports::new(Arc::new(SiloIntake(silo.clone())));
            // A defect in one adapter, or in what it sets off, must not take the others along.
            let run = AssertUnwindSafe(silo.adapter.run(reports, stop.clone())).catch_unwind();
            let ended = tokio::select! {
                ended = run => ended,
                never = silo.ask_devices() => match never {},
                never = silo.tend_deadlines() => match never {},
            };
            match ended {
                Ok(Ok(())) => break,
                Ok(Err(error)) => lost(&silo, &error.to_string()),
                Err(_) => lost(&silo, "the adapter has a defect and panicked; the log has more"),
            }
            if started.elapsed() >= GOOD_LINK {
                pauses = Pauses::default();
            }
            tokio::select! {
                () = sleep(pauses.next()) => {}
                () = stop.cancelled() => {}
            }
        }
        silo.health.stopped();
        info!(adapter = %silo.name, "Adapter stopped");
    })
}

fn lost(silo: &Silo, reason: &str) {
    let was_up = silo.health.is_connected();
    // Only the first of a row of failures is news: a broker that is away for a day is no reason
    // to fill a disk with log lines.
    let news = silo.health.status().last_error.as_deref() != Some(reason);
    silo.health.lost(reason.to_owned());
    if was_up {
        silo.counters.link_lost();
        let stale = silo.mark_stale();
        warn!(adapter = %silo.name, reason, stale, "Link lost; its values are stale until they come again");
    } else if news {
        warn!(adapter = %silo.name, reason, "No link yet; trying again");
    }
}

/// The pauses between attempts: doubling, with jitter, so that many gateways do not return to a
/// broker at the same moment.
struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pauses {
    fn next(&mut self) -> Duration {
        let full = self.0;
        self.0 = (full * 2).min(LONGEST_PAUSE);
        rand::rng().random_range(full / 2..=full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_cap_and_vary() {
        let mut pauses = Pauses::default();
        let taken: Vec<Duration> = (0..8).map(|_| pauses.next()).collect();
        assert!(taken[0] <= FIRST_PAUSE && taken[0] >= FIRST_PAUSE / 2);
        assert!(taken[7] >= LONGEST_PAUSE / 2 && taken[7] <= LONGEST_PAUSE);
    }
}
