use std::fmt;

use crate::config::Version;

/// Why something succeeded or failed (MQTT 5, section 2.4). MQTT 3.1.1 knows some of the same
/// numbers in SUBACK; its CONNACK has numbers of its own, for which see [`refusal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reason(pub(crate) u8);

impl Reason {
    pub(crate) const SUCCESS: Self = Self(0);
    pub(crate) const SESSION_TAKEN_OVER: Self = Self(0x8e);

    pub(crate) fn is_failure(self) -> bool {
        self.0 >= 0x80
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0x00 => "success",
            0x10 => "no matching subscribers",
            0x81 => "malformed packet",
            0x82 => "protocol error",
            0x83 => "implementation specific error",
            0x84 => "unsupported protocol version",
            0x85 => "client identifier not valid",
            0x86 => "bad user name or password",
            0x87 => "not authorized",
            0x88 => "server unavailable",
            0x89 => "server busy",
            0x8a => "banned",
            0x8b => "server shutting down",
            0x8d => "keep alive timeout",
            0x8e => "session taken over",
            0x8f => "topic filter invalid",
            0x90 => "topic name invalid",
            0x93 => "receive maximum exceeded",
            0x95 => "packet too large",
            0x96 => "message rate too high",
            0x97 => "quota exceeded",
            0x98 => "administrative action",
            0x99 => "payload format invalid",
            0x9a => "retain not supported",
            0x9b => "QoS not supported",
            0x9c => "use another server",
            0x9d => "server moved",
            0x9e => "shared subscriptions not supported",
            0x9f => "connection rate exceeded",
            0xa2 => "wildcard subscriptions not supported",
            _ => return write!(f, "reason {:#04x}", self.0),
        };
        f.write_str(name)
    }
}

/// What a refused CONNECT means and what to check (3.1.1: table 3.1; 5: section 3.2.2.2).
pub(crate) fn refusal(version: Version, reason: Reason) -> String {
    let (what, check) = match (version, reason.0) {
        (Version::V3_1_1, 1) | (Version::V5, 0x84) => {
            ("it does not speak this version of MQTT", "try another `version`")
        }
        (Version::V3_1_1, 2) | (Version::V5, 0x85) => {
            ("it does not take the client id", "try another `client_id`")
        }
        (Version::V3_1_1, 3) | (Version::V5, 0x88 | 0x89) => {
            ("it is not available", "check the broker's log")
        }
        (Version::V3_1_1, 4) | (Version::V5, 0x86) => {
            ("bad user name or password", "check `username` and `password_file`")
        }
        (Version::V3_1_1, 5) | (Version::V5, 0x87) => {
            ("not authorized", "check `username`, `password_file` and the broker's access rules")
        }
        (Version::V3_1_1, code) => return format!("return code {code}; check the broker's log"),
        (Version::V5, _) => return format!("{reason}; check the broker's log"),
    };
    format!("{what}; {check}")
}
