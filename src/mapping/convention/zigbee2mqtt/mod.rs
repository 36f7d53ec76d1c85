//! Zigbee2MQTT (<https://www.zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html>).
//!
//! **Recognised** by the retained list `<base>/bridge/devices`, whatever the base; `zigbee2mqtt` is
//! its own default. Devices that the list does not have are mapped as they come.
//!
//! **Things**: `<base>/<friendly name>` for each device and group, `<base>/bridge` for the bridge
//! with its `state` and what happens on it (`device_joined`…) as events. The IEEE address is the
//! device's id. A device under another name is another thing; one that is no longer listed, or
//! left, is gone.
//!
//! **Properties** are the leaves of the state, named as there (`color.hue`), described by the
//! `exposes` of the device: access bit 1 makes a property, 1 and 2 one that can be written, 2 alone
//! an action (`effect`). Composites that can be set are an action, too (`set_color`), because
//! the two coordinates of a colour are set together or not at all; `toggle` and `get` are
//! actions where the device knows them. `action` is an event. A group has what its devices take
//! together.
//!
//! **Reach**: `<base>/<friendly name>/availability`, plain or as JSON, and `<base>/bridge/state`:
//! without the bridge none of its devices is within reach.
//!
//! **Left out**: what `output: attribute` publishes apart from the state (it is mapped as it comes,
//! to the same thing, without unit and type), the options of devices, and what goes on between the
//! bridge and its front ends (`bridge/info`, `bridge/request`…).

mod bridge;
mod exposes;
mod listed;
#[cfg(test)]
mod tests;
mod topic;

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::value::RawValue;
use smol_str::SmolStr;
use thingway_sdk::Value;

use self::bridge::{Bridge, LONGEST_TOPIC, Waiting};
use self::topic::Topic;
use super::{Convention, Incoming, Meaning, Taken};

const NAME: &str = "zigbee2mqtt";
/// The base topic where nobody chose another.
const DEFAULT_BASE: &str = "zigbee2mqtt";
/// Bridges beyond this are mapped as they come.
const MOST_BRIDGES: usize = 16;
/// Devices that said whether they are there before they were announced; further ones are forgotten.
const MOST_WAITING: usize = 10_000;
/// Those among them that nothing shows to be behind a bridge: any scheme may have such topics.
const MOST_STRANGERS: usize = 1000;
/// Bases where something says like a bridge whether it is there, but has listed nothing so far;
/// further ones are forgotten.
const MOST_UNLISTED: usize = 256;

/// The bridges on one broker.
#[derive(Clone, Default)]
pub(in crate::mapping) struct Zigbee2Mqtt {
    /// By their base topics.
    bridges: BTreeMap<SmolStr, Bridge>,
    waiting: Waiting,
    /// Whether they are there, of those that may turn out to be bridges, by their base topics.
    unlisted: HashMap<SmolStr, bool>,
}

impl Convention for Zigbee2Mqtt {
    fn name(&self) -> &'static str {
        NAME
    }

    fn concerns(&self, address: &str) -> bool {
        Topic::of(address).is_some()
    }

    fn take(&mut self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        match Topic::of(message.address) {
            Some(Topic::Bridge { base, what }) => self.bridge(base, what, message, meaning),
            Some(Topic::Availability(topic)) => self.availability(topic, message, meaning),
            Some(Topic::Command(topic)) if self.bridges.values().any(|it| it.has(topic)) => {
                Taken::Nothing("a command to the device, not from it".into())
            }
            _ => Taken::NotMine,
        }
    }

    fn duplicate(&self) -> Box<dyn Convention> {
        Box::new(self.clone())
    }
}

impl Zigbee2Mqtt {
    fn bridge(
        &mut self,
        base: &str,
        what: &str,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Taken {
        let is_known = self.is_known(base);
        if message.payload.bytes.is_empty() {
            return if is_known { CLEARED } else { Taken::NotMine };
        }
        match what {
            "devices" | "groups" => self.list(base, what, message, meaning),
            "state" => match online(message) {
                Some(is_online) if is_known => match self.bridge_at(base) {
                    Some(bridge) => {
                        bridge.state(is_online, message.retained, meaning);
                        Taken::Understood
                    }
                    None => Taken::NotMine,
                },
                Some(is_online) => {
                    self.note_unlisted(base, is_online);
                    Taken::NotMine
                }
                None if is_known => Taken::Malformed("neither online nor offline".to_owned()),
                None => Taken::NotMine,
            },
            "event" if is_known => self.event(base, message, meaning),
            _ if is_known || is_of_a_bridge(what, message) => {
                Taken::Nothing("between the bridge and its front ends; devices don't say it".into())
            }
            _ => Taken::NotMine,
        }
    }

    fn list(
        &mut self,
        base: &str,
        what: &str,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Taken {
        let is_known = self.is_known(base);
        let entries: Vec<&RawValue> = match serde_json::from_slice(&message.payload.bytes) {
            Ok(entries) => entries,
            Err(error) if is_known => {
                return Taken::Malformed(format!("no list of {what}: {error}"));
            }
            Err(_) => return Taken::NotMine,
        };
        let mark = if what == "devices" { "\"ieee_address\"" } else { "\"members\"" };
        if !is_known && !entries.iter().any(|entry| entry.get().contains(mark)) {
            return Taken::NotMine;
        }
        let state = self.unlisted.remove(base);
        // Borrowed apart, because the bridge takes from those who wait.
        let mut waiting = std::mem::take(&mut self.waiting);
        let taken = match (self.bridge_at(base), what) {
            (None, _) => Taken::Malformed(format!("more than {MOST_BRIDGES} bridges")),
            (Some(bridge), "devices") => bridge.devices(&entries, &mut waiting, meaning),
            (Some(bridge), _) => bridge.groups(&entries, &mut waiting, meaning),
        };
        self.waiting = waiting;
        if let (Some(is_online), Some(bridge)) = (state, self.bridges.get_mut(base)) {
            // It was mapped as it came until now.
            meaning.claim(&format!("{base}/bridge/state"));
            bridge.state(is_online, true, meaning);
        }
        taken
    }

    /// Notes what may be the state of a bridge: anybody may have a topic like that.
    fn note_unlisted(&mut self, base: &str, is_online: bool) {
        let has_room = self.unlisted.len() < MOST_UNLISTED && base.len() <= LONGEST_TOPIC;
        if has_room || self.unlisted.contains_key(base) {
            self.unlisted.insert(base.into(), is_online);
        }
    }

    /// Whether what is below this base is certainly Zigbee2MQTT's.
    fn is_known(&self, base: &str) -> bool {
        base == DEFAULT_BASE || self.bridges.contains_key(base)
    }

    /// The bridge with this base, made when it is not known and not one too many.
    fn bridge_at(&mut self, base: &str) -> Option<&mut Bridge> {
        if !self.bridges.contains_key(base) {
            if self.bridges.len() >= MOST_BRIDGES {
                return None;
            }
            self.bridges.insert(base.into(), Bridge::at(base));
        }
        self.bridges.get_mut(base)
    }

    fn event(&mut self, base: &str, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        #[derive(Deserialize)]
        struct Event<'a> {
            #[serde(rename = "type")]
            kind: SmolStr,
            #[serde(borrow)]
            data: &'a RawValue,
        }
        #[derive(Deserialize)]
        struct Who {
            ieee_address: SmolStr,
        }
        let Ok(Event { kind, data }) = serde_json::from_slice(&message.payload.bytes) else {
            return Taken::Malformed("an event of a bridge has `type` and `data`".to_owned());
        };
        if message.retained {
            return Taken::Nothing("retained, so it is no new event".into());
        }
        let Some(bridge) = self.bridge_at(base) else { return Taken::NotMine };
        if !kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') || kind.len() > 40 {
            return Taken::Malformed(format!("`{}` is no event of a bridge", kind.escape_debug()));
        }
        let data_value = Value::from_json(data.get()).unwrap_or(Value::Null);
        meaning.occurred(&bridge.rule, &kind, data_value, message.received);
        if kind == "device_leave"
            && let Ok(Who { ieee_address }) = serde_json::from_str(data.get())
        {
            bridge.left(&ieee_address, meaning);
        }
        Taken::Understood
    }

    fn availability(
        &mut self,
        topic: &str,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Taken {
        let said = online(message);
        let Some(is_online) = said else {
            return match self.bridges.values().any(|it| it.has(topic)) {
                true if message.payload.bytes.is_empty() => CLEARED,
                true => Taken::Malformed("neither online nor offline".to_owned()),
                false => Taken::NotMine,
            };
        };
        let mut bridges = self.bridges.values_mut();
        if let Some(taken) = bridges.find_map(|it| it.available(topic, is_online, meaning)) {
            return taken;
        }
        let is_ours = self.bridges.values().any(|bridge| bridge.is_below(topic))
            || topic.strip_prefix(DEFAULT_BASE).is_some_and(|rest| rest.starts_with('/'));
        let most = if is_ours { MOST_WAITING } else { MOST_STRANGERS };
        let has_room = self.waiting.len() < most && topic.len() <= LONGEST_TOPIC;
        if has_room || self.waiting.contains_key(topic) {
            self.waiting.insert(topic.into(), is_online);
        }
        match is_ours {
            true => Taken::Nothing("of a device that bridge/devices has not told of yet".into()),
            false => Taken::NotMine,
        }
    }
}

const CLEARED: Taken = Taken::Nothing(std::borrow::Cow::Borrowed("a retained message was cleared"));

/// `online` or `offline`, plain (versions before 2) or as `{"state":"online"}`.
fn online(message: &Incoming<'_>) -> Option<bool> {
    #[derive(Deserialize)]
    struct State {
        state: SmolStr,
    }
    let word = |word: &str| match word {
        "online" => Some(true),
        "offline" => Some(false),
        _ => None,
    };
    let text = message.text()?.trim();
    word(text).or_else(|| word(&serde_json::from_str::<State>(text).ok()?.state))
}

/// Whether it is unmistakably a bridge's though none is known with its base: what it publishes
/// retained may come before its list of devices.
fn is_of_a_bridge(what: &str, message: &Incoming<'_>) -> bool {
    let has = |key: &str| message.text().is_some_and(|text| text.contains(key));
    match what {
        "info" => has("\"coordinator\"") && has("\"permit_join\""),
        "definitions" => has("\"clusters\"") && has("\"custom_clusters\""),
        _ => false,
    }
}
