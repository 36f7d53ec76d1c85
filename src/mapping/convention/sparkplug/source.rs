use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use smol_str::{SmolStr, format_smolstr};
use thingway_sdk::{Form, Timestamp, Value};

use super::command::MetricCommand;
use super::datatype::Datatype;
use super::payload::{Metric, MetricValue, Payload, PropertySet, Scalar};
use crate::mapping::convention::units::senml;
use crate::mapping::convention::{Action, Found, Meaning};
use crate::mapping::{PayloadTemplate, PropertyRule, RuleConfig, WriteRule};

/// Metrics of one node or device.
const METRICS: usize = 10_000;
/// Bytes of a metric's name, and of its description.
const TEXT_BYTES: usize = 1 << 10;
/// Orders of one node or device.
const ORDERS: usize = 64;
/// How deep templates stand in templates.
const DEPTH: usize = 8;
/// What every node tells of its session, and no application needs.
const SESSION: &str = "bdSeq";

/// A node, or a device of one: a thing.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) rule: Arc<RuleConfig>,
    /// Where its commands go.
    commands: SmolStr,
    /// By name: a property and its datatype.
    metrics: HashMap<SmolStr, Known>,
    aliases: HashMap<u64, SmolStr>,
    /// The names of its actions.
    actions: BTreeSet<SmolStr>,
    /// Its birth is known, and it did not die since.
    pub(super) is_alive: bool,
}

#[derive(Debug, Clone)]
struct Known {
    property: SmolStr,
    datatype: Datatype,
}

/// What became of the metrics of a message.
#[derive(Default)]
pub(super) struct Read {
    found: Vec<Found>,
    /// Metrics that no birth told of: the node is asked for a new one.
    pub(super) unknown: bool,
    /// What could not be read, the first of it.
    pub(super) problem: Option<String>,
}

impl Source {
    /// `thing` is `group/node` or `group/node/device`.
    pub(super) fn new(thing: &str, commands: SmolStr) -> Self {
        Self {
            rule: Arc::new(RuleConfig::by_convention(super::NAME, thing)),
            commands,
            metrics: HashMap::new(),
            aliases: HashMap::new(),
            actions: BTreeSet::new(),
            is_alive: false,
        }
    }

    /// Takes a birth: all metrics that there are, with their values. What it had before and has no
    /// longer is given up. `room` is how many metrics there may still be on the broker.
    pub(super) fn born(
        &mut self,
        payload: Payload,
        room: &mut usize,
        meaning: &mut Meaning,
    ) -> Read {
        *room += self.metrics.len();
        let most = METRICS.min(*room);
        self.metrics.clear();
        self.aliases.clear();
        let mut properties = BTreeMap::new();
        let mut orders = Vec::new();
        for metric in &payload.metrics {
            self.learn(metric, most, &mut properties, &mut orders);
        }
        *room -= self.metrics.len();
        if !same(&properties, &self.rule.properties) {
            let before = self.rule.properties.keys();
            let gone = before.filter(|name| !properties.contains_key(*name));
            let gone = gone.map(SmolStr::from).collect();
            let mut rule = RuleConfig { properties, ..RuleConfig::clone(&self.rule) };
            let thing = rule.convention.as_ref().map(|by| by.thing.as_str());
            rule.title = thing.and_then(|thing| thing.rsplit('/').next()).map(Into::into);
            self.rule = Arc::new(rule);
            meaning.dropped(&self.rule, gone);
        }
        let actions: Vec<_> = orders.into_iter().map(|order| self.action(order)).collect();
        let names = actions.iter().map(|action| action.name.clone()).collect();
        for gone in std::mem::replace(&mut self.actions, names).difference(&self.actions) {
            meaning.withdraw(&self.rule, gone);
        }
        for action in actions {
            meaning.offer(&self.rule, action);
        }
        self.is_alive = true;
        meaning.reach(&self.rule, true);
        let is_full = self.metrics.len() >= most;
        let mut read = self.data(payload, meaning);
        if is_full && read.unknown {
            read.problem = Some(format!(
                "a source has at most {METRICS} metrics, and a broker {}",
                super::METRICS
            ));
        }
        read
    }

    /// Takes values of metrics that are known.
    pub(super) fn data(&self, payload: Payload, meaning: &mut Meaning) -> Read {
        let mut read = Read::default();
        let sent = payload.timestamp;
        for metric in payload.metrics {
            let name = match (&metric.name, metric.alias) {
                (Some(name), _) => Some(SmolStr::from(name)),
                (None, alias) => alias.and_then(|alias| self.aliases.get(&alias).cloned()),
            };
            match name {
                Some(name) if is_own(&name) => {}
                Some(name) => self.read(&name, metric, sent, 0, &mut read),
                None => read.unknown = true,
            }
        }
        if !read.found.is_empty() {
            meaning.found(&self.rule, std::mem::take(&mut read.found));
        }
        read
    }

    fn learn(
        &mut self,
        metric: &Metric,
        most: usize,
        properties: &mut BTreeMap<String, Arc<PropertyRule>>,
        orders: &mut Vec<MetricCommand>,
    ) {
        let Some(name) = metric.name.as_deref().filter(|name| name.len() <= TEXT_BYTES) else {
            return;
        };
        let name = SmolStr::from(name);
        if let Some(alias) = metric.alias
            && self.aliases.len() < most
        {
            self.aliases.insert(alias, name.clone());
        }
        if name == SESSION || is_definition(metric) {
            return;
        }
        let command = MetricCommand {
            name: name.clone(),
            alias: metric.alias,
            datatype: metric.datatype.unwrap_or_default(),
            is_order: false,
        };
        if is_own(&name) {
            if metric.datatype == Some(11) && orders.len() < ORDERS {
                orders.push(MetricCommand { is_order: true, ..command });
            }
            return;
        }
        self.define(&name, metric, (0, most), properties);
        let Some(known) = self.metrics.get(&name) else { return };
        let set = metric.properties.as_ref();
        let is_read_only = set.and_then(|set| set.get("readOnly")) == Some(&Scalar::Boolean(true));
        if known.datatype.is_writable() && !is_read_only {
            let payload = PayloadTemplate::metric(command);
            let write = self.write(payload);
            if let Some(rule) = properties.get_mut(known.property.as_str()) {
                Arc::make_mut(rule).write = Some(write);
            }
        }
    }

    /// Notes a metric, and those in a template.
    fn define(
        &mut self,
        name: &SmolStr,
        metric: &Metric,
        (depth, most): (usize, usize),
        properties: &mut BTreeMap<String, Arc<PropertyRule>>,
    ) {
        if let Some(MetricValue::Template(template)) = &metric.value {
            let inner = template.metrics.iter().filter(|_| depth < DEPTH);
            for (inner, member) in inner.filter_map(|it| Some((it, it.name.as_deref()?))) {
                let name = format_smolstr!("{name}/{member}");
                self.define(&name, inner, (depth + 1, most), properties);
            }
            return;
        }
        let Some(datatype) = metric.datatype.and_then(Datatype::of) else { return };
        if self.metrics.len() >= most || name.len() > TEXT_BYTES {
            return;
        }
        let property = SmolStr::from(name.replace('/', "."));
        let range = datatype.range();
        let description = metric.metadata.as_ref().and_then(|data| data.description.clone());
        let rule = PropertyRule {
            title: Some(name.to_string()),
            description: description.filter(|text| (1..=TEXT_BYTES).contains(&text.len())),
            unit: metric.properties.as_ref().and_then(unit),
            data_type: datatype.name().map(Into::into),
            minimum: range.map(|(least, _)| least),
            maximum: range.map(|(_, most)| most),
            ..PropertyRule::default()
        };
        properties.insert(property.to_string(), Arc::new(rule));
        self.metrics.insert(name.clone(), Known { property, datatype });
    }

    fn read(
        &self,
        name: &SmolStr,
        metric: Metric,
        sent: Option<u64>,
        depth: usize,
        out: &mut Read,
    ) {
        if is_definition(&metric) {
            return;
        }
        let millis = metric.timestamp.or(sent);
        if let Some(MetricValue::Template(template)) = metric.value {
            for inner in template.metrics.into_iter().filter(|_| depth < DEPTH) {
                let Some(member) = inner.name.clone() else { continue };
                self.read(&format_smolstr!("{name}/{member}"), inner, millis, depth + 1, out);
            }
            return;
        }
        let Some(known) = self.metrics.get(name) else {
            out.unknown = true;
            return;
        };
        let value = match metric.value {
            None => Ok(Value::Null),
            Some(_) if metric.is_null == Some(true) => Ok(Value::Null),
            Some(value) => known.datatype.read(value),
        };
        match value {
            Ok(value) => {
                let time = millis.and_then(|millis| Timestamp::parse(&millis.to_string()));
                // What is from the past and does not say when can't be put in order.
                if metric.is_historical != Some(true) || time.is_some() {
                    let is_bad = metric.properties.as_ref().is_some_and(is_bad);
                    let found = Found::new(known.property.clone(), value).at(time);
                    out.found.push(Found { is_bad, ..found });
                }
            }
            Err(why) => out.problem = Some(format!("`{name}`: {why}")),
        }
    }

    /// `Node Control/Rebirth` as the action `rebirth`.
    fn action(&self, order: MetricCommand) -> Action {
        let last = order.name.rsplit('/').next().unwrap_or_default();
        let (name, title) = (last.to_lowercase().replace(' ', "_"), last.to_owned());
        let payload = Some(PayloadTemplate::metric(order.clone()));
        Action { name: name.into(), title: Some(title.into()), form: self.form(order), payload }
    }

    /// Where an order goes.
    pub(super) fn form(&self, order: MetricCommand) -> Form {
        self.write(PayloadTemplate::metric(order)).form_of_action()
    }

    /// Commands are sent once, and not kept (section 6.4.23).
    fn write(&self, payload: PayloadTemplate) -> WriteRule {
        WriteRule::to(&self.commands, payload).with(0, false)
    }
}

/// What a node has for its own control, and no property is made of.
fn is_own(name: &str) -> bool {
    name == SESSION || name.starts_with("Node Control/") || name.starts_with("Device Control/")
}

/// What a template is, rather than one.
fn is_definition(metric: &Metric) -> bool {
    matches!(&metric.value, Some(MetricValue::Template(it)) if it.is_definition == Some(true))
}

fn unit(set: &PropertySet) -> Option<String> {
    let names = ["engUnit", "engineering units", "units", "unit"];
    let Scalar::Text(text) = names.iter().find_map(|name| set.get(name))? else { return None };
    let text = text.trim();
    (!text.is_empty()).then(|| senml(text).unwrap_or(text).to_owned())
}

/// Whether the quality code of a metric says that its value can't be trusted: 192 is good, 0 bad,
/// 500 stale (section 6.4.11).
fn is_bad(set: &PropertySet) -> bool {
    match set.get("Quality") {
        Some(Scalar::Int(code)) => *code != 192,
        Some(Scalar::Long(code)) => *code != 192,
        _ => false,
    }
}

type Rules = BTreeMap<String, Arc<PropertyRule>>;

fn same(one: &Rules, other: &Rules) -> bool {
    one.len() == other.len() && one.iter().all(|(name, rule)| other.get(name) == Some(rule))
}
