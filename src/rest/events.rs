//! Events: those of things, and those of the directory (W3C WoT Discovery, section 7.3.2.2).

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::base::Base;
use super::extract::{Params, Segments};
use super::negotiate::accepted;
use super::routes::{Routes, route};
use super::streams::{EVENT_STREAM, StreamParams, last_event_id};
use super::{App, Problem, thing_description};
use crate::log::{Change, DirectoryEvent, What};
use crate::push::feed::Scope;
use crate::push::sse::View;

pub(crate) fn routes<R: Routes>() -> R {
    R::default()
        .with(route!(follow_directory))
        .with(route!(follow_directory_event))
        .with(route!(follow_event))
}

/// What the directory's events hold.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DiffParams {
    /// Whether created and updated things come with their whole description, as it is when the
    /// event is read, instead of the id alone.
    #[serde(default)]
    #[param(default = false)]
    diff: bool,
}

/// Follows what happens to the directory.
#[utoipa::path(
    get, path = "/events", tag = "directory",
    params(DiffParams, ("Last-Event-ID" = Option<String>, Header, description = "Position after which the stream resumes")),
    responses(
        (status = 200, description = "thing_created, thing_updated and thing_deleted", body = String, content_type = "text/event-stream"),
        (status = 400, description = "A parameter is not right", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "No such representation", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many streams", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn follow_directory(
    State(app): State<Arc<App>>,
    base: Base,
    headers: HeaderMap,
    Params(params): Params<DiffParams>,
) -> Result<Response, Problem> {
    directory_stream(&app, base, &headers, None, params.diff)
}

/// Follows one kind of what happens to the directory.
#[utoipa::path(
    get, path = "/events/{event}", tag = "directory",
    params(
        ("event" = String, Path, description = "thing_created, thing_updated or thing_deleted"),
        DiffParams,
        ("Last-Event-ID" = Option<String>, Header, description = "Position after which the stream resumes"),
    ),
    responses(
        (status = 200, description = "Events of this kind", body = String, content_type = "text/event-stream"),
        (status = 400, description = "A parameter is not right", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such event", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "No such representation", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many streams", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn follow_directory_event(
    State(app): State<Arc<App>>,
    base: Base,
    headers: HeaderMap,
    Segments(event): Segments<String>,
    Params(params): Params<DiffParams>,
) -> Result<Response, Problem> {
    let kinds = [DirectoryEvent::Created, DirectoryEvent::Updated, DirectoryEvent::Deleted];
    let only = kinds.into_iter().find(|kind| kind.name() == event).ok_or_else(|| {
        Problem::not_found(
            "the directory's events are thing_created, thing_updated and thing_deleted",
        )
    })?;
    directory_stream(&app, base, &headers, Some(only), params.diff)
}

fn directory_stream(
    app: &Arc<App>,
    base: Base,
    headers: &HeaderMap,
    only: Option<DirectoryEvent>,
    diff: bool,
) -> Result<Response, Problem> {
    accepted(headers, &[EVENT_STREAM])?;
    let registry = app.registry.clone();
    let data = move |change: &Change| -> Bytes {
        let gone = matches!(change.what, What::Directory(DirectoryEvent::Deleted, _));
        let thing = (diff && !gone).then(|| registry.get(change.thing())).flatten();
        let described = thing.map(|thing| thing_description::describe(&thing, &base));
        described.unwrap_or_else(|| json!({ "id": change.thing() })).to_string().into()
    };
    let view = View::Directory { only, data: Box::new(data) };
    app.stream(Scope::Directory(app.registry.directory().clone()), view, last_event_id(headers)?)
}

/// Follows the occurrences of one event of a thing.
#[utoipa::path(
    get, path = "/things/{id}/events/{name}", tag = "events",
    params(
        ("id" = String, Path, description = "Id or bare name of the thing"),
        ("name" = String, Path, description = "Name of the event"),
        ("Last-Event-ID" = Option<String>, Header, description = "Position after which the stream resumes"),
        StreamParams,
    ),
    responses(
        (status = 200, description = "Occurrences", body = String, content_type = "text/event-stream"),
        (status = 400, description = "Not an id", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such thing or event", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "No such representation", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many streams", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn follow_event(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Segments((id, name)): Segments<(String, String)>,
    Params(params): Params<StreamParams>,
) -> Result<Response, Problem> {
    accepted(&headers, &[EVENT_STREAM])?;
    let thing = app.thing(&id)?;
    thing.event(&name).ok_or_else(|| {
        Problem::not_found(format!(
            "the thing `{}` has shown no event `{name}`; a rule with `event = \"{name}\"` makes the messages of a topic events",
            thing.id()
        ))
    })?;
    let view = View::Occurrences { event: name, named: params.named() };
    app.stream(Scope::thing(thing), view, last_event_id(&headers)?)
}
