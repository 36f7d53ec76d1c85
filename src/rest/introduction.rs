//! The directory's own description, for clients that know no more than the host
//! (W3C WoT Discovery, section 6.5).

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

use super::base::Base;
use super::routes::{Routes, route};

pub(crate) fn routes<R: Routes>() -> R {
    R::default().with(route!(introduce))
}

/// Introduces the directory of things.
#[utoipa::path(
    get, path = "/.well-known/wot", tag = "directory",
    responses((status = 200, description = "The directory's own Thing Description", body = Object, content_type = "application/td+json"))
)]
async fn introduce(base: Base) -> Response {
    ([(CONTENT_TYPE, "application/td+json")], description(&base).to_string()).into_response()
}

fn description(base: &Base) -> Json {
    json!({
        "@context": ["https://www.w3.org/2022/wot/td/v1.1", "https://www.w3.org/2022/wot/discovery"],
        "@type": "ThingDirectory",
        "id": "urn:thingway:directory",
        "title": "Thingway directory of things",
        "version": { "instance": env!("CARGO_PKG_VERSION") },
        "securityDefinitions": { "nosec_sc": { "scheme": "nosec" } },
        "security": ["nosec_sc"],
        "properties": { "things": things(base) },
        "actions": actions(base),
        "events": {
            "thingCreated": stream(base, "thing_created"),
            "thingUpdated": stream(base, "thing_updated"),
            "thingDeleted": stream(base, "thing_deleted"),
        },
    })
}

fn things(base: &Base) -> Json {
    json!({
        "description": "All things, page by page",
        "readOnly": true,
        "uriVariables": {
            "offset": { "type": "integer", "minimum": 0, "default": 0 },
            "limit": { "type": "integer", "minimum": 1, "maximum": 1000 },
        },
        "type": "array",
        "items": { "type": "object" },
        "forms": [{
            "href": base.url("/things{?offset,limit}"),
            "op": ["readproperty"],
            "htv:methodName": "GET",
            "contentType": "application/ld+json",
        }],
    })
}

fn actions(base: &Base) -> Json {
    const TD: &str = "application/td+json";
    let form = |method: &str, path: &str, media: &str| {
        json!([{
            "href": base.url(path),
            "op": ["invokeaction"],
            "htv:methodName": method,
            "contentType": media,
        }])
    };
    let one = "/things/{id}";
    let id = json!({ "id": { "@type": "ThingID", "type": "string", "title": "Thing ID" } });
    let td = json!({ "type": "object" });
    json!({
        "createAnonymousThing": { "input": td, "forms": form("POST", "/things", TD) },
        "createThing": { "uriVariables": id, "input": td, "forms": form("PUT", one, TD) },
        "retrieveThing": {
            "uriVariables": id, "output": td, "safe": true, "idempotent": true,
            "forms": form("GET", one, TD),
        },
        "updateThing": { "uriVariables": id, "input": td, "forms": form("PUT", one, TD) },
        "partiallyUpdateThing": {
            "uriVariables": id, "input": td,
            "forms": form("PATCH", one, "application/merge-patch+json"),
        },
        "deleteThing": { "uriVariables": id, "forms": form("DELETE", one, TD) },
    })
}

fn stream(base: &Base, name: &str) -> Json {
    json!({
        "data": { "type": "object" },
        "forms": [{
            "href": base.url(&format!("/events/{name}")),
            "op": ["subscribeevent", "unsubscribeevent"],
            "subprotocol": "sse",
            "contentType": "application/json",
        }],
    })
}
