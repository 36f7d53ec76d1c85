//! HTTP: every URL of the gateway is in the private `routes`. Reads are answered from the registry;
//! what has to be waited for is a position in the log.

mod actions;
mod adapters;
mod app;
mod base;
mod commands;
mod config;
mod directory;
mod events;
mod extract;
mod head_timer;
mod introduction;
mod lane;
mod mapping;
mod metrics;
mod negotiate;
mod openapi;
mod operations;
mod paging;
mod problem;
mod properties;
mod reading;
mod reload;
mod routes;
mod schemas;
mod senml;
mod server;
mod states;
mod streams;
mod td_rules;
mod thing_description;
mod webhooks;
mod writes;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{self, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::cors::{AllowOrigin, Any as AnyHeader, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;
use tracing::error;

use crate::push::ws::{__path_upgrade, upgrade};
use routes::{Routes, route};

pub use app::App;
pub(crate) use commands::{ActionState, failure};
pub use config::HttpConfig;
pub(crate) use lane::Rewound;
pub use metrics::Metrics;
pub use openapi::document;
pub use problem::{Problem, ValidationError};
pub use reload::{Difference, Reload, Reloaded};
pub use server::serve;

/// All routes.
fn routes<R: Routes>() -> R {
    R::default()
        .merge(directory::routes())
        .merge(properties::routes())
        .merge(actions::routes())
        .merge(commands::routes())
        .merge(states::routes())
        .merge(events::routes())
        .with(route!(upgrade))
        .merge(webhooks::routes())
        .merge(adapters::routes())
        .merge(mapping::routes())
        .merge(operations::routes())
        .merge(reload::routes())
        .merge(introduction::routes())
        .merge(openapi::routes())
}

/// Smaller answers are not worth compressing; in bytes.
const COMPRESSED_FROM: usize = 256;

/// No answer is to be taken for another type than it says.
const NOSNIFF: (HeaderName, &str) = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");

/// All that the lane does not answer.
fn router(app: Arc<App>) -> Router {
    routes::<Router<Arc<App>>>()
        .fallback(no_such_resource)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(app.config.max_body_bytes))
        .layer(CompressionLayer::new().compress_when(compressible()))
        .layer(option_layer(cors(&app.config)))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

async fn no_such_resource() -> Problem {
    Problem::not_found("there is no such resource; GET /openapi.json lists those there are")
}

async fn method_not_allowed(method: Method) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{method} is not possible here; the Allow header lists what is"),
    )
}

/// Streams are left alone: a compressor would hold events back until its buffer is full.
fn compressible() -> impl Predicate {
    SizeAbove::new(COMPRESSED_FROM as u64)
        .and(NotForContentType::new("text/event-stream"))
        .and(NotForContentType::new("application/octet-stream"))
}

/// None unless some origin is allowed: without it browsers keep other sites' pages out.
fn cors(config: &HttpConfig) -> Option<CorsLayer> {
    if config.cors_origins.is_empty() {
        return None;
    }
    let exposed = [header::ETAG, header::LAST_MODIFIED, header::LINK, header::LOCATION]
        .into_iter()
        .chain(["thingway-quality", "thingway-position"].map(HeaderName::from_static));
    let methods =
        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let layer = CorsLayer::new()
        .allow_methods(methods)
        .allow_headers(AnyHeader)
        .expose_headers(exposed.collect::<Vec<_>>())
        .max_age(Duration::from_secs(3600));
    if config.cors_origins.iter().any(|origin| origin == "*") {
        return Some(layer.allow_origin(AllowOrigin::any()));
    }
    let origins =
        config.cors_origins.iter().filter_map(|origin| HeaderValue::try_from(origin).ok());
    Some(layer.allow_origin(AllowOrigin::list(origins)))
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words");
    error!(panic = text, "A request handler failed");
    let detail = "the gateway has a defect here; its log has more";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
}

/// Around all else, and one layer, because each costs every request.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let response = match foreign_page(&app, &request) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    finish(&app, response)
}

/// A page of another site may not change anything: not by a form, and not when its host name was
/// rebound to this machine, where the browser takes the page for the gateway's own. Whoever may
/// call from a browser stands in `http.cors_origins`.
fn foreign_page(app: &App, request: &Request) -> Option<Problem> {
    if request.method().is_safe() {
        return None;
    }
    let origin = request.headers().get(header::ORIGIN)?.to_str().ok()?;
    if app.config.lets_in(origin) {
        return None;
    }
    let detail = format!(
        "pages of {origin} may not change anything here; add it to http.cors_origins if they should"
    );
    Some(Problem::new(StatusCode::FORBIDDEN, detail))
}

/// Counts the answer, and makes a problem document of errors that a layer below wrote as text.
fn finish(app: &App, mut response: Response) -> Response {
    let status = response.status();
    let media = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let explained = media.is_some_and(|media| media.contains("json"));
    if (status.is_client_error() || status.is_server_error()) && !explained {
        let (problem, body) =
            Problem::new(status, extract::why_unread(status)).into_response().into_parts();
        // The other headers stay: what is allowed, and which origin may read this.
        let (mut parts, _) = response.into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.extend(problem.headers);
        response = Response::from_parts(parts, body);
    }
    response.headers_mut().insert(NOSNIFF.0, HeaderValue::from_static(NOSNIFF.1));
    app.metrics.count_answer(status.as_u16());
    response
}
