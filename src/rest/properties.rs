//! The properties of one thing: read, wait for, follow.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::extract::{Params, Segments};
use super::negotiate::{Preferences, accepted, has_already, preferences};
use super::reading::Reading;
use super::routes::{Routes, route};
use super::senml::{self, SENML_JSON};
use super::streams::{EVENT_STREAM, StreamParams, last_event_id};
use super::writes::{__path_write_property, write_property};
use super::{App, Problem};
use crate::push::feed::Scope;
use crate::push::sse::View;
use crate::registry::{Slot, Thing};

pub(crate) const JSON: &str = "application/json";
const OCTETS: &str = "application/octet-stream";

/// How one property can be had.
pub(super) const FORMS_OF_ONE: [&str; 4] = [JSON, SENML_JSON, OCTETS, EVENT_STREAM];
/// How all of a thing's can be had together.
pub(super) const FORMS_OF_ALL: [&str; 3] = [JSON, SENML_JSON, EVENT_STREAM];

pub(crate) fn routes<R: Routes>() -> R {
    R::default().with(route!(read_all_properties)).with(route!(read_property, write_property))
}

/// Reads all properties of a thing at once, or follows them.
#[utoipa::path(
    get, path = "/things/{id}/properties", tag = "properties",
    params(
        ("id" = String, Path, description = "Id or bare name of the thing"),
        ("Last-Event-ID" = Option<String>, Header, description = "Position after which a stream resumes"),
        StreamParams,
    ),
    responses(
        (status = 200, description = "Values by property name; or their stream", content(
            (Object = "application/json"), (Vec<Object> = "application/senml+json"), (String = "text/event-stream"))),
        (status = 304, description = "Nothing changed"),
        (status = 400, description = "Not an id", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "No such representation", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many streams", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn read_all_properties(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Segments(id): Segments<String>,
    Params(params): Params<StreamParams>,
) -> Result<Response, Problem> {
    let thing = app.thing(&id)?;
    let media = accepted(&headers, &FORMS_OF_ALL)?;
    if media == EVENT_STREAM {
        let view = View::Values { slot: None, named: params.named() };
        return follow(&app, &thing, view, &headers);
    }
    let mut body = Vec::new();
    let reading = match media {
        SENML_JSON => {
            let view = thing.view();
            body = senml::pack(view.slots.iter().map(|slot| (&view.id, slot)));
            let newest = view.slots.iter().map(|slot| slot.revision).max();
            Reading::of_several(newest.unwrap_or_default())
        }
        _ => Reading::of_all(&thing, &mut body),
    };
    if has_already(&headers, reading.revision) {
        return Ok((StatusCode::NOT_MODIFIED, reading.headers()).into_response());
    }
    Ok(([(CONTENT_TYPE, media)], reading.headers(), body).into_response())
}

/// Reads one property, waits for its next change, or follows it.
#[utoipa::path(
    get, path = "/things/{id}/properties/{name}", tag = "properties",
    params(
        ("id" = String, Path, description = "Id or bare name of the thing"),
        ("name" = String, Path, description = "Name of the property"),
        ("If-None-Match" = Option<String>, Header, description = "Entity tag that the requester has"),
        ("Prefer" = Option<String>, Header, description = "`wait=30` with If-None-Match: answer when it changes, at most after so many seconds"),
        ("Last-Event-ID" = Option<String>, Header, description = "Position after which a stream resumes"),
        StreamParams,
    ),
    responses(
        (status = 200, description = "The bare value; or its stream", content(
            (super::schemas::AnyValue = "application/json"), (Vec<Object> = "application/senml+json"),
            (String = "application/octet-stream"), (String = "text/event-stream")),
            headers(
                ("ETag", description = "Its revision"),
                ("Last-Modified", description = "When the device measured it"),
                ("Thingway-Quality", description = "good, uncertain, bad or stale"))),
        (status = 304, description = "Nothing changed"),
        (status = 400, description = "Not an id", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such thing or property", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "No such representation", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many streams", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn read_property(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Segments((id, name)): Segments<(String, String)>,
    Params(params): Params<StreamParams>,
) -> Result<Response, Problem> {
    let thing = app.thing(&id)?;
    let mut slot = property(&thing, &name)?;
    let media = accepted(&headers, &FORMS_OF_ONE)?;
    if media == EVENT_STREAM {
        let view = View::Values { slot: Some(slot.property.slot), named: params.named() };
        return follow(&app, &thing, view, &headers);
    }
    let wanted = preferences(&headers);
    if has_already(&headers, slot.revision) {
        let changed = match wanted.wait {
            Some(wait) => change(&app, &thing, &slot, wait).await,
            None => None,
        };
        match changed {
            Some(newer) => slot = newer,
            // The thing may have been removed while the requester waited.
            None if thing.is_deleted() => slot = property(&*app.thing(&id)?, &name)?,
            None => return Ok(unchanged(&slot, &wanted)),
        }
    }
    Ok(state(&thing, &slot, media))
}

/// The property of this name, or a problem that lists those there are.
pub(super) fn property(thing: &Thing, name: &str) -> Result<Slot, Problem> {
    /// A thing may have a thousand.
    const LISTED: usize = 20;
    thing.slot(name).ok_or_else(|| {
        let mut names = Vec::new();
        thing.each_slot(|slot| names.push(slot.property().name.clone()));
        names.truncate(LISTED);
        let known = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
        let id = thing.id();
        Problem::not_found(format!("the thing `{id}` has no property `{name}`; it has: {known}"))
    })
}

/// Waits until a property has a newer state; none when the time is up or the gateway ends.
async fn change(app: &App, thing: &Thing, held: &Slot, wait: Duration) -> Option<Slot> {
    let wake = Arc::new(Notify::new());
    let _listening = thing.lane().listen(wake.clone());
    let changed = async {
        loop {
            match thing.slot_at(held.property.slot) {
                Some(slot) if slot.revision > held.revision => return Some(slot),
                _ if thing.is_deleted() => return None,
                _ => wake.notified().await,
            }
        }
    };
    tokio::select! {
        changed = timeout(wait, changed) => changed.ok().flatten(),
        () = app.streams.closing().cancelled() => None,
    }
}

fn unchanged(slot: &Slot, wanted: &Preferences) -> Response {
    let mut response = (StatusCode::NOT_MODIFIED, Reading::of(slot).headers()).into_response();
    response.headers_mut().extend(wanted.applied_wait());
    response
}

fn state(thing: &Thing, slot: &Slot, media: &'static str) -> Response {
    let body = match media {
        OCTETS => slot.state.value.to_octets(),
        SENML_JSON => senml::pack(std::iter::once((thing.id(), slot))),
        _ => {
            let mut body = Vec::with_capacity(32);
            slot.state.value.write_json(&mut body);
            body
        }
    };
    ([(CONTENT_TYPE, media)], Reading::of(slot).headers(), body).into_response()
}

fn follow(
    app: &App,
    thing: &Arc<Thing>,
    view: View,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    app.stream(Scope::thing(thing.clone()), view, last_event_id(headers)?)
}
