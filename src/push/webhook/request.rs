use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Method;
use hyper::header::{
    ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue, USER_AGENT,
};

use super::target::Target;

const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");
const CLOUDEVENT: HeaderValue =
    HeaderValue::from_static("application/cloudevents+json; charset=utf-8");
const THINGWAY: HeaderValue =
    HeaderValue::from_static(concat!("thingway/", env!("CARGO_PKG_VERSION")));

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// One signed request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) target: Arc<Target>,
    pub(super) id: String,
    pub(super) timestamp: i64,
    pub(super) signature: Bytes,
    pub(super) body: Bytes,
}

impl Request {
    /// As it is sent. Its headers are put into a map that was used before, or an empty one.
    pub(super) fn to_http(
        &self,
        mut headers: HeaderMap,
    ) -> Result<hyper::Request<Full<Bytes>>, InvalidHeaderValue> {
        headers.clear();
        headers.extend([
            (HOST, self.target.host.clone()),
            (USER_AGENT, THINGWAY),
            (ACCEPT, ANYTHING),
            (CONTENT_TYPE, CLOUDEVENT),
            (ID, HeaderValue::from_str(&self.id)?),
            (TIMESTAMP, self.timestamp.into()),
            (SIGNATURE, HeaderValue::from_maybe_shared(self.signature.clone())?),
        ]);
        let mut request = hyper::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.path.clone();
        *request.headers_mut() = headers;
        Ok(request)
    }
}
