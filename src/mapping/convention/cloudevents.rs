//! CloudEvents 1.0 in structured mode, in JSON
//! (<https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/mqtt-protocol-binding.md>):
//! messages of the content type `application/cloudevents+json`, and JSON objects with the
//! attributes `specversion`, `id`, `source` and `type`, on any topic.
//!
//! The thing is named after `source` (`/plant/press` or `https://plant.example/press`, without its
//! scheme), and `subject` below it. A message is two things at once: an event that is called after
//! its `type`, with its data, and, where the data is a JSON object, news of the state of the thing,
//! so that its leaves are properties. Who watches for occurrences finds each of them, and who asks
//! for a value finds the newest. An event that comes again (same `source` and `id`) is no event.
//!
//! Left out: binary mode, because the MQTT adapter hands out no user properties; batches; the
//! attributes of extensions.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;
use smol_str::{SmolStr, format_smolstr};
use thingway_sdk::{Timestamp, Value, codec};

use super::{Convention, Incoming, Meaning, Taken, leaves};
use crate::mapping::RuleConfig;

const NAME: &str = "cloudevents";

/// Things of one adapter whose rules are kept; another takes the place of the oldest.
const MOST_RULES: usize = 10_000;
/// Events that are remembered, to know them again.
const REMEMBERED: usize = 4096;

/// Events in envelopes.
#[derive(Debug, Clone)]
pub(in crate::mapping) struct CloudEvents {
    /// Finds the attribute that no envelope is without.
    version: Finder<'static>,
    rules: Rules,
    recent: Recent,
}

/// The rules of the newest things. They say no more than the name, so one that is wanted again is
/// made again.
#[derive(Debug, Clone, Default)]
struct Rules {
    order: VecDeque<SmolStr>,
    by_thing: HashMap<SmolStr, Arc<RuleConfig>>,
}

/// The newest events, by the hash of what tells them from others.
#[derive(Debug, Clone, Default)]
struct Recent {
    order: VecDeque<u64>,
    known: HashSet<u64>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: Option<String>,
    time: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    data_base64: Option<String>,
}

impl Default for CloudEvents {
    fn default() -> Self {
        let version = Finder::new(b"\"specversion\"");
        Self { version, rules: Rules::default(), recent: Recent::default() }
    }
}

impl Convention for CloudEvents {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Envelopes may come on any topic.
    fn concerns(&self, _address: &str) -> bool {
        true
    }

    fn take(&mut self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        let bytes = &message.payload.bytes;
        let is_declared = is_declared(message.payload.content_type.as_deref());
        // Two looks that cost little, because this is asked of the messages of all topics.
        let may_be = || bytes.starts_with(b"{") && self.version.find(bytes).is_some();
        if !is_declared && !may_be() {
            return Taken::NotMine;
        }
        match serde_json::from_slice::<Envelope<'_>>(bytes) {
            Ok(envelope) if !envelope.is_known() => Taken::Malformed(format!(
                "version {:?} of CloudEvents is not known; send 1.0",
                envelope.specversion.chars().take(40).collect::<String>()
            )),
            Ok(envelope) => {
                let taken = self.take_event(&envelope, message, meaning);
                taken.unwrap_or_else(Taken::Malformed)
            }
            Err(error) if is_declared => {
                Taken::Malformed(format!("declared as a CloudEvent, but it is none: {error}"))
            }
            Err(_) => Taken::NotMine,
        }
    }

    fn duplicate(&self) -> Box<dyn Convention> {
        Box::new(self.clone())
    }
}

impl CloudEvents {
    fn take_event(
        &mut self,
        envelope: &Envelope<'_>,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Result<Taken, String> {
        let time = envelope.time.as_deref().and_then(Timestamp::parse);
        let data = envelope.content()?;
        let found = match &data {
            Value::Json(json) if json.starts_with('{') => leaves::found(json, time)?,
            _ => Vec::new(),
        };
        let rule = self.rules.of(envelope.thing());
        let is_new = !message.retained && self.recent.note(&envelope.source, &envelope.id);
        if !is_new && (found.is_empty() || !message.retained) {
            return Ok(Taken::Nothing("the event came before, or the broker retained it".into()));
        }
        if !found.is_empty() {
            meaning.found(&rule, found);
        }
        if is_new {
            let name = codec::property_name(&envelope.kind);
            meaning.occurred(&rule, &name, data, time.unwrap_or(message.received));
        }
        Ok(Taken::Understood)
    }
}

impl Envelope<'_> {
    /// The attributes of version 0.3 that are read here are the same.
    fn is_known(&self) -> bool {
        self.specversion.starts_with("1.") || self.specversion == "0.3"
    }

    /// What the thing is named after.
    fn thing(&self) -> SmolStr {
        let source = self.source.split_once("://").map_or(&*self.source, |(_, behind)| behind);
        let subject = self.subject.as_deref().unwrap_or_default();
        let levels = [source.trim_matches('/'), subject.trim_matches('/')];
        match levels {
            ["", ""] => NAME.into(),
            ["", one] | [one, ""] => one.into(),
            [source, subject] => format_smolstr!("{source}/{subject}"),
        }
    }

    fn content(&self) -> Result<Value, String> {
        if let Some(base64) = &self.data_base64 {
            let octets = STANDARD.decode(base64);
            let octets = octets.map_err(|error| format!("data_base64 is no base64: {error}"))?;
            return Ok(Value::Octets(octets.into()));
        }
        let json = self.data.map_or("null", RawValue::get);
        Value::from_json(json).map_err(|error| error.to_string())
    }
}

impl Rules {
    fn of(&mut self, thing: SmolStr) -> Arc<RuleConfig> {
        if let Some(known) = self.by_thing.get(&thing) {
            return known.clone();
        }
        if self.order.len() >= MOST_RULES
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_thing.remove(&oldest);
        }
        let rule = Arc::new(RuleConfig::by_convention(NAME, thing.clone()));
        self.order.push_back(thing.clone());
        self.by_thing.insert(thing, rule.clone());
        rule
    }
}

impl Recent {
    /// Notes an event; false when it is known.
    fn note(&mut self, source: &str, id: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        (source, id).hash(&mut hasher);
        let event = hasher.finish();
        if !self.known.insert(event) {
            return false;
        }
        self.order.push_back(event);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

fn is_declared(content_type: Option<&str>) -> bool {
    let essence = content_type.and_then(|text| text.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/cloudevents+json")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::mapping::convention::fixtures::{self, Stage};

    #[test]
    fn fixtures_mean_what_they_say() {
        fixtures::check::<CloudEvents>("cloudevents");
    }

    #[test]
    fn no_payload_makes_it_panic() {
        fixtures::survive::<CloudEvents>("cloudevents");
    }

    #[test]
    fn other_objects_are_not_mine() {
        let mut stage = Stage::new(CloudEvents::default());
        for payload in ["{}", "21", "", r#"{"specversion":"1.0"}"#, r#"{"id":1,"type":"x"}"#] {
            assert_eq!(stage.publish("a", payload), Taken::NotMine, "{payload}");
        }
    }

    #[test]
    fn what_declares_itself_and_is_none_says_why() {
        let mut stage = Stage::new(CloudEvents::default());
        let mut declared = |payload: &str| {
            stage.play(
                "a",
                payload.as_bytes(),
                Some("application/cloudevents+json; charset=utf-8"),
                false,
            )
        };
        assert!(matches!(declared("{}"), Taken::Malformed(why) if why.contains("specversion")));
        let future = r#"{"specversion":"2.0","id":"1","source":"s","type":"t"}"#;
        assert!(matches!(declared(future), Taken::Malformed(why) if why.contains("send 1.0")));
        let broken = r#"{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"?"}"#;
        assert!(matches!(declared(broken), Taken::Malformed(why) if why.contains("no base64")));
    }

    #[test]
    fn new_sources_take_the_place_of_the_oldest() {
        let mut rules = Rules::default();
        for source in 0..2 * MOST_RULES {
            rules.of(format_smolstr!("{source}"));
        }
        assert_eq!((rules.order.len(), rules.by_thing.len()), (MOST_RULES, MOST_RULES));
        assert!(!rules.by_thing.contains_key("0"));
        assert_eq!(rules.of("0".into()).convention.as_ref().unwrap().thing, "0");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut recent = Recent::default();
        for id in 0..3 * REMEMBERED {
            assert!(recent.note("s", &id.to_string()));
        }
        assert!(!recent.note("s", &(3 * REMEMBERED - 1).to_string()));
        assert!(recent.note("s", "0"));
        assert_eq!((recent.order.len(), recent.known.len()), (REMEMBERED, REMEMBERED));
    }
}
