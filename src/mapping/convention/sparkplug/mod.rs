//! Sparkplug B 3.0 (<https://sparkplug.eclipse.org/specification/>): edge nodes on
//! `spBv1.0/<group>/<type>/<node>[/<device>]`, with payloads in protobuf.
//!
//! A node is a thing `<group>/<node>`, each of its devices one `<group>/<node>/<device>`. The
//! metrics of a birth are its properties, with `/` in their names as a dot; a metric in a template
//! stands below the template's name. Each is writable by `NCMD` or `DCMD`, unless it is a table, an
//! array or in a template, or has the property `readOnly`. `Node Control/Rebirth` and its like are
//! actions, `bdSeq` is nothing. A metric's time is its own; its unit is `engUnit`, its quality the
//! property `Quality`. Tables are arrays with an object for each row, times are RFC 3339.
//!
//! What is missed is asked for: data before a birth, an unknown alias or a gap in `seq` makes the
//! gateway ask the node for a rebirth, not more often than each ten seconds. The gateway is no
//! primary host: it publishes no `STATE` and tells no node to wait for it.

mod command;
mod datatype;
mod payload;
mod source;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use prost::Message;
use smol_str::{SmolStr, format_smolstr};
use thingway_sdk::{Timestamp, Value};

use super::{Convention, Incoming, Meaning, Taken};
pub(in crate::mapping) use command::MetricCommand;
use payload::{MetricValue, Payload};
use source::{Read, Source};

const NAME: &str = "sparkplug";

/// Nodes of one broker.
const NODES: usize = 10_000;
/// Devices of one node.
const DEVICES_OF_NODE: usize = 1_000;
/// Devices of one broker.
const DEVICES: usize = 20_000;
/// Metrics of one broker.
const METRICS: usize = 200_000;
/// How long a node has to be born again before it is asked once more.
const PATIENCE: Duration = Duration::from_secs(10);

/// The edge nodes of one broker.
#[derive(Clone, Default)]
pub(in crate::mapping) struct Sparkplug {
    /// By `group/node`.
    nodes: HashMap<SmolStr, Node>,
    room: Room,
}

/// What there may still be on a broker.
#[derive(Clone)]
struct Room {
    devices: usize,
    metrics: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { devices: DEVICES, metrics: METRICS }
    }
}

#[derive(Clone)]
struct Node {
    source: Source,
    devices: HashMap<SmolStr, Source>,
    /// The `seq` of its last message.
    seq: Option<u8>,
    /// The number of its session, which its death repeats.
    session: Option<u64>,
    /// When it was last asked for a rebirth.
    asked: Option<Timestamp>,
}

/// What stands in a topic.
#[derive(Clone, Copy)]
struct Topic<'a> {
    group: &'a str,
    kind: &'a str,
    node: &'a str,
    device: Option<&'a str>,
}

impl<'a> Topic<'a> {
    fn of(address: &'a str) -> Option<Self> {
        let mut levels = address.strip_prefix("spBv1.0/")?.split('/');
        let (group, kind, node) = (levels.next()?, levels.next()?, levels.next()?);
        let device = levels.next();
        let is_whole = levels.next().is_none() && !group.is_empty() && !node.is_empty();
        is_whole.then_some(Self { group, kind, node, device })
    }

    /// What the message tells: which kind, of a node or of a device.
    fn event(self) -> Option<(Event, Option<&'a str>)> {
        Some(match (self.kind, self.device) {
            ("NBIRTH", None) | ("DBIRTH", Some(_)) => (Event::Birth, self.device),
            ("NDATA", None) | ("DDATA", Some(_)) => (Event::Data, self.device),
            ("NDEATH", None) | ("DDEATH", Some(_)) => (Event::Death, self.device),
            ("NCMD", None) | ("DCMD", Some(_)) => (Event::Command, self.device),
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Event {
    Birth,
    Data,
    Death,
    Command,
}

impl Convention for Sparkplug {
    fn name(&self) -> &'static str {
        NAME
    }

    fn concerns(&self, address: &str) -> bool {
        address.starts_with("spBv1.0/")
    }

    fn take(&mut self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        if message.address.starts_with("spBv1.0/STATE/") {
            return Taken::Nothing("it says whether a host application is running".into());
        }
        let Some(topic) = Topic::of(message.address) else { return Taken::NotMine };
        let Some((event, device)) = topic.event() else { return Taken::NotMine };
        if event == Event::Command {
            return Taken::Nothing("a command of a host, for the node".into());
        }
        let payload = match Payload::decode(message.payload.bytes.clone()) {
            Ok(payload) => payload,
            Err(why) => return Taken::Malformed(format!("the payload is no Sparkplug B: {why}")),
        };
        let key = format_smolstr!("{}/{}", topic.group, topic.node);
        if !self.nodes.contains_key(&key) {
            if event == Event::Death {
                return Taken::Nothing("the death of a node that was not known".into());
            }
            if self.nodes.len() >= NODES {
                return Taken::Malformed(format!("there are more than {NODES} nodes"));
            }
        }
        let node = self.nodes.entry(key).or_insert_with_key(|key| {
            let commands = format_smolstr!("spBv1.0/{}/NCMD/{}", topic.group, topic.node);
            Node {
                source: Source::new(key, commands),
                devices: HashMap::new(),
                seq: None,
                session: None,
                asked: None,
            }
        });
        let room = &mut self.room;
        let (taken, is_missing) = match (event, device) {
            (Event::Birth, None) => node.born(payload, room, meaning),
            (Event::Death, None) => return node.died(&payload, meaning),
            (_, device) => node.told((topic, event, device), payload, room, meaning),
        };
        if is_missing && !message.retained {
            node.ask(message.received, meaning);
        }
        match taken {
            // Questions are steps, and only what was understood has any.
            Taken::Malformed(_) | Taken::Nothing(_) if !meaning.steps.is_empty() => {
                Taken::Understood
            }
            taken => taken,
        }
    }

    fn duplicate(&self) -> Box<dyn Convention> {
        Box::new(self.clone())
    }
}

impl Node {
    fn born(&mut self, payload: Payload, room: &mut Room, meaning: &mut Meaning) -> (Taken, bool) {
        let session = session(&payload);
        if self.session != session {
            self.lose_devices(meaning);
        }
        self.session = session;
        self.seq = payload.seq.and_then(|seq| u8::try_from(seq).ok());
        let read = self.source.born(payload, &mut room.metrics, meaning);
        (outcome(read), false)
    }

    fn died(&mut self, payload: &Payload, meaning: &mut Meaning) -> Taken {
        let session = session(payload);
        if session.is_some() && self.session.is_some() && session != self.session {
            return Taken::Nothing("the end of a session before the present one".into());
        }
        self.source.is_alive = false;
        self.seq = None;
        meaning.reach(&self.source.rule, false);
        self.lose_devices(meaning);
        Taken::Understood
    }

    fn lose_devices(&mut self, meaning: &mut Meaning) {
        for device in self.devices.values_mut().filter(|device| device.is_alive) {
            device.is_alive = false;
            meaning.reach(&device.rule, false);
        }
    }

    /// A message within a session; and whether something before it is missing.
    fn told(
        &mut self,
        (topic, event, device): (Topic<'_>, Event, Option<&str>),
        payload: Payload,
        room: &mut Room,
        meaning: &mut Meaning,
    ) -> (Taken, bool) {
        let is_missing = self.follow(payload.seq) || !self.source.is_alive;
        let source = match device {
            None => &mut self.source,
            Some(name) => {
                if !self.devices.contains_key(name) {
                    if event != Event::Birth {
                        return unborn(event, is_missing);
                    }
                    if self.devices.len() >= DEVICES_OF_NODE || room.devices == 0 {
                        let why = format!(
                            "a node has at most {DEVICES_OF_NODE} devices, and a broker {DEVICES}"
                        );
                        return (Taken::Malformed(why), false);
                    }
                    room.devices -= 1;
                }
                self.devices.entry(name.into()).or_insert_with(|| {
                    let Topic { group, node, .. } = topic;
                    let commands = format_smolstr!("spBv1.0/{group}/DCMD/{node}/{name}");
                    Source::new(&format!("{group}/{node}/{name}"), commands)
                })
            }
        };
        match event {
            Event::Birth => (outcome(source.born(payload, &mut room.metrics, meaning)), is_missing),
            _ if !source.is_alive => unborn(event, is_missing),
            Event::Death => {
                source.is_alive = false;
                meaning.reach(&source.rule, false);
                (Taken::Understood, is_missing)
            }
            _ => {
                let read = source.data(payload, meaning);
                let unknown = read.unknown;
                (outcome(read), is_missing || unknown)
            }
        }
    }

    /// Notes the `seq` of a message, and whether there is a gap before it.
    fn follow(&mut self, seq: Option<u64>) -> bool {
        let Some(seq) = seq.and_then(|seq| u8::try_from(seq).ok()) else { return false };
        let before = self.seq.replace(seq);
        before.is_some_and(|before| before.wrapping_add(1) != seq)
    }

    /// Asks the node to be born again, unless it was asked just before.
    fn ask(&mut self, now: Timestamp, meaning: &mut Meaning) {
        if self.asked.is_some_and(|asked| asked.until(now) < PATIENCE) {
            return;
        }
        let order = MetricCommand::rebirth();
        let Ok(bytes) = order.fill(&Value::Null) else { return };
        self.asked = Some(now);
        let payload = thingway_sdk::Payload { bytes: bytes.into(), content_type: None };
        meaning.ask(self.source.form(order), payload);
    }
}

/// What is said of a source whose birth is not known, and whether something is missing.
fn unborn(event: Event, is_missing: bool) -> (Taken, bool) {
    match event {
        Event::Death => (Taken::Nothing("it was not alive before".into()), is_missing),
        _ => {
            let why = "its birth is not known yet; the node was asked to be born again";
            (Taken::Nothing(why.into()), true)
        }
    }
}

fn outcome(read: Read) -> Taken {
    match read.problem {
        Some(why) => Taken::Malformed(why),
        None if read.unknown => Taken::Nothing("a metric that no birth told of".into()),
        None => Taken::Understood,
    }
}

/// `bdSeq`: the number of a node's session.
fn session(payload: &Payload) -> Option<u64> {
    let metric = payload.metrics.iter().find(|metric| metric.name.as_deref() == Some("bdSeq"))?;
    match metric.value {
        Some(MetricValue::Long(number)) => Some(number),
        Some(MetricValue::Int(number)) => Some(number.into()),
        _ => None,
    }
}
