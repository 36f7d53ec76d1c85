//! The HTTP server: accepts connections, and gives each to the lane and, once it asks for more than
//! that can do, to hyper and the router.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::head_timer::HeadTimer;
use super::lane::{Connection, End};
use super::{App, Rewound};

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
        let ended = match self.lane(&mut stream).await {
            Ok(End::Closed) => Ok(()),
            // On the heap, because idle connections are many and most never come here.
            Ok(End::Router(read)) => Box::pin(self.route(Rewound::new(read.into(), stream))).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = ended {
            debug!(%error, "A connection ended early");
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

    async fn route(&self, stream: Rewound) -> Result<(), axum::BoxError> {
        let (limit, arrived) = (self.patience(), stream.arrived().clone());
        let timer = HeadTimer { limit, arrived, closing: self.closing.clone() };
        let service = TowerToHyperService::new(self.router.clone());
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
