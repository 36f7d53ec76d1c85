//! Shelly devices of the first generation
//! (<https://shelly-api-docs.shelly.cloud/gen1/#mqtt-support>).
//!
//! **Recognised** by topics below `shellies/<id>/` that these devices have.
//!
//! **Things**: `shellies/<id>`. The MAC address that `announce` tells is its device id.
//!
//! **Properties** are named after the topic, with numbers joined to what they count:
//! `relay/0` is `relay_0`, `relay/0/power` is `relay_0.power`, `sensor/temperature` is
//! `sensor.temperature`, and the members of `light/0/status` are `light_0.brightness`… Relays,
//! lights, rollers and their positions are written to their `command` topics, the members of a
//! light's status to its `set` topic. Energy, which comes in watt-minutes, is told in watt-hours.
//! `input_event/0` is an event, once for each `event_cnt`: these devices repeat all their topics.
//!
//! **Reach**: `online`, except of devices that run on a battery and sleep: what those told stays
//! true.
//!
//! **Left out**: `info`, `ext_temperatures` (each sensor has a topic of its own) and Fahrenheit
//! beside Celsius.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value as Json;
use smol_str::SmolStr;
use thingway_sdk::Value;

use super::NAME;
use crate::mapping::convention::forms::written;
use crate::mapping::convention::growing::Growing;
use crate::mapping::convention::leaves::leaves;
use crate::mapping::convention::{Found, Incoming, Meaning, Taken};
use crate::mapping::{PropertyRule, RuleConfig};

/// Inputs of one device of which the count of events is remembered.
const MOST_INPUTS: usize = 16;

/// Beginnings of the ids, and then of the model names, of devices that sleep most of the time.
const SLEEPERS: [&str; 10] = [
    "shellyht",
    "shellyflood",
    "shellydw",
    "shellysmoke",
    "shellybutton",
    "SHHT",
    "SHWT",
    "SHDW",
    "SHSM",
    "SHBTN",
];

/// Topics that have a number behind them.
const NUMBERED: [&str; 12] = [
    "adc",
    "color",
    "emeter",
    "ext_humidity",
    "ext_switch",
    "ext_temperature",
    "input",
    "light",
    "longpush",
    "relay",
    "roller",
    "white",
];
/// Topics that have a value themselves.
const PLAIN: [&str; 5] =
    ["temperature", "temperature_status", "overtemperature", "voltage", "power"];

#[derive(Clone)]
pub(super) struct Device {
    /// `shellies/<id>`
    base: String,
    thing: Growing,
    sleeps: bool,
    /// How many events each input has had.
    counts: HashMap<SmolStr, u64>,
}

#[derive(Deserialize)]
struct Announcement {
    id: SmolStr,
    #[serde(default)]
    model: SmolStr,
    #[serde(default)]
    mac: Option<SmolStr>,
}

/// The id in an announcement, where it can be part of a topic.
pub(super) fn announced_id(message: &Incoming<'_>) -> Option<SmolStr> {
    let Announcement { id, .. } = serde_json::from_slice(&message.payload.bytes).ok()?;
    let is_odd = |c: char| c.is_control() || matches!(c, '+' | '#' | '/');
    (!id.is_empty() && !id.contains(is_odd)).then_some(id)
}

impl Device {
    pub(super) fn new(id: &str) -> Self {
        let base = format!("shellies/{id}");
        let mut rule = RuleConfig::by_convention(NAME, base.as_str());
        rule.title = Some(id.to_owned());
        Self { base, thing: Growing::new(rule), sleeps: is_sleeper(id), counts: HashMap::new() }
    }

    /// What a message of the device means. `rest` is its topic behind the id.
    pub(super) fn take(
        &mut self,
        rest: &str,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Taken {
        let levels: Vec<&str> = rest.split('/').take(5).collect();
        if message.payload.bytes.is_empty() {
            return match is_known(&levels) {
                true => Taken::Nothing("a retained message was cleared".into()),
                false => Taken::NotMine,
            };
        }
        match levels.as_slice() {
            ["online"] => self.online(message, meaning),
            ["announce"] => self.announced(message),
            ["info" | "ext_temperatures" | "ext_humidities" | "temperature_f"] => {
                Taken::Nothing("says again what has a topic of its own".into())
            }
            ["command"] | [_, _, "command" | "set", ..] => {
                Taken::Nothing("a command to the device, not from it".into())
            }
            ["input_event", input] => self.event(input, message, meaning),
            [kind @ ("light" | "white" | "color"), number, "status"] => {
                self.status(kind, number, message, meaning)
            }
            _ if is_known(&levels) => self.value(&levels, message, meaning),
            _ => Taken::NotMine,
        }
    }

    fn online(&self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        let is_online = match message.text() {
            Some("true") => true,
            Some("false") => false,
            _ => return Taken::NotMine,
        };
        if !is_online && self.sleeps {
            return Taken::Nothing("it sleeps: what it told stays true until it wakes".into());
        }
        meaning.reach(self.thing.rule(), is_online);
        Taken::Understood
    }

    fn announced(&mut self, message: &Incoming<'_>) -> Taken {
        let read: Result<Announcement, _> = serde_json::from_slice(&message.payload.bytes);
        let Ok(Announcement { model, mac, .. }) = read else {
            return Taken::Malformed("an announcement has `id`, `model` and `mac`".to_owned());
        };
        self.sleeps |= is_sleeper(&model);
        self.thing.amend(|rule| {
            if let Some(convention) = &mut rule.convention {
                convention.device_id = mac;
            }
        });
        Taken::Nothing("tells who the device is; its values come by themselves".into())
    }

    fn event(&mut self, input: &str, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        #[derive(Deserialize)]
        struct Event {
            event: SmolStr,
            event_cnt: u64,
        }
        let read: Result<Event, _> = serde_json::from_slice(&message.payload.bytes);
        let Ok(Event { event, event_cnt }) = read else {
            return Taken::Malformed("an event of an input has `event` and `event_cnt`".to_owned());
        };
        let known = self.counts.get(input).copied();
        if known.is_some() || self.counts.len() < MOST_INPUTS {
            self.counts.insert(input.into(), event_cnt);
        }
        // A device that sleeps speaks because it was pushed; others tell the last event again and
        // again, so the first that is seen may be old.
        let is_new = known.map_or(self.sleeps, |known| known != event_cnt);
        if message.retained || !is_new || event.is_empty() {
            return Taken::Nothing("the event was told before, by its `event_cnt`".into());
        }
        let name = joined(&["input", input]);
        meaning.occurred(self.thing.rule(), &name, Value::Text(event), message.received);
        Taken::Understood
    }

    fn status(
        &mut self,
        kind: &str,
        number: &str,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Taken {
        let Some(all) = leaves(&message.payload.bytes) else {
            return Taken::Malformed("the status of a light is a JSON object".to_owned());
        };
        let component = joined(&[kind, number]);
        let set = format!("{}/{kind}/{number}/set", self.base);
        let mut found = Vec::with_capacity(all.len());
        // Whether it is on has a topic of its own.
        for (leaf, value) in all.into_iter().filter(|(leaf, _)| leaf != "ison") {
            let property = smol_str::format_smolstr!("{component}.{leaf}");
            self.thing.learn(&property, || describe_light(&leaf, &set));
            found.push(Found::new(property, value));
        }
        meaning.found(self.thing.rule(), found);
        Taken::Understood
    }

    fn value(&mut self, levels: &[&str], message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        let Some(text) = message.text().map(str::trim) else {
            return Taken::Malformed("these devices send text".to_owned());
        };
        let value = match Value::from_json(text) {
            Ok(Value::Json(_)) | Err(_) => Value::Text(text.into()),
            Ok(value) => value,
        };
        let value = match (is_in_watt_minutes(levels), &value) {
            (true, Value::Number(number)) => watt_hours(number.as_f64()).unwrap_or(value),
            _ => value,
        };
        let property = joined(levels);
        self.thing.learn(&property, || describe(levels, &self.base));
        meaning.found(self.thing.rule(), vec![Found::new(property, value)]);
        Taken::Understood
    }
}

fn is_sleeper(name: &str) -> bool {
    SLEEPERS.iter().any(|sleeper| name.starts_with(sleeper))
}

/// Whether these devices have such a topic.
fn is_known(levels: &[&str]) -> bool {
    match levels {
        [one] => PLAIN.contains(one),
        ["sensor", _] => true,
        [kind, number] | [kind, number, _] => NUMBERED.contains(kind) && is_number(number),
        _ => false,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `relay_0.power` of `relay/0/power`.
fn joined(levels: &[&str]) -> SmolStr {
    let mut name = String::new();
    for level in levels {
        if !name.is_empty() {
            name.push(if is_number(level) { '_' } else { '.' });
        }
        name.push_str(&thingway_sdk::codec::property_name(level));
    }
    name.into()
}

fn is_in_watt_minutes(levels: &[&str]) -> bool {
    matches!(levels, [_, _, "energy" | "returned_energy"])
}

/// To the milliwatt-hour: what is beyond comes of the division alone.
fn watt_hours(watt_minutes: f64) -> Option<Value> {
    Value::from_f64((watt_minutes / 60.0 * 1000.0).round() / 1000.0)
}

fn describe(levels: &[&str], base: &str) -> PropertyRule {
    let mut rule = PropertyRule::default();
    let topic = levels.join("/");
    match levels {
        ["relay" | "light" | "white" | "color", _] => {
            switched(&mut rule, "on", "off");
            rule.write = written(&format!("{base}/{topic}/command"), "{text}");
        }
        ["roller", _] => {
            rule.data_type = Some("string".to_owned());
            rule.allowed = Some(["open", "close", "stop"].map(Json::from).into());
            rule.write = written(&format!("{base}/{topic}/command"), "{text}");
        }
        ["roller", number, "pos"] => {
            rule.data_type = Some("number".to_owned());
            (rule.minimum, rule.maximum) = (Some(0.0), Some(100.0));
            rule.write = written(&format!("{base}/roller/{number}/command/pos"), "{text}");
        }
        ["input" | "longpush" | "ext_switch", _] | ["overtemperature"] => {
            switched(&mut rule, 1, 0);
        }
        ["sensor", "state"] => switched(&mut rule, "open", "close"),
        _ => {}
    }
    rule.unit = unit(levels).map(str::to_owned);
    rule
}

fn describe_light(leaf: &str, set: &str) -> PropertyRule {
    let (data_type, range) = match leaf {
        "brightness" | "gain" => ("number", Some((0.0, 100.0))),
        "red" | "green" | "blue" | "white" => ("number", Some((0.0, 255.0))),
        "temp" | "effect" | "transition" => ("number", None),
        "mode" => ("string", None),
        _ => {
            return PropertyRule {
                unit: unit(&["light", "0", leaf]).map(str::to_owned),
                ..PropertyRule::default()
            };
        }
    };
    PropertyRule {
        data_type: Some(data_type.to_owned()),
        unit: match leaf {
            "temp" => Some("K".to_owned()),
            "brightness" | "gain" => Some("%".to_owned()),
            _ => None,
        },
        minimum: range.map(|(least, _)| least),
        maximum: range.map(|(_, most)| most),
        write: written(set, &format!(r#"{{"{leaf}":{{value}}}}"#)),
        ..PropertyRule::default()
    }
}

fn switched(rule: &mut PropertyRule, on: impl Into<Json>, off: impl Into<Json>) {
    rule.data_type = Some("boolean".to_owned());
    (rule.on, rule.off) = (Some(on.into()), Some(off.into()));
}

fn unit(levels: &[&str]) -> Option<&'static str> {
    Some(match levels {
        [_, _, "power"] | ["power"] => "W",
        [_, _, "reactive_power"] => "var",
        [_, _, "energy" | "returned_energy" | "total" | "total_returned"] => "Wh",
        [_, _, "voltage"] | ["voltage"] | ["adc", _] => "V",
        [_, _, "current"] => "A",
        [_, _, "pf"] => "/",
        [_, _, "pos"] | ["sensor", "battery"] => "%",
        [.., "temperature"] | ["ext_temperature", _] => "Cel",
        ["sensor", "humidity"] | ["ext_humidity", _] => "%RH",
        ["sensor", "lux"] => "lx",
        ["sensor", "tilt"] => "deg",
        _ => return None,
    })
}
