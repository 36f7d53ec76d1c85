//! Server-sent events (HTML Living Standard, section 9.2).

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use thingway_sdk::Quality;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::feed::{Feed, Newest, Next};
use super::frames;
use crate::log::{Change, DirectoryEvent, Seq, What};

/// What a stream shows of a change.
pub enum View {
    /// Values of a thing's properties, or of the one at this place; with the property's name as
    /// the event's name, or without.
    Values {
        /// Place of the only property that is shown.
        slot: Option<usize>,
        /// Whether events carry the property's name.
        named: bool,
    },
    /// Occurrences of a thing's event of this name.
    Occurrences {
        /// Its name.
        event: String,
        /// Whether events carry that name.
        named: bool,
    },
    /// State records.
    Records,
    /// Directory events; only of one kind, if given.
    Directory {
        /// The only kind that is shown.
        only: Option<DirectoryEvent>,
        /// Makes the data of one event.
        data: Box<dyn Fn(&Change) -> Bytes + Send + Sync>,
    },
}

impl View {
    fn change(&self, change: &Change) -> Option<Bytes> {
        let seq = change.seq;
        match (self, &change.what) {
            (Self::Values { slot, named }, What::State(property, state)) => {
                // A value that only got stale was not reported anew: bare values would say so.
                let reported = state.quality != Quality::Stale;
                (reported && slot.is_none_or(|slot| slot == property.slot)).then(|| match named {
                    true => {
                        change.frame(|_| frames::named_frame(seq, &property.name, &state.value))
                    }
                    false => frames::plain_frame(seq, &state.value),
                })
            }
            (Self::Occurrences { event, named }, What::Event(name, data, _)) => (name == event)
                .then(|| match named {
                    true => change.frame(|_| frames::named_frame(seq, name, data)),
                    false => frames::plain_frame(seq, data),
                }),
            (Self::Records, What::State(..)) => Some(record(seq, &frames::record(change))),
            (Self::Directory { only, data }, What::Directory(event, _)) => only
                .is_none_or(|only| only == *event)
                .then(|| frames::sse(Some(seq), Some(event.name()), &data(change))),
            _ => None,
        }
    }

    fn newest(&self, newest: &Newest) -> Option<Bytes> {
        let (property, seq) = (&newest.slot.property, newest.slot.revision);
        let value = &newest.slot.state.value;
        match self {
            Self::Values { slot, named } => {
                slot.is_none_or(|slot| slot == property.slot).then(|| match named {
                    true => frames::named_frame(seq, &property.name, value),
                    false => frames::plain_frame(seq, value),
                })
            }
            Self::Records => Some(record(seq, &frames::newest_record(newest))),
            Self::Occurrences { .. } | Self::Directory { .. } => None,
        }
    }

    fn next(&self, next: Next) -> BytesMut {
        let mut chunk = BytesMut::new();
        match next {
            Next::Changes(changes) => {
                changes
                    .iter()
                    .filter_map(|c| self.change(c))
                    .for_each(|f| chunk.extend_from_slice(&f));
            }
            Next::Gap(gap) => {
                chunk.extend_from_slice(&frames::gap_frame(&gap));
                gap.states
                    .iter()
                    .filter_map(|n| self.newest(n))
                    .for_each(|f| chunk.extend_from_slice(&f));
            }
            Next::Gone(_) => chunk.extend_from_slice(&frames::end_frame("the thing was removed")),
        }
        chunk
    }
}

fn record(seq: Seq, record: &[u8]) -> Bytes {
    frames::sse(Some(seq), None, record)
}

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

impl Stream {
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
                    return Some(frames::end_frame("the gateway is shutting down"));
                }
                next = timeout_at(quiet_until, self.feed.next()) => next,
            };
            let Ok(next) = next else { return Some(Bytes::from_static(b": still here\n\n")) };
            self.ended = matches!(next, Next::Gone(_));
            let chunk = self.view.next(next);
            if !chunk.is_empty() {
                return Some(chunk.freeze());
            }
        }
    }
}

/// The answer that carries a stream.
pub fn respond(
    feed: Feed,
    view: View,
    heartbeat: Duration,
    closing: CancellationToken,
    place: OwnedSemaphorePermit,
) -> Response {
    let stream = Stream { feed, view, heartbeat, closing, ended: false, _place: place };
    let chunks = futures_util::stream::unfold(stream, async |mut stream| {
        Some((Ok::<_, Infallible>(stream.chunk().await?), stream))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // nginx would collect events in its buffer otherwise.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(chunks)).into_response()
}
