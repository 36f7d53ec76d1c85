//! One connection to a receiver.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper::header::HeaderMap;
use hyper::{Request, Response};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::unconstrained;
use tokio::time::Instant;

use super::target::Target;

/// Of an answer's body, in bytes; read so that the connection can be used again. A longer one
/// ends the connection.
const MOST_OF_A_BODY: usize = 64 * 1024;
/// How long a connection is kept open for the next delivery.
const IDLE: Duration = Duration::from_secs(60);

pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A connection without a task of its own: whoever waits for its answer moves its bytes, so that
/// an answer wakes one task and not two.
#[derive(Debug)]
pub(super) struct Link {
    target: Arc<Target>,
    requests: SendRequest<Full<Bytes>>,
    /// `None` once it has come to its end. In a box, because a link is handed around often and
    /// what TLS needs is large.
    connection: Option<Box<Connection<Stream, Full<Bytes>>>>,
    /// Those of the last answer: room for the headers of the next request.
    headers: HeaderMap,
}

impl Link {
    pub(super) async fn over(stream: Stream, target: Arc<Target>) -> Result<Self, hyper::Error> {
        let (requests, connection) = handshake(stream).await?;
        Ok(Self {
            target,
            requests,
            connection: Some(Box::new(connection)),
            headers: HeaderMap::new(),
        })
    }

    /// Room for the headers of a request.
    pub(super) fn take_headers(&mut self) -> HeaderMap {
        std::mem::take(&mut self.headers)
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        let answer = self.requests.send_request(request);
        drive(&mut self.connection, answer).await
    }

    /// Reads the rest of an answer; the link is back when it can be used again.
    pub(super) async fn finish(mut self, response: Response<Incoming>) -> Option<Self> {
        let (head, mut body) = response.into_parts();
        self.headers = head.headers;
        let mut left = MOST_OF_A_BODY;
        while let Some(frame) = drive(&mut self.connection, body.frame()).await {
            let frame = frame.ok()?;
            left = left.checked_sub(frame.data_ref().map_or(0, Bytes::len))?;
        }
        drive(&mut self.connection, self.requests.ready()).await.ok()?;
        Some(self)
    }
}

/// Waits for `work`, and moves the connection's bytes meanwhile. Only they bring the work on, and
/// it is looked at each time they have moved, so it need not wake anybody: it would wake the
/// courier that is reading the answer, and another of the runtime's threads to run it once more.
async fn drive<T>(
    connection: &mut Option<Box<Connection<Stream, Full<Bytes>>>>,
    work: impl Future<Output = T>,
) -> T {
    // The runtime's budget would have to wake it, too; the connection keeps to it.
    let mut work = pin!(unconstrained(work));
    poll_fn(|context| {
        let mut silent = Context::from_waker(Waker::noop());
        let done = work.as_mut().poll(&mut silent);
        if done.is_ready() {
            return done;
        }
        // How it ended is told to who waits for the answer.
        if connection.as_mut().is_some_and(|open| Pin::new(open).poll(context).is_ready()) {
            *connection = None;
        }
        work.as_mut().poll(&mut silent)
    })
    .await
}

/// Links of one webhook that wait for the next delivery: never more than it may have requests
/// under way.
#[derive(Debug, Default)]
pub(super) struct Idle(VecDeque<(Link, Instant)>);

impl Idle {
    /// The link that was used last, if it leads there.
    pub(super) fn take(&mut self, target: &Arc<Target>) -> Option<Link> {
        let links = std::iter::from_fn(|| self.0.pop_back());
        links.map(|(link, _)| link).find(|link| Arc::ptr_eq(&link.target, target))
    }

    pub(super) fn keep(&mut self, link: Link, now: Instant) {
        self.0.push_back((link, now + IDLE));
    }

    /// Closes what nobody needed for long.
    pub(super) fn close_until(&mut self, now: Instant) {
        while self.0.pop_front_if(|(_, until)| *until <= now).is_some() {}
    }

    /// When there is something to close.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.0.front().map(|(_, until)| *until)
    }
}
