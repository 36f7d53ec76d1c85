//! What a Zigbee2MQTT device exposes, as properties and actions
//! (<https://www.zigbee2mqtt.io/guide/usage/exposes.html>).

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};
use thingway_sdk::{Form, codec};

use crate::mapping::PropertyRule;
use crate::mapping::convention::forms::{published, written};
use crate::mapping::convention::{Action, units};

/// Properties of one device beyond this are not described.
const MOST_PROPERTIES: usize = 256;
/// Actions of one device beyond this are not offered.
const MOST_ACTIONS: usize = 64;
/// Values of an enumeration beyond this are not listed: then all are admitted.
const MOST_VALUES: usize = 512;
/// Bytes of a title or description that are kept.
const LONGEST_TEXT: usize = 500;
/// Composites within composites that are followed.
const DEEPEST: usize = 6;

/// `access`: the state tells it.
const PUBLISHED: u64 = 1;
/// `access`: it can be set.
const SET: u64 = 2;
/// `access`: it can be asked for.
const GET: u64 = 4;

/// What a device has.
#[derive(Default)]
pub(super) struct Described {
    /// Maker and model.
    pub(super) description: Option<String>,
    pub(super) properties: BTreeMap<String, Arc<PropertyRule>>,
    pub(super) actions: Vec<Action>,
}

/// What is said of properties that cannot be written, once for all devices that have them: by the
/// hash of what it says.
#[derive(Clone, Default)]
pub(super) struct Shared(HashMap<u64, Arc<PropertyRule>>);

impl Shared {
    fn of(&mut self, rule: PropertyRule) -> Arc<PropertyRule> {
        if rule.write.is_some() {
            return Arc::new(rule);
        }
        let mut hasher = DefaultHasher::new();
        (&rule.title, &rule.description, &rule.unit, &rule.data_type).hash(&mut hasher);
        let known = self.0.entry(hasher.finish()).or_insert_with(|| Arc::new(rule.clone()));
        if **known == rule { known.clone() } else { Arc::new(rule) }
    }

    /// Lets go of what no device has any more.
    pub(super) fn tidy(&mut self) {
        self.0.retain(|_, rule| Arc::strong_count(rule) > 1);
    }
}

/// One node of the `exposes` tree: a value (`binary`, `numeric`, `enum`, `text`, `list`), a
/// `composite` of values, or what belongs together (`light`, `switch`, `climate`…).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Expose {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    property: String,
    label: Option<String>,
    description: Option<String>,
    endpoint: Option<String>,
    unit: Option<String>,
    access: u64,
    value_on: Option<Json>,
    value_off: Option<Json>,
    value_toggle: Option<Json>,
    value_min: Option<f64>,
    value_max: Option<f64>,
    value_step: Option<f64>,
    values: Vec<Json>,
    features: Vec<Self>,
}

impl Described {
    /// What the `exposes` say of the device at this topic. One that can't be read is passed over:
    /// its values come all the same.
    pub(super) fn by_exposes(exposes: &[&RawValue], topic: &str, shared: &mut Shared) -> Self {
        let mut reading = Reading {
            described: Self::default(),
            set: format!("{topic}/set"),
            get: format!("{topic}/get"),
            asked: Map::new(),
            shared,
        };
        let exposes =
            exposes.iter().filter_map(|raw| serde_json::from_str::<Expose>(raw.get()).ok());
        exposes.for_each(|expose| reading.node(&expose, &mut Vec::new()));
        reading.finish()
    }

    /// The device does something on its own when this is sent to `topic`.
    pub(super) fn act(&mut self, name: &str, title: &str, topic: &str, payload: String) {
        let is_known = self.actions.iter().any(|action| action.name == name);
        if !is_known && self.actions.len() < MOST_ACTIONS {
            self.actions.push(published(name, title, topic, payload));
        }
    }

    /// The same action as another device's, sent to another topic.
    pub(super) fn share(&mut self, action: &Action, topic: &str) {
        if !self.actions.iter().any(|known| known.name == action.name) {
            let form = Form { address: topic.into(), ..action.form.clone() };
            self.actions.push(Action { form, ..action.clone() });
        }
    }
}

struct Reading<'s> {
    described: Described,
    set: String,
    get: String,
    /// The payload that asks for all that can be asked for.
    asked: Map<String, Json>,
    shared: &'s mut Shared,
}

impl Reading<'_> {
    /// `path` are the properties of the composites around.
    fn node<'e>(&mut self, expose: &'e Expose, path: &mut Vec<&'e str>) {
        if path.len() >= DEEPEST {
            return;
        }
        match expose.kind.as_str() {
            "composite" if !expose.property.is_empty() => self.composite(expose, path),
            "binary" | "numeric" | "enum" | "text" | "list" => self.value(expose, path),
            // What belongs together: its features stand beside each other in the state.
            _ => expose.features.iter().for_each(|feature| self.node(feature, path)),
        }
    }

    fn composite<'e>(&mut self, expose: &'e Expose, path: &mut Vec<&'e str>) {
        path.push(&expose.property);
        let access = expose.features.iter().fold(expose.access, |all, one| all | one.access);
        let title = expose.title();
        if access & SET != 0 {
            let name = match access & PUBLISHED {
                0 => name_of(path),
                _ => format!("set_{}", name_of(path)),
            };
            self.described.act(&name, &title, &self.set, nested(path, "{value}"));
        }
        if access & PUBLISHED != 0 {
            expose.features.iter().for_each(|feature| self.node(feature, path));
        }
        path.pop();
    }

    fn value<'e>(&mut self, expose: &'e Expose, path: &mut Vec<&'e str>) {
        if expose.property.is_empty() {
            return;
        }
        path.push(&expose.property);
        if expose.access & GET != 0 {
            ask(&mut self.asked, path);
        }
        match (expose.access & PUBLISHED != 0, expose.access & SET != 0) {
            (true, is_set) => self.property(expose, path, is_set),
            (false, true) => {
                let payload = nested(path, "{value}");
                self.described.act(&name_of(path), &expose.title(), &self.set, payload);
            }
            (false, false) => {}
        }
        path.pop();
    }

    fn property(&mut self, expose: &Expose, path: &[&str], is_set: bool) {
        let name = name_of(path);
        if self.described.properties.len() >= MOST_PROPERTIES
            || self.described.properties.contains_key(&name)
        {
            return;
        }
        let mut property = expose.rule();
        // The converters take a point of the colour space as a whole only, which the action of the
        // composite does.
        let is_coordinate = path.len() > 1 && ["x", "y"].contains(&expose.name.as_str());
        if is_set && !is_coordinate {
            property.write = written(&self.set, &nested(path, "{value}"));
            self.toggle(expose, &name, path);
        }
        self.described.properties.insert(name, self.shared.of(property));
    }

    fn toggle(&mut self, expose: &Expose, name: &str, path: &[&str]) {
        let Some(toggle) = &expose.value_toggle else { return };
        let action = match name {
            "state" => "toggle".to_owned(),
            other => format!("toggle_{other}"),
        };
        let payload = nested(path, &toggle.to_string());
        self.described.act(&action, &format!("Toggle {}", expose.title()), &self.set, payload);
    }

    fn finish(mut self) -> Described {
        if !self.asked.is_empty() {
            let mut asked = Json::Object(self.asked);
            // The order of maps is that of the build; what is sent has one that stays.
            asked.sort_all_objects();
            let payload = asked.to_string();
            self.described.act("get", "Ask the device for its state", &self.get, payload);
        }
        self.described
    }
}

impl Expose {
    fn title(&self) -> String {
        let label = self.label.as_deref().filter(|label| !label.is_empty()).unwrap_or(&self.name);
        match self.endpoint.as_deref().filter(|endpoint| !label.contains(endpoint)) {
            Some(endpoint) => clip(&format!("{label} ({endpoint})")),
            None => clip(label),
        }
    }

    fn rule(&self) -> PropertyRule {
        let mut rule = PropertyRule {
            title: Some(self.title()),
            description: self.description.as_deref().map(clip),
            event: self.name == "action",
            ..PropertyRule::default()
        };
        match self.kind.as_str() {
            "binary" => self.describe_binary(&mut rule),
            "numeric" => self.describe_numeric(&mut rule),
            "enum" => self.describe_enum(&mut rule),
            "text" => rule.data_type = Some("string".into()),
            _ => rule.data_type = Some("array".into()),
        }
        rule
    }

    fn describe_binary(&self, rule: &mut PropertyRule) {
        rule.data_type = Some("boolean".into());
        // Where the payload has booleans they are kept: `contact` is true when closed, and the
        // converters call that "off".
        let is_boolean = |value: &Option<Json>| value.as_ref().is_none_or(Json::is_boolean);
        if !is_boolean(&self.value_on) && !is_boolean(&self.value_off) {
            (rule.on, rule.off) = (self.value_on.clone(), self.value_off.clone());
        } else if !(is_boolean(&self.value_on) && is_boolean(&self.value_off)) {
            rule.data_type = None;
        }
    }

    fn describe_numeric(&self, rule: &mut PropertyRule) {
        rule.data_type = Some("number".into());
        let unit = self.unit.as_deref().filter(|unit| !unit.is_empty());
        rule.unit = unit.map(|unit| units::senml(unit).map_or_else(|| clip(unit), str::to_owned));
        (rule.minimum, rule.maximum) = (self.value_min, self.value_max);
        if let (Some(least), Some(most)) = (self.value_min, self.value_max)
            && least > most
        {
            (rule.minimum, rule.maximum) = (None, None);
        }
        // Zigbee2MQTT counts steps from the minimum, JSON Schema from zero.
        let fits = |step: &f64| *step > 0.0 && (self.value_min.unwrap_or(0.0) % step).abs() < 1e-9;
        rule.multiple_of = self.value_step.filter(fits);
    }

    fn describe_enum(&self, rule: &mut PropertyRule) {
        if self.values.iter().all(Json::is_string) {
            rule.data_type = Some("string".into());
        }
        if !self.values.is_empty() && self.values.len() <= MOST_VALUES {
            rule.allowed = Some(self.values.clone());
        }
    }
}

/// The name that the leaf of a state has.
fn name_of(path: &[&str]) -> String {
    path.iter().map(|key| codec::property_name(key)).collect::<Vec<_>>().join(".")
}

/// A value within the objects that the path names: `{"color":{"hue":1}}`.
fn nested(path: &[&str], value: &str) -> String {
    let opened: String = path.iter().map(|key| format!("{{{}:", Json::from(*key))).collect();
    opened + value + &"}".repeat(path.len())
}

/// Puts an empty text where the path leads.
fn ask(asked: &mut Map<String, Json>, path: &[&str]) {
    match path {
        [] => {}
        [last] => drop(asked.insert((*last).to_owned(), "".into())),
        [first, rest @ ..] => {
            let within = asked.entry(*first).or_insert_with(|| Map::new().into());
            if let Json::Object(within) = within {
                ask(within, rest);
            }
        }
    }
}

/// The beginning of a text, where it is too long to be kept.
pub(super) fn clip(text: &str) -> String {
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
