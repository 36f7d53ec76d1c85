//! A stream as the body of an HTTP response.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Carried, Order, STILL_HERE, View, farewell};
use crate::push::feed::{Feed, Next};

/// One stream on its way to its reader. It is polled only when the reader takes more, so a slow
/// reader holds up nothing but itself.
struct Stream {
    feed: Feed,
    view: View,
    heartbeat: Duration,
    closing: CancellationToken,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

/// A body whose order is still there to be taken, or that flows.
enum Flow {
    Ordered(Carried),
    Begun(Stream),
}

impl Stream {
    fn begin(order: Order) -> Self {
        let Order { cursor, view, heartbeat, closing, heralds: _, place } = order;
        Self { feed: Feed::of(cursor), view, heartbeat, closing, ended: false, _place: place }
    }

    async fn chunk(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let quiet_until = Instant::now() + self.heartbeat;
        loop {
            let next = tokio::select! {
                biased;
                () = self.closing.cancelled() => {
                    self.ended = true;
                    return Some(farewell());
                }
                next = timeout_at(quiet_until, self.feed.next()) => next,
            };
            let Ok(next) = next else { return Some(Bytes::from_static(STILL_HERE)) };
            self.ended = matches!(next, Next::Gone(_));
            let chunk = self.view.next(next);
            if !chunk.is_empty() {
                return Some(chunk.freeze());
            }
        }
    }
}

impl Flow {
    async fn next(self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let mut stream = match self {
            Self::Ordered(carried) => Stream::begin(carried.0.lock().take()?),
            Self::Begun(stream) => stream,
        };
        let chunk = stream.chunk().await?;
        Some((Ok(chunk), Self::Begun(stream)))
    }
}

/// The answer that carries a stream.
pub fn respond(order: Order) -> Response {
    let carried = Carried(Arc::new(Mutex::new(Some(order))));
    let chunks = futures_util::stream::unfold(Flow::Ordered(carried.clone()), Flow::next);
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // nginx would collect events in its buffer otherwise.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let mut response = (headers, Body::from_stream(chunks)).into_response();
    response.extensions_mut().insert(carried);
    response
}
