//! Who may open a socket, and in which sub-protocol (RFC 6455, section 4.2).

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use axum::response::Response;
use hyper::upgrade::OnUpgrade;
use tungstenite::handshake::derive_accept_key;

use crate::rest::{HttpConfig, Problem};

/// The name under which the draft registers the sub-protocol.
const PROTOCOL: &str = "webthingprotocol";

/// A handshake that is right.
pub(super) struct Handshake {
    /// Becomes the socket when the answer was sent.
    pub(super) upgrade: OnUpgrade,
    /// What the peer's answer is computed from.
    key: HeaderValue,
    /// Whether it asked for our sub-protocol.
    in_protocol: bool,
}

impl Handshake {
    /// Lets a handshake pass, with the sub-protocol chosen.
    pub(super) fn of(request: &mut Request, config: &HttpConfig) -> Result<Self, Problem> {
        let key = key(request).map_err(upgrade_required)?;
        let upgrade = request.extensions_mut().remove::<OnUpgrade>().ok_or_else(|| {
            upgrade_required(
                "WebSocket request couldn't be upgraded since no upgrade state was present",
            )
        })?;
        let headers = request.headers();
        if !is_welcome(headers, config) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "this web page's origin may not open sockets here; name it in http.cors_origins",
            ));
        }
        Ok(Self { upgrade, key, in_protocol: negotiate(headers)? })
    }

    /// The answer that opens the socket.
    pub(super) fn answer(&self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let accept = HeaderValue::try_from(derive_accept_key(self.key.as_bytes()));
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        // Base64 text is always one.
        headers.extend(accept.ok().map(|accept| (SEC_WEBSOCKET_ACCEPT, accept)));
        if self.in_protocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
        }
        response
    }
}

/// The key of a request that is a handshake, or what it lacks.
fn key(request: &Request) -> Result<HeaderValue, &'static str> {
    let headers = request.headers();
    let is = |name: HeaderName, value: &str| {
        headers.get(name).is_some_and(|is| is.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
    };
    let connection = headers.get(CONNECTION).and_then(|value| value.to_str().ok());
    if request.method() != Method::GET || request.version() > Version::HTTP_11 {
        return Err("Request method must be `GET`");
    }
    if !connection.is_some_and(|value| value.to_ascii_lowercase().contains("upgrade")) {
        return Err("Connection header did not include 'upgrade'");
    }
    if !is(UPGRADE, "websocket") {
        return Err("`Upgrade` header did not include 'websocket'");
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or("`Sec-WebSocket-Key` header missing")?;
    if !is(SEC_WEBSOCKET_VERSION, "13") {
        return Err("`Sec-WebSocket-Version` header did not include '13'");
    }
    Ok(key.clone())
}

/// RFC 6455, section 4.4, and RFC 9110, section 15.5.22: the answer says what to upgrade to.
fn upgrade_required(lacking: &str) -> Problem {
    let detail = format!(
        "{lacking}; open this resource as a WebSocket (version 13, sub-protocol {PROTOCOL})"
    );
    Problem::new(StatusCode::UPGRADE_REQUIRED, detail)
        .with(UPGRADE, HeaderValue::from_static("websocket"))
        .with(CONNECTION, HeaderValue::from_static("upgrade"))
        .with(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
}

/// Whether the sub-protocol was asked for. A consumer that offers nothing is served: many
/// WebSocket libraries leave the header out.
fn negotiate(headers: &HeaderMap) -> Result<bool, Problem> {
    let offers = headers.get_all(SEC_WEBSOCKET_PROTOCOL);
    let mut names = offers.iter().flat_map(|offer| offer.as_bytes().split(|byte| *byte == b','));
    if names.any(|name| name.trim_ascii() == PROTOCOL.as_bytes()) {
        return Ok(true);
    }
    match headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        true => Err(Problem::bad_request(format!(
            "the gateway speaks the sub-protocol {PROTOCOL}; offer it in Sec-WebSocket-Protocol"
        ))),
        false => Ok(false),
    }
}

/// Browsers let any page open a socket to anywhere and only say where the page is from, so what
/// CORS does for requests has to be done here. Who is no browser sends no `Origin`.
fn is_welcome(headers: &HeaderMap, config: &HttpConfig) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let named = |allowed: &String| allowed == "*" || allowed.eq_ignore_ascii_case(origin);
    is_same(origin, host(headers, config)) || config.cors_origins.iter().any(named)
}

fn host<'a>(headers: &'a HeaderMap, config: &HttpConfig) -> Option<&'a str> {
    let forwarded = headers.get("x-forwarded-host").filter(|_| config.trust_forwarded);
    let host = forwarded.or_else(|| headers.get(HOST))?.to_str().ok()?;
    host.split(',').next().map(str::trim)
}

/// The scheme is left out of it: whether a proxy in front speaks TLS is not known here.
fn is_same(origin: &str, host: Option<&str>) -> bool {
    let page = origin.split_once("://").map(|(_, authority)| authority);
    page.is_some_and(|page| host.is_some_and(|host| page.eq_ignore_ascii_case(host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn welcome(headers: &[(&'static str, &'static str)], origins: &[&str]) -> bool {
        let config = HttpConfig {
            cors_origins: origins.iter().map(ToString::to_string).collect(),
            ..HttpConfig::default()
        };
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        is_welcome(&headers.collect(), &config)
    }

    #[test]
    fn a_page_of_a_foreign_origin_is_turned_away() {
        let host = ("host", "gateway:8080");
        assert!(welcome(&[host], &[]));
        assert!(welcome(&[host, ("origin", "http://gateway:8080")], &[]));
        assert!(!welcome(&[host, ("origin", "http://gateway")], &[]));
        assert!(!welcome(&[host, ("origin", "https://evil.example")], &[]));
        assert!(!welcome(&[host, ("origin", "null")], &[]));
        assert!(welcome(&[host, ("origin", "https://app.example")], &["https://app.example"]));
        assert!(welcome(&[host, ("origin", "https://evil.example")], &["*"]));
    }

    #[test]
    fn a_forwarded_host_counts_only_where_it_is_trusted() {
        let headers = [("origin", "https://home.example"), ("x-forwarded-host", "home.example")];
        assert!(!welcome(&headers, &[]));
    }
}
