//! The HTTP server: accepts connections, and gives each to the lane and, once it asks for more than
//! that can do, to hyper and the router.

use std::future::ready;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use futures_util::future::Either;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::head_timer::HeadTimer;
use super::lane::{Connection, End, asked_for};
use super::{App, Rewound};
use crate::push::sse::{Order, serve_on};

/// A listener that can't accept, because files or memory have run out, tries again after this.
const BACK_OFF: Duration = Duration::from_millis(200);
/// How often that is logged, at most.
const LOGGED_EVERY: Duration = Duration::from_secs(60);

/// Serves until `closing` is cancelled; then ends idle connections at once, and returns when the
/// requests under way are answered.
pub async fn serve(listener: TcpListener, app: Arc<App>, closing: CancellationToken) {
    let server = Arc::new(Server { router: super::router(app.clone()), app, closing });
    let connections = TaskTracker::new();
    let mut closing = pin!(server.closing.cancelled());
    let mut logged: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut closing => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(server.clone().attend(stream));
            }
            Err(error) if of_the_peer(&error) => {}
            Err(error) => {
                if logged.is_none_or(|at| at.elapsed() >= LOGGED_EVERY) {
                    warn!(%error, "No connection can be accepted for now");
                    logged = Some(Instant::now());
                }
                sleep(BACK_OFF).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The connection was gone before it was accepted: the next one may be well.
fn of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// What all connections share.
struct Server {
    app: Arc<App>,
    router: Router,
    closing: CancellationToken,
}

impl Server {
    async fn attend(self: Arc<Self>, mut stream: TcpStream) {
        // Small answers must not wait for the acknowledgement of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "Small answers may be delayed on a connection");
        }
        loop {
            // What comes behind the lane is on the heap, because idle connections are many and
            // most never come there.
            let ended = match self.lane(&mut stream).await {
                Ok(End::Closed) => Ok(None),
                Ok(End::Router(read)) => match asked_for(&read) {
                    Some(request) => Box::pin(self.stream(request, read, stream)).await,
                    None => Box::pin(self.route(read, stream, None)).await.map(|()| None),
                },
                Err(error) => Err(error.into()),
            };
            match ended {
                Ok(Some(again)) => stream = again,
                Ok(None) => return,
                Err(error) => return debug!(%error, "A connection ended early"),
            }
        }
    }

    /// Serves an event stream over the connection itself, and gives the connection back when it
    /// can be used for more. Any other answer than a stream leaves the usual way.
    async fn stream(
        &self,
        request: Request,
        read: Vec<u8>,
        stream: TcpStream,
    ) -> Result<Option<TcpStream>, axum::BoxError> {
        let mut response = self.router.clone().oneshot(request).await?;
        match Order::take_from(&mut response) {
            Some(order) => Ok(serve_on(stream, response.headers(), order).await),
            None => self.route(read, stream, Some(response)).await.map(|()| None),
        }
    }

    /// How long the head of a request may take to arrive.
    fn patience(&self) -> Duration {
        Duration::from_secs(self.app.config.request_head_seconds)
    }

    async fn lane(&self, stream: &mut TcpStream) -> io::Result<End> {
        // A layer speaks to allowed origins in every answer.
        if !self.app.config.cors_origins.is_empty() {
            return Ok(End::Router(Vec::new()));
        }
        Connection::default().serve(stream, &self.app, self.patience(), &self.closing).await
    }

    /// Goes on with hyper, which reads again what was `read`. The answer to the first request may
    /// be there already.
    async fn route(
        &self,
        read: Vec<u8>,
        stream: TcpStream,
        answer: Option<Response>,
    ) -> Result<(), axum::BoxError> {
        let stream = Rewound::new(read.into(), stream);
        let (limit, arrived) = (self.patience(), stream.arrived().clone());
        let timer = HeadTimer { limit, arrived, closing: self.closing.clone() };
        let router = TowerToHyperService::new(self.router.clone());
        let answer = Mutex::new(answer);
        let service = service_fn(|request| match answer.lock().take() {
            Some(answer) => Either::Left(ready(Ok(answer))),
            None => Either::Right(router.call(request)),
        });
        let connection = http1::Builder::new()
            .timer(timer)
            .header_read_timeout(limit)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        tokio::select! {
            ended = &mut connection => return Ok(ended?),
            () = self.closing.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        Ok(connection.await?)
    }
}
