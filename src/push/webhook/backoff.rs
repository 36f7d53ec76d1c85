use std::time::Duration;

use super::DeliveryConfig;

/// How long to pause between attempts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    pub(super) fn new(config: &DeliveryConfig) -> Self {
        Self {
            first: Duration::from_millis(config.first_retry_milliseconds),
            longest: Duration::from_secs(config.longest_retry_seconds),
        }
    }

    /// The pause after this many failed attempts, with full jitter: anywhere up to the doubled
    /// pause, so that webhooks that failed together do not come back together; but never at once,
    /// so that a receiver has time to recover. `draw` is a random number from 0 to 1.
    pub(super) fn pause(&self, failed: u32, draw: f64) -> Duration {
        let doublings = failed.saturating_sub(1).min(31);
        let ceiling = self.first.saturating_mul(1 << doublings).min(self.longest);
        let floor = (self.first / 2).min(ceiling);
        floor + (ceiling - floor).mul_f64(draw.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_spread_below() {
        let backoff =
            Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(300) };
        let cases =
            [(1, 500), (2, 1000), (3, 2000), (10, 256_000), (11, 300_000), (4_000, 300_000)];
        for (failed, ceiling) in cases {
            assert_eq!(backoff.pause(failed, 0.0), Duration::from_millis(250), "{failed}");
            assert_eq!(backoff.pause(failed, 1.0), Duration::from_millis(ceiling), "{failed}");
        }
        assert_eq!(backoff.pause(2, 0.5), Duration::from_millis(625));
    }

    #[test]
    fn a_first_pause_beyond_the_longest_is_cut() {
        let backoff = Backoff { first: Duration::from_secs(9), longest: Duration::from_secs(1) };
        assert_eq!(backoff.pause(1, 0.0), Duration::from_secs(1));
    }
}
