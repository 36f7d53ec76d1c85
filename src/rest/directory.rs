//! The directory of things (W3C WoT Discovery, section 7.3).

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, ETAG, LINK, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value as Json};
use thingway_sdk::{ThingId, Timestamp};
use uuid::Uuid;

use super::base::{Base, segment};
use super::extract::{Body, Params, Segments, object, require_json};
use super::negotiate::{
    accepted, etag, has_already, not_modified, require_match, require_no_match, vary,
};
use super::paging::Page;
use super::routes::{Routes, route};
use super::{App, Problem, ValidationError, td_rules, thing_description};
use crate::recorder::Refusal;

pub(crate) fn routes<R: Routes>() -> R {
    R::default().with(route!(list_things, create_thing)).with(route!(
        read_thing,
        replace_thing,
        change_thing,
        delete_thing
    ))
}

/// Lists the descriptions of all things, in code point order of their ids.
#[utoipa::path(
    get, path = "/things", tag = "directory", params(Page),
    responses(
        (status = 200, description = "An array of Thing Descriptions", content(
            (Vec<Object> = "application/ld+json"), (Vec<Object> = "application/json")),
            headers(("Link", description = "rel=next: the next page; rel=canonical: this list with its etag"))),
        (status = 304, description = "Nothing changed"),
        (status = 400, description = "A parameter is not right", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "No such representation", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn list_things(
    State(app): State<Arc<App>>,
    base: Base,
    headers: HeaderMap,
    Params(page): Params<Page>,
) -> Result<Response, Problem> {
    let media = accepted(&headers, &["application/ld+json", "application/json"])?;
    let (offset, limit) = page.bounds()?;
    let generation = app.registry.generation();
    if has_already(&headers, generation) {
        return Ok(not_modified(generation));
    }
    let things = app.registry.page(offset, limit);
    let described = things.iter().map(|thing| thing_description::describe(thing, &base));
    let body = described.collect::<Json>().to_string();
    let canonical = format!("<{}>; rel=\"canonical\"; etag=\"{generation}\"", base.url("/things"));
    let next = page.next(&base, "/things", app.registry.len());
    let links = std::iter::once(canonical).chain(next).collect::<Vec<_>>().join(", ");
    let headers = [(CONTENT_TYPE, media.to_owned()), (LINK, links)];
    Ok((headers, [(ETAG, etag(generation))], vary(), body).into_response())
}

/// Registers a description that has no id; the gateway gives it one.
#[utoipa::path(
    post, path = "/things", tag = "directory",
    request_body(content = Object, content_type = "application/td+json"),
    responses(
        (status = 201, description = "Registered", headers(("Location", description = "Where it is"))),
        (status = 400, description = "Not a valid Thing Description", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "Too many things", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn create_thing(
    State(app): State<Arc<App>>,
    base: Base,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    require_json(&headers, false)?;
    let td = checked(&body)?;
    if td.contains_key("id") {
        return Err(Problem::bad_request("a description that has an id is registered with PUT")
            .field("id", "leave it out, or send PUT /things/{id}"));
    }
    let id = resolve(&format!("urn:uuid:{}", Uuid::new_v4()))?;
    app.recorder.write().register(&id, own(td), Timestamp::now())?;
    Ok(created(&id, &base))
}

/// Reads the description of a thing, with forms that point at this gateway.
#[utoipa::path(
    get, path = "/things/{id}", tag = "directory",
    params(("id" = String, Path, description = "Id or bare name of the thing")),
    responses(
        (status = 200, description = "Its Thing Description", content(
            (Object = "application/td+json"), (Object = "application/ld+json"), (Object = "application/json"))),
        (status = 304, description = "Nothing changed"),
        (status = 400, description = "Not an id", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "No such representation", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn read_thing(
    State(app): State<Arc<App>>,
    base: Base,
    headers: HeaderMap,
    Segments(id): Segments<String>,
) -> Result<Response, Problem> {
    let offered = ["application/td+json", "application/ld+json", "application/json"];
    let media = accepted(&headers, &offered)?;
    let thing = app.thing(&id)?;
    let revision = thing.revision();
    if has_already(&headers, revision) {
        return Ok(not_modified(revision));
    }
    let td = thing_description::describe(&thing, &base).to_string();
    Ok(([(CONTENT_TYPE, media)], [(ETAG, etag(revision))], vary(), td).into_response())
}

/// Registers a description under its id, or replaces the one that is there.
#[utoipa::path(
    put, path = "/things/{id}", tag = "directory",
    params(("id" = String, Path, description = "Id or bare name of the thing")),
    request_body(content = Object, content_type = "application/td+json"),
    responses(
        (status = 201, description = "Registered", headers(("Location", description = "Where it is"))),
        (status = 204, description = "Replaced"),
        (status = 400, description = "Not a valid Thing Description", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It changed meanwhile", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "Too many things", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn replace_thing(
    State(app): State<Arc<App>>,
    base: Base,
    headers: HeaderMap,
    Segments(written): Segments<String>,
    Body(body): Body,
) -> Result<Response, Problem> {
    require_json(&headers, true)?;
    let id = resolve(&written)?;
    let td = checked(&body)?;
    require_same_id(&td, &id)?;
    // One turn, so that nobody comes between the look and the change.
    let mut writing = app.recorder.write();
    let Some(thing) = writing.find(&id) else {
        require_no_match(&headers)?;
        writing.register(&id, own(td), Timestamp::now())?;
        return Ok(created(&id, &base));
    };
    require_match(&headers, thing.revision())?;
    writing.describe(&thing, own(td), Timestamp::now())?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Changes parts of a description (JSON Merge Patch, RFC 7396).
#[utoipa::path(
    patch, path = "/things/{id}", tag = "directory",
    params(("id" = String, Path, description = "Id or bare name of the thing")),
    request_body(content = Object, content_type = "application/merge-patch+json"),
    responses(
        (status = 204, description = "Changed"),
        (status = 400, description = "Not a valid Thing Description afterwards", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It changed meanwhile", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not a merge patch", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn change_thing(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Segments(written): Segments<String>,
    Body(body): Body,
) -> Result<StatusCode, Problem> {
    require_merge_patch(&headers)?;
    let patch = object(&body)?;
    let mut writing = app.recorder.write();
    let thing = app.thing(&written)?;
    require_match(&headers, thing.revision())?;
    require_same_id(&patch, thing.id())?;
    let mut description = thing.description().as_deref().cloned().unwrap_or_default();
    merge(&mut description, patch);
    match thing.is_reported() {
        true => require_valid(td_rules::annotation_violations(&description))?,
        false => require_valid(td_rules::violations(&description))?,
    }
    writing.describe(&thing, own(description), Timestamp::now())?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a thing. One that a device reports comes back with its next message.
#[utoipa::path(
    delete, path = "/things/{id}", tag = "directory",
    params(("id" = String, Path, description = "Id or bare name of the thing")),
    responses(
        (status = 204, description = "Removed"),
        (status = 400, description = "Not an id", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It changed meanwhile", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn delete_thing(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Segments(written): Segments<String>,
) -> Result<StatusCode, Problem> {
    let mut writing = app.recorder.write();
    let thing = app.thing(&written)?;
    require_match(&headers, thing.revision())?;
    writing.delete(&thing, Timestamp::now());
    Ok(StatusCode::NO_CONTENT)
}

fn resolve(written: &str) -> Result<ThingId, Problem> {
    ThingId::resolve(written).map_err(|error| Problem::bad_request(error.to_string()))
}

fn created(id: &ThingId, base: &Base) -> Response {
    let location = base.path(&format!("/things/{}", segment(id.name())));
    (StatusCode::CREATED, [(LOCATION, location)]).into_response()
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(StatusCode::INSUFFICIENT_STORAGE, refusal.to_string())
    }
}

fn checked(body: &[u8]) -> Result<Map<String, Json>, Problem> {
    let td = object(body)?;
    require_valid(td_rules::violations(&td))?;
    Ok(td)
}

fn require_valid(violations: Vec<ValidationError>) -> Result<(), Problem> {
    if violations.is_empty() {
        return Ok(());
    }
    let mut problem = Problem::bad_request("this is not a valid Thing Description");
    problem.validation_errors = violations;
    Err(problem)
}

fn require_same_id(td: &Map<String, Json>, id: &ThingId) -> Result<(), Problem> {
    match td.get("id") {
        None => Ok(()),
        Some(Json::String(given)) if resolve(given).is_ok_and(|given| given == *id) => Ok(()),
        Some(_) => Err(Problem::bad_request("the id in the body is another than that in the path")
            .field("id", format!("has to be `{id}`, or left out"))),
    }
}

fn require_merge_patch(headers: &HeaderMap) -> Result<(), Problem> {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = declared.and_then(|text| text.split(';').next()).map(str::trim);
    if essence.is_some_and(|media| media.eq_ignore_ascii_case("application/merge-patch+json")) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "send a merge patch and say so: `Content-Type: application/merge-patch+json`",
    ))
}

/// What is kept of a registration: the gateway itself sets the id and the registration's dates.
fn own(mut td: Map<String, Json>) -> Map<String, Json> {
    td.remove("id");
    td.remove("registration");
    td
}

/// JSON Merge Patch (RFC 7396, section 2).
fn merge(target: &mut Map<String, Json>, patch: Map<String, Json>) {
    for (name, value) in patch {
        match value {
            Json::Null => {
                target.remove(&name);
            }
            Json::Object(patch) => {
                let member = target.entry(name).or_insert(Json::Null);
                let mut members = member.as_object_mut().map(std::mem::take).unwrap_or_default();
                merge(&mut members, patch);
                *member = Json::Object(members);
            }
            value => {
                target.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_merge_patch_removes_with_null_and_replaces_arrays_whole() {
        let json = json!({ "a": { "b": 1, "c": 2 }, "list": [1, 2], "gone": true, "flat": 1 });
        let mut target = json.as_object().unwrap().clone();
        let patch = json!({
            "a": { "b": null, "d": { "e": null } }, "list": [3], "gone": null, "flat": { "x": 1 },
        });
        merge(&mut target, patch.as_object().unwrap().clone());
        let expected = json!({ "a": { "c": 2, "d": {} }, "list": [3], "flat": { "x": 1 } });
        assert_eq!(Json::Object(target), expected);
    }
}
