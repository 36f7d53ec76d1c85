use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::Deserialize;

/// `[http]`: where and how the gateway is reached.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
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
    /// seconds.
    pub write_wait_seconds: u64,
    /// How long a command may go on in all before it ends as `timeout`, in seconds.
    pub command_deadline_seconds: u64,
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
            heartbeat_seconds: 15,
        }
    }
}
