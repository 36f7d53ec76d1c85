use std::time::Duration;

/// dimpl counts in these. Only spans between them matter, so any moment does as the first.
#[expect(clippy::disallowed_types, reason = "dimpl's interface; who drives it brings the time")]
type Instant = std::time::Instant;

/// Turns the caller's times into dimpl's and back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    pub(super) fn instant(self, time: Duration) -> Instant {
        self.0 + time
    }

    pub(super) fn time(self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.0)
    }
}
