//! LoRaWAN networks that hand over their devices' messages in JSON: The Things Stack (`tts.rs`) and
//! ChirpStack (`chirpstack.rs`). A device has the same properties, events and actions whichever of them
//! it is behind:
//!
//! - what its payload says after decoding, under the decoder's own names;
//! - `frm_payload`, the bytes, where nobody decoded them;
//! - `lora.…`, how the message came: `f_port`, `f_cnt`, `rssi`, `snr` and `gateway` of the gateway
//!   that heard it best, `spreading_factor`, `bandwidth`, `frequency`; `battery`, `margin` and
//!   `external_power` when the network asked for them;
//! - `location.…`, where the network thinks that it is;
//! - the events `join`, `downlink_queued`, `downlink_sent`, `downlink_ack`, `downlink_nack`,
//!   `downlink_failed`, `log`, `service_data`, `integration`;
//! - the action `downlink`, whose input is the network's own description of a message.
//!
//! The thing is named after the application and the device. All times are those of the network.

mod chirpstack;
#[cfg(test)]
mod tests;
mod tts;

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use smol_str::SmolStr;
use thingway_sdk::{Address, Form, Number, Operation, Timestamp, Value};

pub(in crate::mapping) use chirpstack::ChirpStack;
pub(in crate::mapping) use tts::TheThingsStack;

use super::{Action, Found, Incoming, Meaning, Taken, leaves};
use crate::mapping::{PayloadTemplate, PropertyRule, RuleConfig};

/// Devices of one adapter.
const MOST_DEVICES: usize = 100_000;

/// What the network says of a message and of its device: names, units, titles.
const OF_NETWORK: [(&str, &str, &str); 10] = [
    ("lora.rssi", "dBm", "Signal strength"),
    ("lora.snr", "dB", "Signal-to-noise ratio"),
    ("lora.bandwidth", "Hz", "Bandwidth"),
    ("lora.frequency", "Hz", "Frequency"),
    ("lora.battery", "%", "Battery"),
    ("lora.margin", "dB", "Link margin"),
    ("location.latitude", "lat", "Latitude"),
    ("location.longitude", "lon", "Longitude"),
    ("location.altitude", "m", "Altitude"),
    ("location.accuracy", "m", "Accuracy"),
];

/// The devices of a network, with what is known of them.
#[derive(Debug, Clone, Default)]
struct Devices {
    rules: HashMap<SmolStr, Arc<RuleConfig>>,
    /// The properties that have a unit or a title: the same for all devices.
    described: HashMap<String, Arc<PropertyRule>>,
}

/// Who sent a message.
struct Device<'a> {
    /// The network's convention.
    convention: &'static str,
    /// What the network calls it for ever.
    key: &'a str,
    /// What its thing is named after.
    thing: SmolStr,
    title: Option<&'a str>,
    dev_eui: Option<&'a str>,
    /// Where messages for it go, and in what.
    downlink: (&'a str, String),
}

/// How a message came.
#[derive(Default)]
struct Heard<'a> {
    f_port: Option<u32>,
    f_cnt: Option<u32>,
    receptions: Vec<Reception<'a>>,
    spreading_factor: Option<u32>,
    bandwidth: Option<u32>,
    frequency: Option<Number>,
}

/// One gateway that heard it.
struct Reception<'a> {
    gateway: &'a str,
    rssi: Option<f64>,
    snr: Option<f64>,
}

/// Where a device is.
#[derive(Deserialize)]
struct Location<'a> {
    #[serde(borrow)]
    latitude: Option<&'a RawValue>,
    #[serde(borrow)]
    longitude: Option<&'a RawValue>,
    #[serde(borrow)]
    altitude: Option<&'a RawValue>,
    #[serde(borrow)]
    accuracy: Option<&'a RawValue>,
    source: Option<String>,
}

impl Devices {
    /// The rule for a device, with what `describe` knows of the properties that were found.
    fn rule(
        &mut self,
        device: &Device<'_>,
        found: &[Found],
        describe: impl Fn(&str) -> Option<PropertyRule>,
        meaning: &mut Meaning,
    ) -> Result<Arc<RuleConfig>, String> {
        let known = self.rules.get(device.key).cloned();
        if known.is_none() && self.rules.len() >= MOST_DEVICES {
            return Err(format!("more than {MOST_DEVICES} LoRaWAN devices"));
        }
        let is_same = |rule: &Arc<RuleConfig>| {
            rule.convention.as_ref().is_some_and(|convention| convention.thing == device.thing)
        };
        let same = known.clone().filter(is_same);
        let is_new = |rule: &Option<Arc<RuleConfig>>, name: &str| {
            rule.as_ref().is_none_or(|rule| !rule.properties.contains_key(name))
        };
        let new: Vec<(String, Arc<PropertyRule>)> = found
            .iter()
            .map(|found| found.property.as_str())
            .filter(|name| is_new(&same, name))
            .filter_map(|name| Some((name.to_owned(), self.described(name, &describe)?)))
            .collect();
        if let Some(same) = same.as_ref().filter(|_| new.is_empty()) {
            return Ok(same.clone());
        }
        let mut rule = same.as_deref().cloned().unwrap_or_else(|| device.rule());
        rule.properties.extend(new);
        let rule = Arc::new(rule);
        self.rules.insert(device.key.into(), rule.clone());
        if same.is_none() {
            // The device was given another name.
            if let Some(before) = known {
                meaning.gone(&before);
            }
            meaning.offer(&rule, device.action());
        }
        Ok(rule)
    }
}

impl Devices {
    fn described(
        &mut self,
        name: &str,
        describe: impl Fn(&str) -> Option<PropertyRule>,
    ) -> Option<Arc<PropertyRule>> {
        if let Some(known) = self.described.get(name) {
            return Some(known.clone());
        }
        let rule = Arc::new(describe(name).or_else(|| of_network(name))?);
        self.described.insert(name.to_owned(), rule.clone());
        Some(rule)
    }
}

impl Device<'_> {
    fn rule(&self) -> RuleConfig {
        let mut rule = RuleConfig::by_convention(self.convention, self.thing.clone());
        rule.title = self.title.map(str::to_owned);
        if let Some(convention) = &mut rule.convention {
            convention.device_id = self.dev_eui.map(SmolStr::new);
        }
        rule
    }

    fn action(&self) -> Action {
        let (topic, payload) = &self.downlink;
        let form = Form {
            address: Address::from(*topic),
            operation: Operation::InvokeAction,
            content_type: None,
            terms: [("mqv:retain".into(), Value::Boolean(false))].into(),
        };
        Action {
            name: "downlink".into(),
            title: Some("Send a message to the device".into()),
            form,
            payload: Some(PayloadTemplate::from(payload.clone())),
        }
    }
}

impl Heard<'_> {
    /// What it says of how the message came.
    fn found(self, time: Option<Timestamp>) -> Vec<Found> {
        let best = self.receptions.iter().max_by(|a, b| a.quality().total_cmp(&b.quality()));
        let whole = |number: Option<u32>| number.map(|n| Value::Number(i64::from(n).into()));
        let values = [
            ("lora.f_port", whole(self.f_port)),
            ("lora.f_cnt", whole(self.f_cnt)),
            ("lora.rssi", best.and_then(|best| plain(best.rssi?))),
            ("lora.snr", best.and_then(|best| plain(best.snr?))),
            ("lora.gateway", best.map(|best| Value::Text(best.gateway.into()))),
            ("lora.spreading_factor", whole(self.spreading_factor)),
            ("lora.bandwidth", whole(self.bandwidth)),
            ("lora.frequency", self.frequency.map(Value::Number)),
        ];
        said(values, time)
    }
}

impl<'a> Reception<'a> {
    /// Networks leave out zeros, and simulated receptions have no strength.
    fn new(gateway: &'a str, rssi: Option<f64>, snr: Option<f64>) -> Self {
        Self { gateway, rssi, snr: snr.or(rssi.map(|_| 0.0)) }
    }

    /// Signals are told from noise by their distance to it; among equals the stronger one is better.
    fn quality(&self) -> f64 {
        let strength = self.rssi.unwrap_or(-200.0) / 1000.0;
        self.snr.unwrap_or(-100.0) + strength
    }
}

impl Location<'_> {
    fn found(&self, time: Option<Timestamp>) -> Vec<Found> {
        let number = |raw: Option<&RawValue>| Value::from_json(raw?.get()).ok();
        let values = [
            ("location.latitude", number(self.latitude)),
            ("location.longitude", number(self.longitude)),
            ("location.altitude", number(self.altitude)),
            ("location.accuracy", number(self.accuracy)),
            ("location.source", self.source.as_deref().map(|source| Value::Text(source.into()))),
        ];
        said(values, time)
    }
}

/// Those of the values that are said.
fn said<const N: usize>(
    values: [(&'static str, Option<Value>); N],
    time: Option<Timestamp>,
) -> Vec<Found> {
    let said = values.into_iter().filter_map(|(name, value)| Some((name, value?)));
    said.map(|(name, value)| Found::new(name, value).at(time)).collect()
}

/// The leaves of a decoded payload; the bytes, where nobody decoded them.
fn decoded(
    decoded: Option<&RawValue>,
    frm_payload: Option<&str>,
    time: Option<Timestamp>,
) -> Result<Vec<Found>, String> {
    let mut found = match decoded {
        Some(decoded) => leaves::found(decoded.get(), time)?,
        None => Vec::new(),
    };
    let bytes = frm_payload.filter(|base64| found.is_empty() && !base64.is_empty());
    if let Some(base64) = bytes {
        let bytes = STANDARD.decode(base64);
        let value = bytes.map_or_else(|_| Value::Text(base64.into()), |b| Value::Octets(b.into()));
        found.push(Found::new("frm_payload", value).at(time));
    }
    Ok(found)
}

fn of_network(name: &str) -> Option<PropertyRule> {
    if name == "frm_payload" {
        let description = "The bytes as the device sent them: the network decodes them when the \
                           device has a payload formatter (codec)";
        return Some(PropertyRule {
            description: Some(description.to_owned()),
            ..PropertyRule::default()
        });
    }
    let (_, unit, title) = OF_NETWORK.iter().find(|(known, ..)| *known == name)?;
    Some(PropertyRule {
        unit: Some((*unit).to_owned()),
        title: Some((*title).to_owned()),
        ..PropertyRule::default()
    })
}

/// A number without the `.0` that it never had.
#[expect(clippy::cast_possible_truncation, reason = "only small whole numbers are cast")]
fn plain(number: f64) -> Option<Value> {
    match number.fract() == 0.0 && number.abs() < 1e9 {
        true => Some(Value::Number((number as i64).into())),
        false => Value::from_f64(number),
    }
}

/// An event with what the network says of it.
fn occurred(
    rule: &Arc<RuleConfig>,
    name: &str,
    data: Option<&str>,
    time: Option<Timestamp>,
    message: &Incoming<'_>,
    meaning: &mut Meaning,
) -> Taken {
    if message.retained {
        return Taken::Nothing("retained, so it is no new occurrence of the event".into());
    }
    let data = data.and_then(|json| Value::from_json(json).ok()).unwrap_or(Value::Null);
    meaning.occurred(rule, name, data, time.unwrap_or(message.received));
    Taken::Understood
}
