use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use smallvec::SmallVec;
use thingway_sdk::codec::{self, DecodeError};
use thingway_sdk::{Address, Observation, Subject, Timestamp};

use super::RuleConfig;
use super::arrival::Arrival;
use super::names::{self, Names};
use super::reader::{Collector, Contents, Message, Shape};
use super::route::{Properties, Route, Routes};
use crate::limits::Limits;
use crate::recorder::Writing;
use crate::registry::Thing;

/// Maps the messages of one adapter.
pub struct Mapper {
    pub(super) adapter: Arc<str>,
    rules: Vec<Arc<RuleConfig>>,
    names: Arc<Names>,
    pub(super) limits: Limits,
    pub(super) learned: Mutex<Learned>,
}

/// What was learned from the messages so far.
#[derive(Default)]
pub(super) struct Learned {
    pub(super) routes: Routes,
    properties: Properties,
}

/// Where something came from.
pub(super) struct Origin<'a> {
    pub(super) address: &'a Address,
    /// What the adapter knows of the address.
    pub(super) about: Option<&'a Arc<Subject>>,
    pub(super) received: Timestamp,
}

/// Places of properties in their thing.
pub(super) type Slots = SmallVec<[u32; 4]>;

/// What became of one message.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// At least one property has a new state, or an event occurred.
    Applied(Applied),
    /// Nothing in it was newer than what is known.
    Duplicate(Applied, &'static str),
    /// It is understood and means nothing for any thing.
    Unmapped(String),
    /// It could not be taken in.
    Failed(String),
}

/// Where a message went.
#[derive(Clone)]
pub struct Applied {
    /// The thing.
    pub thing: Arc<Thing>,
    /// The places of its properties that the message spoke of.
    pub slots: Slots,
    /// What was left out, and why.
    pub note: Option<String>,
}

impl fmt::Debug for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.thing.id(), self.slots)
    }
}

impl Mapper {
    /// A mapper for the adapter of this name.
    #[must_use]
    pub fn new(
        adapter: Arc<str>,
        rules: &[Arc<RuleConfig>],
        names: Arc<Names>,
        limits: Limits,
    ) -> Self {
        let concerns = |rule: &&Arc<RuleConfig>| {
            rule.adapter.as_deref().is_none_or(|named| named == &*adapter)
        };
        let rules = rules.iter().filter(concerns).cloned().collect();
        Self { adapter, rules, names, limits, learned: Mutex::default() }
    }

    /// Takes a message apart; its leaves go into the contents. Needs no lock.
    ///
    /// # Errors
    /// What becomes of a message that can't be taken apart.
    pub fn read(
        &self,
        observation: &Observation,
        contents: &mut Contents,
    ) -> Result<Message, Outcome> {
        let size = observation.payload.bytes.len();
        if size > self.limits.payload_bytes {
            return Err(Outcome::Failed(format!(
                "the payload has {size} bytes, more than the limit of {}; raise limits.payload_bytes or send less",
                self.limits.payload_bytes
            )));
        }
        let mut collector = Collector::new(contents, observation);
        match codec::decode(&observation.payload, &self.limits.codec(), &mut collector) {
            Ok(decoded) => {
                let mut message = collector.finish(decoded);
                if observation.about.is_some() && !message.encoding.has_records() {
                    self.keep_whole(observation, &mut message, contents);
                }
                Ok(message)
            }
            Err(error) => {
                collector.give_up();
                Err(match error {
                    DecodeError::Empty => Outcome::Unmapped(
                        "the payload is empty (in MQTT it clears a retained message)".into(),
                    ),
                    error => Outcome::Failed(error.to_string()),
                })
            }
        }
    }

    /// What its adapter calls one resource is one property, which is also written as a whole.
    fn keep_whole(
        &self,
        observation: &Observation,
        message: &mut Message,
        contents: &mut Contents,
    ) {
        let limits = self.limits.codec();
        if message.shape == Shape::Object
            && let Some(whole) = codec::whole(&observation.payload, message.encoding, &limits)
        {
            contents.join(message, whole);
        }
    }

    /// Applies a message that was taken apart.
    pub fn apply(
        &self,
        observation: &Observation,
        message: &Message,
        contents: &mut Contents,
        writing: &mut Writing<'_>,
    ) -> Outcome {
        let Learned { routes, properties } = &mut *self.learned.lock();
        let mut arrival = Arrival::new(self, observation, properties, writing);
        if let Some(route) = routes.get_mut(&observation.address) {
            return arrival.outcome(route, message, contents);
        }
        let mut route = self.new_route(&observation.address);
        let outcome = arrival.outcome(&mut route, message, contents);
        // An address that could not be taken in is not remembered: a flood of them costs nothing.
        if matches!(outcome, Outcome::Applied(_) | Outcome::Duplicate(..)) {
            routes.remember(&observation.address, route, self.limits.properties);
        }
        outcome
    }

    /// The thing that an address names for payloads of this shape; made when it is not there.
    pub(super) fn target(
        &self,
        route: &mut Route,
        shape: Shape,
        origin: &Origin<'_>,
        writing: &mut Writing<'_>,
    ) -> Result<Arc<Thing>, String> {
        // What an adapter names is of one thing, whatever its payloads are.
        let shape = if origin.about.is_some() { Shape::Whole } else { shape };
        if let Some(thing) = route.living(shape) {
            return Ok(thing.clone());
        }
        let about = origin.about.map(AsRef::as_ref);
        let base = about.map_or(origin.address.as_str(), |about| &about.thing);
        if base.len() > names::LONGEST {
            return Err(format!(
                "the address has {} bytes, and names of things have at most {}",
                base.len(),
                names::LONGEST
            ));
        }
        let rule = route.rule.as_ref();
        let name = self.name(origin.address.as_str(), shape, rule.map(AsRef::as_ref), about);
        let thing = writing.thing(name.id(), rule, origin.received);
        let thing = thing.map_err(|refusal| refusal.to_string())?;
        name.keep(&thing);
        route.lead_to(shape, thing.clone());
        Ok(thing)
    }

    /// The name of the thing that an address names for payloads of this shape.
    pub(super) fn name(
        &self,
        address: &str,
        shape: Shape,
        rule: Option<&RuleConfig>,
        about: Option<&Subject>,
    ) -> names::Name<'_> {
        let of_rule =
            rule.and_then(|rule| Some(rule.thing.as_ref()?.fill(&rule.topic.captures(address)?)));
        let base = match (of_rule, about, shape) {
            (Some(name), _, _) => return self.names.of_rule(&name),
            (None, Some(about), _) => &about.thing,
            (None, None, Shape::Object) => address,
            (None, None, Shape::Whole) => names::base_of(address),
        };
        self.names.of_base(&self.adapter, base)
    }

    pub(super) fn new_route(&self, address: &Address) -> Route {
        let matches = |rule: &&Arc<RuleConfig>| rule.topic.captures(address.as_str()).is_some();
        Route::new(self.rules.iter().find(matches).cloned())
    }
}
