use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use utoipa::ToSchema;

use super::DeviceUrl;
use crate::device::Manner;
use crate::transmission::{AckTimeout, MaxRetransmit, Transmission};

/// A CoAP device that the gateway reads, observes and writes.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceConfig {
    /// Where the device is: `coap://host[:5683]`, or `coaps://host[:5684]` for DTLS with a
    /// pre-shared key.
    #[schema(value_type = String, example = "coap://sensor.local")]
    pub url: DeviceUrl,
    /// What the thing is called; levels separated by `/`. The default is the host, with the port
    /// behind it when it isn't the usual one.
    #[serde(default)]
    pub thing: Option<String>,
    /// Who the gateway is to the device; its key stands in `key_file`. For `coaps` only.
    #[serde(default)]
    pub identity: Option<String>,
    /// A file with keys, one a line: the identity, a colon, and the key in hexadecimal or as text
    /// in quotes. Read anew at each connect. For `coaps` only.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub key_file: Option<PathBuf>,
    /// Whether to observe the resources that the device marks as observable. Otherwise they are
    /// polled, too.
    #[serde(default = "yes")]
    pub observe: bool,
    /// How often resources that can't be observed are read, in seconds.
    #[serde(default = "half_a_minute")]
    #[schema(value_type = u32, minimum = 1)]
    pub poll_seconds: NonZeroU32,
    /// How often the device's list of resources is read again, in seconds; it is observed where
    /// the device lets it be.
    #[serde(default = "five_minutes")]
    #[schema(value_type = u32, minimum = 1)]
    pub list_seconds: NonZeroU32,
    /// A device that was silent for so long, in seconds, is asked for one of its observed
    /// resources: that shows whether it is there, and whether it still knows that it is observed.
    /// 0 leaves it alone, as for devices that sleep; then only Max-Age and polling show it.
    #[serde(default = "ten_seconds")]
    pub heartbeat_seconds: u32,
    /// How long an acknowledgement of a message is waited for before it is sent again, in seconds
    /// (RFC 7252 section 4.8); up to half as much again at random, and twice as long each time
    /// after. Shorter where the network is quick: a
    /// device that is silent counts as lost three times 12.5 times this after it was asked, 75 s by
    /// default; longer where answers take their time. Less than a second is for networks of one's
    /// own (RFC 8085 section 3.1).
    #[serde(default)]
    #[schema(value_type = f64, minimum = 0.05, maximum = 60)]
    pub ack_timeout_seconds: AckTimeout,
    /// How often a message is sent again that is not acknowledged.
    #[serde(default)]
    #[schema(value_type = u32, maximum = 10)]
    pub max_retransmit: MaxRetransmit,
    /// Longer bodies are rejected, in bytes.
    #[serde(default = "one_mebibyte")]
    #[schema(value_type = usize, minimum = 1)]
    pub max_body_bytes: NonZeroUsize,
    /// How many resources of the device are taken; the log says when it has more.
    #[serde(default = "a_thousand")]
    #[schema(value_type = usize, minimum = 1)]
    pub max_resources: NonZeroUsize,
}

const fn yes() -> bool {
    true
}

fn half_a_minute() -> NonZeroU32 {
    const { NonZeroU32::new(30).unwrap() }
}

fn five_minutes() -> NonZeroU32 {
    const { NonZeroU32::new(300).unwrap() }
}

const fn ten_seconds() -> u32 {
    10
}

fn one_mebibyte() -> NonZeroUsize {
    const { NonZeroUsize::new(1024 * 1024).unwrap() }
}

fn a_thousand() -> NonZeroUsize {
    const { NonZeroUsize::new(1000).unwrap() }
}

/// Options that contradict each other, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDevice {
    /// `coaps://` alone
    #[error("`coaps://` needs an `identity`, and a `key_file` with its key")]
    NoKey,
    /// A key beside `coap://`
    #[error("`identity` and `key_file` are of no use without DTLS: write `coaps://` in `url`")]
    KeyWithoutDtls,
    /// `thing = ""`
    #[error("`thing` is empty: name it, or leave it out for the host's name")]
    NoName,
}

impl DeviceConfig {
    /// All defaults, for the device at `url`.
    #[must_use]
    pub fn new(url: DeviceUrl) -> Self {
        Self {
            url,
            thing: None,
            identity: None,
            key_file: None,
            observe: yes(),
            poll_seconds: half_a_minute(),
            list_seconds: five_minutes(),
            heartbeat_seconds: ten_seconds(),
            ack_timeout_seconds: AckTimeout::default(),
            max_retransmit: MaxRetransmit::default(),
            max_body_bytes: one_mebibyte(),
            max_resources: a_thousand(),
        }
    }

    /// Whether the options fit together.
    ///
    /// # Errors
    /// The first contradiction found.
    pub fn check(&self) -> Result<(), InvalidDevice> {
        let keys = (self.identity.is_some(), self.key_file.is_some());
        match (self.url.secure(), keys) {
            (true, (true, true)) | (false, (false, false)) => {}
            (true, _) => return Err(InvalidDevice::NoKey),
            (false, _) => return Err(InvalidDevice::KeyWithoutDtls),
        }
        match self.thing.as_deref() {
            Some("") => Err(InvalidDevice::NoName),
            _ => Ok(()),
        }
    }

    pub(super) fn transmission(&self) -> Transmission {
        (self.ack_timeout_seconds, self.max_retransmit).into()
    }

    pub(super) fn manner(&self) -> Manner {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        Manner {
            observe: self.observe,
            poll: seconds(self.poll_seconds.get()),
            list: seconds(self.list_seconds.get()),
            heartbeat: (self.heartbeat_seconds > 0).then(|| seconds(self.heartbeat_seconds)),
            answer: self.transmission().answer_wait(),
            body: self.max_body_bytes.get(),
            resources: self.max_resources.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<DeviceConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn contradictions_are_found() {
        for (json, expected) in [
            (r#"{"url": "coap://d"}"#, Ok(())),
            (r#"{"url": "coaps://d", "identity": "me", "key_file": "/k"}"#, Ok(())),
            (r#"{"url": "coaps://d", "identity": "me"}"#, Err(InvalidDevice::NoKey)),
            (r#"{"url": "coap://d", "key_file": "/k"}"#, Err(InvalidDevice::KeyWithoutDtls)),
            (r#"{"url": "coap://d", "thing": ""}"#, Err(InvalidDevice::NoName)),
        ] {
            assert_eq!(read(json).unwrap().check(), expected, "{json}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (json, hint) in [
            (r#"{"url": "coap://d", "poll_seconds": 0}"#, "nonzero"),
            (r#"{"url": "coap://d", "poll": 3}"#, "poll_seconds"),
            (r#"{"url": "coap://d", "ack_timeout_seconds": 0}"#, "0.05 s at least"),
            (r#"{"url": "coap://d", "max_retransmit": 11}"#, "10 at most"),
            (r#"{"url": "coap://d/x"}"#, "nothing may follow"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(hint), "{json}: {error}");
        }
    }
}
