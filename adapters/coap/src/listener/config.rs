use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::config::{self, Config};
use crate::device::Manner;
use crate::directory;
use crate::dtls::{KeyFileError, Keys};
use crate::transmission::{AckTimeout, MaxRetransmit, Transmission};

/// A CoAP server: the gateway's things for constrained clients, and a resource directory with
/// which devices register to be observed.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Where clients and devices reach it; port 0 takes any free one. The default is
    /// 127.0.0.1:5683, and 127.0.0.1:5684 with `key_file`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "127.0.0.1:5683")]
    pub listen: Option<SocketAddr>,
    /// Whether clients elsewhere than on this machine may read and write without a key.
    #[serde(default)]
    pub allow_anonymous: bool,
    /// A file of pre-shared keys, one `identity:key` a line, the key in hexadecimal or as text in
    /// quotes. With it, DTLS is spoken (`coaps://`), and only with those who have one of the keys.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub key_file: Option<PathBuf>,
    /// Whether clients are where their datagrams say that they are. `unverified`: they prove it
    /// by repeating an Echo option (RFC 9175) before they get much, observe or change anything.
    /// `verified`: they need not, as in a closed network whose clients don't know Echo.
    #[serde(default)]
    pub addresses: ClientAddresses,
    /// How often resources of registered devices that can't be observed are read, in seconds.
    #[serde(default = "half_a_minute")]
    #[schema(value_type = u32, minimum = 1)]
    pub poll_seconds: NonZeroU32,
    /// How long an acknowledgement of a message is waited for before it is sent again, in seconds
    /// (RFC 7252 section 4.8); up to half as much again at random, and twice as long each time
    /// after. Less than a second is for networks of one's own (RFC 8085 section 3.1).
    #[serde(default)]
    #[schema(value_type = f64, minimum = 0.05, maximum = 60)]
    pub ack_timeout_seconds: AckTimeout,
    /// How often a message is sent again that is not acknowledged.
    #[serde(default)]
    #[schema(value_type = u32, maximum = 10)]
    pub max_retransmit: MaxRetransmit,
    /// Larger bodies are refused, in bytes.
    #[serde(default = "one_mebibyte")]
    #[schema(value_type = usize, minimum = 1)]
    pub max_body_bytes: NonZeroUsize,
    /// How many properties may be observed at one time; more are read, but not observed.
    #[serde(default = "sixteen_thousand")]
    #[schema(value_type = usize, minimum = 1)]
    pub max_observers: NonZeroUsize,
    /// The same for one IP address.
    #[serde(default = "hundreds")]
    #[schema(value_type = usize, minimum = 1)]
    pub max_observers_per_address: NonZeroUsize,
    /// How many endpoints may be registered at one time; further ones are refused.
    #[serde(default = "ten_thousand")]
    #[schema(value_type = usize, minimum = 1)]
    pub max_endpoints: NonZeroUsize,
}

/// Whether the sender of a datagram is known to be where it says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientAddresses {
    /// It may be forged.
    #[default]
    Unverified,
    /// The network sees to it that none is forged.
    Verified,
}

impl ServerConfig {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let port = if self.key_file.is_some() { 5684 } else { 5683 };
        self.listen.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, port).into())
    }

    /// The scheme of its URIs.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.key_file.is_some() { "coaps" } else { "coap" }
    }

    /// Whether this may run: a server that listens beyond this machine lets in everybody who
    /// reaches it, unless keys are asked for; so somebody must have said that this is meant.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.address().ip().is_loopback() || self.key_file.is_some() || self.allow_anonymous
    }

    /// The keys of those who may come, with a warning when others may read the file; none when
    /// everybody may come.
    ///
    /// # Errors
    /// When the file can't be read, or lines in it are wrong.
    pub fn keys(&self) -> Result<Option<(Keys, Option<String>)>, KeyFileError> {
        self.key_file.as_deref().map(Keys::read).transpose()
    }

    pub(super) fn endpoint(&self) -> Config {
        let addresses = match self.addresses {
            ClientAddresses::Unverified => config::Addresses::Unverified,
            ClientAddresses::Verified => config::Addresses::Verified,
        };
        let limits = config::Limits {
            body: self.max_body_bytes.get(),
            observers: self.max_observers.get(),
            observers_per_address: self.max_observers_per_address.get(),
            ..config::Limits::default()
        };
        let transmission = self.transmission();
        Config { addresses, verify_changes: true, transmission, limits, ..Config::default() }
    }

    fn transmission(&self) -> Transmission {
        (self.ack_timeout_seconds, self.max_retransmit).into()
    }

    /// How registered devices are read. Whether they are there, their registrations say.
    pub(super) fn manner(&self) -> Manner {
        Manner {
            observe: true,
            poll: Duration::from_secs(self.poll_seconds.get().into()),
            list: Duration::from_secs(24 * 60 * 60),
            heartbeat: None,
            answer: self.transmission().answer_wait(),
            body: self.max_body_bytes.get(),
            resources: directory::Limits::default().links.links,
        }
    }

    pub(super) fn directory(&self) -> directory::Limits {
        directory::Limits { endpoints: self.max_endpoints.get(), ..directory::Limits::default() }
    }
}

fn half_a_minute() -> NonZeroU32 {
    const { NonZeroU32::new(30).unwrap() }
}

fn one_mebibyte() -> NonZeroUsize {
    const { NonZeroUsize::new(1024 * 1024).unwrap() }
}

fn sixteen_thousand() -> NonZeroUsize {
    const { NonZeroUsize::new(16_384).unwrap() }
}

fn hundreds() -> NonZeroUsize {
    const { NonZeroUsize::new(256).unwrap() }
}

fn ten_thousand() -> NonZeroUsize {
    const { NonZeroUsize::new(10_000).unwrap() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> ServerConfig {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn beyond_loopback_it_takes_a_key_or_a_permission() {
        assert!(config("{}").is_guarded());
        assert_eq!(config("{}").address().port(), 5683);
        assert!(!config(r#"{"listen":"0.0.0.0:5683"}"#).is_guarded());
        assert!(config(r#"{"listen":"0.0.0.0:5683","allow_anonymous":true}"#).is_guarded());
        let secure = config(r#"{"listen":"[::]:5684","key_file":"keys"}"#);
        assert!(secure.is_guarded());
        assert_eq!(secure.scheme(), "coaps");
        assert_eq!(config(r#"{"key_file":"keys"}"#).address().port(), 5684);
    }
}
