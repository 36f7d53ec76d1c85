//! Writes on their way to devices, and the answers about them.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use smol_str::SmolStr;
use thingway_sdk::{Timestamp, Value};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::message::{Body, Values, response};
use super::request::Head;
use crate::command::{CommandRecord, Commands, Request, WriteError};
use crate::log::Property;
use crate::registry::{DesiredStatus, Thing};
use crate::rest::{Problem, failure};

/// One request to write.
pub(super) struct Write {
    /// What the answer repeats.
    pub(super) head: Head,
    /// The thing.
    pub(super) thing: Arc<Thing>,
    /// What to write.
    pub(super) values: Vec<(Arc<Property>, Value)>,
    /// Whether the answer has `values` rather than `value`.
    pub(super) several: bool,
}

/// One property on its way.
struct Sent {
    name: SmolStr,
    progress: Result<watch::Receiver<CommandRecord>, Problem>,
}

/// How one property fared.
enum Outcome {
    /// The device shows the value.
    Confirmed(SmolStr, Value, Option<Timestamp>),
    /// It was sent, and no more is known yet.
    Sent,
    /// It was not done.
    Failed(Problem),
}

/// Whether a value may be written to a property.
pub(super) fn check(property: &Property, value: &Value) -> Result<(), Problem> {
    if property.write.is_none() {
        let detail = format!("`{}`: {}", property.name, WriteError::ReadOnly);
        return Err(Problem::bad_request(detail));
    }
    let Some(rule) = &property.rule else { return Ok(()) };
    rule.admits(value).map_err(|reason| {
        Problem::bad_request("a value does not fit its property")
            .field(property.name.as_str(), reason)
    })
}

impl Write {
    /// Sends the commands at once, in the order in which the consumer asked for them; the result
    /// waits for at most `wait` and is the answer.
    pub(super) fn begin(
        self,
        commands: &Arc<Commands>,
        wait: Duration,
    ) -> impl Future<Output = String> + Send + use<> {
        let Self { head, thing, values, several } = self;
        let deadline = Instant::now() + wait;
        let send = |(property, value): (Arc<Property>, Value)| Sent {
            name: property.name.clone(),
            progress: commands.write(&thing, &property, value).map_err(refusal),
        };
        let sent: Vec<Sent> = values.into_iter().map(send).collect();
        async move {
            let mut outcomes = Vec::with_capacity(sent.len());
            for one in sent {
                outcomes.push(one.outcome(deadline).await);
            }
            if several { answer_several(&head, outcomes) } else { answer_one(&head, outcomes) }
        }
    }
}

impl Sent {
    async fn outcome(self, deadline: Instant) -> Outcome {
        let mut progress = match self.progress {
            Ok(progress) => progress,
            Err(problem) => return Outcome::Failed(problem),
        };
        let ended = progress.wait_for(|record| record.status != DesiredStatus::Pending);
        match timeout_at(deadline, ended).await {
            Ok(Ok(record)) => outcome_of(self.name, &record),
            // The command goes on without anybody waiting for it.
            _ => Outcome::Sent,
        }
    }
}

fn outcome_of(name: SmolStr, record: &CommandRecord) -> Outcome {
    let reason = record.error.clone().unwrap_or_default();
    if let Some(problem) = failure(record.status, reason) {
        return Outcome::Failed(problem);
    }
    match &record.request {
        Request::Write { value, .. } if record.status == DesiredStatus::Confirmed => {
            Outcome::Confirmed(name, value.clone(), record.ended)
        }
        _ => Outcome::Sent,
    }
}

pub(super) fn refusal(error: WriteError) -> Problem {
    let detail = error.to_string();
    match error {
        WriteError::ReadOnly => Problem::new(StatusCode::FORBIDDEN, detail),
        WriteError::BadValue(reason) => {
            Problem::bad_request("the value does not fit the property").field("value", reason)
        }
        WriteError::Busy(_) | WriteError::NoAdapter(_) => Problem::busy(detail, 1),
    }
}

/// `value` is there only when the device confirmed it.
fn answer_one(head: &Head, outcomes: Vec<Outcome>) -> String {
    match outcomes.into_iter().next() {
        Some(Outcome::Confirmed(_, value, timestamp)) => {
            response(head, Body { value: Some(&value), timestamp, ..Body::default() })
        }
        Some(Outcome::Failed(problem)) => response(head, Body::error(problem)),
        Some(Outcome::Sent) | None => response(head, Body::default()),
    }
}

/// `values` has those that were confirmed, beside the first error if there was one.
fn answer_several(head: &Head, outcomes: Vec<Outcome>) -> String {
    let mut confirmed = Vec::new();
    let mut failed = None;
    for outcome in outcomes {
        match outcome {
            Outcome::Confirmed(name, value, _) => confirmed.push((name, value)),
            Outcome::Failed(problem) => failed = failed.or(Some(problem)),
            Outcome::Sent => {}
        }
    }
    let body = failed.map_or_else(Body::default, Body::error);
    response(head, Body { values: Some(Values(&confirmed)), ..body })
}
