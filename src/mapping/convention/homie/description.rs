//! What a device says of itself, and the rule that follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use smol_str::{SmolStr, format_smolstr};
use thingway_sdk::{Address, Form, Operation, Value};

use super::NAME;
use super::datatype::Datatype;
use crate::mapping::convention::{Action, units};
use crate::mapping::{PayloadTemplate, PropertyRule, RuleConfig, WriteRule};

/// A device: the document of version 5, which the attributes of versions 3 and 4 amount to.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Description {
    pub(super) name: Option<String>,
    /// The device that is connected for this one.
    pub(super) root: Option<SmolStr>,
    #[serde(default)]
    pub(super) nodes: BTreeMap<SmolStr, Node>,
    /// Only the attributes of versions 3 and 4 tell it.
    #[serde(skip)]
    pub(super) mac: Option<SmolStr>,
}

/// A part of a device.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Node {
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) properties: BTreeMap<SmolStr, Property>,
}

/// A property of a part.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Property {
    pub(super) name: Option<String>,
    pub(super) datatype: Option<SmolStr>,
    pub(super) format: Option<String>,
    #[serde(default)]
    pub(super) settable: bool,
    pub(super) retained: Option<bool>,
    pub(super) unit: Option<String>,
}

/// What the messages of a device are read with.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) rule: Arc<RuleConfig>,
    /// By the topic below the device's: `<node>/<property>`.
    pub(super) readers: BTreeMap<SmolStr, Reader>,
    /// What can be set and has no state.
    pub(super) actions: Vec<Action>,
}

/// What the messages of one property are read with.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    /// What the property is called.
    pub(super) name: SmolStr,
    /// `None` while it is not known.
    pub(super) datatype: Option<Datatype>,
    /// Its messages are events.
    pub(super) is_event: bool,
    /// Others send commands to `…/set` below it.
    pub(super) is_settable: bool,
}

impl Model {
    /// The topics below the device's that are its own: of its properties, and of the commands to
    /// them.
    pub(super) fn topics(&self) -> BTreeSet<SmolStr> {
        let to_set = self.readers.iter().filter(|(_, reader)| reader.is_settable);
        let to_set = to_set.map(|(topic, _)| format_smolstr!("{topic}/set"));
        self.readers.keys().cloned().chain(to_set).collect()
    }
}

impl Description {
    /// How many properties the device has.
    pub(super) fn property_count(&self) -> usize {
        self.nodes.values().map(|node| node.properties.len()).sum()
    }

    /// What follows for the messages of the device, whose topics begin with `root`, and whose thing
    /// is named after `thing`.
    pub(super) fn model(self, root: &str, thing: SmolStr) -> Model {
        let mut rule = RuleConfig::by_convention(NAME, thing);
        rule.title = self.name.filter(|name| !name.is_empty());
        if let Some(convention) = &mut rule.convention {
            convention.device_id = self.mac;
        }
        let (mut readers, mut actions) = (BTreeMap::new(), Vec::new());
        for (node_id, node) in self.nodes {
            for (id, property) in node.properties {
                let topic = format_smolstr!("{node_id}/{id}");
                if !is_id(&node_id) || !is_id(&id) {
                    continue;
                }
                let name = format_smolstr!("{node_id}.{id}");
                let is_event = property.retained == Some(false);
                let is_settable = property.settable;
                let datatype = property.datatype.as_deref().map(Datatype::named);
                if is_event && property.settable {
                    actions.push(property.action(root, &topic, &name));
                }
                let of_property = property.rule(root, &topic, node.name.as_deref());
                rule.properties.insert(name.to_string(), Arc::new(of_property));
                readers.insert(topic, Reader { name, datatype, is_event, is_settable });
            }
        }
        Model { rule: Arc::new(rule), readers, actions }
    }
}

impl Property {
    fn rule(self, root: &str, topic: &str, node: Option<&str>) -> PropertyRule {
        let is_event = self.retained == Some(false);
        let template = || PayloadTemplate::from("{text}".to_owned());
        let to_set = || WriteRule::to(&format!("{root}/{topic}/set"), template());
        let mut rule = PropertyRule {
            title: self.name.filter(|name| !name.is_empty()),
            description: node.filter(|node| !node.is_empty()).map(str::to_owned),
            unit: self.unit.filter(|unit| !unit.is_empty()).map(symbol),
            write: (self.settable && !is_event).then(to_set),
            event: is_event,
            ..PropertyRule::default()
        };
        let datatype = self.datatype.as_deref().map(Datatype::named);
        if let Some(datatype) = datatype {
            datatype.restrict(self.format.as_deref(), &mut rule);
        }
        rule
    }

    fn action(&self, root: &str, topic: &str, name: &SmolStr) -> Action {
        // At most once, as the convention asks: what happens late would happen at the wrong time.
        let terms = [("mqv:qos", Value::Text("0".into())), ("mqv:retain", Value::Boolean(false))];
        let form = Form {
            address: Address::from(format!("{root}/{topic}/set").as_str()),
            operation: Operation::InvokeAction,
            content_type: None,
            terms: terms.map(|(term, value)| (term.into(), value)).into(),
        };
        Action {
            name: name.clone(),
            title: self.name.as_deref().filter(|title| !title.is_empty()).map(SmolStr::new),
            form,
            payload: Some(PayloadTemplate::from("{text}".to_owned())),
        }
    }
}

fn symbol(unit: String) -> String {
    match unit.as_str() {
        "#" => "count".to_owned(),
        _ => units::senml(&unit).map_or(unit, str::to_owned),
    }
}

/// Whether a text can be one level of a topic, and no attribute.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('$') && !text.contains(['/', '+', '#', '\0'])
}
