use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};

use super::target::Target;

const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");
const CLOUDEVENT: HeaderValue =
    HeaderValue::from_static("application/cloudevents+json; charset=utf-8");
const THINGWAY: HeaderValue =
    HeaderValue::from_static(concat!("thingway/", env!("CARGO_PKG_VERSION")));

/// One signed request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) target: Arc<Target>,
    pub(super) id: String,
    pub(super) timestamp: i64,
    pub(super) signature: String,
    pub(super) body: Bytes,
}

impl Request {
    /// As it is sent.
    pub(super) fn to_http(&self) -> Result<hyper::Request<Full<Bytes>>, hyper::http::Error> {
        hyper::Request::post(self.target.path.clone())
            .header(HOST, self.target.host.clone())
            .header(USER_AGENT, THINGWAY)
            .header(ACCEPT, ANYTHING)
            .header(CONTENT_TYPE, CLOUDEVENT)
            .header("webhook-id", &self.id)
            .header("webhook-timestamp", self.timestamp)
            .header("webhook-signature", &self.signature)
            .body(Full::new(self.body.clone()))
    }
}
