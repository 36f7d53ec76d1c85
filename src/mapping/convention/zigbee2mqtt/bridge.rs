//! One bridge: the devices and groups below one base topic.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde_json::value::RawValue;
use smol_str::SmolStr;
use thingway_sdk::Value;

use super::NAME;
use super::exposes::{Described, Shared};
use super::listed::{Group, Listed};
use crate::mapping::convention::{Action, Found, Meaning, Taken, no_longer};
use crate::mapping::{PropertyRule, RuleConfig, WriteRule};

/// Devices and groups of one bridge beyond this are left to be mapped as they come.
const MOST_MEMBERS: usize = 10_000;
/// Bytes of announcements of one bridge of which the descriptions are kept.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// The longest topic of a device, in bytes.
pub(super) const LONGEST_TOPIC: usize = 400;

/// What the devices of a group take together.
const SHARED: [&str; 10] = [
    "state",
    "brightness",
    "color_temp",
    "color_mode",
    "color.x",
    "color.y",
    "color.hue",
    "color.saturation",
    "position",
    "tilt",
];
const SHARED_ACTIONS: [&str; 2] = ["toggle", "set_color"];

#[derive(Clone)]
pub(super) struct Bridge {
    base: SmolStr,
    /// The bridge as a thing of its own.
    pub(super) rule: Arc<RuleConfig>,
    /// By their friendly names.
    members: BTreeMap<SmolStr, Member>,
    shared: Shared,
    /// Bytes of their announcements.
    bytes: usize,
    is_offline: bool,
}

/// A device or a group.
#[derive(Clone)]
struct Member {
    identity: SmolStr,
    group: Option<Group>,
    digest: u64,
    bytes: usize,
    rule: Arc<RuleConfig>,
    actions: Vec<Action>,
    /// What its availability topic said last.
    is_unavailable: bool,
}

/// Availability of devices that were not announced yet: topics of devices, and whether the device
/// is online.
pub(super) type Waiting = HashMap<SmolStr, bool>;

impl Bridge {
    pub(super) fn at(base: &str) -> Self {
        let mut rule = RuleConfig::by_convention(NAME, format!("{base}/bridge"));
        rule.title = Some("Zigbee2MQTT".into());
        let state = PropertyRule {
            title: Some("State of the bridge".into()),
            data_type: Some("string".into()),
            ..PropertyRule::default()
        };
        rule.properties.insert("state".into(), Arc::new(state));
        Self {
            base: base.into(),
            rule: Arc::new(rule),
            members: BTreeMap::new(),
            shared: Shared::default(),
            bytes: 0,
            is_offline: false,
        }
    }

    /// The list of all devices.
    pub(super) fn devices(
        &mut self,
        list: &[&RawValue],
        waiting: &mut Waiting,
        meaning: &mut Meaning,
    ) -> Taken {
        let mut refused = Refused::default();
        let list = refused.readable(list, Listed::device);
        let changed = self.settle(list, false, &mut refused, waiting, meaning);
        self.regroup(&changed, meaning);
        self.shared.tidy();
        refused.taken()
    }

    /// The list of all groups.
    pub(super) fn groups(
        &mut self,
        list: &[&RawValue],
        waiting: &mut Waiting,
        meaning: &mut Meaning,
    ) -> Taken {
        let mut refused = Refused::default();
        let list = refused.readable(list, Listed::group);
        self.settle(list, true, &mut refused, waiting, meaning);
        refused.taken()
    }

    /// The bridge itself is there, or not: then it reaches none of its devices. What was said
    /// before a link was lost is forgotten, so a state that is `retained` is told again.
    pub(super) fn state(&mut self, is_online: bool, retained: bool, meaning: &mut Meaning) {
        let word = if is_online { "online" } else { "offline" };
        meaning.found(&self.rule, vec![Found::new("state", Value::Text(word.into()))]);
        let is_offline = !is_online;
        if self.is_offline == is_offline && !retained {
            return;
        }
        self.is_offline = is_offline;
        for member in self.members.values() {
            meaning.reach(&member.rule, !is_offline && !member.is_unavailable);
        }
    }

    /// Whether a topic is that of a device or group.
    pub(super) fn has(&self, topic: &str) -> bool {
        self.name_in(topic).is_some_and(|name| self.members.contains_key(name))
    }

    /// What the availability of a device says; `None` where there is no such device.
    pub(super) fn available(
        &mut self,
        topic: &str,
        is_online: bool,
        meaning: &mut Meaning,
    ) -> Option<Taken> {
        let name = self.name_in(topic)?;
        let member = self.members.get_mut(name)?;
        member.is_unavailable = !is_online;
        meaning.reach(&member.rule, is_online && !self.is_offline);
        Some(Taken::Understood)
    }

    /// A device has left the network.
    pub(super) fn left(&mut self, ieee_address: &str, meaning: &mut Meaning) -> bool {
        let is_it = |(_, member): &(&SmolStr, &Member)| member.identity == ieee_address;
        let Some(name) = self.members.iter().find(is_it).map(|(name, _)| name.clone()) else {
            return false;
        };
        self.remove(&name, meaning);
        self.regroup(&HashSet::from([ieee_address.into()]), meaning);
        true
    }

    pub(super) fn is_below(&self, topic: &str) -> bool {
        self.name_in(topic).is_some()
    }

    fn name_in<'t>(&self, topic: &'t str) -> Option<&'t str> {
        topic.strip_prefix(self.base.as_str())?.strip_prefix('/')
    }

    fn topic(&self, name: &str) -> String {
        format!("{}/{name}", self.base)
    }

    /// Makes the devices, or the groups, those of the list. The identities of all that changed.
    fn settle(
        &mut self,
        list: Vec<Listed<'_>>,
        are_groups: bool,
        refused: &mut Refused,
        waiting: &mut Waiting,
        meaning: &mut Meaning,
    ) -> HashSet<SmolStr> {
        let names: HashMap<_, _> =
            list.iter().map(|listed| (listed.identity.clone(), listed.name.clone())).collect();
        let is_gone = |(name, member): &(&SmolStr, &Member)| {
            member.group.is_some() == are_groups && names.get(&member.identity) != Some(*name)
        };
        let gone: Vec<_> =
            self.members.iter().filter(is_gone).map(|(name, _)| name.clone()).collect();
        // Before any is added: two devices may have swapped their names.
        let mut changed: HashSet<_> =
            gone.iter().filter_map(|name| self.remove(name, meaning)).collect();
        for listed in list {
            if names.get(&listed.identity) != Some(&listed.name) {
                refused.note(format_args!("`{}` is listed under two names", listed.identity));
                continue;
            }
            let identity = listed.identity.clone();
            match self.put(listed, waiting, meaning) {
                Ok(true) => drop(changed.insert(identity)),
                Ok(false) => {}
                Err(reason) => refused.note(reason),
            }
        }
        changed
    }

    /// Takes in an entry of a list; false when it says nothing new.
    fn put(
        &mut self,
        listed: Listed<'_>,
        waiting: &mut Waiting,
        meaning: &mut Meaning,
    ) -> Result<bool, String> {
        let digest = listed.digest();
        let known = self.members.get(&listed.name);
        if let Some(known) = known {
            if known.identity != listed.identity {
                return Err(format!("the name `{}` is given twice", listed.name));
            }
            if known.digest == digest {
                return Ok(false);
            }
        }
        let total = self.bytes + listed.bytes() - known.map_or(0, |known| known.bytes);
        if total > MOST_BYTES || (known.is_none() && self.members.len() >= MOST_MEMBERS) {
            return Err(format!(
                "`{}` is one device too many: its messages are mapped as they come",
                listed.name
            ));
        }
        let topic = self.topic(&listed.name);
        if !is_usable(&listed.name, &topic) {
            return Err(format!("`{}` can't be part of a topic", listed.name.escape_debug()));
        }
        let described = match &listed.group {
            Some(group) => self.describe_group(group, &topic),
            None => listed.describe(&topic, &mut self.shared),
        };
        let mut rule = RuleConfig::by_convention(NAME, topic.as_str());
        rule.title = Some(listed.name.to_string());
        rule.description = described.description;
        rule.properties = described.properties;
        if let (Some(convention), None) = (&mut rule.convention, &listed.group) {
            convention.device_id = Some(listed.identity.clone());
        }
        let is_online = waiting.remove(topic.as_str());
        let bytes = listed.bytes();
        let member = Member {
            identity: listed.identity,
            group: listed.group,
            digest,
            bytes,
            rule: Arc::new(rule),
            actions: described.actions,
            is_unavailable: is_online.map_or_else(
                || known.is_some_and(|known| known.is_unavailable),
                |is_online| !is_online,
            ),
        };
        self.bytes = total;
        self.announce(listed.name, member, meaning);
        Ok(true)
    }

    fn announce(&mut self, name: SmolStr, member: Member, meaning: &mut Meaning) {
        let topic = self.topic(&name);
        let rule = &member.rule;
        let is_offered = |action: &Action| member.actions.iter().any(|new| new.name == action.name);
        if let Some(before) = self.members.get(&name) {
            meaning.dropped(rule, no_longer(&before.rule, rule));
            for action in before.actions.iter().filter(|action| !is_offered(action)) {
                meaning.withdraw(rule, &action.name);
            }
        }
        meaning.route(&topic, rule);
        meaning.claim(&format!("{topic}/availability"));
        for action in &member.actions {
            meaning.offer(rule, action.clone());
        }
        if self.is_offline || member.is_unavailable {
            meaning.reach(rule, false);
        }
        self.members.insert(name, member);
    }

    /// Forgets a device or group: what it was.
    fn remove(&mut self, name: &str, meaning: &mut Meaning) -> Option<SmolStr> {
        let member = self.members.remove(name)?;
        self.bytes -= member.bytes;
        let topic = self.topic(name);
        meaning.release(&topic);
        meaning.release(&format!("{topic}/availability"));
        meaning.gone(&member.rule);
        Some(member.identity)
    }

    /// Describes the groups anew to which a device belongs that has changed.
    fn regroup(&mut self, changed: &HashSet<SmolStr>, meaning: &mut Meaning) {
        let is_concerned = |group: &Group| group.members.iter().any(|one| changed.contains(one));
        let concerned: Vec<_> = self
            .members
            .iter()
            .filter(|(_, member)| member.group.as_ref().is_some_and(is_concerned))
            .map(|(name, member)| (name.clone(), member.clone()))
            .collect();
        for (name, mut member) in concerned {
            let Some(group) = &member.group else { continue };
            let described = self.describe_group(group, &self.topic(&name));
            let mut rule = RuleConfig::clone(&member.rule);
            rule.properties = described.properties;
            member.rule = Arc::new(rule);
            member.actions = described.actions;
            self.announce(name, member, meaning);
        }
    }

    /// A group has what any of its devices has, as far as devices take it together.
    fn describe_group(&self, group: &Group, topic: &str) -> Described {
        let mut described = Described::default();
        let set = format!("{topic}/set");
        let by_identity: HashMap<_, _> =
            self.members.values().map(|member| (&member.identity, member)).collect();
        for member in group.members.iter().filter_map(|one| by_identity.get(one)) {
            for name in SHARED {
                let Some(property) = member.rule.properties.get(name) else { continue };
                let write = property.write.as_ref();
                let of_group = || {
                    Arc::new(PropertyRule {
                        write: write.map(|write| WriteRule::to(&set, write.payload.clone())),
                        ..PropertyRule::clone(property)
                    })
                };
                described.properties.entry(name.to_owned()).or_insert_with(of_group);
            }
            let is_shared = |action: &&Action| SHARED_ACTIONS.contains(&action.name.as_str());
            for action in member.actions.iter().filter(is_shared) {
                described.share(action, &set);
            }
        }
        if !group.scenes.is_empty() {
            let payload = r#"{"scene_recall":{value}}"#.to_owned();
            described.act("scene_recall", "Recall a scene by its number", &set, payload);
        }
        described
    }
}

/// Whether a name can stand in a topic, and what is named after it in a form.
fn is_usable(name: &str, topic: &str) -> bool {
    let is_odd = |c: char| c.is_control() || matches!(c, '+' | '#');
    !name.is_empty() && !name.contains(is_odd) && topic.len() <= LONGEST_TOPIC
}

/// The entries of a list that could not be taken in.
#[derive(Default)]
struct Refused {
    count: usize,
    first: String,
}

impl Refused {
    fn readable<'a>(
        &mut self,
        list: &[&'a RawValue],
        read: impl Fn(&'a RawValue) -> Result<Option<Listed<'a>>, serde_json::Error>,
    ) -> Vec<Listed<'a>> {
        let mut readable = Vec::with_capacity(list.len());
        for entry in list {
            match read(entry) {
                Ok(listed) => readable.extend(listed),
                Err(error) => self.note(error),
            }
        }
        readable
    }

    fn note(&mut self, reason: impl ToString) {
        if self.count == 0 {
            self.first = reason.to_string();
        }
        self.count += 1;
    }

    fn taken(self) -> Taken {
        match self.count {
            0 => Taken::Understood,
            count => Taken::Malformed(format!(
                "{count} entries of the list were left out: {}",
                self.first
            )),
        }
    }
}
