//! Server-sent events (HTML Living Standard, section 9.2).
//!
//! A stream is an [`Order`] first: what is to be shown, and from where on. Over a connection that
//! HTTP keeps it becomes a response body ([`respond`]); over a socket of its own ([`serve_on`]),
//! which costs half as much, a herald writes into it.

mod body;
mod direct;
mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::cursor::Cursor;
use super::frames;
use super::herald::Heralds;

pub use body::respond;
pub use direct::serve_on;
pub use view::View;

pub(super) use view::Form;

/// A stream that was asked for and that nobody serves yet.
pub struct Order {
    /// Where it begins, and what it follows.
    pub cursor: Cursor,
    /// What it shows.
    pub view: View,
    /// Pause between two signs of life while it is quiet.
    pub heartbeat: Duration,
    /// Ends it.
    pub closing: CancellationToken,
    /// Who tells it of changes on a socket of its own.
    pub heralds: Arc<Heralds>,
    /// Its place among the streams.
    pub place: OwnedSemaphorePermit,
}

/// An order on its way in a response: whoever comes first takes it, the response's body or the
/// one who has the socket.
#[derive(Clone)]
struct Carried(Arc<Mutex<Option<Order>>>);

impl Order {
    /// Takes the order out of an answer, to be served over the socket itself; none when the answer
    /// is no stream. The answer's body is empty afterwards.
    #[must_use]
    pub fn take_from(response: &mut Response) -> Option<Self> {
        response.extensions_mut().remove::<Carried>()?.0.lock().take()
    }
}

/// What a stream says while it is quiet.
const STILL_HERE: &[u8] = b": still here\n\n";

fn farewell() -> Bytes {
    frames::end_frame("the gateway is shutting down")
}
