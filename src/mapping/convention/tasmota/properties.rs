//! What the properties of Tasmota devices are, by the names that Tasmota gives them
//! (<https://tasmota.github.io/docs/Commands/>).

use serde_json::Value as Json;
use thingway_sdk::Value;

use crate::mapping::PropertyRule;
use crate::mapping::convention::forms::{published, written};
use crate::mapping::convention::{Action, units};

/// The units that a device was told to use, as it names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeviceUnits {
    temperature: String,
    pressure: String,
}

impl Default for DeviceUnits {
    fn default() -> Self {
        Self { temperature: "C".to_owned(), pressure: "hPa".to_owned() }
    }
}

/// The longest unit that is believed, in bytes.
const LONGEST_UNIT: usize = 16;

impl DeviceUnits {
    /// Notes a leaf that names a unit; false when it is none.
    pub(super) fn note(&mut self, name: &str, value: &Value) -> bool {
        let place = match name {
            "TempUnit" => &mut self.temperature,
            "PressureUnit" => &mut self.pressure,
            // Nothing that is described is measured in it.
            "SpeedUnit" => return true,
            _ => return false,
        };
        if let Value::Text(unit) = value
            && unit.len() <= LONGEST_UNIT
        {
            *place = unit.to_string();
        }
        true
    }

    /// What is measured under this name.
    fn measured(&self, name: &str) -> PropertyRule {
        let last = name.rsplit('.').next().unwrap_or(name);
        if is_temperature(last) && self.temperature == "F" {
            let (unit, unit_in_payload) = (Some("Cel".to_owned()), Some("degF".to_owned()));
            return PropertyRule { unit, unit_in_payload, ..PropertyRule::default() };
        }
        PropertyRule { unit: self.of(name), ..PropertyRule::default() }
    }

    fn of(&self, name: &str) -> Option<String> {
        let last = name.rsplit('.').next().unwrap_or(name);
        let unit = match last {
            _ if is_temperature(last) => &self.temperature,
            "Pressure" | "SeaPressure" => &self.pressure,
            "Humidity" => "%RH",
            "Illuminance" | "Illuminance1" | "Illuminance2" => "lx",
            "CarbonDioxide" | "eCO2" | "CO2" => "ppm",
            "TVOC" => "ppb",
            "Distance" => "cm",
            "UptimeSec" => "s",
            "Heap" => "KiB",
            "Vcc" => "V",
            _ if name.contains("PM2.5") || matches!(last, "PM1" | "PM10") => "ug/m3",
            _ => match name.split_once('.').map(|(head, _)| head) {
                Some("ENERGY") => energy(last)?,
                Some("Wifi") => wifi(last)?,
                _ => return None,
            },
        };
        Some(units::senml(unit).unwrap_or(unit).to_owned())
    }
}

fn is_temperature(name: &str) -> bool {
    matches!(name, "Temperature" | "DewPoint" | "HeatIndex" | "FeelsLike")
}

fn energy(name: &str) -> Option<&'static str> {
    Some(match name {
        "Total" | "Yesterday" | "Today" | "ExportActive" => "kWh",
        "Period" => "Wh",
        "Power" => "W",
        "ApparentPower" => "VA",
        "ReactivePower" => "var",
        "Factor" => "/",
        "Voltage" => "V",
        "Current" => "A",
        "Frequency" => "Hz",
        _ => return None,
    })
}

fn wifi(name: &str) -> Option<&'static str> {
    match name {
        "RSSI" => Some("%"),
        "Signal" => Some("dBm"),
        _ => None,
    }
}

/// How a device takes commands and what it says for on and off.
#[derive(Debug, Clone)]
pub(super) struct Ways {
    /// What stands before a command: `cmnd/plug`.
    pub(super) commands: String,
    pub(super) on: String,
    pub(super) off: String,
}

impl Ways {
    /// What a property of this name is.
    pub(super) fn describe(&self, name: &str, units: &DeviceUnits) -> PropertyRule {
        self.switchable(name)
            .or_else(|| self.adjustable(name))
            .unwrap_or_else(|| units.measured(name))
    }

    /// What a shutter does on its own, when its position is what was seen.
    pub(super) fn actions(&self, name: &str) -> Vec<Action> {
        let Some(number) = shutter_of(name) else { return Vec::new() };
        ["Open", "Close", "Stop"]
            .map(|command| {
                let topic = format!("{}/Shutter{command}{number}", self.commands);
                let name = format!("Shutter{number}.{}", command.to_lowercase());
                published(&name, &format!("{command} shutter {number}"), &topic, String::new())
            })
            .into()
    }

    fn switchable(&self, name: &str) -> Option<PropertyRule> {
        let is_written = is_power(name) || name == "Fade";
        let is_switch = name.strip_prefix("Switch").is_some_and(is_number_or_none);
        if !is_written && !is_switch {
            return None;
        }
        let topic = format!("{}/{name}", self.commands);
        Some(PropertyRule {
            data_type: Some("boolean".into()),
            on: Some(Json::from(self.on.as_str())),
            off: Some(Json::from(self.off.as_str())),
            write: written(&topic, "{text}").filter(|_| is_written),
            ..PropertyRule::default()
        })
    }

    fn adjustable(&self, name: &str) -> Option<PropertyRule> {
        let shutter = shutter_of(name).map(|number| format!("ShutterPosition{number}"));
        let (data_type, unit, range) = match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
            "Dimmer" | "White" => ("number", Some("%"), Some((0.0, 100.0))),
            // In mired: SenML has no symbol for it.
            "CT" => ("number", None, Some((153.0, 500.0))),
            "FanSpeed" => ("number", None, Some((0.0, 3.0))),
            "HSBColor" | "Color" => ("string", None, None),
            _ if shutter.is_some() => ("number", Some("%"), Some((0.0, 100.0))),
            _ => return None,
        };
        let topic = format!("{}/{}", self.commands, shutter.as_deref().unwrap_or(name));
        Some(PropertyRule {
            data_type: Some(data_type.into()),
            unit: unit.map(str::to_owned),
            minimum: range.map(|(least, _)| least),
            maximum: range.map(|(_, most)| most),
            write: written(&topic, "{text}"),
            ..PropertyRule::default()
        })
    }
}

/// `POWER`, `POWER1`…
pub(super) fn is_power(name: &str) -> bool {
    name.strip_prefix("POWER").is_some_and(is_number_or_none)
}

/// Whether a leaf of an answer to a command tells a state that is kept.
pub(super) fn is_state(name: &str) -> bool {
    let head = name.split('.').next().unwrap_or(name);
    let plain = head.trim_end_matches(|c: char| c.is_ascii_digit());
    is_power(head)
        || (plain == "Shutter" && head != plain)
        || [
            "Dimmer", "CT", "HSBColor", "Color", "White", "Channel", "FanSpeed", "Fade", "Speed",
            "Scheme",
        ]
        .contains(&plain)
}

/// The number of the shutter of which this is the position.
fn shutter_of(name: &str) -> Option<&str> {
    let number = name.strip_prefix("Shutter")?.strip_suffix(".Position")?;
    (!number.is_empty() && is_number_or_none(number)).then_some(number)
}

pub(super) fn is_number_or_none(text: &str) -> bool {
    text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_units() {
        let units = DeviceUnits::default();
        for (name, unit) in [
            ("AM2301.Temperature", Some("Cel")),
            ("DS18B20-1.Temperature", Some("Cel")),
            ("BME280.Humidity", Some("%RH")),
            ("BME280.Pressure", Some("hPa")),
            ("PMS5003.PM2.5", Some("ug/m3")),
            ("ENERGY.Power", Some("W")),
            ("ENERGY.Factor", Some("/")),
            ("Wifi.Signal", Some("dBm")),
            ("SomethingElse.Power", None),
            ("Uptime", None),
        ] {
            assert_eq!(units.of(name).as_deref(), unit, "{name}");
        }
        let mut others = DeviceUnits::default();
        assert!(others.note("TempUnit", &Value::Text("F".into())));
        let measured = others.measured("AM2301.Temperature");
        assert_eq!(measured.unit.as_deref(), Some("Cel"), "one unit for all");
        assert_eq!(measured.unit_in_payload.as_deref(), Some("degF"));
    }
}
