//! Plays the message sequences in `tests/fixtures` to a convention, and compares what they mean with
//! what the file says.
//!
//! A file has `messages` (`topic`, `payload` as text or JSON, or `payload_base64`, `retain`) and
//! `things`: what is known in the end, by what the thing is named after. With
//! `UPDATE_FIXTURES=1` the things are written instead; read the difference before you keep it.

#![allow(clippy::unwrap_used, reason = "a fixture that can't be read fails its test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use thingway_sdk::{Payload, Timestamp, Value};

use super::leaves::leaves;
use super::{Action, Convention, Found, Incoming, Meaning, Step, Taken};
use crate::mapping::{PayloadTemplate, PropertyRule, RuleConfig};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    about: String,
    messages: Vec<Message>,
    #[serde(default)]
    things: Json,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Message {
    topic: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    retain: bool,
}

impl Message {
    fn bytes(&self) -> Vec<u8> {
        match (&self.payload, &self.payload_base64) {
            (Some(Json::String(text)), _) => text.clone().into_bytes(),
            (Some(json), _) => json.to_string().into_bytes(),
            (None, Some(base64)) => STANDARD.decode(base64).unwrap(),
            (None, None) => Vec::new(),
        }
    }
}

/// One convention, with what came of its messages.
pub(super) struct Stage {
    convention: Box<dyn Convention>,
    claimed: BTreeSet<String>,
    routed: BTreeMap<String, Arc<RuleConfig>>,
    /// What nobody understood so far, by topic: shown when the topic is claimed.
    raw: BTreeMap<String, Vec<u8>>,
    pub(super) things: BTreeMap<String, Map<String, Json>>,
    pub(super) asked: Vec<(String, String)>,
    now: Timestamp,
}

impl Stage {
    pub(super) fn new(convention: impl Convention + 'static) -> Self {
        Self {
            convention: Box::new(convention),
            claimed: BTreeSet::new(),
            routed: BTreeMap::new(),
            raw: BTreeMap::new(),
            things: BTreeMap::new(),
            asked: Vec::new(),
            now: Timestamp::parse("2026-01-05T12:00:00Z").unwrap(),
        }
    }

    /// A message that is published now.
    pub(super) fn publish(&mut self, topic: &str, payload: &str) -> Taken {
        self.play(topic, payload.as_bytes(), None, false)
    }

    /// A message that the broker retained.
    pub(super) fn retained(&mut self, topic: &str, payload: &str) -> Taken {
        self.play(topic, payload.as_bytes(), None, true)
    }

    pub(super) fn play(
        &mut self,
        topic: &str,
        bytes: &[u8],
        content_type: Option<&str>,
        retained: bool,
    ) -> Taken {
        self.now = self.now.plus(Duration::from_secs(1));
        if let Some(rule) = self.routed.get(topic).cloned() {
            self.arrived(&rule, bytes);
            return Taken::Understood;
        }
        if !self.convention.concerns(topic) && !self.claimed.contains(topic) {
            self.raw.insert(topic.to_owned(), bytes.to_vec());
            return Taken::NotMine;
        }
        let payload =
            Payload { bytes: bytes.to_vec().into(), content_type: content_type.map(Into::into) };
        let message = Incoming { address: topic, payload: &payload, received: self.now, retained };
        let mut meaning = Meaning::default();
        let taken = self.convention.take(&message, &mut meaning);
        for step in meaning.steps {
            self.apply(step);
        }
        taken
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Claim(address) => {
                let address = address.as_str();
                self.claimed.insert(address.to_owned());
                if let Some(bytes) = self.raw.remove(address) {
                    self.play(address, &bytes, None, true);
                }
            }
            Step::Release(address) => {
                self.claimed.remove(address.as_str());
                self.routed.remove(address.as_str());
            }
            Step::Route(address, rule) => {
                if let Some(bytes) = self.raw.remove(address.as_str()) {
                    self.arrived(&rule, &bytes);
                }
                self.thing(&rule);
                self.routed.insert(address.as_str().to_owned(), rule);
            }
            Step::Found(rule, found) => self.found(&rule, found),
            Step::Occurred(rule, name, data, time) => {
                let event = json!({ "event": name, "data": json(&data), "time": time });
                let events = self.thing(&rule).entry("occurred").or_insert_with(|| json!([]));
                events.as_array_mut().unwrap().push(event);
            }
            Step::Offered(rule, action) => {
                let Action { name, title, form, payload } = action;
                let shown = json!({
                    "title": title,
                    "topic": form.address.as_str(),
                    "payload": payload.and_then(|payload| {
                        text(&payload, &Value::Json(r#"{"input":1}"#.into()))
                    }),
                });
                let actions = self.thing(&rule).entry("actions").or_insert_with(|| json!({}));
                actions[name.as_str()] = shown;
            }
            Step::Withdrawn(rule, action) => {
                let actions = self.thing(&rule).get_mut("actions").unwrap();
                actions.as_object_mut().unwrap().remove(action.as_str()).unwrap();
            }
            Step::Dropped(rule, names) => {
                let dropped = self.thing(&rule).entry("dropped").or_insert_with(|| json!([]));
                let names = names.iter().map(|name| json!(name));
                dropped.as_array_mut().unwrap().extend(names);
            }
            Step::Online(rule) => drop(self.thing(&rule).insert("online".into(), json!(true))),
            Step::Offline(rule) => drop(self.thing(&rule).insert("online".into(), json!(false))),
            Step::Gone(rule) => {
                self.things.remove(rule.convention.as_ref().unwrap().thing.as_str());
            }
            Step::Asked(form, payload) => {
                let text = String::from_utf8_lossy(&payload.bytes).into_owned();
                self.asked.push((form.address.to_string(), text));
            }
        }
    }

    /// An object at an address that is mapped by a rule.
    fn arrived(&mut self, rule: &RuleConfig, bytes: &[u8]) {
        let leaves = leaves(&bytes.to_vec().into()).unwrap_or_default();
        let found = leaves.into_iter().map(|(name, value)| Found::new(name, value));
        self.found(rule, found.collect());
    }

    fn found(&mut self, rule: &RuleConfig, found: Vec<Found>) {
        let thing = self.thing(rule);
        let properties = thing.entry("properties").or_insert_with(|| json!({}));
        for Found { property, value, time, is_bad } in found {
            let mut shown = rule
                .properties
                .get(property.as_str())
                .map(|rule| of_rule(rule))
                .unwrap_or_default();
            shown.insert("value".into(), json(&value));
            shown.extend(time.map(|time| ("time".to_owned(), json!(time))));
            shown.extend(is_bad.then(|| ("is_bad".to_owned(), json!(true))));
            properties[property.as_str()] = Json::Object(shown);
        }
    }

    fn thing(&mut self, rule: &RuleConfig) -> &mut Map<String, Json> {
        let convention = rule.convention.as_ref().unwrap();
        let thing = self.things.entry(convention.thing.to_string()).or_default();
        let known = [
            ("title", json!(rule.title)),
            ("description", json!(rule.description)),
            ("device_id", json!(convention.device_id)),
        ];
        let known = known.into_iter().filter(|(_, value)| !value.is_null());
        thing.extend(known.map(|(name, value)| (name.to_owned(), value)));
        thing
    }

    /// The value of a property, as JSON text.
    pub(super) fn value(&self, thing: &str, property: &str) -> String {
        self.things
            .get(thing)
            .and_then(|thing| Some(thing.get("properties")?[property].get("value")?.to_string()))
            .unwrap_or_default()
    }
}

fn json(value: &Value) -> Json {
    serde_json::from_str(&value.to_json()).unwrap()
}

/// What a payload says of a value, where it is text: what is not may have the time in it.
fn text(payload: &PayloadTemplate, value: &Value) -> Option<String> {
    let text = String::from_utf8(payload.fill(value).ok()?).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}

fn of_rule(rule: &PropertyRule) -> Map<String, Json> {
    let write = rule.write.as_ref().map(|write| {
        let topic = write.topic.fill(&Vec::new());
        match text(&write.payload, &Value::Text("…".into())).as_deref() {
            None | Some("" | "…") => topic,
            Some(payload) => format!("{topic} {payload}"),
        }
    });
    let members = [
        ("title", json!(rule.title)),
        ("description", json!(rule.description)),
        ("type", json!(rule.data_type)),
        ("unit", json!(rule.unit)),
        ("minimum", json!(rule.minimum)),
        ("maximum", json!(rule.maximum)),
        ("step", json!(rule.multiple_of)),
        ("enum", json!(rule.allowed)),
        ("on", json!(rule.on)),
        ("off", json!(rule.off)),
        ("event", json!(rule.event.then_some(true))),
        ("write", json!(write)),
    ];
    let said = members.into_iter().filter(|(_, value)| !value.is_null());
    said.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Plays each fixture of a folder to a convention of its own.
pub(super) fn check<C: Convention + Default + 'static>(folder: &str) {
    for (path, mut fixture) in fixtures(folder) {
        let mut stage = Stage::new(C::default());
        for message in &fixture.messages {
            let content_type = message.content_type.as_deref();
            stage.play(&message.topic, &message.bytes(), content_type, message.retain);
        }
        let things = serde_json::to_value(&stage.things).unwrap();
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            fixture.things = things;
            fs::write(&path, serde_json::to_string_pretty(&fixture).unwrap() + "\n").unwrap();
            continue;
        }
        let shown = serde_json::to_string_pretty(&things).unwrap();
        assert_eq!(things, fixture.things, "{}: {shown}", path.display());
    }
}

fn fixtures(folder: &str) -> Vec<(PathBuf, Fixture)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, serde_json::from_str(&text).unwrap())
    };
    paths.into_iter().map(read).collect()
}

/// Shows a convention the messages of its fixtures in any order, with any bytes in them changed,
/// also at each other's topics: none makes it panic.
pub(super) fn survive<C: Convention + Default + 'static>(folder: &str) {
    let messages: Vec<(String, Vec<u8>)> = fixtures(folder)
        .into_iter()
        .flat_map(|(_, fixture)| fixture.messages)
        .map(|message| (message.topic.clone(), message.bytes()))
        .collect();
    let which = 0..messages.len();
    let change = (any::<prop::sample::Index>(), any::<u8>());
    let one = (which.clone(), which, prop::collection::vec(change, 0..3), any::<bool>());
    proptest!(|(sequence in prop::collection::vec(one, 1..40))| {
        let mut stage = Stage::new(C::default());
        for (topic, payload, changes, retained) in sequence {
            let mut bytes = messages[payload].1.clone();
            for (at, byte) in changes {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            stage.play(&messages[topic].0, &bytes, None, retained);
        }
    });
}
