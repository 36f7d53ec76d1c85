//! Homie, versions 3, 4 and 5 (<https://homieiot.github.io/specification/>), whatever the base topic:
//! a device is recognised by its `$homie` attribute or by `5/<device>/$description`.
//!
//! A device is one thing, named after its topic without the `5`: `homie/lamp` is `homie.lamp`, also
//! for `homie/5/lamp`. A property is called `<node>.<property>`. Its datatype decides how a payload
//! is read (a `string` of `21` stays text), its format what may be written, which goes to `…/set`.
//! Properties that are not retained are events, and actions where they can be set. `$log` of
//! version 5 is the event `log`, `$alert/<id>` the property `alert.<id>`, which is null when the
//! alert is over; `$stats/<name>` of version 3 is the property `stats.<name>`.
//!
//! The states `ready`, `sleeping` and `alert` are within reach, `disconnected` and `lost` are not,
//! `init` changes nothing; a device behind another is only as much within reach as that one. A
//! device whose `$state`, `$homie` or `$description` is cleared is gone.
//!
//! Left out: arrays of nodes (version 3), `$target`, broadcasts, firmware and its updates, and
//! writing an empty text.

mod attributes;
mod datatype;
mod description;
mod five;
mod four;
#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use smol_str::{SmolStr, format_smolstr};

use self::attributes::Attributes;
use self::datatype::Datatype;
use self::description::Model;
use super::{Convention, Found, Incoming, Meaning, Taken, no_longer};

const NAME: &str = "homie";

/// Devices of one adapter.
const MOST_DEVICES: usize = 10_000;
/// Properties of all of them, and of one.
const MOST_PROPERTIES: usize = 100_000;
const MOST_PROPERTIES_OF_ONE: usize = 1000;
/// Bytes of what devices say of themselves: of the attributes, and of the descriptions.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Longest value that is kept until its attributes are there, in bytes.
const LONGEST_KEPT: usize = 256;

/// Homie devices.
#[derive(Debug, Clone, Default)]
pub(in crate::mapping) struct Homie {
    /// By topic: `homie/lamp`, `homie/5/lamp`.
    devices: HashMap<SmolStr, Device>,
    /// The topics of the devices that are behind another, by its topic.
    behind: HashMap<SmolStr, BTreeSet<SmolStr>>,
    attributes: Attributes,
    /// How many properties all devices have.
    properties: usize,
    /// Bytes of all descriptions.
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Device {
    version: Version,
    /// `None` until it is described.
    model: Option<Model>,
    state: Option<State>,
    /// The topic of the device that is connected for this one.
    root: Option<SmolStr>,
    /// Bytes of its description, and what tells it from another.
    described: (usize, u64),
    /// The newest payloads, by topic below the device's, for attributes that come after them.
    newest: HashMap<SmolStr, SmolStr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Three,
    Four,
    Five,
}

/// `$state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not yet, or not any more, as it says: neither within reach nor out of it.
    Init,
    /// `ready`, `sleeping`, `alert`.
    Here,
    /// `disconnected`, `lost`.
    Away,
}

impl Convention for Homie {
    fn name(&self) -> &'static str {
        NAME
    }

    fn concerns(&self, address: &str) -> bool {
        address.contains("/$")
    }

    fn take(&mut self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        let Some((topic, attribute)) = split_attribute(message.address) else {
            return self.take_value(message, meaning);
        };
        let name = attribute.split('/').next().unwrap_or_default();
        if name == "$broadcast" {
            return Taken::Nothing("a broadcast to all Homie devices".into());
        }
        let is_five = is_of_version_5(topic);
        let taken = match name {
            "$description" | "$state" | "$log" | "$alert" if is_five => Self::take_of_five,
            "$target" if is_below_version_5(topic) => {
                return Taken::Nothing(
                    "where the property is going: it is a state when it is reached".into(),
                );
            }
            _ if attributes::KEPT.contains(&name) || attributes::OTHERS.contains(&name) => {
                Self::take_of_four
            }
            _ => return Taken::NotMine,
        };
        match message.text() {
            Some(text) => taken(self, topic, attribute, text, message, meaning),
            None => not_text(),
        }
    }

    fn duplicate(&self) -> Box<dyn Convention> {
        Box::new(self.clone())
    }
}

impl Homie {
    fn take_value(&mut self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        let known = split_value(message.address)
            .and_then(|(root, topic)| Some((self.devices.get_mut(root)?, topic)));
        let Some((device, topic)) = known else { return self.take_command(message.address) };
        match message.text() {
            Some(text) => device.take_value(topic, text, message, meaning),
            None => not_text(),
        }
    }

    /// What others send to `<property>/set`.
    fn take_command(&self, address: &str) -> Taken {
        let is_settable = |property: &str| {
            let (root, topic) = split_value(property)?;
            let reader = self.devices.get(root)?.model.as_ref()?.readers.get(topic)?;
            Some(reader.is_settable)
        };
        match address.strip_suffix("/set").and_then(is_settable) {
            Some(true) => Taken::Nothing("a command to the device, not from it".into()),
            _ => Taken::NotMine,
        }
    }

    /// A device that is known, or can be.
    fn device(&mut self, topic: &str, version: Version) -> Result<&mut Device, String> {
        let is_full = self.devices.len() >= MOST_DEVICES;
        match self.devices.entry(topic.into()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(_) if is_full => Err(format!("more than {MOST_DEVICES} Homie devices")),
            Entry::Vacant(room) => Ok(room.insert(Device::new(version))),
        }
    }

    /// A device is understood by this from now on.
    fn adopt(&mut self, topic: &str, model: Model, meaning: &mut Meaning) -> Result<(), String> {
        let Some(device) = self.devices.get_mut(topic) else { return Ok(()) };
        let count = |model: &Model| model.readers.len();
        let properties =
            self.properties - device.model.as_ref().map_or(0, count) + model.readers.len();
        if properties > MOST_PROPERTIES {
            return Err(format!("more than {MOST_PROPERTIES} properties of Homie devices"));
        }
        self.properties = properties;
        let before = device.model.replace(model);
        device.tell_difference(topic, before.as_ref(), meaning);
        if before.is_none() {
            self.tell_reach(topic, meaning);
        }
        Ok(())
    }

    /// Tells whether a device is within reach, and those behind it.
    fn tell_reach(&self, topic: &str, meaning: &mut Meaning) {
        let behind = self.behind.get(topic).into_iter().flatten();
        for topic in std::iter::once(topic).chain(behind.map(SmolStr::as_str)) {
            let Some(device) = self.devices.get(topic) else { continue };
            let root = device.root.as_ref().and_then(|root| self.devices.get(root)?.state);
            // Where the one in front is not here, nobody knows of those behind it.
            let state = root.filter(|state| *state != State::Here).or(device.state);
            if let (Some(model), Some(State::Here | State::Away)) = (&device.model, state) {
                meaning.reach(&model.rule, state == Some(State::Here));
            }
        }
    }

    /// A device is no more.
    fn remove(&mut self, topic: &str, meaning: &mut Meaning) -> Taken {
        let Some(device) = self.devices.remove(topic) else {
            return Taken::Nothing("cleared, of a device that is not known".into());
        };
        self.attributes.forget(topic);
        self.bytes -= device.described.0;
        self.stands_behind(topic, device.root.as_ref(), None);
        if let Some(model) = device.model {
            self.properties -= model.readers.len();
            for below in model.topics() {
                meaning.release(&format_smolstr!("{topic}/{below}"));
            }
            meaning.gone(&model.rule);
        }
        Taken::Understood
    }

    /// A device stands behind another one now, or behind none.
    fn stands_behind(&mut self, topic: &str, before: Option<&SmolStr>, now: Option<&SmolStr>) {
        if before == now {
            return;
        }
        if let Some(before) = before
            && let Some(others) = self.behind.get_mut(before)
        {
            others.remove(topic);
            if others.is_empty() {
                self.behind.remove(before);
            }
        }
        if let Some(now) = now {
            self.behind.entry(now.clone()).or_default().insert(topic.into());
        }
    }
}

impl Device {
    fn new(version: Version) -> Self {
        Self {
            version,
            model: None,
            state: None,
            root: None,
            described: (0, 0),
            newest: HashMap::new(),
        }
    }

    fn take_value(
        &mut self,
        topic: &str,
        text: &str,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Taken {
        let Some(model) = &self.model else { return Taken::NotMine };
        let Some(reader) = model.readers.get(topic) else { return Taken::NotMine };
        if self.version != Version::Five {
            match !text.is_empty() && text.len() <= LONGEST_KEPT && !reader.is_event {
                true => drop(self.newest.insert(topic.into(), text.into())),
                false => drop(self.newest.remove(topic)),
            }
        }
        if text.is_empty() {
            return Taken::Nothing("an empty payload clears what the broker retained".into());
        }
        // Versions 4 and 5 tell the datatype of each property, but maybe not before its value.
        let is_awaited = self.version == Version::Four && message.retained;
        let datatype = match reader.datatype {
            None if is_awaited => {
                return Taken::Nothing("the property's $datatype is not known yet".into());
            }
            known => known.unwrap_or(Datatype::Text),
        };
        match datatype.read(text) {
            Err(reason) => Taken::Malformed(reason),
            Ok(_) if reader.is_event && message.retained => {
                Taken::Nothing("retained, so it is no new occurrence of the event".into())
            }
            Ok(value) if reader.is_event => {
                meaning.occurred(&model.rule, &reader.name, value, message.received);
                Taken::Understood
            }
            Ok(value) => {
                meaning.found(&model.rule, vec![Found::new(reader.name.clone(), value)]);
                Taken::Understood
            }
        }
    }

    /// Tells what is shown to the convention and what can be done, as far as that is new.
    fn tell_difference(&self, root: &str, before: Option<&Model>, meaning: &mut Meaning) {
        let Some(now) = &self.model else { return };
        let (known, wanted) = (before.map(Model::topics).unwrap_or_default(), now.topics());
        for topic in known.difference(&wanted) {
            meaning.release(&format_smolstr!("{root}/{topic}"));
        }
        if let Some(before) = before {
            meaning.dropped(&now.rule, no_longer(&before.rule, &now.rule));
        }
        for action in before.iter().flat_map(|before| &before.actions) {
            if !now.actions.iter().any(|other| other.name == action.name) {
                meaning.withdraw(&now.rule, &action.name);
            }
        }
        for action in &now.actions {
            if !before.is_some_and(|before| before.actions.contains(action)) {
                meaning.offer(&now.rule, action.clone());
            }
        }
        for topic in wanted.difference(&known) {
            meaning.claim(&format_smolstr!("{root}/{topic}"));
        }
    }
}

impl State {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "init" => Self::Init,
            "ready" | "sleeping" | "alert" => Self::Here,
            "disconnected" | "lost" => Self::Away,
            _ => return None,
        })
    }
}

fn unknown_state(name: &str) -> Taken {
    let shown: String = name.chars().take(40).collect();
    Taken::Malformed(format!(
        "`{shown}` is no $state: it is init, ready, disconnected, sleeping, lost or alert"
    ))
}

fn not_text() -> Taken {
    Taken::Malformed("Homie payloads are UTF-8 text, and this is not".to_owned())
}

/// `homie/lamp/$fw/name` → `homie/lamp` and `$fw/name`.
fn split_attribute(address: &str) -> Option<(&str, &str)> {
    let at = address.find("/$")?;
    Some((&address[..at], &address[at + 1..]))
}

/// `homie/lamp/led/on` → `homie/lamp` and `led/on`.
fn split_value(address: &str) -> Option<(&str, &str)> {
    let (node, _) = address.rsplit_once('/')?;
    let (root, _) = node.rsplit_once('/')?;
    Some((root, &address[root.len() + 1..]))
}

/// Whether a topic is that of a device of version 5: `homie/5/lamp`.
fn is_of_version_5(topic: &str) -> bool {
    split_value(topic).is_some_and(|(_, below)| below.starts_with("5/"))
}

/// Whether a topic is that of a property of a device of version 5: `homie/5/lamp/led/on`.
fn is_below_version_5(topic: &str) -> bool {
    split_value(topic).is_some_and(|(root, _)| is_of_version_5(root))
}
