//! Writing a property.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use thingway_sdk::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use super::base::Base;
use super::commands::{CommandStatus, failure};
use super::extract::{Body, Segments, require_json};
use super::negotiate::{Preferences, preferences, require_match};
use super::properties::property;
use super::{App, Problem};
use crate::command::{CommandRecord, WriteError};
use crate::registry::DesiredStatus;

/// Writes one property: the device is asked, and its answer awaited.
#[utoipa::path(
    put, path = "/things/{id}/properties/{name}", tag = "properties",
    params(
        ("id" = String, Path, description = "Id or bare name of the thing"),
        ("name" = String, Path, description = "Name of the property"),
        ("If-Match" = Option<String>, Header, description = "Entity tag that the property must still have"),
        ("Prefer" = Option<String>, Header, description = "`wait=5`: seconds to wait for the device; `respond-async`: don't wait"),
    ),
    request_body(content = super::schemas::AnyValue, content_type = "application/json", description = "The bare value"),
    responses(
        (status = 202, description = "Sent; the device has not shown yet that it obeyed", body = super::commands::CommandRecord, headers(("Location", description = "The command"))),
        (status = 204, description = "The device confirmed"),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such thing or property", body = Problem, content_type = "application/problem+json"),
        (status = 405, description = "The property can only be read", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It changed meanwhile", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The value does not fit the property", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "The device refused", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many commands wait", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "No answer in time", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn write_property(
    State(app): State<Arc<App>>,
    base: Base,
    headers: HeaderMap,
    Segments((id, name)): Segments<(String, String)>,
    Body(body): Body,
) -> Result<Response, Problem> {
    require_json(&headers, true)?;
    let thing = app.thing(&id)?;
    let slot = property(&thing, &name)?;
    require_match(&headers, slot.revision)?;
    let progress = app.commands.write(&thing, &slot.property, value(&body)?)?;
    let wanted = preferences(&headers);
    let record = ended(progress, &wanted, &app).await;
    answer(record, &wanted, &base)
}

/// The command when it has ended, or as it is when the time that the client wants to wait is up:
/// then it goes on, and the answer says where to look for it. For a client that does not say how
/// long it waits, a command that was not even sent has no answer yet: it waits until it was, or
/// until the command's own deadline.
pub(super) async fn ended(
    mut progress: watch::Receiver<CommandRecord>,
    wanted: &Preferences,
    app: &App,
) -> CommandRecord {
    let usual = Duration::from_secs(app.config.write_wait_seconds);
    let wait = if wanted.respond_async { Some(Duration::ZERO) } else { wanted.wait };
    let ended = |record: &CommandRecord| record.status != DesiredStatus::Pending;
    let in_time = timeout(wait.unwrap_or(usual), progress.wait_for(ended)).await.is_ok();
    if !in_time && wait.is_none() {
        progress.wait_for(|record| record.sent || ended(record)).await.ok();
    }
    progress.borrow().clone()
}

pub(super) fn value(body: &[u8]) -> Result<Value, Problem> {
    let text =
        std::str::from_utf8(body).map_err(|_| Problem::bad_request("the body is not UTF-8"))?;
    Value::from_json(text).map_err(|error| {
        Problem::bad_request(format!(
            "the body is not a JSON value: {error}; send for example 21.5, true or \"on\""
        ))
    })
}

fn answer(record: CommandRecord, wanted: &Preferences, base: &Base) -> Result<Response, Problem> {
    let reason = record.error.clone().unwrap_or_default();
    if let Some(problem) = failure(record.status, reason) {
        return Err(problem);
    }
    if record.status == DesiredStatus::Confirmed {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let location = [(LOCATION, base.path(&format!("/commands/{}", record.id)))];
    let status = Json(CommandStatus::of(record, base));
    let response = (StatusCode::ACCEPTED, location, status).into_response();
    Ok(wanted.applied_async(response))
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        let detail = error.to_string();
        match error {
            WriteError::ReadOnly => Self::not_allowed(detail, "GET, HEAD"),
            WriteError::BadValue(reason) => {
                let detail = format!("the value does not fit the property: {reason}");
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail).field("value", reason)
            }
            WriteError::Busy(_) | WriteError::NoAdapter(_) => Self::busy(detail, 1),
        }
    }
}
