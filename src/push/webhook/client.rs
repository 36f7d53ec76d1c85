use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, redirect};
use tracing::warn;
use url::Url;

use super::network::Denied;
use super::outcome::Outcome;

const CLOUDEVENT: &str = "application/cloudevents+json; charset=utf-8";
/// Of an answer's body, in bytes; read so that the connection can be used again. A longer one
/// ends the connection.
const MOST_OF_A_BODY: usize = 64 * 1024;
/// Connections to one receiver that are kept open for the next delivery.
const IDLE_CONNECTIONS: usize = 4;
const IDLE: Duration = Duration::from_secs(60);

/// One signed request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) url: Url,
    pub(super) id: String,
    pub(super) timestamp: i64,
    pub(super) signature: String,
    pub(super) body: Bytes,
}

/// Posts deliveries, of all webhooks, over shared connections.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    timeout: Duration,
}

impl Client {
    pub(super) fn new(timeout: Duration, denied: Denied) -> Result<Self, reqwest::Error> {
        // One TLS implementation for the whole process; refused only when there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let denied = Arc::new(denied);
        let http = builder(timeout, &denied).build().or_else(|error| {
            warn!(%error, "No trusted certificates: webhooks with https:// URLs will fail");
            builder(timeout, &denied).tls_certs_only([]).build()
        })?;
        Ok(Self { http, timeout })
    }

    /// Makes one attempt.
    pub(super) async fn post(&self, request: Request) -> Outcome {
        let sent = self
            .http
            .post(request.url)
            .header(CONTENT_TYPE, CLOUDEVENT)
            .header("webhook-id", request.id)
            .header("webhook-timestamp", request.timestamp)
            .header("webhook-signature", request.signature)
            .body(request.body)
            .send()
            .await;
        match sent {
            Ok(response) => {
                let outcome = Outcome::of(response.status(), response.headers());
                drain(response).await;
                outcome
            }
            Err(error) => Outcome::unanswered(self.reason(&error)),
        }
    }

    fn reason(&self, error: &reqwest::Error) -> String {
        if error.is_timeout() {
            return format!("no answer within {} s", self.timeout.as_secs());
        }
        // reqwest's own words name the URL; the innermost cause says what went wrong.
        let mut cause: &dyn Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        match error.is_connect() {
            true => format!("can't connect: {cause}"),
            false => format!("the exchange broke off: {cause}"),
        }
    }
}

fn builder(timeout: Duration, denied: &Arc<Denied>) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("thingway/", env!("CARGO_PKG_VERSION")))
        .timeout(timeout)
        .redirect(redirect::Policy::none())
        // A proxy would resolve names itself, and reach what is denied here.
        .no_proxy()
        .dns_resolver(Resolver(denied.clone()))
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE)
}

async fn drain(mut response: Response) {
    let mut left = MOST_OF_A_BODY;
    while let Ok(Some(chunk)) = response.chunk().await {
        left = match left.checked_sub(chunk.len()) {
            Some(left) => left,
            None => return,
        };
    }
}

/// Looks names up as the system does, but finds no address in a denied network: so a name that
/// is pointed elsewhere after it was registered leads nowhere.
struct Resolver(Arc<Denied>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let denied = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| !denied.denies(address.ip())).collect();
            if allowed.is_empty() {
                let reason = format!(
                    "`{}` leads only into networks of delivery.denied_networks",
                    name.as_str()
                );
                return Err(reason.into());
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}
