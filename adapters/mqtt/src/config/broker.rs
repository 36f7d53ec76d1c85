use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;

use serde::Deserialize;
use utoipa::ToSchema;

use super::bridge::eight_mebibytes;

/// The MQTT broker that runs inside the gateway; it speaks versions 3.1.1 and 5 on one port.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BrokerConfig {
    /// Where devices connect. Port 0 takes any free one.
    #[serde(default = "loopback")]
    #[schema(value_type = String, example = "127.0.0.1:1883")]
    pub listen: SocketAddr,
    /// Whether devices elsewhere than on this machine may connect without a password, as all do.
    #[serde(default)]
    pub allow_anonymous: bool,
    /// Larger payloads are rejected, in bytes, and reach no subscriber. A device that sends a
    /// packet of more than twice this is disconnected.
    #[serde(default = "eight_mebibytes")]
    #[schema(value_type = usize, minimum = 1)]
    pub max_packet_bytes: NonZeroUsize,
    /// How many devices may be connected at one time.
    #[serde(default = "ten_thousand")]
    #[schema(value_type = usize, minimum = 1)]
    pub max_clients: NonZeroUsize,
    /// How many retained messages are kept, in memory.
    #[serde(default = "hundred_thousand")]
    #[schema(value_type = usize, minimum = 1)]
    pub max_retained: NonZeroUsize,
}

impl BrokerConfig {
    /// Whether this may run: a broker that listens beyond this machine lets in everybody who
    /// reaches it, so somebody must have said that this is meant.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.listen.ip().is_loopback() || self.allow_anonymous
    }
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            listen: loopback(),
            allow_anonymous: false,
            max_packet_bytes: eight_mebibytes(),
            max_clients: ten_thousand(),
            max_retained: hundred_thousand(),
        }
    }
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 1883).into()
}

fn ten_thousand() -> NonZeroUsize {
    const { NonZeroUsize::new(10_000).unwrap() }
}

fn hundred_thousand() -> NonZeroUsize {
    const { NonZeroUsize::new(100_000).unwrap() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_needs_no_permission() {
        let mut config: BrokerConfig = serde_json::from_str("{}").unwrap();
        assert!(config.is_guarded());
        config.listen = ([0, 0, 0, 0], 1883).into();
        assert!(!config.is_guarded());
        config.allow_anonymous = true;
        assert!(config.is_guarded());
    }
}
