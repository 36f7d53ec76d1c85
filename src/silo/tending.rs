use std::convert::Infallible;
use std::time::Duration;

use thingway_sdk::Timestamp;
use tokio::time::sleep;

use super::Silo;

/// How late a state may become stale at most.
const PAUSE: Duration = Duration::from_secs(1);

impl Silo {
    /// Marks states as stale that were not renewed in time, for as long as it is polled.
    pub async fn tend_deadlines(&self) -> Infallible {
        loop {
            sleep(PAUSE).await;
            while self.end_overdue(Timestamp::now()) > 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn end_overdue(&self, now: Timestamp) -> usize {
        let mut mapping = self.mapper.begin();
        let overdue = mapping.overdue(now);
        if !overdue.is_empty() {
            mapping.outlive(&overdue, now, &mut self.recorder.write());
        }
        overdue.len()
    }
}
