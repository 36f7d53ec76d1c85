use std::sync::atomic::{AtomicI64, Ordering};

use thingway_sdk::Timestamp;

/// Lets a warning through at most once a second, so that a flood of bad messages does not become
/// a flood of log lines; the counters and the history have them all.
#[derive(Debug, Default)]
pub(super) struct Quiet(AtomicI64);

impl Quiet {
    pub(super) fn may_log(&self) -> bool {
        let now = Timestamp::now().as_seconds();
        self.0.swap(now, Ordering::Relaxed) != now
    }
}
