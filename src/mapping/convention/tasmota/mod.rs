//! Tasmota (<https://tasmota.github.io/docs/MQTT/>).
//!
//! **Recognised** by `tasmota/discovery/<mac>/config`, which also tells a `FullTopic` of its own;
//! without it by the usual topics in either order (`tele/<topic>/…`, `<topic>/tele/…`), and then
//! only where the payload is Tasmota's, too: `LWT` with `Online` or `Offline`, `STATE` and
//! `SENSOR` with `Time`, `RESULT` and `POWER` with a state of a relay, `STATUS…`. Anybody may have
//! a topic that begins with `stat`. Once a device is known, all of its topics are.
//!
//! **Things**: `<topic>` for each device, by its MAC address where it was announced.
//!
//! **Properties** are named as the device names them: `POWER1`, `Dimmer`, `AM2301.Temperature`,
//! `ENERGY.Power`, `Wifi.RSSI`. Relays are booleans. Relays, dimmers, colours, fans and shutters are
//! written through `cmnd/<topic>/…`. A state that is told as JSON and, right after it, in plain
//! text counts once. Buttons and switches that are set to tell their actions, and what infrared
//! and radio receivers hear, are events.
//!
//! **Time**: `Time` is local time without a zone, so it is not used, except where it says its
//! offset (`SetOption52`) or the device said that its `Timezone` is a fixed offset. It is no
//! property, nor are `TempUnit` and its kin, which become units.
//!
//! **Reach**: `LWT`. A device that sleeps deeply keeps its states when it goes. One that was there
//! before the gateway is asked for its state once (`STATUS 10` and `11`), which it would otherwise
//! tell only in minutes.
//!
//! **Left out**: `INFO…`, and answers to commands that tell no state.

mod device;
mod layout;
mod properties;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use smol_str::SmolStr;
use thingway_sdk::Value;

use self::device::Device;
use self::layout::{Announcement, Kind, Layout, names_a_kind};
use self::properties::{is_number_or_none, is_power};
use super::leaves::leaves;
use super::{Convention, Incoming, Meaning, Taken};

const NAME: &str = "tasmota";
const DISCOVERY: &str = "tasmota/discovery/";
/// Devices beyond this are mapped as they come.
const MOST_DEVICES: usize = 10_000;
/// Last levels that are claimed where nothing in the topic shows that it may be Tasmota's.
const CLAIMED: [(Kind, &[&str]); 3] = [
    (Kind::Command, &[]),
    (
        Kind::Status,
        &[
            "RESULT", "STATUS8", "STATUS10", "STATUS11", "POWER", "POWER1", "POWER2", "POWER3",
            "POWER4",
        ],
    ),
    (Kind::Telemetry, &["LWT", "STATE", "SENSOR", "RESULT"]),
];

/// The Tasmota devices on one broker.
#[derive(Clone, Default)]
pub(in crate::mapping) struct Tasmota {
    /// By their topics.
    devices: HashMap<SmolStr, Device>,
    /// Whose messages are below which levels.
    folders: HashMap<SmolStr, (SmolStr, Kind)>,
    /// The topics of those that announced themselves, by their MAC addresses.
    announced: HashMap<SmolStr, SmolStr>,
}

impl Convention for Tasmota {
    fn name(&self) -> &'static str {
        NAME
    }

    fn concerns(&self, address: &str) -> bool {
        let folder = address.rsplit_once('/').map(|(folder, _)| folder);
        address.starts_with(DISCOVERY) || folder.is_some_and(names_a_kind)
    }

    fn take(&mut self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        if let Some(about) = message.address.strip_prefix(DISCOVERY) {
            return match about.split_once('/') {
                Some((mac, "config")) => self.announcement(mac, message, meaning),
                Some((mac, "sensors")) => self.sensors(mac, message, meaning),
                _ => Taken::NotMine,
            };
        }
        let Some((folder, last)) = message.address.rsplit_once('/') else { return Taken::NotMine };
        if !self.folders.contains_key(folder) && !self.recognise(folder, last, message) {
            return Taken::NotMine;
        }
        let Some((topic, kind)) = self.folders.get(folder) else { return Taken::NotMine };
        match self.devices.get_mut(topic) {
            Some(device) => device.take(*kind, last, message, meaning),
            None => Taken::NotMine,
        }
    }

    fn duplicate(&self) -> Box<dyn Convention> {
        Box::new(self.clone())
    }
}

impl Tasmota {
    /// Takes in a device that shows by a message in a usual place that it is one.
    fn recognise(&mut self, folder: &str, last: &str, message: &Incoming<'_>) -> bool {
        let Some((layout, kind, topic)) = Layout::usual(folder) else { return false };
        let is_free = self.devices.len() < MOST_DEVICES && !self.devices.contains_key(topic);
        if is_free && fits(kind, last, message) {
            self.add(topic, Device::new(topic, layout));
            return true;
        }
        false
    }

    fn announcement(&mut self, mac: &str, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        if message.payload.bytes.is_empty() {
            return match self.announced.remove(mac) {
                Some(topic) => {
                    self.remove(&topic, meaning);
                    Taken::Understood
                }
                None => Taken::Nothing("a device that was not known is gone".into()),
            };
        }
        if !is_mac(mac) {
            return Taken::Malformed("a MAC address is 12 hexadecimal digits".to_owned());
        }
        // Several of them may name the same topic, so that counting the devices is not enough.
        if self.announced.len() >= MOST_DEVICES && !self.announced.contains_key(mac) {
            return too_many();
        }
        let announcement: Announcement = match serde_json::from_slice(&message.payload.bytes) {
            Ok(announcement) => announcement,
            Err(error) => return Taken::Malformed(format!("no announcement of a device: {error}")),
        };
        let Some(layout) = announcement.layout() else {
            return Taken::Malformed(
                "its full topic makes no topic; it needs %prefix% and no wildcards".to_owned(),
            );
        };
        self.make_room(mac, &announcement.t, &layout, meaning);
        if self.devices.len() >= MOST_DEVICES && !self.devices.contains_key(&announcement.t) {
            return too_many();
        }
        self.announced.insert(mac.into(), announcement.t.clone());
        let topic = announcement.t.as_str();
        let mut device = match self.devices.remove(topic) {
            Some(known) if known.layout == layout => known,
            _ => Device::new(topic, layout),
        };
        device.announced(&announcement, meaning);
        claim(&device.layout, meaning);
        self.add(topic, device);
        Taken::Understood
    }

    /// A device that was elsewhere before, and what was taken for a device where it is now, are
    /// gone.
    fn make_room(&mut self, mac: &str, topic: &str, layout: &Layout, meaning: &mut Meaning) {
        let is_same = |known: &str| known == topic;
        let mut others: Vec<SmolStr> = self
            .announced
            .get(mac)
            .filter(|before| !is_same(before))
            .cloned()
            .into_iter()
            .collect();
        for (folder, _) in &layout.folders {
            others.extend(
                self.folders
                    .get(folder)
                    .filter(|(known, _)| !is_same(known))
                    .map(|(known, _)| known.clone()),
            );
        }
        let moved = self.devices.get(topic).is_some_and(|known| known.layout != *layout);
        others.extend(moved.then(|| topic.into()));
        for other in others {
            self.remove(&other, meaning);
        }
    }

    fn sensors(&mut self, mac: &str, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        let device = self.announced.get(mac).and_then(|topic| self.devices.get_mut(topic));
        match device {
            _ if message.payload.bytes.is_empty() => {
                Taken::Nothing("a retained message was cleared".into())
            }
            Some(device) => device.has_sensors(message, meaning),
            None => Taken::Nothing("of a device that was not announced yet".into()),
        }
    }

    fn add(&mut self, topic: &str, device: Device) {
        for (folder, kind) in &device.layout.folders {
            self.folders.insert(folder.clone(), (topic.into(), *kind));
        }
        self.devices.insert(topic.into(), device);
    }

    fn remove(&mut self, topic: &str, meaning: &mut Meaning) {
        let Some(device) = self.devices.remove(topic) else { return };
        for (folder, _) in &device.layout.folders {
            self.folders.remove(folder);
        }
        self.announced.retain(|_, known| known != topic);
        for address in claimed(&device.layout) {
            meaning.release(&address);
        }
        meaning.gone(device.rule());
    }
}

fn too_many() -> Taken {
    Taken::Malformed(format!("more than {MOST_DEVICES} devices"))
}

/// `DC4F22000001`
fn is_mac(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn claim(layout: &Layout, meaning: &mut Meaning) {
    for address in claimed(layout) {
        meaning.claim(&address);
    }
}

/// The addresses that have to be claimed, because they don't show that they are Tasmota's.
fn claimed(layout: &Layout) -> Vec<String> {
    if layout.is_plain() {
        return Vec::new();
    }
    let of = |(kind, lasts): (Kind, &'static [&'static str])| {
        let folder = layout.folder(kind).to_owned();
        lasts.iter().map(move |last| format!("{folder}/{last}"))
    };
    CLAIMED.into_iter().flat_map(of).collect()
}

/// Whether a message in a usual place is one of Tasmota's.
fn fits(kind: Kind, last: &str, message: &Incoming<'_>) -> bool {
    let text = message.text().unwrap_or_default().trim();
    match (kind, last) {
        (Kind::Telemetry, "LWT") => matches!(text, "Online" | "Offline"),
        (Kind::Telemetry, "STATE" | "SENSOR") => has_local_time(message),
        (Kind::Status, "RESULT") => leaves(&message.payload.bytes).is_some_and(|all| {
            all.iter().any(|(name, value)| is_power(name) && is_switched(value))
        }),
        (Kind::Status, name) if is_power(name) => matches!(text, "ON" | "OFF"),
        (Kind::Status, name) if name.strip_prefix("STATUS").is_some_and(is_number_or_none) => {
            leaves(&message.payload.bytes).is_some_and(|all| {
                !all.is_empty() && all.iter().all(|(name, _)| name.starts_with("Status"))
            })
        }
        _ => false,
    }
}

fn is_switched(value: &Value) -> bool {
    matches!(value, Value::Text(word) if word == "ON" || word == "OFF")
}

/// Whether there is a `Time` as `2026-01-05T12:00:00` beside other leaves.
fn has_local_time(message: &Incoming<'_>) -> bool {
    let Some(all) = leaves(&message.payload.bytes) else { return false };
    let is_time = |(name, value): &(SmolStr, Value)| {
        matches!(value, Value::Text(time)
            if name == "Time" && time.len() >= 19 && time.as_bytes()[10] == b'T')
    };
    all.len() > 1 && all.iter().any(is_time)
}
