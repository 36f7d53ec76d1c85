use std::num::NonZeroU32;

use smol_str::SmolStr;
use thingway_sdk::{Form, Value};

use super::availability::Availability;
use super::config::Config;
use super::template::{Template, as_word};
use crate::mapping::jinja::Jinja;
use crate::mapping::{PayloadTemplate, PropertyRule, WriteRule};

/// One entity, as far as a thing can have it.
#[derive(Debug, Clone, Default)]
pub(super) struct Entity {
    /// What it is called; the main entity of a device has no name of its own.
    pub(super) name: Option<SmolStr>,
    /// What kind of thing is measured or moved, else the component.
    pub(super) kind: SmolStr,
    pub(super) facets: Vec<Facet>,
    pub(super) actions: Vec<Act>,
    pub(super) events: Vec<Trigger>,
    /// Where its commands go.
    pub(super) commands: Vec<SmolStr>,
    pub(super) availability: Availability,
    /// Seconds after which its states are stale.
    pub(super) expires: Option<NonZeroU32>,
    /// What could not be understood of it.
    pub(super) problems: Vec<String>,
}

/// One property of an entity.
#[derive(Debug, Clone)]
pub(super) struct Facet {
    /// `brightness` of a light; empty where the entity is nothing but this.
    pub(super) suffix: &'static str,
    /// Where it is read.
    pub(super) topic: SmolStr,
    pub(super) template: Template,
    pub(super) rule: PropertyRule,
    /// A text that is a number is one.
    pub(super) is_number: bool,
}

/// Something that an entity can be told to do.
#[derive(Debug, Clone)]
pub(super) struct Act {
    /// `open` of a cover; empty where the entity is nothing but this.
    pub(super) suffix: &'static str,
    pub(super) form: Form,
    pub(super) payload: PayloadTemplate,
}

/// Something that occurs.
#[derive(Debug, Clone)]
pub(super) struct Trigger {
    /// Its name, where it is not the entity's.
    pub(super) event: Option<SmolStr>,
    pub(super) topic: SmolStr,
    pub(super) template: Template,
    /// Only payloads that say this.
    pub(super) payload: Option<SmolStr>,
    /// Its data, where that is not the payload.
    pub(super) data: Option<Value>,
}

/// Builds an [`Entity`] from its options.
pub(super) struct Builder<'a> {
    pub(super) config: &'a Config,
    pub(super) entity: Entity,
}

/// Where a property is read and written, by the names that stand in the options.
#[derive(Default)]
pub(super) struct Ways {
    pub(super) state: Option<SmolStr>,
    pub(super) template: Option<Template>,
    pub(super) command: Option<SmolStr>,
    pub(super) payload: Option<PayloadTemplate>,
}

/// What a device says and is told for on and off.
pub(super) struct Words {
    pub(super) said: [SmolStr; 2],
    pub(super) sent: [SmolStr; 2],
}

impl Facet {
    /// What a value means: where the property knows two words, one of them.
    pub(super) fn settle(&self, value: Value) -> Value {
        if self.rule.on.is_some() {
            return Value::Text(as_word(&value));
        }
        let Value::Text(text) = &value else { return value };
        match &**text {
            "None" => Value::Null,
            "unknown" | "unavailable" if self.is_number => Value::Null,
            _ => value,
        }
    }
}

impl<'a> Builder<'a> {
    pub(super) fn new(config: &'a Config, component: &str) -> Self {
        let mut problems = Vec::new();
        let availability = Availability::new(config).unwrap_or_else(|problem| {
            problems.push(problem);
            Availability::default()
        });
        let kind = config.text("device_class").unwrap_or_else(|| component.into());
        let name = config.text("name").filter(|name| !name.is_empty());
        let expires = config.get("expire_after").and_then(serde_json::Value::as_u64);
        let expires = expires.and_then(|seconds| NonZeroU32::new(u32::try_from(seconds).ok()?));
        let entity = Entity { name, kind, availability, expires, problems, ..Entity::default() };
        Self { config, entity }
    }

    /// The ways of `brightness_state_topic`, `brightness_value_template`,
    /// `brightness_command_topic`, `brightness_command_template`; without a prefix, of the entity.
    pub(super) fn ways(&mut self, prefix: &str) -> Ways {
        let named = |names: &[&str]| {
            let full = |name: &&str| match prefix {
                "" => self.config.text(name),
                _ => self.config.text(&format!("{prefix}_{name}")),
            };
            names.iter().find_map(full)
        };
        let state = match prefix {
            "" => named(&["state_topic"]),
            _ => named(&["state_topic", "status_topic", "topic"]),
        };
        let template = named(&[
            "value_template",
            "state_value_template",
            "state_template",
            "status_template",
            "template",
        ]);
        let command = named(&["command_topic"]);
        let commands = named(&["command_template"]);
        let (read, written) = (template.is_some(), commands.is_some());
        let template = template.and_then(|source| self.template(&source));
        let payload = commands.and_then(|source| self.command_template(&source));
        // With a template that is not understood, a topic is of no use.
        let state = state.filter(|_| template.is_some() || !read);
        let command = command.filter(|_| payload.is_some() || !written);
        Ways { state, template, command, payload }
    }

    /// A value template; a problem is noted, and the property then left out.
    pub(super) fn template(&mut self, source: &str) -> Option<Template> {
        match Template::new(Some(source)) {
            Ok(template) => Some(template),
            Err(problem) => {
                self.entity.problems.push(problem);
                None
            }
        }
    }

    pub(super) fn command_template(&mut self, source: &str) -> Option<PayloadTemplate> {
        match Jinja::compile(source, &Jinja::COMMAND_VARIABLES) {
            Ok(template) => Some(PayloadTemplate::jinja(template)),
            Err(problem) => {
                self.entity.problems.push(problem);
                None
            }
        }
    }

    /// Adds a property, if it can be read. What can only be written is an action, as nothing is
    /// ever known of its state.
    pub(super) fn property(&mut self, suffix: &'static str, ways: Ways, mut rule: PropertyRule) {
        let text = || PayloadTemplate::from("{text}".to_owned());
        let payload = ways.payload.unwrap_or_else(text);
        let Some(topic) = ways.state else {
            if let Some(topic) = ways.command {
                self.act(suffix, &topic, payload);
            }
            return;
        };
        let is_number = rule.data_type.as_deref() == Some("number");
        rule.write = ways.command.map(|topic| self.write(&topic, payload));
        let template = ways.template.unwrap_or(Template::Whole);
        self.entity.facets.push(Facet { suffix, topic, template, rule, is_number });
    }

    /// Adds a property that knows two words.
    pub(super) fn switch(&mut self, suffix: &'static str, mut ways: Ways, words: &Words) {
        let [on, off] = words.said.each_ref().map(|word| Some(word.as_str().into()));
        let rule = PropertyRule { on, off, ..PropertyRule::default() };
        if ways.payload.is_some() || words.said != words.sent || ways.state.is_none() {
            let sent = words.sent.each_ref().map(|word| match &ways.payload {
                Some(template) => {
                    let filled = template.fill(&Value::Text(word.clone()));
                    String::from_utf8(filled.unwrap_or_default()).unwrap_or_default().into()
                }
                None => word.clone(),
            });
            // Without a state there is nothing that the words are taken for.
            let said = match ways.state {
                Some(_) => words.said.clone().map(Value::Text),
                None => [true, false].map(Value::Boolean),
            };
            ways.payload = Some(PayloadTemplate::words(said.into_iter().zip(sent)));
        }
        self.property(suffix, ways, rule);
    }

    /// The words of these options; what is said is what is sent, unless it has options of its own.
    pub(super) fn words(&self, on: [&str; 3], off: [&str; 3]) -> Words {
        let sent = [on, off]
            .map(|[sent, _, default]| self.config.text(sent).unwrap_or_else(|| default.into()));
        let [on, off] = [on, off].map(|[_, said, _]| self.config.text(said));
        let said = [on.unwrap_or(sent[0].clone()), off.unwrap_or(sent[1].clone())];
        Words { said, sent }
    }

    /// Adds an action that sends one payload: an option, or its default. An option that is null
    /// says that there is no such action.
    pub(super) fn action(&mut self, suffix: &'static str, option: &str, default: Option<&str>) {
        if self.config.is_null(option) {
            return;
        }
        let payload = self.config.text(option).or_else(|| default.map(Into::into));
        let (Some(topic), Some(mut payload)) = (self.config.text("command_topic"), payload) else {
            return;
        };
        if let Some(source) = self.config.text("command_template") {
            let template = self.command_template(&source);
            let filled = template.map(|it| it.fill(&Value::Text(payload.clone())));
            let Some(Ok(Ok(text))) = filled.map(|filled| filled.map(String::from_utf8)) else {
                return;
            };
            payload = text.into();
        }
        self.act(suffix, &topic, PayloadTemplate::from(payload.to_string()));
    }

    fn act(&mut self, suffix: &'static str, topic: &str, payload: PayloadTemplate) {
        let form = self.write(topic, payload.clone()).form_of_action();
        self.entity.actions.push(Act { suffix, form, payload });
    }

    /// How something is written on a topic.
    fn write(&mut self, topic: &str, payload: PayloadTemplate) -> WriteRule {
        self.entity.commands.push(topic.into());
        let qos = self.config.get("qos").and_then(serde_json::Value::as_u64);
        let qos = qos.and_then(|qos| u8::try_from(qos).ok()).unwrap_or(1);
        let retain = self.config.boolean("retain").unwrap_or(false);
        WriteRule::to(topic, payload).with(qos, retain)
    }
}
