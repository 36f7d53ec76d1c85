//! Which topics are Zigbee2MQTT's
//! (<https://www.zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html>).

/// What a topic is about, by its levels alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Topic<'a> {
    /// `<base>/bridge/<what>`
    Bridge { base: &'a str, what: &'a str },
    /// `<base>/<friendly name>/availability`, with the levels before the last.
    Availability(&'a str),
    /// `<base>/<friendly name>/set` or `…/get`, perhaps with an attribute behind; with the levels
    /// before.
    Command(&'a str),
}

/// First levels behind `<base>/bridge/`, those of older versions among them.
const BRIDGE: [&str; 15] = [
    "config",
    "converters",
    "definition",
    "definitions",
    "devices",
    "event",
    "extensions",
    "groups",
    "health",
    "info",
    "log",
    "logging",
    "request",
    "response",
    "state",
];

impl<'a> Topic<'a> {
    pub(super) fn of(address: &'a str) -> Option<Self> {
        if let Some((base, what)) = address.rsplit_once("/bridge/")
            && BRIDGE.contains(&what.split('/').next().unwrap_or_default())
        {
            return Some(Self::Bridge { base, what });
        }
        let (before, last) = address.rsplit_once('/')?;
        match last {
            "availability" => Some(Self::Availability(before)),
            "set" | "get" => Some(Self::Command(before)),
            _ => before
                .strip_suffix("/set")
                .or_else(|| before.strip_suffix("/get"))
                .map(Self::Command),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_tells_what_it_is_about() {
        let bridge = |base, what| Some(Topic::Bridge { base, what });
        for (address, expected) in [
            ("zigbee2mqtt/bridge/devices", bridge("zigbee2mqtt", "devices")),
            ("home/z/bridge/response/device/rename", bridge("home/z", "response/device/rename")),
            ("z/kitchen/lamp/availability", Some(Topic::Availability("z/kitchen/lamp"))),
            ("z/kitchen/lamp/set", Some(Topic::Command("z/kitchen/lamp"))),
            ("z/lamp/set/brightness", Some(Topic::Command("z/lamp"))),
            ("z/lamp/get/state", Some(Topic::Command("z/lamp"))),
            ("z/kitchen/lamp", None),
            ("z/bridge/lamp", None),
            ("set", None),
        ] {
            assert_eq!(Topic::of(address), expected, "{address}");
        }
    }
}
