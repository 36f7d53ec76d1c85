use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use smol_str::{SmolStr, format_smolstr};
use url::Url;

/// Where a device is: `coap://host[:5683]`, or `coaps://host[:5684]` for DTLS (RFC 7252,
/// section 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceUrl {
    host: String,
    port: u16,
    secure: bool,
}

/// Why a text is no device's address, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Not a URL at all.
    #[error("not a URL ({0}): write coap://host:5683, or coaps://host:5684 for DTLS")]
    NotUrl(url::ParseError),
    /// Another protocol.
    #[error("`{0}://` is not spoken here: use coap:// or, for DTLS, coaps://")]
    Scheme(String),
    /// `coap:///` and the like.
    #[error("the device's host is missing: write coap://host:5683")]
    NoHost,
    /// CoAP knows no users.
    #[error("CoAP has no users and passwords: use coaps:// with `identity` and `key_file`")]
    Credentials,
    /// The device says itself what it has.
    #[error("nothing may follow the port: the device's list says what it has")]
    Path,
}

impl DeviceUrl {
    const PLAIN_PORT: u16 = 5683;
    const SECURE_PORT: u16 = 5684;

    /// Name or IP address; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// UDP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether DTLS is spoken.
    #[must_use]
    pub fn secure(&self) -> bool {
        self.secure
    }

    /// The host, with the port behind it when it isn't the usual one.
    #[must_use]
    pub fn thing(&self) -> SmolStr {
        match self.port == Self::usual_port(self.secure) {
            true => self.host.as_str().into(),
            false => format_smolstr!("{}-{}", self.host, self.port),
        }
    }

    const fn usual_port(secure: bool) -> u16 {
        if secure { Self::SECURE_PORT } else { Self::PLAIN_PORT }
    }
}

impl FromStr for DeviceUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let url = Url::parse(text).map_err(InvalidUrl::NotUrl)?;
        let secure = match url.scheme() {
            "coap" => false,
            "coaps" => true,
            other => return Err(InvalidUrl::Scheme(other.to_owned())),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(InvalidUrl::NoHost)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidUrl::Credentials);
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidUrl::Path);
        }
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(Self::usual_port(secure)),
            secure,
        })
    }
}

impl fmt::Display for DeviceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "coaps" } else { "coap" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl<'de> Deserialize<'de> for DeviceUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> DeviceUrl {
        text.parse().unwrap()
    }

    #[test]
    fn ports_follow_the_scheme_and_name_the_thing() {
        for (text, shown, thing) in [
            ("coap://lamp", "coap://lamp:5683", "lamp"),
            ("coaps://lamp/", "coaps://lamp:5684", "lamp"),
            ("coap://lamp:5684", "coap://lamp:5684", "lamp-5684"),
            ("coap://[fd00::1]:7", "coap://[fd00::1]:7", "fd00::1-7"),
        ] {
            assert_eq!(parse(text).to_string(), shown);
            assert_eq!(parse(text).thing(), thing);
        }
    }

    #[test]
    fn what_is_no_device_is_refused_with_what_to_write() {
        for (text, hint) in [
            ("lamp:5683", "coap://"),
            ("http://lamp", "coaps://"),
            ("coap:///", "host"),
            ("coap://lamp/sensors", "list"),
            ("coap://u:p@lamp", "key_file"),
        ] {
            let error = text.parse::<DeviceUrl>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
