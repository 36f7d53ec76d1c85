use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use smol_str::SmolStr;
use thingway_sdk::model::Kinds;
use thingway_sdk::{Address, Form, Operation, Value};

use super::convention::Known;
use super::template::{AddressPattern, Captures, PayloadTemplate, TextTemplate};
use crate::log::WriteTarget;

/// `[mapping]`: what the gateway makes of messages by itself.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MappingConfig {
    /// The conventions of devices that are recognised; with none, only rules and what can be seen
    /// in a message count.
    pub conventions: Vec<Known>,
}

impl Default for MappingConfig {
    fn default() -> Self {
        Self { conventions: Known::ALL.to_vec() }
    }
}

/// `[[rules]]`: what the gateway can't see from the messages of a topic by itself. The first rule
/// whose topic matches is the one that counts. Conventions make rules, too.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Only messages of this adapter; every adapter when left out.
    pub adapter: Option<String>,
    /// Topic template: `home/{room}/thermostat`, where `{room}` is any one level. `+` and a last
    /// `#` match as in MQTT.
    #[schema(value_type = String)]
    pub topic: AddressPattern,
    /// Name of the thing, where the topic's own does not fit: `home.{room}`.
    #[schema(value_type = Option<String>)]
    pub thing: Option<TextTemplate>,
    /// Human-readable title of the thing.
    pub title: Option<String>,
    /// Human-readable description of the thing.
    pub description: Option<String>,
    /// Semantic type of the thing, as TD `@type`; several with blanks between.
    #[serde(rename = "type")]
    pub semantic_type: Option<String>,
    /// Name of the event that each message on the topic is; the payload is its data.
    pub event: Option<String>,
    /// What is known of the thing's properties, by name.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, PropertyRule>)]
    pub properties: BTreeMap<String, Arc<PropertyRule>>,
    /// Set where a convention made the rule, which is then about one thing.
    #[serde(skip)]
    #[schema(ignore)]
    pub convention: Option<ByConvention>,
}

/// What only a convention says in a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByConvention {
    /// The convention.
    pub name: &'static str,
    /// What the thing is named after, levels separated by `/`: things of other adapters that are
    /// named after the same are others.
    pub thing: SmolStr,
    /// What the maker calls this one device for ever: serial number, MAC or EUI address.
    pub device_id: Option<SmolStr>,
}

impl RuleConfig {
    /// A rule of a convention, about the thing that is named after `thing`.
    #[must_use]
    pub fn by_convention(name: &'static str, thing: impl Into<SmolStr>) -> Self {
        let convention = ByConvention { name, thing: thing.into(), device_id: None };
        Self { convention: Some(convention), ..Self::default() }
    }

    /// Whether it says the same as the other of the thing itself.
    #[must_use]
    pub fn describes_like(&self, other: &Self) -> bool {
        self.title == other.title
            && self.description == other.description
            && self.semantic_type == other.semantic_type
            && self.convention == other.convention
    }

    /// Finds what can't be seen in one option alone.
    ///
    /// # Errors
    /// What is wrong and what to write instead, one sentence each.
    pub fn check(&self) -> Result<(), Vec<String>> {
        let templates = self
            .thing
            .iter()
            .chain(self.properties.values().filter_map(|p| Some(&p.write.as_ref()?.topic)));
        let mut errors: Vec<String> = templates
            .flat_map(TextTemplate::placeholders)
            .filter(|name| !self.topic.names(name))
            .map(|name| {
                format!(
                    "`{{{name}}}` is used, but no level of the topic `{}` has that name",
                    self.topic
                )
            })
            .collect();
        let event = self.event.as_deref().unwrap_or("event");
        if event.is_empty() || event.chars().any(char::is_control) {
            errors.push(format!("`{}` can't be an event's name", event.escape_debug()));
        }
        errors.extend(self.properties.iter().filter_map(|(name, property)| property.check(name)));
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// What a rule says of one property.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PropertyRule {
    /// Human-readable title.
    pub title: Option<String>,
    /// Human-readable description.
    pub description: Option<String>,
    /// Unit, as a SenML symbol (RFC 8428, section 12.1): `Cel`, `W`, `%RH`.
    pub unit: Option<String>,
    /// `boolean`, `integer`, `number`, `string`, `array` or `object`: values of other types are
    /// refused when written.
    #[serde(rename = "type")]
    pub data_type: Option<String>,
    /// Smallest number that may be written.
    pub minimum: Option<f64>,
    /// Largest number that may be written.
    pub maximum: Option<f64>,
    /// The only values that may be written.
    #[serde(rename = "enum")]
    pub allowed: Option<Vec<serde_json::Value>>,
    /// Makes the property writable.
    pub write: Option<WriteRule>,
    /// Semantic type of the property, as TD `@type`; several with blanks between.
    pub semantic_type: Option<String>,
    /// What in the payload means true: `"ON"`, `1`. With `off` it makes the property a boolean, and
    /// what is written becomes these again.
    pub on: Option<serde_json::Value>,
    /// What in the payload means false.
    pub off: Option<serde_json::Value>,
    /// Numbers of the payload are multiplied by this, and what is written divided.
    pub scale: Option<f64>,
    /// Added to numbers after `scale`.
    pub offset: Option<f64>,
    /// The step between numbers that may be written, counted from zero.
    pub multiple_of: Option<f64>,
    /// Each message that has it is an event of this name, not a state.
    #[serde(default)]
    pub event: bool,
    /// Left out.
    #[serde(default)]
    pub ignore: bool,
}

impl PropertyRule {
    fn check(&self, name: &str) -> Option<String> {
        if let Some(unknown) = self.data_type.as_deref().filter(|t| Kinds::named(t).is_none()) {
            return Some(format!(
                "property `{name}`: `{unknown}` is no type; use boolean, integer, number, string, array or object"
            ));
        }
        match (self.minimum, self.maximum) {
            (Some(least), Some(most)) if least > most => {
                Some(format!("property `{name}`: minimum {least} is above maximum {most}"))
            }
            _ => None,
        }
    }

    pub fn take_in(&self, value: Value) -> Result<Value, String> {
        Ok(value)
    }

    /// Whether a value may be written.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn admits(&self, value: &Value) -> Result<(), String> {
        if let Some(expected) = &self.data_type
            && !Kinds::named(expected).is_some_and(|kinds| kinds.admits(Kinds::of(value)))
        {
            return Err(format!("{} is not of type {expected}", value.to_json()));
        }
        if let Value::Number(number) = value {
            let number = number.as_f64();
            if let Some(least) = self.minimum.filter(|least| number < *least) {
                return Err(format!("{number} is below the minimum of {least}"));
            }
            if let Some(most) = self.maximum.filter(|most| number > *most) {
                return Err(format!("{number} is above the maximum of {most}"));
            }
        }
        let Some(allowed) = &self.allowed else { return Ok(()) };
        let same = |one: &serde_json::Value| {
            Value::from_json(&one.to_string()).is_ok_and(|one| one.means_the_same(value))
        };
        if allowed.iter().any(same) {
            return Ok(());
        }
        Err(format!("{} is none of {}", value.to_json(), serde_json::Value::from(allowed.clone())))
    }
}

/// How a property is written.
#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteRule {
    /// Topic that the device takes commands on; `{levels}` of the rule's topic may be used.
    #[schema(value_type = String)]
    pub topic: TextTemplate,
    /// What is published: `{value}` becomes the value as JSON, `{text}` the value without quotes.
    #[serde(default)]
    #[schema(value_type = String, default = "{value}")]
    pub payload: PayloadTemplate,
    /// Whether the broker keeps the command for devices that connect later.
    #[serde(default)]
    pub retain: bool,
    /// Quality of service of the command: 0, 1 or 2.
    #[serde(default = "default_qos")]
    pub qos: Qos,
}

impl WriteRule {
    /// Commands to one topic, once and not kept by the broker, at QoS 1.
    #[must_use]
    pub fn to(topic: &str, payload: PayloadTemplate) -> Self {
        Self { topic: TextTemplate::literal(topic), payload, retain: false, qos: default_qos() }
    }

    /// The same at QoS 0: what is lost is not sent again.
    #[must_use]
    pub fn at_most_once(topic: &str, payload: PayloadTemplate) -> Self {
        Self { qos: Qos(0), ..Self::to(topic, payload) }
    }

    /// Where a write goes, with these levels of the rule's topic.
    pub(crate) fn target(&self, captures: &Captures<'_>) -> WriteTarget {
        let terms = [
            ("mqv:qos".into(), self.qos.to_term()),
            ("mqv:retain".into(), Value::Boolean(self.retain)),
        ];
        let form = Form {
            address: Address::from(self.topic.fill(captures).as_str()),
            operation: Operation::WriteProperty,
            content_type: None,
            terms: terms.into(),
        };
        WriteTarget { form, template: Some(self.payload.clone()) }
    }
}

/// MQTT quality of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "u8")]
#[schema(value_type = u8)]
pub struct Qos(u8);

impl Qos {
    /// As the `mqv:qos` form term.
    pub(super) fn to_term(self) -> Value {
        Value::Text(smol_str::format_smolstr!("{}", self.0))
    }
}

impl TryFrom<u8> for Qos {
    type Error = String;

    fn try_from(level: u8) -> Result<Self, Self::Error> {
        (level <= 2).then_some(Self(level)).ok_or_else(|| format!("qos is 0, 1 or 2, not {level}"))
    }
}

pub(super) fn default_qos() -> Qos {
    Qos(1)
}
