use std::sync::Arc;

use smol_str::SmolStr;
use thingway_sdk::{Acknowledgement, AdapterError, Command, Timestamp, Value};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, timeout_at};
use tracing::info;

use super::admission::LARGEST;
use super::echo::Echo;
use super::record::{CommandRecord, Request};
use crate::log::EventLog;
use crate::registry::{DesiredStatus, Thing};
use crate::silo::Silo;

/// One command on its way.
pub(super) struct Flight {
    pub(super) log: Arc<dyn EventLog>,
    pub(super) silo: Arc<Silo>,
    pub(super) thing: Arc<Thing>,
    /// What shows that a write was obeyed, where nobody says so; actions have none.
    pub(super) echo: Option<Echo>,
    pub(super) progress: watch::Sender<CommandRecord>,
    pub(super) place: OwnedSemaphorePermit,
}

/// How a command ended.
struct End {
    status: DesiredStatus,
    error: Option<String>,
    output: Option<Value>,
}

impl Flight {
    /// Carries the command to its end, and gives back its id.
    pub(super) async fn carry(self, command: Command) -> SmolStr {
        let deadline = command.deadline;
        let id = command.id.0.clone();
        let End { status, error, output: result } = match self.silo.adapter.execute(command).await {
            Ok(Acknowledgement::Confirmed(output)) => End::confirmed(output),
            Ok(Acknowledgement::Accepted) => {
                self.progress.send_modify(|record| record.sent = true);
                self.await_echo(deadline).await
            }
            Err(AdapterError::TimedOut(reason)) => End::of(DesiredStatus::Timeout, reason),
            Err(error) => End::of(DesiredStatus::Refused, error.to_string()),
        };
        info!(thing.id = %self.thing.id(), command = %id, ?status, "Command ended");
        if let Some(echo) = &self.echo {
            self.thing.settle_desired(echo.held.property.slot, &id, status);
        }
        self.progress.send_modify(|record| {
            record.status = status;
            record.error = error;
            record.ended = Some(Timestamp::now());
            if let Request::Invoke { output, .. } = &mut record.request {
                *output = result;
            }
        });
        drop(self.place);
        id
    }

    /// The silo took the command over. The device may have answered before: its answer is looked
    /// for among all states since the command was made.
    async fn await_echo(&self, deadline: Instant) -> End {
        let Some(echo) = &self.echo else { return End::new(DesiredStatus::Accepted) };
        if timeout_at(deadline, echo.heard(&self.thing, &*self.log)).await.is_ok() {
            return End::new(DesiredStatus::Confirmed);
        }
        let reason = "the broker took the command, but the device did not report the value";
        End::of(DesiredStatus::Timeout, reason.to_owned())
    }
}

impl End {
    fn new(status: DesiredStatus) -> Self {
        Self { status, error: None, output: None }
    }

    fn of(status: DesiredStatus, reason: String) -> Self {
        Self { status, error: Some(reason), output: None }
    }

    fn confirmed(output: Option<Value>) -> Self {
        match output.as_ref().map_or(0, Value::heap_bytes) {
            bytes if bytes > LARGEST => Self::of(
                DesiredStatus::Refused,
                format!(
                    "the device did it, but its result takes {bytes} bytes, more than {LARGEST}"
                ),
            ),
            _ => Self { output, ..Self::new(DesiredStatus::Confirmed) },
        }
    }
}
