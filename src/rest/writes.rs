//! Writing a property.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use thingway_sdk::Value;

use super::base::Base;
use super::commands::answer;
use super::extract::{Body, Segments, require_json};
use super::negotiate::require_match;
use super::properties::property;
use super::{App, Problem};
use crate::command::WriteError;

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
    answer(progress, &headers, &app, &base).await
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
