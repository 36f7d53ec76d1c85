//! The API description (OpenAPI 3.1), made from the handlers themselves.

use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::routes::{Routes, route};
use super::{App, Problem};

/// The description as it was made at last: what makes it would be a tenth of the program. A test
/// compares the two.
const DOCUMENT: &str = include_str!("../../schemas/openapi.json");

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

pub(crate) fn routes<R: Routes>() -> R {
    R::default().with(route!(describe_api))
}

/// The description of the whole API, made anew.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Frame::openapi();
    let routes: OpenApiRouter<Arc<App>> = super::routes();
    document.merge(routes.into_openapi());
    document
}

/// Describes this API.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
async fn describe_api() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT)
}
