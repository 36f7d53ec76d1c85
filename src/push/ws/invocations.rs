//! Actions on their way to devices, and the answers about them.

use std::sync::Arc;
use std::time::Duration;

use thingway_sdk::Value;
use tokio::time::timeout;

use super::message::{ActionStatus, Body, response};
use super::request::Head;
use super::writes::refusal;
use crate::command::{CommandRecord, Commands, Request};
use crate::registry::{Action, DesiredStatus, Thing};
use crate::rest::{ActionState, failure};

/// One request to invoke an action.
pub(super) struct Invocation {
    /// What the answer repeats.
    pub(super) head: Head,
    /// The thing.
    pub(super) thing: Arc<Thing>,
    /// What to do.
    pub(super) action: Action,
    /// What to do it with.
    pub(super) input: Option<Value>,
}

impl Invocation {
    /// Sends the command at once; the result waits for at most `wait` and is the answer.
    pub(super) fn begin(
        self,
        commands: &Arc<Commands>,
        wait: Duration,
    ) -> impl Future<Output = String> + Send + use<> {
        let Self { head, thing, action, input } = self;
        let sent = commands.invoke(&thing, &action, input.as_ref()).map_err(refusal);
        async move {
            let mut progress = match sent {
                Ok(progress) => progress,
                Err(problem) => return response(&head, Body::error(problem)),
            };
            let ended = |record: &CommandRecord| record.status != DesiredStatus::Pending;
            // The command goes on without anybody waiting for it.
            timeout(wait, progress.wait_for(ended)).await.ok();
            let record = progress.borrow().clone();
            answer(&head, record)
        }
    }
}

/// `output` when the device did it, `status` when that is not known yet.
fn answer(head: &Head, record: CommandRecord) -> String {
    let reason = record.error.unwrap_or_default();
    if let Some(problem) = failure(record.status, reason) {
        return response(head, Body::error(problem));
    }
    let done = record.status == DesiredStatus::Confirmed;
    let output = match &record.request {
        Request::Invoke { output, .. } => output.as_ref(),
        Request::Write { .. } => None,
    };
    let status = (!done).then(|| ActionStatus {
        id: record.id,
        state: ActionState::of(record.status),
        time_requested: record.created,
    });
    let timestamp = if done { record.ended } else { Some(record.created) };
    response(head, Body { output, status, timestamp, ..Body::default() })
}
