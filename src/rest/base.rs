use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};

use super::App;

/// The URL under which the requester reaches this gateway: the start of every form's `href`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    origin: String,
    /// What a proxy in front puts before every path; else empty.
    prefix: String,
}

impl Base {
    fn of(headers: &HeaderMap, uri: &Uri, app: &App) -> Self {
        let forwarded = |name: &str| {
            let value = headers.get(name).filter(|_| app.config.trust_forwarded)?;
            // A chain of proxies appends; the first one is the one that the client spoke to.
            value.to_str().ok()?.split(',').next().map(|first| first.trim().to_owned())
        };
        let own = || {
            let named = headers.get(HOST).and_then(|host| host.to_str().ok());
            named.or_else(|| uri.authority().map(Authority::as_str)).map(str::to_owned)
        };
        let host = forwarded("x-forwarded-host").or_else(own).filter(|host| is_authority(host));
        let scheme = forwarded("x-forwarded-proto").filter(|s| s == "https" || s == "http");
        let prefix = forwarded("x-forwarded-prefix").filter(|p| p.starts_with('/') && is_path(p));
        let scheme = scheme.as_deref().unwrap_or("http");
        let host = host.unwrap_or_else(|| app.config.listen.to_string());
        let prefix = prefix.unwrap_or_default().trim_end_matches('/').to_owned();
        Self { origin: format!("{scheme}://{host}"), prefix }
    }

    /// The URL of a path, which begins with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin, self.prefix)
    }

    /// The same without scheme and host, as a `Location`.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The same for a WebSocket.
    pub(crate) fn socket_url(&self, path: &str) -> String {
        self.url(path).replacen("http", "ws", 1)
    }
}

fn is_authority(host: &str) -> bool {
    !host.is_empty() && host.parse::<Authority>().is_ok()
}

fn is_path(prefix: &str) -> bool {
    prefix.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}?#".contains(&byte))
}

impl FromRequestParts<Arc<App>> for Base {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers, &parts.uri, app))
    }
}

/// A path segment with all that may not stand in one escaped (RFC 3986, section 3.3).
pub(crate) fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'@' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_holds_no_separator() {
        assert_eq!(segment("a/b c?#%ü"), "a%2Fb%20c%3F%23%25%C3%BC");
        assert_eq!(segment("urn:thingway:home.lamp"), "urn:thingway:home.lamp");
    }
}
