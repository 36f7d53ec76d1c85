use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::Deserialize;
use url::{Host, Url};

/// `[http]`: where and how the gateway is reached.
#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address and port to listen on; port 0 takes a free one.
    #[schema(value_type = String, example = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Lets anybody who can reach the address read and write. Without it, addresses beyond
    /// loopback are refused: there are no keys yet.
    pub allow_anonymous: bool,
    /// Believes `X-Forwarded-Proto`, `-Host` and `-Prefix`: only behind a proxy that sets them.
    pub trust_forwarded: bool,
    /// Web origins whose pages may call the gateway, as `https://app.example`; `*` is any.
    pub cors_origins: Vec<String>,
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// How long a write waits for its device when the request does not say (`Prefer: wait=`), in
    /// seconds. A write that could not even be sent is waited for until its deadline.
    pub write_wait_seconds: u64,
    /// How long a command may go on in all before it ends as `timeout`, in seconds.
    pub command_deadline_seconds: u64,
    /// How long the head of a request may take to arrive once it has begun, in seconds; then the
    /// connection is closed. Idle connections stay open.
    pub request_head_seconds: u64,
    /// Pause between two signs of life on a quiet event stream, in seconds.
    pub heartbeat_seconds: u64,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            allow_anonymous: false,
            trust_forwarded: false,
            cors_origins: Vec::new(),
            max_body_bytes: 1024 * 1024,
            write_wait_seconds: 5,
            command_deadline_seconds: 30,
            request_head_seconds: 30,
            heartbeat_seconds: 15,
        }
    }
}

impl HttpConfig {
    /// Whether a page of this origin may change things: one that is listed, or one of this machine
    /// itself. A gateway that lets everybody in lets their pages in, too.
    #[must_use]
    pub fn lets_in(&self, origin: &str) -> bool {
        let listed = self.cors_origins.iter().any(|listed| listed == "*" || listed == origin);
        let host = Url::parse(origin).ok().and_then(|url| url.host().map(|host| host.to_owned()));
        let local = match host {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        self.allow_anonymous || listed || local
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_this_machine_and_of_listed_origins_may_change_things() {
        let listed = vec!["https://app.example".to_owned()];
        let config = HttpConfig { cors_origins: listed, ..HttpConfig::default() };
        for origin in [
            "http://127.0.0.1:8080",
            "http://localhost:3000",
            "http://[::1]",
            "https://app.example",
        ] {
            assert!(config.lets_in(origin), "{origin}");
        }
        for origin in ["http://evil.example:8080", "https://app.example.evil", "null", ""] {
            assert!(!config.lets_in(origin), "{origin}");
        }
    }
}
