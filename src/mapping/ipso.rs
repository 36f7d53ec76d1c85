//! What a property is in the registry of OMA LightweightM2M, whose objects of sensors and
//! actuators come from IPSO: an object and a resource of it, each by its number.
//!
//! A number is said only where name, unit and type determine it together. A wrong one misleads
//! every program that believes it; one that is missing costs nobody anything.

use thingway_sdk::model::Kinds;

use super::units::unit as known;

/// A resource of an object, as <https://github.com/OpenMobileAlliance/lwm2m-registry> numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpsoPath {
    /// The object's number.
    pub object: u16,
    /// The resource's number.
    pub resource: u16,
}

const fn path(object: u16, resource: u16) -> IpsoPath {
    IpsoPath { object, resource }
}

/// What most objects of sensors call their value.
const fn sensor(object: u16) -> IpsoPath {
    path(object, 5700)
}

const DIGITAL_INPUT: IpsoPath = path(3200, 5500);
const PRESENCE: IpsoPath = path(3302, 5500);
const ACTUATION: IpsoPath = path(3306, 5850);
const SET_POINT: IpsoPath = path(3308, 5900);
const LIGHT: IpsoPath = path(3311, 5850);
const DIMMER: IpsoPath = path(3311, 5851);
const PUSH_BUTTON: IpsoPath = path(3347, 5500);
/// The device's own, which has no object for each battery.
const BATTERY_LEVEL: IpsoPath = path(3, 9);

const TEMPERATURE: &[&str] = &["temperature", "temp"];
const HUMIDITY: &[&str] = &["humidity", "hum", "rh"];
const ATMOSPHERE: &[&str] = &["barometer", "barometric", "baro", "atmospheric", "air", "sea"];
const ENERGY: &[&str] =
    &["energy", "aenergy", "consumption", "consumed", "produced", "total", "import", "export"];
const SOUND: &[&str] = &["sound", "noise", "loudness", "spl"];
const SUBSTANCE: &[&str] = &[
    "concentration",
    "co",
    "eco",
    "voc",
    "tvoc",
    "pm",
    "no",
    "nox",
    "so",
    "ozone",
    "radon",
    "dust",
    "particulate",
    "formaldehyde",
    "hcho",
    "ammonia",
    "methane",
];
const BEARING: &[&str] = &["direction", "bearing", "heading", "azimuth"];
/// The unit says all.
const ANY: &[&str] = &[];

/// What is measured in which unit, when the name has one of these words. The first that fits counts.
const SENSED: &[(&str, &[&str], IpsoPath)] = &[
    ("Cel", TEMPERATURE, sensor(3303)),
    ("%RH", HUMIDITY, sensor(3304)),
    ("%", HUMIDITY, sensor(3304)),
    ("lx", ANY, sensor(3301)),
    ("Pa", ATMOSPHERE, sensor(3315)),
    ("Pa", &["pressure"], sensor(3323)),
    ("V", ANY, sensor(3316)),
    ("A", ANY, sensor(3317)),
    ("Hz", &["frequency", "freq"], sensor(3318)),
    ("m", &["depth"], sensor(3319)),
    ("m", &["altitude", "elevation"], sensor(3321)),
    ("kg", &["weight", "load"], sensor(3322)),
    ("dB", SOUND, sensor(3324)),
    ("ppm", SUBSTANCE, sensor(3325)),
    ("ppb", SUBSTANCE, sensor(3325)),
    ("kg/m3", SUBSTANCE, sensor(3325)),
    ("pH", ANY, sensor(3326)),
    ("S/m", &["conductivity"], sensor(3327)),
    ("W", ANY, sensor(3328)),
    ("m", &["distance"], sensor(3330)),
    ("J", ENERGY, sensor(3331)),
    ("deg", BEARING, path(3332, 5705)),
    ("%EL", ANY, BATTERY_LEVEL),
    ("dBm", &["rssi", "signal"], path(4, 2)),
    ("lat", ANY, path(6, 0)),
    ("lon", ANY, path(6, 1)),
];

/// Words of names that are not for the quantity itself, but for what is done or known about it.
const ABOUT: &[&str] = &[
    "min",
    "minimum",
    "max",
    "maximum",
    "limit",
    "threshold",
    "calibration",
    "correction",
    "offset",
    "alarm",
    "warning",
    "rated",
    "nominal",
    "hysteresis",
    "deadband",
    "delta",
    "difference",
    "tolerance",
    "forecast",
    "sensitivity",
    "precision",
    "resolution",
    "config",
    "setting",
    "settings",
    "default",
    "startup",
    "initial",
    "step",
    "transition",
    "auto",
    "mode",
    "schedule",
    "yesterday",
    "capacity",
];
/// What may follow a battery whose level it is.
const OF_A_BATTERY: &[&str] = &["level", "percent", "percentage", "remaining", "soc", "value"];
/// What tells one channel of a device from the next, behind the word for what it is.
const CHANNELS: &[&str] = &["left", "right", "center", "top", "bottom", "l", "ch", "channel"];
const LIGHTS: &[&str] = &["light", "lights", "lamp", "bulb", "led"];
const SWITCHES: &[&str] =
    &["on", "onoff", "switch", "relay", "output", "power", "outlet", "plug", "socket"];

/// The object and the resource that a property is, where its name, its unit (a SenML symbol), the
/// types of its values and whether it can be written determine them.
#[must_use]
pub fn ipso_path(
    name: &str,
    unit: Option<&str>,
    kinds: Kinds,
    is_writable: bool,
) -> Option<IpsoPath> {
    if is(kinds, Kinds::BOOLEAN) {
        return switched(&Words::of(name), is_writable);
    }
    match unit {
        Some(unit) if is(kinds, Kinds::NUMBER) => measured(&Words::of(name), unit, is_writable),
        _ => None,
    }
}

/// Whether values are of this type, or there are none at times.
fn is(kinds: Kinds, one: Kinds) -> bool {
    kinds != Kinds::default() && kinds != Kinds::NULL && one.widened(Kinds::NULL).admits(kinds)
}

fn switched(words: &Words, is_writable: bool) -> Option<IpsoPath> {
    let (last, before) = words.without_channel().split_last()?;
    let last = last.as_str();
    if words.any(ABOUT) {
        return None;
    }
    if !is_writable {
        return match last {
            "presence" | "occupancy" | "occupied" | "motion" | "pir" => Some(PRESENCE),
            "contact" | "reed" | "open" | "opened" => Some(DIGITAL_INPUT),
            "button" | "pressed" => Some(PUSH_BUTTON),
            _ => None,
        };
    }
    // A state can be that of a lock, too: what has it must be something to switch.
    let can_be_switched = |word: &String| {
        let word = word.as_str();
        SWITCHES.contains(&word) || LIGHTS.contains(&word) || is_number(word)
    };
    let switches = match last {
        "state" => before.iter().all(can_be_switched),
        _ => SWITCHES.contains(&last) || LIGHTS.contains(&last),
    };
    switches.then(|| if words.any(LIGHTS) { LIGHT } else { ACTUATION })
}

fn measured(words: &Words, unit: &str, is_writable: bool) -> Option<IpsoPath> {
    if words.any(ABOUT) {
        return None;
    }
    if words.any(&["setpoint"]) || words.adjoin("set", "point") {
        return Some(SET_POINT);
    }
    // What is only read may be the target that a radar sees.
    if words.any(&["target", "desired"]) {
        return is_writable.then_some(SET_POINT);
    }
    // No sensor is told what to measure.
    if is_writable {
        let dims = unit == "%" && words.any(&["brightness", "dimmer"]);
        return dims.then_some(DIMMER);
    }
    if unit == "%" && words.are_of_a_battery() {
        return Some(BATTERY_LEVEL);
    }
    // What share of soil is water says nothing of the air.
    if unit == "%" && words.any(&["soil"]) {
        return None;
    }
    if words.adjoin("power", "factor") {
        return matches!(unit, "/" | "1").then_some(sensor(3329));
    }
    let fits = |(of, named, _): &&(&str, &[&str], IpsoPath)| {
        same_quantity(unit, of) && (named.is_empty() || words.any(named))
    };
    SENSED.iter().find(fits).map(|(_, _, path)| *path)
}

/// Whether both units measure the same. A share can be one of anything: there the symbol counts.
fn same_quantity(unit: &str, other: &str) -> bool {
    let converts = || {
        let (unit, other, share) = (known(unit)?, known(other)?, known("/")?);
        Some(unit.converts_to(other) && !unit.converts_to(share))
    };
    unit == other || converts().unwrap_or(false)
}

/// The words of a name in lower case: `switch:0.output`, `Temperature1` and `set_point` have some.
struct Words(Vec<String>);

impl Words {
    fn of(name: &str) -> Self {
        let mut words = Vec::new();
        for part in name.split(|c: char| !c.is_alphanumeric()) {
            let mut before = None;
            for c in part.chars() {
                match words.last_mut() {
                    Some(word) if before.is_some_and(|before| !ends_between(before, c)) => {
                        String::extend(word, c.to_lowercase());
                    }
                    _ => words.push(c.to_lowercase().collect()),
                }
                before = Some(c);
            }
        }
        Self(words)
    }

    fn any(&self, of: &[&str]) -> bool {
        self.0.iter().any(|word| of.contains(&word.as_str()))
    }

    fn adjoin(&self, one: &str, next: &str) -> bool {
        self.0.windows(2).any(|pair| pair == [one, next])
    }

    fn without_channel(&self) -> &[String] {
        let is_channel = |word: &String| is_number(word) || CHANNELS.contains(&word.as_str());
        let named = self.0.iter().rposition(|word| !is_channel(word));
        &self.0[..named.map_or(0, |last| last + 1)]
    }

    fn are_of_a_battery(&self) -> bool {
        let battery = self.0.iter().position(|word| word == "battery");
        battery.is_some_and(|at| {
            self.0[at + 1..].iter().all(|word| OF_A_BATTERY.contains(&word.as_str()))
        })
    }
}

/// Whether a word ends between two letters that stand together, as in `setPoint` and `pm10`.
fn ends_between(one: char, next: char) -> bool {
    one.is_numeric() != next.is_numeric() || one.is_lowercase() && next.is_uppercase()
}

fn is_number(word: &str) -> bool {
    word.chars().all(char::is_numeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_name_and_unit_say() {
        for (name, unit, expected) in [
            ("temperature", "Cel", (3303, 5700)),
            ("DS18B20.Temperature1", "degF", (3303, 5700)),
            ("temperature:0.tC", "Cel", (3303, 5700)),
            ("device_temperature", "K", (3303, 5700)),
            ("soil.temperature", "Cel", (3303, 5700)),
            ("BME280.Humidity", "%RH", (3304, 5700)),
            ("humidity", "%", (3304, 5700)),
            ("illuminance", "lx", (3301, 5700)),
            ("BMP280.Pressure", "hPa", (3323, 5700)),
            ("barometric_pressure", "hPa", (3315, 5700)),
            ("waterPressure", "bar", (3323, 5700)),
            ("voltage", "mV", (3316, 5700)),
            ("switch:0.current", "A", (3317, 5700)),
            ("ac_frequency", "Hz", (3318, 5700)),
            ("depth", "cm", (3319, 5700)),
            ("altitude", "m", (3321, 5700)),
            ("weight", "kg", (3322, 5700)),
            ("noise_level", "dB", (3324, 5700)),
            ("co2", "ppm", (3325, 5700)),
            ("eCO2", "ppm", (3325, 5700)),
            ("pm25", "ug/m3", (3325, 5700)),
            ("water.pH", "pH", (3326, 5700)),
            ("soft.conductivity", "S/m", (3327, 5700)),
            ("switch:0.apower", "W", (3328, 5700)),
            ("power_factor", "/", (3329, 5700)),
            ("distance", "mm", (3330, 5700)),
            ("energy", "kWh", (3331, 5700)),
            ("ENERGY.Total", "kWh", (3331, 5700)),
            ("wind_direction", "deg", (3332, 5705)),
            ("battery", "%", (3, 9)),
            ("devicepower:0.battery.percent", "%", (3, 9)),
            ("charge", "%EL", (3, 9)),
            ("rssi", "dBm", (4, 2)),
            ("position.latitude", "lat", (6, 0)),
            ("occupied_heating_setpoint", "Cel", (3308, 5900)),
        ] {
            let found = ipso_path(name, Some(unit), Kinds::NUMBER, false);
            assert_eq!(found, Some(path(expected.0, expected.1)), "{name} in {unit}");
        }
    }

    #[test]
    fn what_can_be_written_is_no_sensor() {
        for (name, unit, expected) in [
            ("thermostat.setPoint", "Cel", Some(SET_POINT)),
            ("set_point", "Cel", Some(SET_POINT)),
            ("target_temperature", "Cel", Some(SET_POINT)),
            ("brightness", "%", Some(DIMMER)),
            ("Dimmer", "%", Some(DIMMER)),
            ("temperature", "Cel", None),
            ("brightness_step", "%", None),
            ("position", "%", None),
        ] {
            assert_eq!(ipso_path(name, Some(unit), Kinds::NUMBER, true), expected, "{name}");
        }
    }

    #[test]
    fn switches_and_contacts_are_told_by_their_names() {
        for (name, is_writable, expected) in [
            ("state", true, Some(ACTUATION)),
            ("state_l1", true, Some(ACTUATION)),
            ("POWER1", true, Some(ACTUATION)),
            ("switch:0.output", true, Some(ACTUATION)),
            ("relay.0", true, Some(ACTUATION)),
            ("on", true, Some(ACTUATION)),
            ("light", true, Some(LIGHT)),
            ("light_state", true, Some(LIGHT)),
            ("lamp.on", true, Some(LIGHT)),
            ("occupancy", false, Some(PRESENCE)),
            ("hall.motion", false, Some(PRESENCE)),
            ("contact", false, Some(DIGITAL_INPUT)),
            ("door.open", false, Some(DIGITAL_INPUT)),
            ("button1", false, Some(PUSH_BUTTON)),
            ("state", false, None),
            ("lock_state", true, None),
            ("child_lock", true, None),
            ("auto_off", true, None),
            ("led_disabled_night", true, None),
            ("occupancy", true, None),
            ("1", true, None),
            ("", true, None),
        ] {
            assert_eq!(ipso_path(name, None, Kinds::BOOLEAN, is_writable), expected, "{name}");
        }
    }

    #[test]
    fn what_is_not_determined_has_no_number() {
        for (name, unit) in [
            ("temperature", None),
            ("temperature", Some("%")),
            ("temperature", Some("furlong")),
            ("dew_point", Some("Cel")),
            ("temperature_calibration", Some("Cel")),
            ("max_power", Some("W")),
            ("soil_humidity", Some("%")),
            ("battery_health", Some("%")),
            ("battery", None),
            ("position", Some("%")),
            ("drift", Some("ppm")),
            ("absolute_humidity", Some("g/m3")),
            ("lora.snr", Some("dB")),
            ("fan", Some("rpm")),
            ("angle", Some("deg")),
            ("energy_yesterday", Some("kWh")),
            ("target_distance", Some("m")),
            ("power_factor", Some("W")),
            ("", Some("Cel")),
        ] {
            assert_eq!(ipso_path(name, unit, Kinds::NUMBER, false), None, "{name} in {unit:?}");
        }
    }

    #[test]
    fn the_type_has_a_say() {
        let of = |kinds| ipso_path("temperature", Some("Cel"), kinds, false);
        let text = Kinds::named("string").unwrap();
        assert!(of(Kinds::named("integer").unwrap()).is_some());
        assert!(of(Kinds::NUMBER.widened(Kinds::NULL)).is_some());
        for other in [text, Kinds::NULL, Kinds::BOOLEAN, Kinds::default()] {
            assert_eq!(of(other), None, "{other:?}");
        }
        assert_eq!(of(Kinds::NUMBER.widened(text)), None);
        assert_eq!(ipso_path("contact", None, text, false), None);
    }
}
