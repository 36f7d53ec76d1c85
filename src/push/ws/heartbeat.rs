//! Whether anybody is still there.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Pings that may go unanswered: with the third interval the socket counts as dead.
const PATIENCE: u32 = 2;

/// Counts the intervals in which nothing was heard.
pub(super) struct Heartbeat {
    interval: Interval,
    silent: u32,
}

impl Heartbeat {
    /// One ping in each `pause`.
    pub(super) fn new(pause: Duration) -> Self {
        // A pause of zero would be a busy loop.
        let pause = pause.max(Duration::from_millis(100));
        let mut interval = interval_at(Instant::now() + pause, pause);
        // While a slow reader takes its time, no beats pile up that would then count as silence.
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { interval, silent: 0 }
    }

    /// Waits for the next beat.
    pub(super) async fn beat(&mut self) {
        self.interval.tick().await;
        self.silent += 1;
    }

    /// Something arrived: a pong, or anything else.
    pub(super) fn heard(&mut self) {
        self.silent = 0;
    }

    /// Whether it was quiet for too long.
    pub(super) fn is_dead(&self) -> bool {
        self.silent > PATIENCE
    }

    /// How long a reader may take for what is written to it.
    pub(super) fn patience(&self) -> Duration {
        self.interval.period() * (PATIENCE + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn two_pings_may_go_unanswered_and_any_sign_counts() {
        let mut heartbeat = Heartbeat::new(Duration::from_secs(15));
        let start = Instant::now();
        heartbeat.beat().await;
        heartbeat.beat().await;
        assert!(!heartbeat.is_dead());
        heartbeat.heard();
        for _ in 0..3 {
            assert!(!heartbeat.is_dead());
            heartbeat.beat().await;
        }
        assert!(heartbeat.is_dead());
        assert_eq!(start.elapsed().as_secs(), 75);
    }
}
