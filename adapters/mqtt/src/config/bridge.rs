use std::num::{NonZeroU16, NonZeroUsize};
use std::path::PathBuf;

use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::{BrokerUrl, Secret};
use crate::topic::TopicFilter;

/// A connection to an MQTT broker that runs elsewhere.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BridgeConfig {
    /// Where the broker is: `mqtt://[user:password@]host[:1883]`, or `mqtts://…[:8883]` for TLS.
    #[schema(value_type = String, example = "mqtt://broker.local:1883")]
    pub url: BrokerUrl,
    /// The user to log in as. Wins over the one in `url`.
    #[serde(default)]
    pub username: Option<String>,
    /// The password to log in with. Wins over the one in `url`. Better kept in `password_file`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub password: Option<Secret>,
    /// A file that holds the password, read anew at each connect; a newline at its end does not
    /// count. Wins over `password`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub password_file: Option<PathBuf>,
    /// A PEM file with the certificates that a `mqtts` broker is checked against, instead of those
    /// that the operating system trusts.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub ca_file: Option<PathBuf>,
    /// The name under which the broker keeps the session; two clients with the same one throw
    /// each other out. The default is `thingway-<hostname>-<adapter name>`: it survives a restart,
    /// but set it where the hostname does not, as in a container.
    #[serde(default)]
    pub client_id: Option<String>,
    /// The protocol's version: `"3.1.1"` or `"5"`. The default is 3.1.1, which every broker
    /// speaks; 5 adds content types, reasons for refusals, and keeps what the gateway itself
    /// publishes from coming back to it.
    #[serde(default)]
    pub version: Version,
    /// The most that the broker shall do to deliver a message: 0 at most once, 1 at least once,
    /// 2 exactly once.
    #[serde(default)]
    #[schema(value_type = u8, minimum = 0, maximum = 2)]
    pub qos: QoS,
    /// What to subscribe to.
    #[serde(default = "everything")]
    #[schema(value_type = Vec<String>, example = json!(["home/+/temperature"]))]
    pub include: Vec<TopicFilter>,
    /// Of that, what to leave out. The broker still sends it; the gateway drops it, and mentions
    /// it only at log level trace.
    #[serde(default = "broker_internals")]
    #[schema(value_type = Vec<String>)]
    pub exclude: Vec<TopicFilter>,
    /// How long the link may be silent, in seconds. The broker is pinged at half of it, and the
    /// link given up when it has not answered after the whole of it.
    #[serde(default = "half_a_minute")]
    #[schema(value_type = u16, minimum = 1)]
    pub keep_alive_seconds: NonZeroU16,
    /// Whether the broker shall forget everything when the link is lost. With `false` it keeps
    /// what arrives meanwhile at QoS 1 and 2, as far as its own limits let it.
    #[serde(default)]
    pub clean_session: bool,
    /// How long the broker keeps that, in seconds after the link was lost. Version 5 only: with
    /// 3.1.1 the broker decides.
    #[serde(default = "one_day")]
    pub session_expiry_seconds: u32,
    /// Larger messages are rejected, in bytes with their topic and header. They are acknowledged
    /// all the same, or the broker would send them again for ever.
    #[serde(default = "eight_mebibytes")]
    #[schema(value_type = usize, minimum = 1)]
    pub max_packet_bytes: NonZeroUsize,
    /// How many commands may wait for the broker at one time; further ones are refused.
    #[serde(default = "a_thousand")]
    #[schema(value_type = usize, minimum = 1)]
    pub max_waiting_commands: NonZeroUsize,
}

/// The protocol's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
pub enum Version {
    /// OASIS MQTT 3.1.1.
    #[default]
    #[serde(rename = "3.1.1")]
    V3_1_1,
    /// OASIS MQTT 5.0.
    #[serde(rename = "5")]
    V5,
}

/// Quality of service (MQTT 5, section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum QoS {
    /// 0
    AtMostOnce,
    /// 1
    #[default]
    AtLeastOnce,
    /// 2
    ExactlyOnce,
}

impl QoS {
    /// As the protocol writes it.
    #[must_use]
    pub const fn level(self) -> u8 {
        self as u8
    }

    /// From what the protocol writes: 0, 1 or 2.
    #[must_use]
    pub const fn from_level(level: u8) -> Option<Self> {
        match level {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for QoS {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let level = u8::deserialize(deserializer)?;
        Self::from_level(level).ok_or_else(|| {
            serde::de::Error::custom(format!("there is no QoS {level}: write 0, 1 or 2"))
        })
    }
}

fn everything() -> Vec<TopicFilter> {
    vec![TopicFilter::from_static("#")]
}

fn broker_internals() -> Vec<TopicFilter> {
    vec![TopicFilter::from_static("$SYS/#")]
}

fn half_a_minute() -> NonZeroU16 {
    const { NonZeroU16::new(30).unwrap() }
}

const fn one_day() -> u32 {
    24 * 60 * 60
}

/// Zigbee2MQTT tells of all its devices in one message, which takes 1 MiB for about 150.
pub(super) fn eight_mebibytes() -> NonZeroUsize {
    const { NonZeroUsize::new(8 * 1024 * 1024).unwrap() }
}

fn a_thousand() -> NonZeroUsize {
    const { NonZeroUsize::new(1000).unwrap() }
}

/// Options that contradict each other, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBridge {
    /// `include = []`
    #[error("`include` is empty: name at least one topic filter, or leave it out for all topics")]
    NothingIncluded,
    /// MQTT 3.1.1, section 3.1.2.9, allows no password alone.
    #[error("a password needs a `username` beside it")]
    PasswordWithoutUsername,
    /// `ca_file` beside `mqtt://`
    #[error("`ca_file` is of no use without TLS: write `mqtts://` in `url`, or leave it out")]
    CaFileWithoutTls,
    /// An empty client id would get a session that can't be found again.
    #[error("`client_id` must have 1 to 65,535 bytes: leave it out for the default")]
    ClientId,
}

impl BridgeConfig {
    /// Whether the options fit together.
    ///
    /// # Errors
    /// The first contradiction found.
    pub fn check(&self) -> Result<(), InvalidBridge> {
        let password = self.password.is_some() || self.password_file.is_some();
        if self.include.is_empty() {
            return Err(InvalidBridge::NothingIncluded);
        }
        if (password || self.url.password().is_some()) && self.login().is_none() {
            return Err(InvalidBridge::PasswordWithoutUsername);
        }
        if self.ca_file.is_some() && !self.url.tls() {
            return Err(InvalidBridge::CaFileWithoutTls);
        }
        match self.client_id.as_ref().map_or(1, String::len) {
            1..=65_535 => Ok(()),
            _ => Err(InvalidBridge::ClientId),
        }
    }

    /// The user to log in as.
    pub(crate) fn login(&self) -> Option<&str> {
        let username = self.username.as_deref().or(self.url.username());
        // rumqttc writes no empty one.
        username.filter(|username| !username.is_empty())
    }

    /// All defaults, for the broker at `url`.
    #[must_use]
    pub fn new(url: BrokerUrl) -> Self {
        Self {
            url,
            username: None,
            password: None,
            password_file: None,
            ca_file: None,
            client_id: None,
            version: Version::default(),
            qos: QoS::default(),
            include: everything(),
            exclude: broker_internals(),
            keep_alive_seconds: half_a_minute(),
            clean_session: false,
            session_expiry_seconds: one_day(),
            max_packet_bytes: eight_mebibytes(),
            max_waiting_commands: a_thousand(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<BridgeConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_is_enough() {
        let config = read(r#"{"url": "mqtt://broker"}"#).unwrap();
        assert_eq!((config.version, config.qos), (Version::V3_1_1, QoS::AtLeastOnce));
        assert_eq!(config.include, everything());
        assert_eq!(config.exclude, broker_internals());
        assert!(!config.clean_session);
    }

    #[test]
    fn contradictions_are_found() {
        for (rest, expected) in [
            (r#""include": []"#, InvalidBridge::NothingIncluded),
            (r#""password_file": "/x""#, InvalidBridge::PasswordWithoutUsername),
            (r#""username": "", "password": "x""#, InvalidBridge::PasswordWithoutUsername),
            (r#""ca_file": "/x""#, InvalidBridge::CaFileWithoutTls),
            (r#""client_id": """#, InvalidBridge::ClientId),
        ] {
            let config = read(&format!(r#"{{"url": "mqtt://b", {rest}}}"#)).unwrap();
            assert_eq!(config.check(), Err(expected), "{rest}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (json, hint) in [
            (r#"{"url": "mqtt://b", "qos": 3}"#, "0, 1 or 2"),
            (r#"{"url": "mqtt://b", "version": "4"}"#, "3.1.1"),
            (r##"{"url": "mqtt://b", "include": ["a#"]}"##, "#"),
            (r#"{"url": "mqtt://b", "keepalive": 3}"#, "keep_alive_seconds"),
            (r#"{"url": "mqtt://b", "keep_alive_seconds": 0}"#, "nonzero"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(hint), "{json}: {error}");
        }
    }
}
