//! ChirpStack, version 4
//! (<https://www.chirpstack.io/docs/chirpstack/integrations/events.html>):
//! `application/<application>/device/<dev eui>/event/…`, in JSON.
//!
//! The thing is named after the names of the application and the device. A device that gets another
//! name becomes another thing, and the one before is gone. ChirpStack 3 is not read.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};
use smol_str::format_smolstr;
use thingway_sdk::{Number, Timestamp, Value};

use super::{Device, Devices, Heard, Location, Reception, decoded, occurred, said};
use crate::mapping::convention::{Convention, Found, Incoming, Meaning, Taken};

const NAME: &str = "chirpstack";

/// Devices behind ChirpStack.
#[derive(Debug, Clone, Default)]
pub(in crate::mapping) struct ChirpStack {
    devices: Devices,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    device_info: Option<DeviceInfo>,
    time: Option<String>,
    // Of uplinks.
    f_port: Option<u32>,
    f_cnt: Option<u32>,
    data: Option<String>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    #[serde(default)]
    rx_info: Vec<RxInfo>,
    #[serde(default)]
    tx_info: TxInfo,
    // Of states.
    margin: Option<i64>,
    battery_level: Option<f64>,
    #[serde(default)]
    battery_level_unavailable: bool,
    external_power_source: Option<bool>,
    // Of all else.
    #[serde(borrow)]
    location: Option<Location<'a>>,
    acknowledged: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceInfo {
    #[serde(default)]
    application_name: String,
    #[serde(default)]
    device_name: String,
    #[serde(default)]
    dev_eui: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RxInfo {
    #[serde(default)]
    gateway_id: String,
    rssi: Option<f64>,
    snr: Option<f64>,
}

#[derive(Default, Deserialize)]
struct TxInfo {
    frequency: Option<u32>,
    #[serde(default)]
    modulation: Modulation,
}

#[derive(Default, Deserialize)]
struct Modulation {
    #[serde(default)]
    lora: Lora,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lora {
    bandwidth: Option<u32>,
    spreading_factor: Option<u32>,
}

impl Convention for ChirpStack {
    fn name(&self) -> &'static str {
        NAME
    }

    fn concerns(&self, address: &str) -> bool {
        split(address).is_some()
    }

    fn take(&mut self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        let Some((application, dev_eui, direction, kind)) = split(message.address) else {
            return Taken::NotMine;
        };
        if direction == "command" {
            return Taken::Nothing("a message on its way to the device".into());
        }
        let bytes = &message.payload.bytes;
        if !bytes.starts_with(b"{") {
            return Taken::Malformed(
                "not JSON; set `json = true` under [integration.mqtt] in chirpstack.toml, which \
                 otherwise sends Protobuf"
                    .to_owned(),
            );
        }
        let envelope = match serde_json::from_slice::<Envelope<'_>>(bytes) {
            Ok(envelope) => envelope,
            Err(error) => return Taken::Malformed(format!("not as ChirpStack writes it: {error}")),
        };
        let Some(info) = &envelope.device_info else { return Taken::NotMine };
        let topic = format!("application/{application}/device/{dev_eui}/command/down");
        let device = Device {
            convention: NAME,
            key: dev_eui,
            thing: format_smolstr!(
                "{}/{}",
                or(&info.application_name, application),
                or(&info.device_name, dev_eui)
            ),
            title: Some(or(&info.device_name, dev_eui)),
            dev_eui: Some(or(&info.dev_eui, dev_eui)),
            downlink: (&topic, format!(r#"{{"devEui":"{dev_eui}",{{members}}}}"#)),
        };
        let taken = self.take_of(&device, kind, &envelope, message, meaning);
        taken.unwrap_or_else(Taken::Malformed)
    }

    fn duplicate(&self) -> Box<dyn Convention> {
        Box::new(self.clone())
    }
}

impl ChirpStack {
    fn take_of(
        &mut self,
        device: &Device<'_>,
        kind: &str,
        envelope: &Envelope<'_>,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Result<Taken, String> {
        let time = envelope.time.as_deref().and_then(Timestamp::parse);
        let found = match kind {
            "up" => envelope.uplink(time)?,
            "status" => envelope.status(time),
            "location" => envelope.location.as_ref().map_or(Vec::new(), |place| place.found(time)),
            _ => {
                let Some(event) = envelope.event(kind) else {
                    return Ok(Taken::Nothing("an event of ChirpStack that is not known".into()));
                };
                let rule = self.devices.rule(device, &[], |_| None, meaning)?;
                let data = own_members(&message.payload.bytes);
                return Ok(occurred(&rule, event, data.as_deref(), time, message, meaning));
            }
        };
        let rule = self.devices.rule(device, &found, |_| None, meaning)?;
        meaning.found(&rule, found);
        Ok(Taken::Understood)
    }
}

impl Envelope<'_> {
    fn uplink(&self, time: Option<Timestamp>) -> Result<Vec<Found>, String> {
        let mut found = decoded(self.object, self.data.as_deref(), time)?;
        let receptions =
            self.rx_info.iter().map(|one| Reception::new(&one.gateway_id, one.rssi, one.snr));
        let lora = &self.tx_info.modulation.lora;
        let heard = Heard {
            f_port: self.f_port,
            f_cnt: self.f_cnt,
            receptions: receptions.collect(),
            spreading_factor: lora.spreading_factor,
            bandwidth: lora.bandwidth,
            frequency: self.tx_info.frequency.map(|hertz| Number::from(i64::from(hertz))),
        };
        found.extend(heard.found(time));
        Ok(found)
    }

    fn status(&self, time: Option<Timestamp>) -> Vec<Found> {
        let battery = self.battery_level.filter(|_| !self.battery_level_unavailable);
        let values = [
            ("lora.margin", self.margin.map(|margin| Value::Number(margin.into()))),
            ("lora.battery", battery.and_then(Value::from_f64)),
            ("lora.external_power", self.external_power_source.map(Value::Boolean)),
        ];
        said(values, time)
    }

    fn event(&self, kind: &str) -> Option<&'static str> {
        Some(match kind {
            "join" => "join",
            "ack" if self.acknowledged == Some(true) => "downlink_ack",
            "ack" => "downlink_nack",
            "txack" => "downlink_sent",
            "log" => "log",
            "integration" => "integration",
            _ => return None,
        })
    }
}

/// What an event says beside what all of them say.
fn own_members(bytes: &[u8]) -> Option<String> {
    let mut members: Map<String, Json> = serde_json::from_slice(bytes).ok()?;
    for common in ["deviceInfo", "deduplicationId", "time"] {
        members.remove(common);
    }
    Some(Json::Object(members).to_string())
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// Application, device, `event` or `command`, and what happened:
/// `application/1/device/0102030405060708/event/up`.
fn split(address: &str) -> Option<(&str, &str, &str, &str)> {
    let mut levels = address.split('/');
    let mut next = || levels.next();
    let ("application", application, "device") = (next()?, next()?, next()?) else { return None };
    let (device, direction, kind) = (next()?, next()?, next()?);
    let fits = next().is_none() && matches!(direction, "event" | "command");
    // What stands in the topic also stands in the command, as a JSON text.
    let is_plain = device.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (fits && is_plain).then_some((application, device, direction, kind))
}
