//! Commands that were sent: as they are answered, and as they are looked up.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use smol_str::SmolStr;
use thingway_sdk::{ThingId, Timestamp, Value};
use tokio::sync::watch;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::base::Base;
use super::extract::Segments;
use super::negotiate::{Preferences, preferences};
use super::routes::{Routes, route};
use super::{App, Problem};
use crate::command::{self, Request};
use crate::registry::DesiredStatus;

pub(crate) fn routes<R: Routes>() -> R {
    R::default().with(route!(read_command))
}

/// A command: what it is depends on whether it writes a property or invokes an action.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum CommandStatus {
    /// A write.
    Write(CommandRecord),
    /// An action.
    Action(ActionStatus),
}

/// One write and how far it got.
#[derive(Serialize, ToSchema)]
pub(crate) struct CommandRecord {
    /// Its id.
    #[schema(value_type = String)]
    id: SmolStr,
    /// Id of the thing.
    #[schema(value_type = String)]
    thing: ThingId,
    /// Name of the property.
    #[schema(value_type = String)]
    property: SmolStr,
    /// What was asked for.
    #[schema(schema_with = super::schemas::any_value)]
    value: Value,
    /// How far it got.
    status: DesiredStatus,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended: Option<Timestamp>,
    /// Why it was refused or timed out.
    error: Option<String>,
}

/// One invocation of an action and how far it got (WoT Profile, `ActionStatus`).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActionStatus {
    /// How far it got.
    status: ActionState,
    /// What came of it, where the device said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, schema_with = super::schemas::any_value)]
    output: Option<Value>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    error: Option<Problem>,
    /// Where this is looked up.
    href: String,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    time_requested: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String, format = DateTime)]
    time_ended: Option<Timestamp>,
}

/// How far an action got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ActionState {
    /// It is on its way to the device.
    Pending,
    /// The device's silo took it over; whether it was done, nobody says.
    Running,
    /// The device did it.
    Completed,
    /// The device refused it, or did not answer in time.
    Failed,
}

impl CommandStatus {
    pub(super) fn of(record: command::CommandRecord, base: &Base) -> Self {
        match record.request {
            Request::Write { property, value } => Self::Write(CommandRecord {
                id: record.id,
                thing: record.thing,
                property,
                value,
                status: record.status,
                created: record.created,
                ended: record.ended,
                error: record.error,
            }),
            Request::Invoke { output, .. } => {
                let state = ActionState::of(record.status);
                Self::Action(ActionStatus {
                    status: state,
                    output,
                    error: record.error.and_then(|reason| failure(record.status, reason)),
                    href: base.path(&format!("/commands/{}", record.id)),
                    time_requested: record.created,
                    time_ended: record.ended.filter(|_| state != ActionState::Running),
                })
            }
        }
    }
}

impl ActionState {
    pub(crate) fn of(status: DesiredStatus) -> Self {
        match status {
            DesiredStatus::Pending => Self::Pending,
            DesiredStatus::Accepted => Self::Running,
            DesiredStatus::Confirmed => Self::Completed,
            DesiredStatus::Refused | DesiredStatus::Timeout => Self::Failed,
        }
    }
}

/// Waits for a command for as long as the client wants to, and answers with how far it got.
pub(super) async fn answer(
    progress: watch::Receiver<command::CommandRecord>,
    headers: &HeaderMap,
    app: &App,
    base: &Base,
) -> Result<Response, Problem> {
    let wanted = preferences(headers);
    let record = ended(progress, &wanted, app).await;
    if let Some(problem) = failure(record.status, record.error.clone().unwrap_or_default()) {
        return Err(problem);
    }
    if record.status == DesiredStatus::Confirmed {
        return Ok(match record.request {
            Request::Invoke { output: Some(output), .. } => Json(output).into_response(),
            _ => StatusCode::NO_CONTENT.into_response(),
        });
    }
    let under_way = match record.request {
        Request::Write { .. } => StatusCode::ACCEPTED,
        Request::Invoke { .. } => StatusCode::CREATED,
    };
    let location = [(LOCATION, base.path(&format!("/commands/{}", record.id)))];
    let status = Json(CommandStatus::of(record, base));
    Ok(wanted.applied_async((under_way, location, status).into_response()))
}

/// The command when it has ended, or as it is when the time that the client wants to wait is up:
/// then it goes on, and the answer says where to look for it. For a client that does not say how
/// long it waits, a command that was not even sent has no answer yet: it waits until it was, or
/// until the command's own deadline.
async fn ended(
    mut progress: watch::Receiver<command::CommandRecord>,
    wanted: &Preferences,
    app: &App,
) -> command::CommandRecord {
    let usual = Duration::from_secs(app.config.write_wait_seconds);
    let wait = if wanted.respond_async { Some(Duration::ZERO) } else { wanted.wait };
    let ended = |record: &command::CommandRecord| record.status != DesiredStatus::Pending;
    let in_time = timeout(wait.unwrap_or(usual), progress.wait_for(ended)).await.is_ok();
    if !in_time && wait.is_none() {
        progress.wait_for(|record| record.sent || ended(record)).await.ok();
    }
    progress.borrow().clone()
}

/// What a command that ended this way is answered with, if it failed.
pub(crate) fn failure(status: DesiredStatus, reason: String) -> Option<Problem> {
    match status {
        DesiredStatus::Refused => Some(Problem::new(StatusCode::BAD_GATEWAY, reason)),
        DesiredStatus::Timeout => Some(Problem::new(StatusCode::GATEWAY_TIMEOUT, reason)),
        DesiredStatus::Pending | DesiredStatus::Accepted | DesiredStatus::Confirmed => None,
    }
}

/// Tells how far a command got: a write, or the invocation of an action.
#[utoipa::path(
    get, path = "/commands/{id}", tag = "properties",
    params(("id" = String, Path, description = "Id of the command")),
    responses(
        (status = 200, description = "The command", body = CommandStatus),
        (status = 404, description = "Unknown, or forgotten", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn read_command(
    State(app): State<Arc<App>>,
    base: Base,
    Segments(id): Segments<String>,
) -> Result<Json<CommandStatus>, Problem> {
    let record = app.commands.get(&id).ok_or_else(|| {
        Problem::not_found("there is no such command; the last 1000 that ended are remembered")
    })?;
    Ok(Json(CommandStatus::of(record, &base)))
}
