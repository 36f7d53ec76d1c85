use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec;

use futures_util::future::BoxFuture;
use hyper::Response;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use tower::{Service, ServiceExt};
use tracing::warn;

use super::link::{Link, Stream};
use super::network::Denied;
use super::outcome::Outcome;
use super::request::Request;
use super::target::Target;

type Cause = Box<dyn Error + Send + Sync>;

/// Posts deliveries, of all webhooks. It asks no proxy: one would resolve names itself, and reach
/// what is denied here. Nor does it follow redirects.
#[derive(Debug)]
pub(super) struct Client {
    timeout: Duration,
    plain: HttpConnector<Resolver>,
    /// Made for the first `https://`: reading the system's certificates takes longer than starting
    /// all of the gateway.
    secure: OnceCell<HttpsConnector<HttpConnector<Resolver>>>,
}

impl Client {
    pub(super) fn new(timeout: Duration, denied: Denied) -> Self {
        let mut plain = HttpConnector::new_with_resolver(Resolver(Arc::new(denied)));
        plain.set_nodelay(true);
        plain.enforce_http(false);
        Self { timeout, plain, secure: OnceCell::new() }
    }

    /// Makes one attempt, over `link` where it still holds; and a link for the next one.
    pub(super) async fn post(
        &self,
        link: Option<Link>,
        request: &Request,
    ) -> (Outcome, Option<Link>) {
        let deadline = Instant::now() + self.timeout;
        match timeout_at(deadline, self.exchange(link, request)).await {
            Ok(Ok((link, response))) => {
                let outcome = Outcome::of(response.status(), response.headers());
                let finished = timeout_at(deadline, link.finish(response)).await;
                (outcome, finished.ok().flatten())
            }
            Ok(Err(reason)) => (Outcome::unanswered(reason), None),
            Err(_) => {
                let reason = format!("no answer within {} s", self.timeout.as_secs());
                (Outcome::unanswered(reason), None)
            }
        }
    }

    async fn exchange(
        &self,
        link: Option<Link>,
        request: &Request,
    ) -> Result<(Link, Response<Incoming>), String> {
        let to_http = |link: &mut Link| {
            request.to_http(link.take_headers()).map_err(|error| error.to_string())
        };
        if let Some(mut link) = link {
            let request = to_http(&mut link)?;
            match link.send(request).await {
                Ok(response) => return Ok((link, response)),
                Err(error) if error.is_parse() => return Err(broke_off(&error)),
                // Receivers close connections that were idle, also while a request is on its way.
                // It may be sent twice: the receiver knows it by its id.
                Err(_) => {}
            }
        }
        // In a box: connecting takes much memory and is rare, and each delivery would take as much.
        let mut link = Box::pin(self.connect(&request.target)).await?;
        let request = to_http(&mut link)?;
        let response = link.send(request).await.map_err(|error| broke_off(&error))?;
        Ok((link, response))
    }

    async fn connect(&self, target: &Arc<Target>) -> Result<Link, String> {
        let stream = self.reach(target).await;
        let stream = stream.map_err(|error| format!("can't connect: {}", innermost(&*error)))?;
        Link::over(stream, target.clone()).await.map_err(|error| broke_off(&error))
    }

    async fn reach(&self, target: &Target) -> Result<Stream, Cause> {
        let uri = target.uri.clone();
        if target.url.scheme() == "https" {
            let secure = self.secure.get_or_try_init(|| secure(self.plain.clone())).await?;
            return secure.clone().oneshot(uri).await;
        }
        Ok(MaybeHttpsStream::Http(self.plain.clone().oneshot(uri).await?))
    }
}

/// TLS for receivers that a certificate of the system's trusted ones vouches for.
async fn secure(
    plain: HttpConnector<Resolver>,
) -> Result<HttpsConnector<HttpConnector<Resolver>>, Cause> {
    let found = spawn_blocking(rustls_native_certs::load_native_certs).await?;
    let mut trusted = RootCertStore::empty();
    trusted.add_parsable_certificates(found.certs);
    if trusted.is_empty() {
        let error = found.errors.first().map(ToString::to_string).unwrap_or_default();
        warn!(error, "No trusted certificates: webhooks with https:// URLs fail");
    }
    let tls = ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth();
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_only();
    Ok(builder.enable_http1().wrap_connector(plain))
}

fn broke_off(error: &hyper::Error) -> String {
    format!("the exchange broke off: {}", innermost(error))
}

/// The words of the innermost cause: it says what went wrong.
fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    error.source().map_or(error, innermost)
}

/// Looks names up as the system does, but finds no address in a denied network: so a name that
/// is pointed elsewhere after it was registered leads nowhere.
#[derive(Debug, Clone)]
struct Resolver(Arc<Denied>);

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Cause;
    type Future = BoxFuture<'static, Result<Self::Response, Cause>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let denied = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| !denied.denies(address.ip())).collect();
            if allowed.is_empty() {
                let reason = "leads only into networks of delivery.denied_networks";
                return Err(format!("`{name}` {reason}").into());
            }
            Ok(allowed.into_iter())
        })
    }
}
