//! Shelly devices of the second and later generations
//! (<https://shelly-api-docs.shelly.cloud/gen2/General/Notifications>).
//!
//! **Recognised** by notifications on `<prefix>/events/rpc`; by `<prefix>/online` and
//! `<prefix>/status/<component>` where the prefix ends in an id such as
//! `shellyplus1pm-a8032abe54dc`, or the status is that of the component in the topic.
//!
//! **Things**: the topic prefix. The MAC address that is part of the device's id is its device id.
//!
//! **Properties**: `switch:0` with `aenergy.total` becomes `switch_0.aenergy.total`. A notification
//! has what has changed, and only that. Outputs, brightness, colours, positions, set points and
//! virtual components are written by the RPC that sets them; covers have actions. `NotifyEvent`
//! becomes an event named after the component (`input_0`) with the event's word (`single_push`) as
//! data. Left out: `id`, Fahrenheit beside Celsius, and the minutes of `aenergy`.
//!
//! **Time**: `ts`, in seconds since 1970.
//!
//! **Reach**: `online`. A device with a `sys.wakeup_period` sleeps most of the time: then it is
//! gone, and what it told stays true.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use smol_str::SmolStr;
use thingway_sdk::{Timestamp, Value};

use super::topic::mac_in;
use super::{NAME, metrics};
use crate::mapping::convention::forms::{published, written};
use crate::mapping::convention::growing::Growing;
use crate::mapping::convention::leaves::leaves;
use crate::mapping::convention::{Found, Incoming, Meaning, Taken};
use crate::mapping::{PropertyRule, RuleConfig};

/// As whom the gateway asks devices: they answer on `thingway/rpc`.
const CALLER: &str = "thingway";
/// A device clock may be this far ahead before it is not believed.
const BELIEVED_AHEAD: Duration = Duration::from_secs(86_400);
/// Events of one notification beyond this are left out.
const MOST_EVENTS: usize = 100;

#[derive(Clone)]
pub(super) struct Device {
    thing: Growing,
    /// Where it takes requests.
    requests: String,
    /// Its `wakeup_period` is not zero.
    sleeps: bool,
    is_offline: bool,
}

/// What a device tells by itself.
pub(super) struct Notification {
    src: SmolStr,
    is_event: bool,
}

/// What a device answers to a request.
pub(super) struct Answer {
    pub(super) src: SmolStr,
    /// Why it refused.
    error: Option<String>,
}

impl Notification {
    pub(super) fn read(message: &Incoming<'_>) -> Option<Self> {
        #[derive(Deserialize)]
        struct Frame<'a> {
            src: SmolStr,
            method: SmolStr,
            #[serde(borrow)]
            params: &'a RawValue,
        }
        let Frame { src, method, params } = serde_json::from_slice(&message.payload.bytes).ok()?;
        let is_event = method == "NotifyEvent";
        let is_status = method == "NotifyStatus" || method == "NotifyFullStatus";
        ((is_event || is_status) && params.get().starts_with('{')).then_some(Self { src, is_event })
    }
}

impl Answer {
    pub(super) fn read(message: &Incoming<'_>) -> Option<Self> {
        #[derive(Deserialize)]
        struct Frame<'a> {
            src: SmolStr,
            #[serde(borrow)]
            result: Option<&'a RawValue>,
            error: Option<Refusal>,
        }
        #[derive(Deserialize)]
        struct Refusal {
            #[serde(default)]
            message: String,
        }
        let Frame { src, result, error } = serde_json::from_slice(&message.payload.bytes).ok()?;
        let error = error.map(|error| error.message);
        (result.is_some() || error.is_some()).then_some(Self { src, error })
    }

    pub(super) fn meaning(self) -> Cow<'static, str> {
        match self.error {
            None => "the answer to a request; what has changed is told by a notification".into(),
            Some(error) => format!("the device refused a request: {error}").into(),
        }
    }
}

impl Device {
    pub(super) fn new(prefix: &str, mac: Option<SmolStr>) -> Self {
        let mut rule = RuleConfig::by_convention(NAME, prefix);
        rule.title = Some(prefix.to_owned());
        if let Some(convention) = &mut rule.convention {
            convention.device_id = mac;
        }
        let requests = format!("{prefix}/rpc");
        Self { thing: Growing::new(rule), requests, sleeps: false, is_offline: false }
    }

    pub(super) fn notified(
        &mut self,
        notification: Notification,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Taken {
        self.identify(mac_in(&notification.src));
        let Some(all) = leaves(&message.payload.bytes) else {
            return Taken::Malformed("a notification with too many values".to_owned());
        };
        let params: Vec<_> = all
            .into_iter()
            .filter_map(|(name, value)| Some((SmolStr::new(name.strip_prefix("params.")?), value)))
            .collect();
        match notification.is_event {
            true => self.events(&params, message, meaning),
            false => {
                let time = params.iter().find(|(name, _)| name == "ts");
                let time = time.and_then(|(_, ts)| moment(ts, message));
                self.states(params, time, meaning)
            }
        }
    }

    /// `<prefix>/status/switch:0`: all that one component has.
    pub(super) fn status(
        &mut self,
        component: &str,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Taken {
        if message.payload.bytes.is_empty() {
            return Taken::Nothing("a retained message was cleared".into());
        }
        let Some(all) = leaves(&message.payload.bytes) else {
            return Taken::Malformed("the status of a component is a JSON object".to_owned());
        };
        let within = |(name, value)| (smol_str::format_smolstr!("{component}.{name}"), value);
        self.states(all.into_iter().map(within).collect(), None, meaning)
    }

    pub(super) fn online(&mut self, is_online: bool, meaning: &mut Meaning) -> Taken {
        if !is_online && self.sleeps {
            return Taken::Nothing("it sleeps: what it told stays true until it wakes".into());
        }
        self.is_offline = !is_online;
        meaning.reach(self.thing.rule(), is_online);
        Taken::Understood
    }

    /// What has changed, by names such as `switch:0.output`.
    fn states(
        &mut self,
        all: Vec<(SmolStr, Value)>,
        time: Option<Timestamp>,
        meaning: &mut Meaning,
    ) -> Taken {
        let mut found = Vec::with_capacity(all.len());
        for (name, value) in all {
            let Some((component, leaf)) = name.split_once('.') else { continue };
            self.notice(&name, &value, meaning);
            if !is_left_out(leaf) {
                let property = smol_str::format_smolstr!("{}.{leaf}", component.replace(':', "_"));
                self.learn(&property, component, leaf, meaning);
                found.push(Found::new(property, value).at(time));
            }
        }
        if found.is_empty() {
            return Taken::Nothing("tells no state".into());
        }
        meaning.found(self.thing.rule(), found);
        Taken::Understood
    }

    /// Notes what the device says of itself.
    fn notice(&mut self, name: &str, value: &Value, meaning: &mut Meaning) {
        match (name, value) {
            ("sys.wakeup_period", Value::Number(period)) => {
                self.sleeps = period.as_f64() > 0.0;
                if self.sleeps && self.is_offline {
                    self.is_offline = false;
                    meaning.reach(self.thing.rule(), true);
                }
            }
            ("sys.mac", Value::Text(mac)) if mac.len() == 12 => self.identify(Some(mac.clone())),
            _ => {}
        }
    }

    fn identify(&mut self, mac: Option<SmolStr>) {
        let known = self.thing.rule().convention.as_ref().and_then(|it| it.device_id.as_ref());
        if mac.is_some() && known != mac.as_ref() {
            self.thing.amend(|rule| {
                if let Some(convention) = &mut rule.convention {
                    convention.device_id = mac;
                }
            });
        }
    }

    fn learn(&mut self, property: &str, component: &str, leaf: &str, meaning: &mut Meaning) {
        let (kind, id) = component.split_once(':').unwrap_or((component, "0"));
        let is_new = self.thing.learn(property, || describe(kind, id, leaf, &self.requests));
        if is_new && kind == "cover" && leaf == "state" {
            for command in ["Open", "Close", "Stop"] {
                let name = format!("cover_{id}.{}", command.to_lowercase());
                let title = format!("{command} cover {id}");
                let payload = request(&format!("Cover.{command}"), id, "");
                meaning.offer(self.thing.rule(), published(&name, &title, &self.requests, payload));
            }
        }
    }

    fn events(
        &self,
        params: &[(SmolStr, Value)],
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Taken {
        #[derive(Deserialize)]
        struct Event {
            component: SmolStr,
            event: SmolStr,
            #[serde(default)]
            ts: Option<f64>,
            #[serde(default)]
            data: Option<serde_json::Value>,
        }
        let list = params.iter().find_map(|(name, value)| match value {
            Value::Json(list) if name == "events" => Some(list),
            _ => None,
        });
        let events = list.and_then(|list| serde_json::from_str::<Vec<Event>>(list).ok());
        let Some(events) = events else {
            return Taken::Malformed(
                "`params.events` is a list of `component`, `event`".to_owned(),
            );
        };
        if message.retained {
            return Taken::Nothing("retained, so it is no new event".into());
        }
        for Event { component, event, ts, data } in events.into_iter().take(MOST_EVENTS) {
            let time = ts.and_then(Value::from_f64).and_then(|ts| moment(&ts, message));
            let data = match data {
                None => Value::Text(event),
                Some(data) => {
                    let whole = serde_json::json!({ "event": event.as_str(), "data": data });
                    Value::Json(whole.to_string().into())
                }
            };
            let name = thingway_sdk::codec::property_name(&component.replace(':', "_"));
            let time = time.unwrap_or(message.received);
            meaning.occurred(self.thing.rule(), &name, data, time);
        }
        Taken::Understood
    }
}

/// Whether a message below `…/status/switch:0` says itself that it is of number 0.
pub(super) fn is_status_of(component: &str, message: &Incoming<'_>) -> bool {
    const KINDS: [&str; 21] = [
        "boolean",
        "cct",
        "cover",
        "devicepower",
        "em",
        "em1",
        "em1data",
        "emdata",
        "enum",
        "humidity",
        "illuminance",
        "input",
        "light",
        "number",
        "pm1",
        "rgb",
        "rgbw",
        "smoke",
        "switch",
        "temperature",
        "thermostat",
    ];
    let Some((kind, number)) = component.split_once(':') else { return false };
    let names_it = |(name, value): &(SmolStr, Value)| matches!(value, Value::Number(id) if name == "id" && id.as_str() == number);
    KINDS.contains(&kind)
        && leaves(&message.payload.bytes).is_some_and(|all| all.iter().any(names_it))
}

fn is_left_out(leaf: &str) -> bool {
    leaf == "id"
        || leaf.ends_with("tF")
        || leaf.ends_with("energy.by_minute")
        || leaf.ends_with("energy.minute_ts")
}

/// Seconds since 1970, as devices write them.
fn moment(ts: &Value, message: &Incoming<'_>) -> Option<Timestamp> {
    let Value::Number(seconds) = ts else { return None };
    let time = Timestamp::parse(seconds.as_str())?;
    (message.received.until(time) <= BELIEVED_AHEAD).then_some(time)
}

fn describe(kind: &str, id: &str, leaf: &str, requests: &str) -> PropertyRule {
    let mut rule = PropertyRule {
        unit: metrics::unit(kind, leaf).map(str::to_owned),
        ..PropertyRule::default()
    };
    if let Some(setter) = Setter::of(kind, leaf) {
        rule.data_type = Some(setter.data_type.to_owned());
        (rule.minimum, rule.maximum) = (setter.range.map(|it| it.0), setter.range.map(|it| it.1));
        rule.write = written(requests, &request(setter.method, id, setter.params));
    }
    rule
}

/// How a value is set.
struct Setter {
    method: &'static str,
    params: &'static str,
    data_type: &'static str,
    range: Option<(f64, f64)>,
}

impl Setter {
    fn of(kind: &str, leaf: &str) -> Option<Self> {
        let light = match kind {
            "light" => Some("Light.Set"),
            "rgb" => Some("RGB.Set"),
            "rgbw" => Some("RGBW.Set"),
            "cct" => Some("CCT.Set"),
            _ => None,
        };
        let (method, params, data_type, range) = match (kind, leaf, light) {
            ("switch", "output", _) => ("Switch.Set", ON, "boolean", None),
            (_, "output", Some(method)) => (method, ON, "boolean", None),
            (_, "brightness", Some(method)) => {
                (method, r#","brightness":{value}"#, "number", Some((0.0, 100.0)))
            }
            ("cct", "ct", Some(method)) => (method, r#","ct":{value}"#, "number", None),
            ("rgb" | "rgbw", "rgb", Some(method)) => (method, r#","rgb":{value}"#, "array", None),
            ("rgbw", "white", Some(method)) => {
                (method, r#","white":{value}"#, "number", Some((0.0, 255.0)))
            }
            ("cover", "current_pos", _) => {
                ("Cover.GoToPosition", r#","pos":{value}"#, "number", Some((0.0, 100.0)))
            }
            ("thermostat", "target_C", _) => {
                ("Thermostat.SetConfig", r#","config":{"target_C":{value}}"#, "number", None)
            }
            ("boolean", "value", _) => ("Boolean.Set", VALUE, "boolean", None),
            ("number", "value", _) => ("Number.Set", VALUE, "number", None),
            ("text", "value", _) => ("Text.Set", VALUE, "string", None),
            ("enum", "value", _) => ("Enum.Set", VALUE, "string", None),
            _ => return None,
        };
        Some(Self { method, params, data_type, range })
    }
}

const ON: &str = r#","on":{value}"#;
const VALUE: &str = r#","value":{value}"#;

/// A request to the component of this number.
fn request(method: &str, id: &str, params: &str) -> String {
    format!(r#"{{"id":1,"src":"{CALLER}","method":"{method}","params":{{"id":{id}{params}}}}}"#)
}
