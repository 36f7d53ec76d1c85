//! The API description (OpenAPI 3.1), made from the handlers themselves.

use std::sync::LazyLock;

use axum::Json;
use utoipa::OpenApi;

use super::Problem;
use super::routes::{Routes, route};

/// What the handlers can't say themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Thingway",
        description = "Every device of every silo as a plain REST resource with push.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "This gateway")),
    components(schemas(Problem)),
    tags(
        (name = "directory", description = "Things and their descriptions (W3C WoT Discovery)"),
        (name = "properties", description = "States: read, wait, follow, write"),
        (name = "actions", description = "What devices can do: invoke"),
        (name = "events", description = "What happens without leaving a state"),
        (name = "push", description = "WebSocket and webhooks"),
        (name = "operations", description = "Running the gateway"),
    ),
)]
struct Frame;

pub(crate) fn routes() -> Routes {
    Routes::default().with(route!(describe_api))
}

/// The description of the whole API.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Frame::openapi();
    document.merge(super::routes().describe());
    document
}

/// Describes this API.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
async fn describe_api() -> Json<&'static utoipa::openapi::OpenApi> {
    static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(document);
    Json(&DOCUMENT)
}
