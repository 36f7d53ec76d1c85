use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An error as its caller reads it (RFC 9457): what is wrong and what to do.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// `about:blank`: the title says what the status code means.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The meaning of the status code.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What is wrong here, and what to do.
    pub detail: String,
    /// What is wrong with which part of the request (WoT Discovery, section 7.3.2.1.2).
    #[serde(rename = "validationErrors", skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub validation_errors: Vec<ValidationError>,
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What is wrong with one part of a request.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ValidationError {
    /// The part, as a dotted path or a parameter's name.
    pub field: String,
    /// What is wrong with it, and what would be right.
    pub description: String,
}

/// The media type of problem documents.
const PROBLEM_JSON: &str = "application/problem+json; charset=utf-8";

impl Problem {
    /// A problem with this status; `detail` says what to do.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            validation_errors: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// 400: the request is not well formed.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 503 with a `Retry-After` in seconds.
    #[must_use]
    pub fn busy(detail: impl Into<String>, retry_after: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            .with(RETRY_AFTER, HeaderValue::from(retry_after))
    }

    /// 405 with the methods that are allowed.
    #[must_use]
    pub fn not_allowed(detail: impl Into<String>, allowed: &'static str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail)
            .with(ALLOW, HeaderValue::from_static(allowed))
    }

    /// The same problem, naming one part of the request that is wrong.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        let error = ValidationError { field: field.into(), description: description.into() };
        self.validation_errors.push(error);
        self
    }

    /// The same problem with one more header in its answer.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, [(CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}
