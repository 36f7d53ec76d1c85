//! Who may open a socket, and in which sub-protocol.

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::header::{CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};

use crate::rest::{HttpConfig, Problem};

/// The name under which the draft registers the sub-protocol.
const PROTOCOL: &str = "webthingprotocol";

/// Lets a handshake pass, with the sub-protocol chosen.
pub(super) fn check(
    ws: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: &HeaderMap,
    config: &HttpConfig,
) -> Result<WebSocketUpgrade, Problem> {
    let ws = ws.map_err(|rejection| upgrade_required(&rejection))?;
    if !is_welcome(headers, config) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "this web page's origin may not open sockets here; name it in http.cors_origins",
        ));
    }
    negotiate(ws)
}

/// RFC 6455, section 4.4, and RFC 9110, section 15.5.22: the answer says what to upgrade to.
fn upgrade_required(rejection: &WebSocketUpgradeRejection) -> Problem {
    let detail = format!(
        "{}; open this resource as a WebSocket (version 13, sub-protocol {PROTOCOL})",
        rejection.body_text()
    );
    Problem::new(StatusCode::UPGRADE_REQUIRED, detail)
        .with(UPGRADE, HeaderValue::from_static("websocket"))
        .with(CONNECTION, HeaderValue::from_static("upgrade"))
        .with(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
}

/// A consumer that offers nothing is served: many WebSocket libraries leave the header out.
fn negotiate(ws: WebSocketUpgrade) -> Result<WebSocketUpgrade, Problem> {
    let offers_any = ws.requested_protocols().next().is_some();
    let ws = ws.protocols([PROTOCOL]);
    if offers_any && ws.selected_protocol().is_none() {
        return Err(Problem::bad_request(format!(
            "the gateway speaks the sub-protocol {PROTOCOL}; offer it in Sec-WebSocket-Protocol"
        )));
    }
    Ok(ws)
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
