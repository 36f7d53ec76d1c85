//! The Things Stack, version 3 (<https://www.thethingsindustries.com/docs/integrations/data-formats/>):
//! `v3/<application>[@<tenant>]/devices/<device>/…`.
//!
//! The thing is named `<application>/<device>`. Where the stack normalised a payload, the normalised
//! one is taken, whose units are known, and not the decoded one beside it. Of measurements that
//! differ only in their time the newest stays; those that differ in a depth or a place are not told
//! apart.

use serde::Deserialize;
use serde_json::value::RawValue;
use smol_str::format_smolstr;
use thingway_sdk::{Number, Timestamp, Value};

use super::{Device, Devices, Heard, Location, Reception, decoded, occurred};
use crate::mapping::PropertyRule;
use crate::mapping::convention::{Convention, Found, Incoming, Meaning, Taken, leaves};

const NAME: &str = "the-things-stack";

/// Units of the normalised payload
/// (<https://github.com/TheThingsNetwork/lorawan-devices/blob/master/lib/payload.json>).
const NORMALISED: [(&str, &str); 26] = [
    ("air.temperature", "Cel"),
    ("air.relativeHumidity", "%RH"),
    ("air.pressure", "hPa"),
    ("air.co2", "ppm"),
    ("air.lightIntensity", "lx"),
    ("soil.depth", "cm"),
    ("soil.moisture", "%"),
    ("soil.temperature", "Cel"),
    ("soil.ec", "dS/m"),
    ("soil.pH", "pH"),
    ("soil.n", "ppm"),
    ("soil.p", "ppm"),
    ("soil.k", "ppm"),
    ("wind.speed", "m/s"),
    ("wind.direction", "deg"),
    ("rain.intensity", "mm/h"),
    ("rain.cumulative", "mm"),
    ("water.temperature.current", "Cel"),
    ("water.temperature.min", "Cel"),
    ("water.temperature.max", "Cel"),
    ("water.temperature.avg", "Cel"),
    ("metering.water.total", "l"),
    ("position.latitude", "lat"),
    ("position.longitude", "lon"),
    ("position.altitude", "m"),
    ("battery", "V"),
];

/// Devices behind The Things Stack.
#[derive(Debug, Clone, Default)]
pub(in crate::mapping) struct TheThingsStack {
    devices: Devices,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    end_device_ids: Ids,
    received_at: Option<String>,
    #[serde(borrow)]
    uplink_message: Option<Uplink<'a>>,
    #[serde(borrow)]
    location_solved: Option<Solved<'a>>,
    #[serde(borrow)]
    join_accept: Option<&'a RawValue>,
    #[serde(borrow)]
    service_data: Option<&'a RawValue>,
    #[serde(borrow)]
    downlink_queued: Option<&'a RawValue>,
    #[serde(borrow)]
    downlink_sent: Option<&'a RawValue>,
    #[serde(borrow)]
    downlink_ack: Option<&'a RawValue>,
    #[serde(borrow)]
    downlink_nack: Option<&'a RawValue>,
    #[serde(borrow)]
    downlink_failed: Option<&'a RawValue>,
    #[serde(borrow)]
    downlink_queue_invalidated: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Ids {
    dev_eui: Option<String>,
}

#[derive(Deserialize)]
struct Uplink<'a> {
    f_port: Option<u32>,
    f_cnt: Option<u32>,
    frm_payload: Option<String>,
    #[serde(borrow)]
    decoded_payload: Option<&'a RawValue>,
    #[serde(borrow, default)]
    normalized_payload: Vec<&'a RawValue>,
    #[serde(default)]
    rx_metadata: Vec<Metadata>,
    #[serde(default)]
    settings: Settings,
    received_at: Option<String>,
    last_battery_percentage: Option<Battery>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    gateway_ids: GatewayIds,
    rssi: Option<f64>,
    snr: Option<f64>,
}

#[derive(Default, Deserialize)]
struct GatewayIds {
    #[serde(default)]
    gateway_id: String,
}

#[derive(Default, Deserialize)]
struct Settings {
    #[serde(default)]
    data_rate: DataRate,
    frequency: Option<String>,
}

#[derive(Default, Deserialize)]
struct DataRate {
    #[serde(default)]
    lora: Modulation,
}

#[derive(Default, Deserialize)]
struct Modulation {
    bandwidth: Option<u32>,
    spreading_factor: Option<u32>,
}

#[derive(Deserialize)]
struct Battery {
    value: Option<f64>,
}

#[derive(Deserialize)]
struct Solved<'a> {
    #[serde(borrow)]
    location: Location<'a>,
}

#[derive(Deserialize)]
struct MeasurementTime {
    time: Option<String>,
}

impl Convention for TheThingsStack {
    fn name(&self) -> &'static str {
        NAME
    }

    fn concerns(&self, address: &str) -> bool {
        split(address).is_some()
    }

    fn take(&mut self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        let Some((application, id, kind)) = split(message.address) else { return Taken::NotMine };
        if matches!(kind, "down/push" | "down/replace") {
            return Taken::Nothing("a message on its way to the device".into());
        }
        let envelope = match serde_json::from_slice::<Envelope<'_>>(&message.payload.bytes) {
            Ok(envelope) => envelope,
            Err(error) => {
                return Taken::Malformed(format!("not as The Things Stack writes it: {error}"));
            }
        };
        let topic = format!("v3/{application}/devices/{id}/down/push");
        let key = format_smolstr!("{application}/{id}");
        let device = Device {
            convention: NAME,
            key: &key,
            thing: match application.split_once('@') {
                Some((application, _tenant)) => format_smolstr!("{application}/{id}"),
                None => key.clone(),
            },
            title: None,
            dev_eui: envelope.end_device_ids.dev_eui.as_deref(),
            downlink: (&topic, r#"{"downlinks":[{value}]}"#.to_owned()),
        };
        let taken = self.take_of(&device, kind, &envelope, message, meaning);
        taken.unwrap_or_else(Taken::Malformed)
    }

    fn duplicate(&self) -> Box<dyn Convention> {
        Box::new(self.clone())
    }
}

impl TheThingsStack {
    fn take_of(
        &mut self,
        device: &Device<'_>,
        kind: &str,
        envelope: &Envelope<'_>,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Result<Taken, String> {
        let time = envelope.received_at.as_deref().and_then(Timestamp::parse);
        let found = match (kind, &envelope.uplink_message, &envelope.location_solved) {
            ("up", Some(uplink), _) => uplink.found(time)?,
            ("location/solved", _, Some(solved)) => solved.location.found(time),
            _ => {
                let Some((event, data)) = envelope.event(kind) else {
                    return Err(format!("the payload has nothing for `{kind}`"));
                };
                let rule = self.devices.rule(device, &[], |_| None, meaning)?;
                return Ok(occurred(&rule, event, Some(data.get()), time, message, meaning));
            }
        };
        let is_normalised =
            envelope.uplink_message.as_ref().is_some_and(|up| !up.normalized_payload.is_empty());
        let describe = |name: &str| normalised(name).filter(|_| is_normalised);
        let rule = self.devices.rule(device, &found, describe, meaning)?;
        meaning.found(&rule, found);
        Ok(Taken::Understood)
    }
}

impl<'a> Envelope<'a> {
    fn event(&self, kind: &str) -> Option<(&'static str, &'a RawValue)> {
        let (event, data) = match kind {
            "join" => ("join", self.join_accept),
            "service/data" => ("service_data", self.service_data),
            "down/queued" => ("downlink_queued", self.downlink_queued),
            "down/sent" => ("downlink_sent", self.downlink_sent),
            "down/ack" => ("downlink_ack", self.downlink_ack),
            "down/nack" => ("downlink_nack", self.downlink_nack),
            "down/failed" => ("downlink_failed", self.downlink_failed),
            "down/queue/invalidated" => {
                ("downlink_queue_invalidated", self.downlink_queue_invalidated)
            }
            _ => return None,
        };
        Some((event, data?))
    }
}

impl Uplink<'_> {
    fn found(&self, received: Option<Timestamp>) -> Result<Vec<Found>, String> {
        let time = self.received_at.as_deref().and_then(Timestamp::parse).or(received);
        let mut found = match self.normalized_payload.is_empty() {
            true => decoded(self.decoded_payload, self.frm_payload.as_deref(), time)?,
            false => self.measurements(time)?,
        };
        let receptions = self
            .rx_metadata
            .iter()
            .map(|one| Reception::new(&one.gateway_ids.gateway_id, one.rssi, one.snr));
        let lora = &self.settings.data_rate.lora;
        let heard = Heard {
            f_port: self.f_port,
            f_cnt: self.f_cnt,
            receptions: receptions.collect(),
            spreading_factor: lora.spreading_factor,
            bandwidth: lora.bandwidth,
            frequency: self.settings.frequency.as_deref().and_then(|text| Number::parse(text).ok()),
        };
        found.extend(heard.found(time));
        let battery = self.last_battery_percentage.as_ref().and_then(|battery| battery.value);
        let battery = battery.and_then(Value::from_f64);
        found.extend(battery.map(|value| Found::new("lora.battery", value).at(time)));
        Ok(found)
    }

    /// The normalised measurements, the newest last.
    fn measurements(&self, time: Option<Timestamp>) -> Result<Vec<Found>, String> {
        let mut measured = Vec::new();
        for one in &self.normalized_payload {
            let own: MeasurementTime =
                serde_json::from_str(one.get()).map_err(|error| error.to_string())?;
            let own = own.time.as_deref().and_then(Timestamp::parse).or(time);
            let found = leaves::found(one.get(), own)?;
            measured.push((own, found));
        }
        measured.sort_by_key(|(time, _)| *time);
        let found = measured.into_iter().flat_map(|(_, found)| found);
        Ok(found.filter(|found| found.property != "time").collect())
    }
}

fn normalised(name: &str) -> Option<PropertyRule> {
    let (_, unit) = NORMALISED.iter().find(|(known, _)| *known == name)?;
    Some(PropertyRule { unit: Some((*unit).to_owned()), ..PropertyRule::default() })
}

/// Application with its tenant, device, and what happened: `v3/plant@ttn/devices/press/down/ack`.
fn split(address: &str) -> Option<(&str, &str, &str)> {
    let (application, rest) = address.strip_prefix("v3/")?.split_once("/devices/")?;
    let (device, kind) = rest.split_once('/')?;
    let is_level = |text: &str| !text.is_empty() && !text.contains('/');
    (is_level(application) && is_level(device)).then_some((application, device, kind))
}
