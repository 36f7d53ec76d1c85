use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long hyper waits for the head of a request: for ever, until it begins; then `limit`; and no
/// longer once the gateway ends. hyper's own time would run from the answer before, and so end
/// connections that are merely idle.
#[derive(Debug, Clone)]
pub(super) struct HeadTimer {
    pub(super) limit: Duration,
    /// Whether something was read since it was last cleared.
    pub(super) arrived: Arc<AtomicBool>,
    pub(super) closing: CancellationToken,
}

#[expect(clippy::disallowed_types, reason = "hyper's trait counts in std's")]
impl Timer for HeadTimer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        self.arrived.store(false, Ordering::Relaxed);
        Box::pin(Awaited { timer: self.clone(), until: None })
    }

    fn sleep_until(&self, _: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(self.limit)
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

/// A head that hyper waits for. hyper asks again whenever something arrived that did not end it.
struct Awaited {
    timer: HeadTimer,
    until: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Sleep for Awaited {}

impl Future for Awaited {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer.closing.is_cancelled() {
            return Poll::Ready(());
        }
        if !self.timer.arrived.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let limit = self.timer.limit;
        let until = self.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        until.as_mut().poll(cx)
    }
}
