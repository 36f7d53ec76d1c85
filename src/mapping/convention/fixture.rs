//! Plays the messages of a file in `tests/fixtures` to a convention and compares what they mean
//! with the file beside it. `UPDATE_FIXTURES=1` writes that file anew.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use serde::Deserialize;
use thingway_sdk::{Payload, Timestamp, Value};

use super::{Convention, Incoming, Meaning, Step, Taken};
use crate::mapping::{PropertyRule, RuleConfig};

/// When the first message is received; each further one a second later.
const BEGIN: i64 = 1_767_607_200_000_000;

#[derive(Deserialize)]
struct Message {
    topic: String,
    /// A text as it is, everything else as JSON.
    payload: serde_json::Value,
    #[serde(default)]
    retain: bool,
}

/// Plays `tests/fixtures/<name>.json` and compares with `tests/fixtures/<name>.meaning.txt`.
pub(super) fn play(convention: &mut dyn Convention, name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let messages = fs::read(folder.join(format!("{name}.json"))).unwrap();
    let messages: Vec<Message> = serde_json::from_slice(&messages).unwrap();
    let mut told = Told::default();
    for (second, message) in messages.iter().enumerate() {
        let payload = match &message.payload {
            serde_json::Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        let received = BEGIN + 1_000_000 * i64::try_from(second).unwrap();
        let (taken, meaning) = take(convention, &message.topic, &payload, message.retain, received);
        told.message(&message.topic, &taken, &meaning);
    }
    let file = folder.join(format!("{name}.meaning.txt"));
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs::write(&file, &told.text).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert!(told.text == expected, "not as in {}:\n{}", file.display(), told.text);
}

/// What one message means.
pub(super) fn take(
    convention: &mut dyn Convention,
    topic: &str,
    payload: &str,
    retained: bool,
    received: i64,
) -> (Taken, Meaning) {
    let payload = Payload { bytes: Bytes::copy_from_slice(payload.as_bytes()), content_type: None };
    let received = Timestamp::from_micros(received);
    let message = Incoming { address: topic, payload: &payload, received, replayed: retained };
    let mut meaning = Meaning::default();
    (convention.take(&message, &mut meaning), meaning)
}

/// Meanings as text.
#[derive(Default)]
struct Told {
    text: String,
    /// What was told of each property of each thing.
    known: HashMap<String, String>,
}

impl Told {
    fn message(&mut self, topic: &str, taken: &Taken, meaning: &Meaning) {
        writeln!(self.text, "{topic}: {taken:?}").unwrap();
        for step in &meaning.steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &Step) {
        let line = match step {
            Step::Route(address, rule) => {
                let thing = self.thing(rule);
                format!("route {address} to {thing}")
            }
            Step::Claim(address) => format!("claim {address}"),
            Step::Release(address) => format!("release {address}"),
            Step::Found(rule, found) => {
                let thing = self.thing(rule);
                let values = found.iter().map(|it| {
                    let time = it.time.map(|time| format!(" at {time}")).unwrap_or_default();
                    format!("\n    {} = {}{time}", it.property, it.value.to_json())
                });
                format!("found of {thing}{}", values.collect::<String>())
            }
            Step::Occurred(rule, event, data, time) => {
                format!("event {event} of {} {} at {time}", self.thing(rule), data.to_json())
            }
            Step::Offered(rule, action) => {
                let sent = action.payload.as_ref().map(|it| it.fill(&Value::Text("?".into())));
                let sent = String::from_utf8(sent.unwrap_or_default()).unwrap();
                let thing = self.thing(rule);
                format!("offer {} of {thing} -> {} {sent}", action.name, action.form.address)
            }
            Step::Withdrawn(rule, action) => format!("withdraw {action} of {}", self.thing(rule)),
            Step::Online(rule) => format!("online {}", self.thing(rule)),
            Step::Offline(rule) => format!("offline {}", self.thing(rule)),
            Step::Gone(rule) => {
                let thing = self.thing(rule);
                self.known.retain(|key, _| !key.starts_with(&format!("{thing} ")));
                format!("gone {thing}")
            }
            Step::Asked(form, payload) => {
                format!("ask {} {}", form.address, String::from_utf8_lossy(&payload.bytes))
            }
        };
        writeln!(self.text, "  {line}").unwrap();
    }

    /// The thing of a rule; what the rule says and was not told before is told now.
    fn thing(&mut self, rule: &RuleConfig) -> String {
        let convention = rule.convention.as_ref().unwrap();
        let thing = convention.thing.to_string();
        let head = format!(
            "thing {thing} title={:?} id={:?}",
            rule.title.as_deref().unwrap_or_default(),
            convention.device_id.as_deref().unwrap_or_default()
        );
        self.once(format!("{thing} "), &head);
        for (name, property) in &rule.properties {
            self.once(format!("{thing} {name}"), &format!("property {name}{}", said(property)));
        }
        thing
    }

    fn once(&mut self, key: String, line: &str) {
        if self.known.get(&key).is_none_or(|known| known != line) {
            writeln!(self.text, "  | {line}").unwrap();
            self.known.insert(key, line.to_owned());
        }
    }
}

fn said(property: &PropertyRule) -> String {
    let PropertyRule { title, data_type, unit, minimum, maximum, allowed, on, off, .. } = property;
    let mut said = String::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            write!(said, " {name}={value}").unwrap();
        }
    };
    add("title", title.as_ref().map(|it| format!("{it:?}")));
    add("type", data_type.clone());
    add("unit", unit.clone());
    add("min", minimum.map(|it| it.to_string()));
    add("max", maximum.map(|it| it.to_string()));
    add("step", property.multiple_of.map(|it| it.to_string()));
    add("enum", allowed.as_ref().map(|it| serde_json::Value::from(it.clone()).to_string()));
    add("on", on.as_ref().map(ToString::to_string));
    add("off", off.as_ref().map(ToString::to_string));
    add("event", property.event.then(|| "true".to_owned()));
    let write = property.write.as_ref().map(|write| {
        let target = write.target(&Vec::new());
        let sent = write.payload.fill(&Value::Text("?".into()));
        format!("{} {}", target.form.address, String::from_utf8(sent).unwrap())
    });
    add("write", write);
    said
}
