//! Home Assistant's MQTT discovery (<https://www.home-assistant.io/integrations/mqtt/>): devices
//! announce their entities in retained messages on `homeassistant/<component>/[<node>/]<object>/config`,
//! or all at once on `homeassistant/device/<id>/config`.
//!
//! A device, by any of its identifiers and connections, is one thing with the properties of all of
//! its entities; an entity without a device is a thing of its own. The thing is named after the
//! device's name (`Kitchen Lamp` → `kitchen_lamp`), with an identifier behind where two devices
//! share one. A property is named after the entity (`Air Pressure` → `air_pressure`, and
//! `ceiling.brightness` where an entity has several); that of a main entity, which has no name,
//! after its device class or component; where a name is taken, after the object id.
//!
//! Read are the kinds in `components.rs`, value templates as far as `jinja.rs` goes, availability
//! in all its modes. Buttons, scenes and the moves of covers are actions; triggers and event
//! entities are events. Left out are entities that are disabled by default, attributes
//! (`json_attributes_topic`), lights of the template schema, and templates that
//! ask for states or times of Home Assistant.

mod abbreviations;
mod availability;
mod components;
mod config;
mod device;
mod entity;
mod template;
#[cfg(test)]
mod tests;

use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;

use smol_str::{SmolStr, format_smolstr};
use thingway_sdk::Value;

use super::{Convention, Found, Incoming, Meaning, Taken};
use availability::SOURCES;
use config::{Announced, Config, DeviceConfig, ENTITIES_OF_DEVICE, IDENTIFIERS};
use device::{Device, Member, slug};
use entity::Entity;
use template::{Body, as_word};

const NAME: &str = "home-assistant";

/// Entities of one broker.
const ENTITIES: usize = 50_000;
/// Bytes of all announcements of one broker, with their topics.
const BYTES: usize = 32 << 20;

/// What was announced on one broker.
#[derive(Clone, Default)]
pub(in crate::mapping) struct HomeAssistant {
    /// By the first of their identifiers that was heard.
    devices: HashMap<SmolStr, Device>,
    /// Which device has an identifier.
    identifiers: HashMap<SmolStr, SmolStr>,
    /// Which device a thing's name belongs to.
    names: HashMap<SmolStr, SmolStr>,
    /// What was announced on a topic.
    announcements: HashMap<SmolStr, Announcement>,
    /// The entities that are read from a topic, or told something there.
    listeners: HashMap<SmolStr, BTreeSet<EntityKey>>,
    entities: usize,
    /// Of all announcements, with their topics.
    bytes: usize,
}

#[derive(Clone)]
struct Announcement {
    /// Of its payload: devices announce themselves again whenever Home Assistant starts.
    digest: u64,
    /// How many it has, with its topic.
    bytes: usize,
    entities: Vec<EntityKey>,
}

/// The key of an entity's device, and its own in there.
type EntityKey = (SmolStr, SmolStr);

/// What stands in a discovery topic.
#[derive(Clone, Copy)]
struct Topic<'a> {
    component: &'a str,
    node: Option<&'a str>,
    object: &'a str,
}

impl<'a> Topic<'a> {
    fn of(address: &'a str) -> Option<Self> {
        let path = address.strip_prefix("homeassistant/")?.strip_suffix("/config")?;
        let mut levels = path.split('/');
        let (component, one, other) = (levels.next()?, levels.next()?, levels.next());
        let (node, object) = other.map_or((None, one), |object| (Some(one), object));
        levels.next().is_none().then_some(Self { component, node, object })
    }
}

/// What a topic announces, understood.
struct Heard<'a> {
    /// Of the payload.
    digest: u64,
    /// How many it has, with its topic.
    bytes: usize,
    /// Each entity with its object id.
    entities: Vec<(SmolStr, Config, Entity)>,
    at: Topic<'a>,
}

impl Convention for HomeAssistant {
    fn name(&self) -> &'static str {
        NAME
    }

    fn concerns(&self, address: &str) -> bool {
        address == "homeassistant/status" || Topic::of(address).is_some()
    }

    fn take(&mut self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        if let Some(topic) = Topic::of(message.address) {
            return self.announced(topic, message, meaning);
        }
        if self.listeners.contains_key(message.address) {
            return self.heard(message, meaning);
        }
        match message.address {
            "homeassistant/status" => {
                Taken::Nothing("it says whether Home Assistant itself is running".into())
            }
            _ => Taken::NotMine,
        }
    }

    fn duplicate(&self) -> Box<dyn Convention> {
        Box::new(self.clone())
    }
}

impl HomeAssistant {
    fn announced(&mut self, at: Topic<'_>, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        let address = SmolStr::from(message.address);
        if message.payload.bytes.is_empty() {
            return match self.announcements.contains_key(&address) {
                true => self.replace(&address, None, meaning),
                false => Taken::Nothing("what it takes back was not announced".into()),
            };
        }
        let digest = digest(&message.payload.bytes);
        if self.announcements.get(&address).is_some_and(|before| before.digest == digest) {
            return Taken::Understood;
        }
        let bytes = address.len() + message.payload.bytes.len();
        let before = self.announcements.get(&address).map_or(0, |before| before.bytes);
        if self.bytes - before + bytes > BYTES {
            return Taken::Malformed(format!("all announcements have more than {BYTES} bytes"));
        }
        let is_device = at.component == "device" && at.node.is_none();
        let configs = match Announced::read(message, is_device) {
            Err(why) => return Taken::Malformed(why),
            Ok(Announced::Single(config)) => vec![(at.object.into(), config)],
            Ok(Announced::Device(configs)) => configs,
        };
        let mut left_out = Vec::new();
        let mut entities = Vec::new();
        for (object, config) in configs {
            let platform = config.text("platform");
            let component = if is_device { platform.as_deref() } else { Some(at.component) };
            match entity(component.unwrap_or_default(), &config) {
                Ok(entity) => entities.push((object, config, entity)),
                Err(why) => left_out.extend(why),
            }
        }
        let nothing = entities.is_empty();
        let taken = self.replace(&address, Some(Heard { digest, bytes, entities, at }), meaning);
        match left_out.into_iter().next() {
            Some(LeftOut::Unknown(why)) if nothing => Taken::Nothing(why.into()),
            Some(LeftOut::Wrong(why)) if nothing => Taken::Malformed(why),
            _ => taken,
        }
    }

    /// Puts what is announced on a topic in the place of what was.
    fn replace(
        &mut self,
        address: &SmolStr,
        announced: Option<Heard<'_>>,
        meaning: &mut Meaning,
    ) -> Taken {
        let mut touched = BTreeSet::new();
        let mut silent = Vec::new();
        let before = self.announcements.remove(address);
        self.bytes -= before.as_ref().map_or(0, |before| before.bytes);
        let before = before.map(|it| it.entities).unwrap_or_default();
        for key in &before {
            silent.extend(self.unlisten(key));
        }
        let mut now = Vec::new();
        let mut refused = None;
        if let Some(Heard { digest, bytes, entities, at }) = announced {
            for (object, config, entity) in entities {
                match self.put(address, at, &object, &config, entity, meaning) {
                    Ok(key) => now.push(key),
                    Err(why) => refused = Some(why),
                }
            }
            if !now.is_empty() {
                let announcement = Announcement { digest, bytes, entities: now.clone() };
                self.announcements.insert(address.clone(), announcement);
                self.bytes += bytes;
            }
        }
        for (device, entity) in before.into_iter().filter(|key| !now.contains(key)) {
            if let Some(device) = self.devices.get_mut(&device)
                && let Some(member) = device.entities.remove(&entity)
            {
                self.entities -= 1;
                member.actions.iter().for_each(|action| meaning.withdraw(&device.rule, action));
            }
            touched.insert(device);
        }
        touched.extend(now.into_iter().map(|(device, _)| device));
        for key in touched {
            self.settle(&key, meaning);
        }
        for topic in silent {
            if self.listeners.get(&topic).is_some_and(BTreeSet::is_empty) {
                self.listeners.remove(&topic);
                meaning.release(&topic);
            }
        }
        match refused {
            Some(why) if meaning.steps.is_empty() => Taken::Malformed(why),
            _ => Taken::Understood,
        }
    }

    /// Puts an entity into its device.
    fn put(
        &mut self,
        address: &SmolStr,
        at: Topic<'_>,
        object: &str,
        config: &Config,
        entity: Entity,
        meaning: &mut Meaning,
    ) -> Result<EntityKey, String> {
        let about = config.device()?.unwrap_or_else(|| DeviceConfig {
            identifiers: vec![address.clone()],
            name: entity.name.clone().or(Some(at.object.into())),
            serial: None,
        });
        let id = match at.component {
            "device" => format_smolstr!("{address}#{object}"),
            _ => address.clone(),
        };
        let known = about.identifiers.iter().find_map(|id| self.identifiers.get(id)).cloned();
        let device = known.as_ref().and_then(|key| self.devices.get(key));
        let is_new = device.is_none_or(|device| !device.entities.contains_key(&id));
        if is_new && device.is_some_and(|it| it.entities.len() >= ENTITIES_OF_DEVICE) {
            return Err(format!("a device has at most {ENTITIES_OF_DEVICE} entities"));
        }
        if is_new && self.entities >= ENTITIES {
            return Err(format!("there are more than {ENTITIES} entities"));
        }
        if device.is_some_and(|device| !device.has_room_for(&about)) {
            return Err(format!("a device has at most {IDENTIFIERS} identifiers"));
        }
        let key = self.device(known, &about).ok_or("the device has no identifier")?;
        let Some(device) = self.devices.get_mut(&key) else {
            return Err("the device is not known".to_owned());
        };
        self.entities += usize::from(is_new);
        device.learn(&about);
        device.put(id.clone(), object, entity, meaning);
        let entity = (key, id);
        for topic in device.entities.get(&entity.1).into_iter().flat_map(Member::topics) {
            let listeners = match self.listeners.entry(topic.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    meaning.claim(topic);
                    place.insert(BTreeSet::new())
                }
            };
            listeners.insert(entity.clone());
        }
        Ok(entity)
    }

    /// The key of the device that is known, or of a new one, and notes its identifiers.
    fn device(&mut self, known: Option<SmolStr>, about: &DeviceConfig) -> Option<SmolStr> {
        let key = known.or_else(|| about.identifiers.first().cloned())?;
        for id in &about.identifiers {
            self.identifiers.entry(id.clone()).or_insert_with(|| key.clone());
        }
        if !self.devices.contains_key(&key) {
            let own = slug(&key);
            let name = about.name.as_deref().map(slug).filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| own.clone());
            let thing = match self.names.contains_key(&name) {
                true => format_smolstr!("{name}_{own}"),
                false => name,
            };
            self.names.insert(thing.clone(), key.clone());
            self.devices.insert(key.clone(), Device::new(about.clone(), thing));
        }
        Some(key)
    }

    /// Forgets that an entity is read from its topics, and says which these are.
    fn unlisten(&mut self, key: &EntityKey) -> Vec<SmolStr> {
        let member = self.devices.get(&key.0).and_then(|device| device.entities.get(&key.1));
        let topics: Vec<_> = member.into_iter().flat_map(Member::topics).cloned().collect();
        for topic in &topics {
            if let Some(listeners) = self.listeners.get_mut(topic) {
                listeners.remove(key);
            }
        }
        topics
    }

    /// Tells what has become of a device; with its last entity it is gone.
    fn settle(&mut self, key: &SmolStr, meaning: &mut Meaning) {
        let Some(device) = self.devices.get_mut(key) else { return };
        if !device.entities.is_empty() {
            device.describe(meaning);
            return;
        }
        if let Some(device) = self.devices.remove(key) {
            meaning.gone(&device.rule);
            self.names.remove(&device.thing);
            for id in device.identifiers() {
                if self.identifiers.get(id) == Some(key) {
                    self.identifiers.remove(id);
                }
            }
        }
    }

    /// Reads a message for all the entities that are read from its topic.
    fn heard(&mut self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        let commands = |it: &Self, (key, id): &EntityKey| {
            let member = it.devices.get(key).and_then(|device| device.entities.get(id));
            member.is_some_and(|it| it.entity.commands.iter().any(|at| at == message.address))
        };
        let listeners = self.listeners.get(message.address);
        let is_command = listeners.into_iter().flatten().any(|key| commands(self, key));
        let command = || Taken::Nothing("a command to the device".into());
        let Some(text) = message.text() else {
            if is_command {
                return command();
            }
            return Taken::Malformed("entities are read from UTF-8 text, and this is none".into());
        };
        let body = Body::new(text);
        let mut heard: BTreeMap<&SmolStr, (Vec<Found>, Expiry, bool)> = BTreeMap::new();
        let mut problem = None;
        let (mut told, mut over) = (false, false);
        for (key, id) in self.listeners.get(message.address).into_iter().flatten() {
            let Some(device) = self.devices.get_mut(key) else { continue };
            let rule = device.rule.clone();
            let Some(member) = device.entities.get_mut(id) else { continue };
            let (found, expiry, is_reach_said) = heard.entry(key).or_default();
            *is_reach_said |= member.entity.availability.hear(message.address, &body);
            told |= *is_reach_said;
            for (facet, property) in member.entity.facets.iter().zip(&member.properties) {
                if facet.topic != message.address {
                    continue;
                }
                match facet.template.read(&body) {
                    Ok(Some(value)) => {
                        expiry.add(member.entity.expires);
                        found.push(Found::new(property.clone(), facet.settle(value)));
                    }
                    Ok(None) => {}
                    Err(why) => problem = Some(why),
                }
            }
            for (event, data) in member.occurred(message.address, &body) {
                if message.retained {
                    over = true;
                    continue;
                }
                told = true;
                meaning.occurred(&rule, &event, data, message.received);
            }
        }
        for (key, (found, expiry, is_reach_said)) in heard {
            let Some(device) = self.devices.get_mut(key) else { continue };
            if !found.is_empty() {
                told = true;
                meaning.found(&device.rule_for(expiry.0.flatten()), found);
            }
            if let Some(online) = device.reach(is_reach_said) {
                meaning.reach(&device.rule, online);
            }
        }
        match problem {
            _ if told => Taken::Understood,
            _ if is_command => command(),
            Some(why) => Taken::Malformed(why),
            None if over => Taken::Nothing("retained, so it is no new event".into()),
            None => Taken::Nothing("it has no value that an entity asks for".into()),
        }
    }
}

impl Member {
    /// The events that a message on this topic is.
    fn occurred(&self, topic: &str, body: &Body<'_>) -> Vec<(SmolStr, Value)> {
        let triggers = self.entity.events.iter().filter(|trigger| trigger.topic == topic);
        let occurred = triggers.filter_map(|trigger| {
            let value = trigger.template.read(body).ok()??;
            if trigger.payload.as_ref().is_some_and(|payload| *payload != as_word(&value)) {
                return None;
            }
            let event = trigger.event.as_deref().map_or_else(|| self.event.clone(), slug);
            Some((event, trigger.data.clone().unwrap_or(value)))
        });
        occurred.collect()
    }
}

/// How long what a message says of a device is good: as long as the last of it, and for ever where
/// that holds for any of it.
#[derive(Default)]
struct Expiry(Option<Option<NonZeroU32>>);

impl Expiry {
    fn add(&mut self, expires: Option<NonZeroU32>) {
        self.0 = Some(match self.0 {
            Some(before) => before.zip(expires).map(|(one, other)| one.max(other)),
            None => expires,
        });
    }
}

/// Why an entity is not there.
enum LeftOut {
    /// It is nothing for the gateway.
    Unknown(String),
    /// It could not be understood.
    Wrong(String),
}

/// The entity that is announced; `Err(None)` where it is taken back.
fn entity(component: &str, config: &Config) -> Result<Entity, Option<LeftOut>> {
    if config.is_empty() {
        return Err(None);
    }
    if config.boolean("enabled_by_default") == Some(false) {
        let why = "the entity is disabled by default".to_owned();
        return Err(Some(LeftOut::Unknown(why)));
    }
    if config.availability().len() > SOURCES {
        let why = format!("an entity has at most {SOURCES} topics for its availability");
        return Err(Some(LeftOut::Wrong(why)));
    }
    let Some(mut entity) = components::describe(component, config) else {
        let why = format!("entities of the component `{component}` are not mapped");
        return Err(Some(LeftOut::Unknown(why)));
    };
    if entity.facets.is_empty() && entity.actions.is_empty() && entity.events.is_empty() {
        let nothing = || format!("the `{component}` names no topic that it could be read from");
        let why = entity.problems.pop().unwrap_or_else(nothing);
        return Err(Some(LeftOut::Wrong(why)));
    }
    Ok(entity)
}

fn digest(payload: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    payload.hash(&mut hasher);
    hasher.finish()
}
