use serde::Deserialize;
use thingway_sdk::{Address, Form, Operation, Value};

use crate::log::WriteTarget;
use crate::mapping::template::{Captures, PayloadTemplate, TextTemplate};

/// How a property is written.
#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteRule {
    /// Topic that the device takes commands on; `{levels}` of the rule's topic may be used.
    #[schema(value_type = String)]
    pub topic: TextTemplate,
    /// What is published: `{value}` becomes the value as JSON, `{text}` the value without quotes,
    /// `{members}` the members of an object without its braces.
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

    /// The same at this quality of service (2 where it is above), and kept by the broker or not.
    #[must_use]
    pub fn with(self, qos: u8, retain: bool) -> Self {
        Self { qos: Qos(qos.min(2)), retain, ..self }
    }

    /// Where an action goes that is asked for like this.
    pub(in crate::mapping) fn form_of_action(&self) -> Form {
        let form = self.target(&Captures::new()).form;
        Form { operation: Operation::InvokeAction, ..form }
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
    fn to_term(self) -> Value {
        Value::Text(smol_str::format_smolstr!("{}", self.0))
    }
}

impl TryFrom<u8> for Qos {
    type Error = String;

    fn try_from(level: u8) -> Result<Self, Self::Error> {
        (level <= 2).then_some(Self(level)).ok_or_else(|| format!("qos is 0, 1 or 2, not {level}"))
    }
}

fn default_qos() -> Qos {
    Qos(1)
}
