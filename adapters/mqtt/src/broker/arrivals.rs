//! What devices sent, in order, on its way into the gateway.

use std::convert::Infallible;
use std::future::pending;

use thingway_sdk::{Report, Reports};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

/// How much may wait; then devices have to.
const WAITING: usize = 4096;

/// The devices' side.
#[derive(Clone)]
pub(super) struct Arrivals(mpsc::Sender<Arrival>);

/// The gateway's side.
pub(super) struct Intake(mpsc::Receiver<Arrival>);

struct Arrival {
    /// `None` is a question only: is all that came before applied?
    report: Option<Report>,
    /// Told when it is applied.
    applied: Option<oneshot::Sender<()>>,
}

pub(super) fn channel() -> (Arrivals, Intake) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Arrivals(sender), Intake(receiver))
}

impl Arrivals {
    /// Returns when the report stands in line, and everything before it.
    pub(super) async fn put(&self, report: Report) {
        self.send(Arrival { report: Some(report), applied: None }).await;
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
        self.send(Arrival { report, applied: Some(applied) }).await;
        // An error says that the broker is gone, and then nobody is left to tell.
        told.await.ok();
    }

    async fn send(&self, arrival: Arrival) {
        if self.0.send(arrival).await.is_err() {
            error!("A message came after the broker was dropped");
        }
    }
}

impl Intake {
    /// Applies what stands in line, as much as there is at one time.
    pub(super) async fn apply(&mut self, reports: &Reports) -> Infallible {
        let mut arrivals = Vec::with_capacity(WAITING);
        let mut batch = Vec::with_capacity(WAITING);
        let mut waiting = Vec::new();
        while self.0.recv_many(&mut arrivals, WAITING).await > 0 {
            for Arrival { report, applied } in arrivals.drain(..) {
                batch.extend(report);
                waiting.extend(applied);
            }
            if !batch.is_empty() {
                reports.submit(&mut batch).await;
            }
            for applied in waiting.drain(..) {
                // Whoever has gone meanwhile needs no answer.
                applied.send(()).ok();
            }
        }
        // Nothing can come any more, now that the broker is gone.
        pending().await
    }
}
