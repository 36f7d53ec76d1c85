//! One Tasmota device: what its messages say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use smol_str::SmolStr;
use thingway_sdk::{Operation, Payload, Timestamp, Value};

use super::NAME;
use super::layout::{Announcement, Kind, Layout};
use super::properties::{DeviceUnits, Ways, is_power, is_state};
use crate::mapping::RuleConfig;
use crate::mapping::convention::forms::published;
use crate::mapping::convention::growing::Growing;
use crate::mapping::convention::leaves::leaves;
use crate::mapping::convention::{Found, Incoming, Meaning, Taken};

/// For how long the plain form of a state that was told as JSON is taken for the same.
const TOLD_TWICE_WITHIN: Duration = Duration::from_secs(5);
/// Relays of one device of which that is remembered.
const MOST_RELAYS: usize = 64;
/// A device clock may be this far ahead before it is not believed.
const BELIEVED_AHEAD: Duration = Duration::from_secs(86_400);

/// What bridges of other radios publish on `RESULT`: something that happened.
const RECEIVED: [&str; 3] = ["IrReceived", "RfReceived", "SerialReceived"];

#[derive(Clone)]
pub(super) struct Device {
    pub(super) layout: Layout,
    thing: Growing,
    ways: Ways,
    units: DeviceUnits,
    online: String,
    offline: String,
    sleeps: bool,
    /// States of relays that were told as JSON, and when: the plain form follows.
    told: Vec<(SmolStr, Value, Timestamp)>,
    /// Offset of its clock, where it said one that does not change: `+01:00`.
    zone: Option<SmolStr>,
    /// It was asked for its state.
    is_asked: bool,
}

impl Device {
    pub(super) fn new(topic: &str, layout: Layout) -> Self {
        let commands = layout.folder(Kind::Command).to_owned();
        let mut rule = RuleConfig::by_convention(NAME, topic);
        rule.title = Some(topic.to_owned());
        Self {
            layout,
            thing: Growing::new(rule),
            ways: Ways { commands, on: "ON".to_owned(), off: "OFF".to_owned() },
            units: DeviceUnits::default(),
            online: "Online".to_owned(),
            offline: "Offline".to_owned(),
            sleeps: false,
            told: Vec::new(),
            zone: None,
            is_asked: false,
        }
    }

    pub(super) fn rule(&self) -> &Arc<RuleConfig> {
        self.thing.rule()
    }

    /// Takes in what the device announced of itself.
    pub(super) fn announced(&mut self, announcement: &Announcement, meaning: &mut Meaning) {
        let (on, off) = announcement.words();
        self.ways.on = on.to_owned();
        self.ways.off = off.to_owned();
        self.online.clone_from(&announcement.onln);
        self.offline.clone_from(&announcement.ofln);
        self.sleeps = announcement.sleeps();
        self.thing.amend(|rule| {
            rule.title = Some(announcement.title().to_owned());
            if let Some(convention) = &mut rule.convention {
                convention.device_id = Some(announcement.mac.clone());
            }
        });
        for (relay, title) in announcement.relays() {
            self.learn(&relay, meaning);
            let title = title.map(str::to_owned);
            self.thing.amend(|rule| {
                if let Some(property) = rule.properties.get_mut(&relay) {
                    Arc::make_mut(property).title = title;
                }
            });
        }
        for name in announcement.light() {
            self.learn(name, meaning);
        }
    }

    /// Takes in which sensors the device has: `{"sn":{…}}`. The values are those of its start.
    pub(super) fn has_sensors(&mut self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        let Some(all) = leaves(&message.payload.bytes) else {
            return Taken::Malformed("a list of sensors is a JSON object".to_owned());
        };
        let sensors: Vec<_> =
            all.iter().filter_map(|(n, v)| Some((n.strip_prefix("sn.")?, v))).collect();
        let named: Vec<_> =
            sensors.into_iter().filter(|(name, value)| !self.units.note(name, value)).collect();
        for (name, _) in named.into_iter().filter(|(name, _)| *name != "Time") {
            self.learn(name, meaning);
        }
        if !meaning.steps.is_empty() {
            return Taken::Understood;
        }
        Taken::Nothing("tells which sensors there are; their values come by themselves".into())
    }

    /// What a message of the device means. `last` is the last level of its topic.
    pub(super) fn take(
        &mut self,
        kind: Kind,
        last: &str,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Taken {
        if kind == Kind::Command {
            return Taken::Nothing("a command to the device, not from it".into());
        }
        let Some(text) = message.text().map(str::trim) else {
            return Taken::Malformed("Tasmota sends text".to_owned());
        };
        if text.is_empty() {
            return Taken::Nothing("a retained message was cleared".into());
        }
        match (kind, last) {
            (Kind::Telemetry, "LWT") => self.reach(text, message, meaning),
            (_, power) if is_power(power) && !text.starts_with('{') => {
                self.power(power, text, message, meaning)
            }
            (
                Kind::Telemetry,
                "INFO1" | "INFO2" | "INFO3" | "UPTIME" | "MARGINS" | "HASS_STATE",
            ) => Taken::Nothing("about the firmware, not about what the device does".into()),
            (_, status) if status.starts_with("STATUS") => self.status(message, meaning),
            (Kind::Status, _) => self.answer(message, meaning),
            _ => self.telemetry(last, message, meaning),
        }
    }

    fn reach(&mut self, text: &str, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        if text == self.online {
            meaning.reach(self.thing.rule(), true);
            // It was there before the gateway, and tells its state again only in minutes.
            if message.retained && !self.is_asked {
                self.is_asked = true;
                self.ask("10", meaning);
                self.ask("11", meaning);
            }
            return Taken::Understood;
        }
        if text != self.offline {
            return Taken::Malformed(format!("neither {} nor {}", self.online, self.offline));
        }
        if self.sleeps {
            return Taken::Nothing("it sleeps: what it told stays true until it wakes".into());
        }
        meaning.reach(self.thing.rule(), false);
        Taken::Understood
    }

    /// Asks for a part of its status.
    fn ask(&self, part: &'static str, meaning: &mut Meaning) {
        let topic = format!("{}/STATUS", self.ways.commands);
        let mut form = published("status", "", &topic, String::new()).form;
        form.operation = Operation::InvokeAction;
        let bytes = bytes::Bytes::from_static(part.as_bytes());
        meaning.ask(form, Payload { bytes, content_type: None });
    }

    /// `ON`: most relays say it as JSON on `RESULT` just before.
    fn power(
        &mut self,
        name: &str,
        text: &str,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Taken {
        let value = Value::Text(text.into());
        let told = self.told.iter().position(|(told, ..)| told == name);
        if let Some((_, before, at)) = told.map(|at| self.told.swap_remove(at))
            && before == value
            && at.until(message.received) <= TOLD_TWICE_WITHIN
        {
            return Taken::Nothing("says again in plain text what RESULT said as JSON".into());
        }
        self.found(vec![(name.into(), value)], None, meaning)
    }

    /// `STATUS10`, `STATUS11`…: an answer to `STATUS`, or all of it at the start.
    fn status(&mut self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        let Some(all) = leaves(&message.payload.bytes) else {
            return Taken::Malformed("a status is a JSON object".to_owned());
        };
        let strip = |(name, value): &(SmolStr, Value)| {
            let rest =
                name.strip_prefix("StatusSNS.").or_else(|| name.strip_prefix("StatusSTS."))?;
            Some((SmolStr::new(rest), value.clone()))
        };
        let state: Vec<_> = all.iter().filter_map(strip).collect();
        self.learn_zone(&all);
        if state.is_empty() {
            return Taken::Nothing("about the firmware, not about what the device does".into());
        }
        let time = self.time_of(&state, message);
        self.found(state, time, meaning)
    }

    /// An answer to a command, or a state that has changed.
    fn answer(&mut self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        let Some(all) = leaves(&message.payload.bytes) else {
            return Taken::Nothing("an answer to a command that is no JSON object".into());
        };
        self.learn_zone(&all);
        if let Some(taken) = self.pushed(&all, message, meaning) {
            return taken;
        }
        let state: Vec<_> = all.into_iter().filter(|(name, _)| is_state(name)).collect();
        if state.is_empty() {
            return Taken::Nothing("an answer to a command that tells no state".into());
        }
        for (name, value) in state.iter().filter(|(name, _)| is_power(name)) {
            self.told.retain(|(told, ..)| told != name);
            if self.told.len() < MOST_RELAYS {
                self.told.push((name.clone(), value.clone(), message.received));
            }
        }
        self.found(state, None, meaning)
    }

    /// `{"Button1":{"Action":"SINGLE"}}`
    fn pushed(
        &self,
        all: &[(SmolStr, Value)],
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Option<Taken> {
        let [(name, action)] = all else { return None };
        let button = name.strip_suffix(".Action")?;
        if message.retained {
            return Some(Taken::Nothing("retained, so it is no new event".into()));
        }
        meaning.occurred(self.thing.rule(), button, action.clone(), message.received);
        Some(Taken::Understood)
    }

    /// `STATE`, `SENSOR`, and what bridges of other radios received.
    fn telemetry(&mut self, last: &str, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        let Some(all) = leaves(&message.payload.bytes) else { return Taken::NotMine };
        if last == "RESULT"
            && let Some(taken) = self.received(message, meaning)
        {
            return taken;
        }
        let time = self.time_of(&all, message);
        self.found(all, time, meaning)
    }

    fn received(&self, message: &Incoming<'_>, meaning: &mut Meaning) -> Option<Taken> {
        let object: BTreeMap<SmolStr, &RawValue> =
            serde_json::from_slice(&message.payload.bytes).ok()?;
        let (name, data) = RECEIVED.iter().find_map(|name| Some((*name, object.get(*name)?)))?;
        if message.retained {
            return Some(Taken::Nothing("retained, so it is no new event".into()));
        }
        let data = Value::from_json(data.get()).unwrap_or(Value::Null);
        meaning.occurred(self.thing.rule(), name, data, message.received);
        Some(Taken::Understood)
    }

    fn found(
        &mut self,
        all: Vec<(SmolStr, Value)>,
        time: Option<Timestamp>,
        meaning: &mut Meaning,
    ) -> Taken {
        let before = self.units.clone();
        let is_reading =
            |(name, value): &(SmolStr, Value)| name != "Time" && !self.units.note(name, value);
        let readings: Vec<_> = all.into_iter().filter(is_reading).collect();
        if self.units != before {
            // Described anew, with the units that the device was told to use.
            self.thing.amend(|rule| rule.properties.retain(|_, known| known.unit.is_none()));
        }
        for (name, _) in &readings {
            self.learn(name, meaning);
        }
        let found = readings.into_iter().map(|(name, value)| Found::new(name, value).at(time));
        meaning.found(self.thing.rule(), found.collect());
        Taken::Understood
    }

    fn learn(&mut self, name: &str, meaning: &mut Meaning) {
        if self.thing.learn(name, || self.ways.describe(name, &self.units)) {
            for action in self.ways.actions(name) {
                meaning.offer(self.thing.rule(), action);
            }
        }
    }

    /// `Timezone` as an offset; 99 means that the offset changes over the year.
    fn learn_zone(&mut self, all: &[(SmolStr, Value)]) {
        let zone =
            all.iter().find(|(name, _)| matches!(&**name, "Timezone" | "StatusTIM.Timezone"));
        let Some((_, zone)) = zone else { return };
        self.zone = match zone {
            Value::Text(zone) if is_offset(zone) => Some(zone.clone()),
            _ => None,
        };
    }

    /// When the device says that it was so. `Time` is the device's local time and says nothing of
    /// its zone, unless the device was told to (`SetOption52`) or its zone is known to be fixed.
    fn time_of(&self, all: &[(SmolStr, Value)], message: &Incoming<'_>) -> Option<Timestamp> {
        let (_, Value::Text(time)) = all.iter().find(|(name, _)| name == "Time")? else {
            return None;
        };
        let says_zone = time.ends_with('Z') || time.get(19..).is_some_and(is_offset);
        let time = match (says_zone, &self.zone) {
            (true, _) => Timestamp::parse(time),
            (false, Some(zone)) => Timestamp::parse(&format!("{time}{zone}")),
            (false, None) => None,
        };
        time.filter(|time| message.received.until(*time) <= BELIEVED_AHEAD)
    }
}

/// `+01:00`
fn is_offset(text: &str) -> bool {
    matches!(text.as_bytes(), [b'+' | b'-', h, i, b':', m, n]
        if [h, i, m, n].iter().all(|digit| digit.is_ascii_digit()))
}
