use serde_json::{Map, Value as Json};
use smol_str::SmolStr;

use super::abbreviations;
use crate::mapping::convention::Incoming;

/// Bytes of one discovery message.
const BYTES: usize = 256 << 10;

/// Entities of one device.
pub(super) const ENTITIES_OF_DEVICE: usize = 512;
/// Bytes of what stands once in a device's announcement and holds for all of its entities, counted
/// for each of them.
const SHARED_BYTES: usize = 1 << 20;
/// Identifiers and connections of one device.
pub(super) const IDENTIFIERS: usize = 16;
/// Bytes of an identifier, and of the name of a device.
const NAME_BYTES: usize = 1 << 10;

/// The options of one entity, by their long names and with the base topic `~` filled in.
#[derive(Debug, Default)]
pub(super) struct Config(Map<String, Json>);

/// Which device an entity belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeviceConfig {
    /// All identifiers, and the connections' addresses.
    pub(super) identifiers: Vec<SmolStr>,
    pub(super) name: Option<SmolStr>,
    /// The maker's own id: serial number, else a hardware address.
    pub(super) serial: Option<SmolStr>,
}

/// What a discovery message announces.
pub(super) enum Announced {
    /// One entity.
    Single(Config),
    /// All entities of a device, by their keys; those without options are removed.
    Device(Vec<(SmolStr, Config)>),
}

impl Announced {
    /// Reads a discovery message.
    ///
    /// # Errors
    /// When it is none: why.
    pub(super) fn read(message: &Incoming<'_>, of_device: bool) -> Result<Self, String> {
        let text = message.text().ok_or("the announcement is not UTF-8 text")?;
        if text.len() > BYTES {
            return Err(format!("an announcement has at most {BYTES} bytes"));
        }
        let json: Map<String, Json> = serde_json::from_str(text)
            .map_err(|error| format!("the announcement is no JSON object: {error}"))?;
        let mut shared = Config::expanded(json);
        if !of_device {
            shared.fill_base();
            return Ok(Self::Single(shared));
        }
        let Some(Json::Object(components)) = shared.0.remove("components") else {
            return Err("a device's announcement has an object `components` (`cmps`)".to_owned());
        };
        if components.len() > ENTITIES_OF_DEVICE {
            return Err(format!("a device has at most {ENTITIES_OF_DEVICE} entities"));
        }
        let bytes = serde_json::to_string(&shared.0).map_or(text.len(), |json| json.len());
        if bytes * components.len() > SHARED_BYTES {
            return Err(format!(
                "what holds for all entities has, with each of them, more than {SHARED_BYTES} bytes"
            ));
        }
        let entity = |(key, options): (String, Json)| {
            let options = options.as_object().cloned().unwrap_or_default();
            let mut config = Config::expanded(options);
            if config.0.keys().any(|key| key != "platform") {
                // What stands at the device holds for all of its entities.
                for (name, value) in &shared.0 {
                    config.0.entry(name.clone()).or_insert_with(|| value.clone());
                }
                config.fill_base();
            }
            (SmolStr::from(key), config)
        };
        Ok(Self::Device(components.into_iter().map(entity).collect()))
    }
}

impl Config {
    fn expanded(json: Map<String, Json>) -> Self {
        let long = |(name, value): (String, Json)| (abbreviations::option(&name).to_owned(), value);
        Self(json.into_iter().map(long).collect())
    }

    /// Puts the base topic in where topics begin or end with `~`.
    fn fill_base(&mut self) {
        let Some(Json::String(base)) = self.0.remove("~") else { return };
        for (name, value) in &mut self.0 {
            match value {
                Json::String(topic) if name.ends_with("topic") => fill(topic, &base),
                Json::Array(list) if name == "availability" => {
                    list.iter_mut().for_each(|each| fill_source(each, &base));
                }
                Json::Object(_) if name == "availability" => fill_source(value, &base),
                _ => {}
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Whether an option says that something is not there.
    pub(super) fn is_null(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(Json::is_null)
    }

    /// An option as text; numbers and booleans as Home Assistant writes them.
    pub(super) fn text(&self, name: &str) -> Option<SmolStr> {
        self.get(name).and_then(as_text)
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        let value = self.get(name)?;
        value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|n| n.is_finite())
    }

    pub(super) fn boolean(&self, name: &str) -> Option<bool> {
        self.get(name)?.as_bool()
    }

    /// A list of texts.
    pub(super) fn list(&self, name: &str) -> Option<Vec<SmolStr>> {
        Some(self.get(name)?.as_array()?.iter().filter_map(as_text).collect())
    }

    /// Whether there is nothing in it: the entity is removed.
    pub(super) fn is_empty(&self) -> bool {
        self.0.keys().all(|key| key == "platform")
    }

    /// The sources of availability: the list, or the one topic beside the other options.
    pub(super) fn availability(&self) -> Vec<Self> {
        let source = |each: &Json| Some(Self::expanded(each.as_object()?.clone()));
        match self.get("availability") {
            Some(Json::Array(list)) => list.iter().filter_map(source).collect(),
            Some(one) => source(one).into_iter().collect(),
            None => {
                let Some(topic) = self.get("availability_topic") else { return Vec::new() };
                let mut alone = Map::from_iter([("topic".to_owned(), topic.clone())]);
                for (from, to) in [
                    ("payload_available", "payload_available"),
                    ("payload_not_available", "payload_not_available"),
                    ("availability_template", "value_template"),
                ] {
                    if let Some(value) = self.get(from) {
                        alone.insert(to.to_owned(), value.clone());
                    }
                }
                vec![Self(alone)]
            }
        }
    }

    /// The device that the entity belongs to, if it belongs to any.
    ///
    /// # Errors
    /// When it has too many identifiers, or too long ones.
    pub(super) fn device(&self) -> Result<Option<DeviceConfig>, String> {
        let Some(device) = self.described_device() else { return Ok(None) };
        if device.identifiers.len() > IDENTIFIERS {
            return Err(format!("a device has at most {IDENTIFIERS} identifiers"));
        }
        let mut texts = device.identifiers.iter().chain(&device.name).chain(&device.serial);
        if texts.any(|text| text.len() > NAME_BYTES) {
            return Err(format!(
                "a device's name and its identifiers have at most {NAME_BYTES} bytes"
            ));
        }
        Ok(Some(device))
    }

    fn described_device(&self) -> Option<DeviceConfig> {
        let json = self.get("device")?.as_object()?;
        let device: Map<String, Json> = json
            .iter()
            .map(|(name, value)| (abbreviations::of_device(name).to_owned(), value.clone()))
            .collect();
        let mut identifiers: Vec<SmolStr> = match device.get("identifiers") {
            Some(Json::Array(list)) => list.iter().filter_map(as_text).collect(),
            Some(one) => as_text(one).into_iter().collect(),
            None => Vec::new(),
        };
        let connections = device.get("connections").and_then(Json::as_array);
        let address = |pair: &Json| as_text(pair.as_array()?.get(1)?);
        let addresses: Vec<SmolStr> =
            connections.into_iter().flatten().filter_map(address).collect();
        let serial = device.get("serial_number").and_then(as_text);
        let serial = serial.or_else(|| addresses.first().cloned());
        identifiers.extend(addresses);
        identifiers.retain(|id| !id.is_empty());
        if identifiers.is_empty() {
            return None;
        }
        let name = device.get("name").and_then(as_text).filter(|name| !name.is_empty());
        Some(DeviceConfig { identifiers, name, serial })
    }
}

fn fill_source(source: &mut Json, base: &str) {
    let topics = source.as_object_mut().into_iter().flatten();
    for (_, topic) in topics.filter(|(name, _)| abbreviations::option(name) == "topic") {
        if let Json::String(topic) = topic {
            fill(topic, base);
        }
    }
}

fn fill(topic: &mut String, base: &str) {
    if let Some(rest) = topic.strip_prefix('~') {
        *topic = format!("{base}{rest}");
    } else if let Some(start) = topic.strip_suffix('~') {
        *topic = format!("{start}{base}");
    }
}

/// A scalar as Python writes it, which is what templates and payloads are compared by.
fn as_text(value: &Json) -> Option<SmolStr> {
    match value {
        Json::String(text) => Some(text.into()),
        Json::Number(number) => Some(smol_str::format_smolstr!("{number}")),
        Json::Bool(true) => Some("True".into()),
        Json::Bool(false) => Some("False".into()),
        _ => None,
    }
}
