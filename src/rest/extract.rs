//! Parts of requests, with problem documents for what is wrong with them.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};
use thingway_sdk::ThingId;

use super::{App, Problem};
use crate::registry::Thing;

/// Query parameters; unknown ones are refused, so that a misspelt filter does not pass everything.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => {
                let text = rejection.body_text();
                let what = text.split_once(": ").map_or(text.as_str(), |(_, what)| what);
                let field = what.split(['`', ':']).find(|part| !part.contains(' '));
                let field = field.filter(|field| !field.is_empty()).unwrap_or("query").to_owned();
                Err(Problem::bad_request("a query parameter is not right").field(field, what))
            }
        }
    }
}

/// Parts of the path.
pub(crate) struct Segments<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(Self(segments)),
            Err(rejection) => Err(Problem::bad_request(rejection.body_text())),
        }
    }
}

/// The body of a request as its bytes.
pub(crate) struct Body(pub(crate) Bytes);

impl FromRequest<Arc<App>> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let read = tokio::select! {
            biased;
            read = Bytes::from_request(request, app) => read,
            // The rest may never come.
            () = app.streams.closing().cancelled() => return Err(Problem::busy("the gateway is ending; send the request again", 10)),
        };
        match read {
            Ok(bytes) => Ok(Self(bytes)),
            Err(rejection) => Err(Problem::new(rejection.status(), why_unread(rejection.status()))),
        }
    }
}

/// What to say of a body that could not be read.
pub(super) fn why_unread(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => {
            "the request body is too large; send less or raise http.max_body_bytes"
        }
        _ => "the request could not be read to its end",
    }
}

/// Refuses a body that declares another media type than JSON. `curl -d` declares a web form by
/// itself, so that is taken for nothing declared where `lenient`: only for methods that a browser
/// never sends across origins without asking first.
pub(crate) fn require_json(headers: &HeaderMap, lenient: bool) -> Result<(), Problem> {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = declared.and_then(|text| text.split(';').next()).map(str::trim);
    let fits = match essence.map(str::to_ascii_lowercase).as_deref() {
        None | Some("application/x-www-form-urlencoded") => lenient,
        Some(media) => media == "application/json" || media.ends_with("+json"),
    };
    if fits {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "the body has to be JSON and say so: send the header `Content-Type: application/json`",
    ))
}

/// The members of a JSON object.
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Json>, Problem> {
    match serde_json::from_slice(body) {
        Ok(Json::Object(members)) => Ok(members),
        Ok(_) => Err(Problem::bad_request("the body has to be a JSON object")),
        Err(error) => Err(Problem::bad_request(format!("the body is not valid JSON: {error}"))),
    }
}

impl App {
    /// The thing that a path names, by full id or bare name.
    pub(crate) fn thing(&self, written: &str) -> Result<Arc<Thing>, Problem> {
        let id =
            ThingId::resolve(written).map_err(|error| Problem::bad_request(error.to_string()))?;
        self.registry.get(&id).ok_or_else(|| {
            Problem::not_found(format!(
                "there is no thing `{id}`; `GET /things` lists those there are, and `GET /adapters` shows whether messages arrive"
            ))
        })
    }
}
