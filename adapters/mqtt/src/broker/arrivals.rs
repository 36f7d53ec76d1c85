//! What devices sent, in order, on its way into the gateway.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use thingway_sdk::{Report, Reports};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tracing::error;

/// How much may wait; then devices have to.
const WAITING: usize = 4096;

/// A payload of as many bytes is large: too many to let thousands of them wait.
const LARGE: usize = 64 * 1024;

/// How many KiB the large payloads may have together while they wait.
const LARGE_KIB: u32 = 64 * 1024;

/// The devices' side.
#[derive(Clone)]
pub(super) struct Arrivals {
    line: mpsc::Sender<Arrival>,
    room: Arc<Semaphore>,
}

/// The gateway's side.
pub(super) struct Intake(mpsc::Receiver<Arrival>);

struct Arrival {
    /// `None` is a question only: is all that came before applied?
    report: Option<Report>,
    /// Told when it is applied.
    applied: Option<oneshot::Sender<()>>,
    /// What a large payload takes up, until it is applied.
    room: Option<OwnedSemaphorePermit>,
}

pub(super) fn channel() -> (Arrivals, Intake) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let room = Arc::new(Semaphore::new(LARGE_KIB as usize));
    (Arrivals { line: sender, room }, Intake(receiver))
}

impl Arrivals {
    /// Returns when the report stands in line, and everything before it.
    pub(super) async fn put(&self, report: Report) {
        self.send(Some(report), None).await;
    }

    /// Returns when the report is applied.
    pub(super) async fn apply(&self, report: Report) {
        self.wait_for(Some(report)).await;
    }

    /// Returns when everything that stood in line is applied.
    pub(super) async fn settled(&self) {
        self.wait_for(None).await;
    }

    async fn wait_for(&self, report: Option<Report>) {
        let (applied, told) = oneshot::channel();
        self.send(report, Some(applied)).await;
        // An error says that the broker is gone, and then nobody is left to tell.
        told.await.ok();
    }

    async fn send(&self, report: Option<Report>, applied: Option<oneshot::Sender<()>>) {
        let room = self.room_for(report.as_ref()).await;
        if self.line.send(Arrival { report, applied, room }).await.is_err() {
            error!("A message came after the broker was dropped");
        }
    }

    async fn room_for(&self, report: Option<&Report>) -> Option<OwnedSemaphorePermit> {
        let Some(Report::Observed(observation)) = report else { return None };
        let bytes = observation.payload.bytes.len();
        if bytes < LARGE {
            return None;
        }
        // One that is larger than all the room has it alone.
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).min(LARGE_KIB);
        // Nobody closes it, so there is no error.
        Arc::clone(&self.room).acquire_many_owned(kib).await.ok()
    }
}

impl Intake {
    /// Applies what stands in line, as much as there is at one time.
    pub(super) async fn apply(&mut self, reports: &Reports) -> Infallible {
        let mut arrivals = Vec::with_capacity(WAITING);
        let mut batch = Vec::with_capacity(WAITING);
        let mut waiting = Vec::new();
        let mut rooms = Vec::new();
        while self.0.recv_many(&mut arrivals, WAITING).await > 0 {
            for Arrival { report, applied, room } in arrivals.drain(..) {
                batch.extend(report);
                waiting.extend(applied);
                rooms.extend(room);
            }
            if !batch.is_empty() {
                reports.submit(&mut batch).await;
            }
            rooms.clear();
            for applied in waiting.drain(..) {
                // Whoever has gone meanwhile needs no answer.
                applied.send(()).ok();
            }
        }
        // Nothing can come any more, now that the broker is gone.
        pending().await
    }
}

#[cfg(test)]
mod tests {
    use thingway_sdk::model::Timestamp;
    use thingway_sdk::{Address, Observation, Payload};
    use tokio::task::yield_now;

    use super::*;

    fn message(bytes: usize) -> Report {
        Report::Observed(Observation {
            address: Address::from("camera"),
            about: None,
            payload: Payload { bytes: vec![0; bytes].into(), ..Payload::default() },
            received: Timestamp::now(),
            retained: false,
            redelivered: false,
        })
    }

    async fn is_put(arrivals: &Arrivals, report: Report) -> bool {
        tokio::select! {
            biased;
            () = arrivals.put(report) => true,
            () = yield_now() => false,
        }
    }

    #[tokio::test]
    async fn large_payloads_wait_for_room_and_small_ones_go_on() {
        let (arrivals, mut intake) = channel();
        let quarter = LARGE_KIB as usize / 4 * 1024;
        for _ in 0..4 {
            assert!(is_put(&arrivals, message(quarter)).await);
        }
        assert!(!is_put(&arrivals, message(LARGE)).await, "the room is full");
        assert!(is_put(&arrivals, message(LARGE - 1)).await);
        drop(intake.0.recv().await);
        assert!(is_put(&arrivals, message(LARGE)).await);
        while intake.0.try_recv().is_ok() {}
        assert!(is_put(&arrivals, message(5 * quarter)).await, "it has the room alone");
        assert!(!is_put(&arrivals, message(LARGE)).await);
    }
}
