use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use smol_str::{SmolStr, format_smolstr};

use super::availability::Availability;
use super::config::{DeviceConfig, IDENTIFIERS};
use super::entity::{Entity, Facet};
use crate::mapping::convention::{Action, Meaning};
use crate::mapping::{PropertyRule, RuleConfig};

/// A device with its entities: one thing.
#[derive(Debug, Clone)]
pub(super) struct Device {
    config: DeviceConfig,
    /// What the thing is named after.
    pub(super) thing: SmolStr,
    pub(super) rule: Arc<RuleConfig>,
    /// The same for states that are good for so many seconds.
    expiring: BTreeMap<NonZeroU32, Arc<RuleConfig>>,
    /// By a key that no other entity of the device has.
    pub(super) entities: BTreeMap<SmolStr, Member>,
    /// The entities whose actions are not offered yet.
    fresh: Vec<SmolStr>,
    /// Whether it was last said to be within reach.
    online: Option<bool>,
}

/// An entity with the names that it has in its thing.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) entity: Entity,
    /// The names of its properties, in the order of its facets.
    pub(super) properties: Vec<SmolStr>,
    rules: Vec<Arc<PropertyRule>>,
    /// The names of its actions, in their order.
    pub(super) actions: Vec<SmolStr>,
    /// The name of what occurs, where that has none of its own.
    pub(super) event: SmolStr,
}

impl Device {
    pub(super) fn new(config: DeviceConfig, thing: SmolStr) -> Self {
        let rule = Arc::new(RuleConfig::by_convention(super::NAME, thing.clone()));
        let (expiring, entities, fresh) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { config, thing, rule, expiring, entities, fresh, online: None }
    }

    pub(super) fn identifiers(&self) -> &[SmolStr] {
        &self.config.identifiers
    }

    /// Whether there is room for the identifiers of an announcement beside those that were heard.
    pub(super) fn has_room_for(&self, config: &DeviceConfig) -> bool {
        let known = self.identifiers();
        let more = config.identifiers.iter().filter(|id| !known.contains(id)).count();
        known.len() + more <= IDENTIFIERS
    }

    /// Takes in what an announcement says of the device itself: not every one says all.
    pub(super) fn learn(&mut self, config: &DeviceConfig) {
        for identifier in &config.identifiers {
            if !self.config.identifiers.contains(identifier) {
                self.config.identifiers.push(identifier.clone());
            }
        }
        for (mine, told) in
            [(&mut self.config.name, &config.name), (&mut self.config.serial, &config.serial)]
        {
            if told.is_some() {
                mine.clone_from(told);
            }
        }
    }

    /// Puts an entity in, in the place of the one that had its key.
    pub(super) fn put(
        &mut self,
        key: SmolStr,
        object: &str,
        mut entity: Entity,
        meaning: &mut Meaning,
    ) {
        let before = self.entities.remove(&key);
        if let Some(before) = &before {
            entity.availability.inherit(&before.entity.availability);
        }
        // A name that begins with the device's own says it twice.
        if let (Some(name), Some(device)) = (&entity.name, &self.config.name)
            && let Some(rest) = name.strip_prefix(device.as_str())
        {
            let rest = rest.trim_start_matches([' ', '-', '_']);
            entity.name = (!rest.is_empty()).then(|| rest.into());
        }
        let member = self.named(object, entity);
        let actions = before.iter().flat_map(|before| &before.actions);
        for gone in actions.filter(|action| !member.actions.contains(action)) {
            meaning.withdraw(&self.rule, gone);
        }
        self.entities.insert(key.clone(), member);
        self.fresh.push(key);
    }

    /// Names what an entity has: after the entity; after what it measures, where it is the main
    /// one; and after its object id where these are taken.
    fn named(&self, object: &str, entity: Entity) -> Member {
        let object = slug(object);
        let is_single = entity.facets.iter().all(|facet| facet.suffix.is_empty());
        let first = match &entity.name {
            Some(name) => slug(name),
            None if is_single => slug(&entity.kind),
            None => SmolStr::default(),
        };
        let numbered = (2..).map(|count| format_smolstr!("{object}_{count}"));
        let mut bases = [first, object.clone()].into_iter().chain(numbered);
        loop {
            let base = bases.next().unwrap_or_default();
            let name = |suffix: &str| match (base.is_empty(), suffix.is_empty()) {
                (true, _) => SmolStr::from(suffix),
                (false, true) => base.clone(),
                (false, false) => format_smolstr!("{base}.{suffix}"),
            };
            let properties: Vec<_> = entity.facets.iter().map(|facet| name(facet.suffix)).collect();
            let actions: Vec<_> = entity.actions.iter().map(|act| name(act.suffix)).collect();
            let event = name("");
            let is_taken = |one: &SmolStr| one.is_empty() || self.has(one);
            if !properties.iter().chain(&actions).any(is_taken) {
                let rules = entity.facets.iter().map(|facet| Arc::new(told(&entity, facet)));
                let rules = rules.collect();
                return Member { entity, properties, rules, actions, event };
            }
        }
    }

    fn has(&self, name: &SmolStr) -> bool {
        let members = self.entities.values();
        members.into_iter().any(|it| it.properties.contains(name) || it.actions.contains(name))
    }

    /// Says anew what the thing is, after its entities changed.
    pub(super) fn describe(&mut self, meaning: &mut Meaning) {
        let mut rule = RuleConfig::by_convention(super::NAME, self.thing.clone());
        rule.title = self.config.name.as_ref().map(ToString::to_string);
        if let Some(by) = &mut rule.convention {
            by.device_id = self.config.serial.clone().or(self.config.identifiers.first().cloned());
        }
        for member in self.entities.values() {
            let named = member.properties.iter().map(ToString::to_string);
            rule.properties.extend(named.zip(member.rules.iter().cloned()));
        }
        let is_gone = |name: &&String| !rule.properties.contains_key(name.as_str());
        let gone = self.rule.properties.keys().filter(is_gone).map(SmolStr::from).collect();
        self.rule = Arc::new(rule);
        meaning.dropped(&self.rule, gone);
        self.expiring.clear();
        for key in self.fresh.drain(..) {
            let Some(Member { entity, actions, .. }) = self.entities.get(&key) else { continue };
            for (act, name) in entity.actions.iter().zip(actions) {
                let title = title(entity.name.as_deref(), act.suffix, &entity.kind);
                let action = Action {
                    name: name.clone(),
                    title: Some(title.into()),
                    form: act.form.clone(),
                    payload: Some(act.payload.clone()),
                };
                meaning.offer(&self.rule, action);
            }
        }
    }

    /// The rule for states that are good for so long.
    pub(super) fn rule_for(&mut self, expires: Option<NonZeroU32>) -> Arc<RuleConfig> {
        let Some(seconds) = expires else { return self.rule.clone() };
        let make = || {
            let ttl_seconds = Some(seconds);
            Arc::new(RuleConfig { ttl_seconds, ..RuleConfig::clone(&self.rule) })
        };
        self.expiring.entry(seconds).or_insert_with(make).clone()
    }

    /// Whether it became known, or was said again, that the device is, or is no longer, within
    /// reach: it is as long as any of its entities is. What is said again is told again, because
    /// the link may have been lost in between, and with it what was told before.
    pub(super) fn reach(&mut self, is_said: bool) -> Option<bool> {
        let told = self.entities.values().map(|member| &member.entity.availability);
        let told: Vec<_> = told.filter(|it| it.is_told()).map(Availability::online).collect();
        let is_off = !told.is_empty() && told.iter().all(|says| *says == Some(false));
        let is_on = told.contains(&Some(true));
        let now = is_on.then_some(true).or(is_off.then_some(false));
        let is_news = is_said || now != self.online;
        now.filter(|_| is_news).inspect(|_| self.online = now)
    }
}

impl Member {
    /// The topics that the entity is read from, and those of its commands: what others tell the
    /// device to do is no thing of its own.
    pub(super) fn topics(&self) -> impl Iterator<Item = &SmolStr> {
        let facets = self.entity.facets.iter().map(|facet| &facet.topic);
        let events = self.entity.events.iter().map(|trigger| &trigger.topic);
        let told = facets.chain(events).chain(self.entity.availability.topics());
        told.chain(&self.entity.commands)
    }
}

/// What is said of a property.
fn told(entity: &Entity, facet: &Facet) -> PropertyRule {
    let semantic_type = semantic_type(&entity.kind).filter(|_| facet.suffix.is_empty());
    PropertyRule {
        title: Some(title(entity.name.as_deref(), facet.suffix, &entity.kind)),
        semantic_type: semantic_type.map(Into::into),
        ..facet.rule.clone()
    }
}

/// `Kitchen Lamp!` → `kitchen_lamp`.
pub(super) fn slug(text: &str) -> SmolStr {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut slug = String::with_capacity(text.len());
    for word in words {
        if !slug.is_empty() {
            slug.push('_');
        }
        slug.extend(word.chars().flat_map(char::to_lowercase));
    }
    slug.into()
}

fn title(name: Option<&str>, suffix: &str, kind: &str) -> String {
    let words = match (name, suffix) {
        (Some(name), "") => return name.to_owned(),
        (Some(name), suffix) => format!("{name} {suffix}"),
        (None, "") => kind.to_owned(),
        (None, suffix) => suffix.to_owned(),
    };
    let words = words.replace('_', " ");
    let mut characters = words.chars();
    let first = characters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    first + characters.as_str()
}

/// What SAREF calls what a device class measures (<https://saref.etsi.org/core/>).
fn semantic_type(device_class: &str) -> Option<&'static str> {
    Some(match device_class {
        "temperature" => "https://saref.etsi.org/core/Temperature",
        "humidity" | "moisture" => "https://saref.etsi.org/core/Humidity",
        "power" => "https://saref.etsi.org/core/Power",
        "energy" => "https://saref.etsi.org/core/Energy",
        "pressure" | "atmospheric_pressure" => "https://saref.etsi.org/core/Pressure",
        "illuminance" | "light" => "https://saref.etsi.org/core/Light",
        "motion" => "https://saref.etsi.org/core/Motion",
        "occupancy" | "presence" => "https://saref.etsi.org/core/Occupancy",
        "smoke" => "https://saref.etsi.org/core/Smoke",
        _ => return None,
    })
}
