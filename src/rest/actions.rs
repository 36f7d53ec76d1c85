//! Invoking an action of a device.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::base::Base;
use super::commands::{ActionStatus, answer};
use super::extract::{Body, Segments, require_json};
use super::routes::{Routes, route};
use super::writes::value;
use super::{App, Problem};
use crate::command::WriteError;
use crate::registry::{Action, Thing};

pub(crate) fn routes<R: Routes>() -> R {
    R::default().with(route!(invoke_action))
}

/// Invokes an action: the device is asked, and its answer awaited.
#[utoipa::path(
    post, path = "/things/{id}/actions/{name}", tag = "actions",
    params(
        ("id" = String, Path, description = "Id or bare name of the thing"),
        ("name" = String, Path, description = "Name of the action"),
        ("Prefer" = Option<String>, Header, description = "`wait=5`: seconds to wait for the device; `respond-async`: don't wait"),
    ),
    request_body(content = Option<super::schemas::AnyValue>, content_type = "application/json", description = "The bare input, if the action takes one"),
    responses(
        (status = 200, description = "The device did it; its result", body = super::schemas::AnyValue),
        (status = 201, description = "Sent; the device has not answered yet", body = ActionStatus, headers(("Location", description = "Where its status is"))),
        (status = 204, description = "The device did it"),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such thing or action", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The device's format can't say the input", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "The device refused", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many commands wait", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "No answer in time", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn invoke_action(
    State(app): State<Arc<App>>,
    base: Base,
    headers: HeaderMap,
    Segments((id, name)): Segments<(String, String)>,
    Body(body): Body,
) -> Result<Response, Problem> {
    let thing = app.thing(&id)?;
    let action = action(&thing, &name)?;
    let input = match body.is_empty() {
        true => None,
        false => {
            require_json(&headers, true)?;
            Some(value(&body)?)
        }
    };
    let progress = app.commands.invoke(&thing, &action, input.as_ref()).map_err(refusal)?;
    answer(progress, &headers, &app, &base).await
}

fn action(thing: &Thing, name: &str) -> Result<Action, Problem> {
    thing.action(name).ok_or_else(|| {
        let id = thing.id();
        Problem::not_found(format!(
            "the thing `{id}` has no action `{name}`; its description has those there are"
        ))
    })
}

fn refusal(error: WriteError) -> Problem {
    match error {
        WriteError::BadValue(reason) => {
            let detail = format!("the input does not fit the action: {reason}");
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).field("input", reason)
        }
        error => error.into(),
    }
}
