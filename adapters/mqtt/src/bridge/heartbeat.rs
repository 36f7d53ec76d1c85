use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Finds out whether the other side still lives (MQTT 5, section 3.1.2.10): asks twice within the
/// keep-alive time, and gives up when a whole such time went by without an answer.
pub(super) struct Heartbeat {
    ticks: Interval,
    unanswered: bool,
}

/// What to do at a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    Ping,
    GiveUp,
}

impl Heartbeat {
    /// `keep_alive` must not be zero.
    pub(super) fn new(keep_alive: Duration) -> Self {
        let period = keep_alive / 2;
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, unanswered: false }
    }

    pub(super) async fn tick(&mut self) {
        self.ticks.tick().await;
    }

    /// After a tick; `listening` says whether the answer could have been heard.
    pub(super) fn beat(&mut self, listening: bool) -> Beat {
        if self.unanswered && listening {
            return Beat::GiveUp;
        }
        self.unanswered = listening;
        Beat::Ping
    }

    /// Whatever comes is a sign of life.
    pub(super) fn heard(&mut self) {
        self.unanswered = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn gives_up_after_one_keep_alive_of_silence() {
        let begun = Instant::now();
        let mut heartbeat = Heartbeat::new(Duration::from_secs(30));
        heartbeat.tick().await;
        assert_eq!(heartbeat.beat(true), Beat::Ping);
        heartbeat.heard();
        heartbeat.tick().await;
        assert_eq!(heartbeat.beat(true), Beat::Ping);
        heartbeat.tick().await;
        assert_eq!(heartbeat.beat(true), Beat::GiveUp);
        assert_eq!(begun.elapsed(), Duration::from_secs(45));
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_listen_can_not_blame_the_other_side() {
        let mut heartbeat = Heartbeat::new(Duration::from_secs(30));
        for _ in 0..5 {
            heartbeat.tick().await;
            assert_eq!(heartbeat.beat(false), Beat::Ping);
        }
    }
}
