use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use url::Url;

use super::Secret;

/// Where a broker is: `mqtt://[user:password@]host[:1883]`, or `mqtts://…[:8883]` for TLS.
/// Neither its `Debug` nor its `Display` shows the credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    host: String,
    port: u16,
    tls: bool,
    username: Option<String>,
    password: Option<Secret>,
}

/// Why a text is no broker's address, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Not a URL at all.
    #[error("not a URL ({0}): write mqtt://host:1883, or mqtts://host:8883 for TLS")]
    NotUrl(url::ParseError),
    /// Another protocol.
    #[error("`{0}://` is not spoken here: use mqtt:// or, for TLS, mqtts://")]
    Scheme(String),
    /// `mqtt:///` and the like.
    #[error("the broker's host is missing: write mqtt://host:1883")]
    NoHost,
    /// Topics are chosen with `include`.
    #[error("nothing may follow the port: choose topics with `include`, not in the URL")]
    Path,
    /// A `%` sequence that is no UTF-8.
    #[error(
        "the credentials in the URL are not valid UTF-8 after percent-decoding: use `password_file`"
    )]
    Credentials,
}

impl BrokerUrl {
    const PLAIN_PORT: u16 = 1883;
    const TLS_PORT: u16 = 8883;

    /// Name or IP address; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// The user before the `@`.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// The password before the `@`.
    #[must_use]
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }
}

impl FromStr for BrokerUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let url = Url::parse(text).map_err(InvalidUrl::NotUrl)?;
        let tls = match url.scheme() {
            "mqtt" => false,
            "mqtts" => true,
            other => return Err(InvalidUrl::Scheme(other.to_owned())),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(InvalidUrl::NoHost)?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidUrl::Path);
        }
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(if tls { Self::TLS_PORT } else { Self::PLAIN_PORT }),
            tls,
            username: Some(url.username()).filter(|u| !u.is_empty()).map(unescape).transpose()?,
            password: url.password().map(unescape).transpose()?.map(Secret::from),
        })
    }
}

fn unescape(text: &str) -> Result<String, InvalidUrl> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = match (byte, tail) {
            (b'%', [high, low, tail @ ..]) => {
                hex(*high).zip(hex(*low)).map(|(high, low)| (high << 4 | low, tail))
            }
            _ => None,
        };
        let (byte, tail) = escaped.unwrap_or((byte, tail));
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| InvalidUrl::Credentials)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokerUrl({self})")
    }
}

impl<'de> Deserialize<'de> for BrokerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The text itself stays out of the message: it may hold a password.
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> BrokerUrl {
        text.parse().unwrap()
    }

    #[test]
    fn ports_follow_the_scheme() {
        assert_eq!(parse("mqtt://broker").to_string(), "mqtt://broker:1883");
        assert_eq!(parse("mqtts://broker/").to_string(), "mqtts://broker:8883");
        assert_eq!(parse("mqtts://broker:9000").port(), 9000);
        let v6 = parse("mqtt://[::1]:1884");
        assert_eq!((v6.host(), v6.to_string().as_str()), ("::1", "mqtt://[::1]:1884"));
    }

    #[test]
    fn credentials_are_understood_and_never_shown() {
        let url = parse("mqtt://us%40er:s%3Acret%25@broker");
        assert_eq!(url.username(), Some("us@er"));
        assert_eq!(url.password().map(Secret::reveal), Some("s:cret%"));
        assert_eq!(format!("{url:?} {url}"), "BrokerUrl(mqtt://broker:1883) mqtt://broker:1883");
        assert_eq!(format!("{:?}", url.password()), "Some(Secret(***))");
    }

    #[test]
    fn what_is_no_broker_is_refused_with_what_to_write() {
        for (text, hint) in [
            ("broker:1883", "mqtt://"),
            ("http://broker", "mqtts://"),
            ("mqtt:///", "host"),
            ("mqtt://broker/home/#", "include"),
            ("localhost", "mqtt://host:1883"),
        ] {
            let error = text.parse::<BrokerUrl>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }

    #[test]
    fn a_refused_url_does_not_leak_its_password() {
        let error = serde_json::from_str::<BrokerUrl>(r#""http://u:hunter2@h""#).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
