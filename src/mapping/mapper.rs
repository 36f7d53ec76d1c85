use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use smol_str::SmolStr;
use thingway_sdk::codec::{self, DecodeError};
use thingway_sdk::{Address, Observation, Value};

use super::RuleConfig;
use super::names::{self, Names};
use super::reader::{Collector, Leaf, Message, Place, Shape};
use super::route::{Route, Target};
use crate::limits::Limits;
use crate::log::Source;
use crate::recorder::{Reading, Refusal, Verdict, Writing};
use crate::registry::Thing;

/// Maps the messages of one adapter.
pub struct Mapper {
    adapter: Arc<str>,
    rules: Vec<Arc<RuleConfig>>,
    names: Arc<Names>,
    limits: Limits,
    routes: DashMap<Address, Arc<Route>>,
    /// Attempts to keep one route too many.
    attempts: AtomicUsize,
}

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
    pub slots: Vec<usize>,
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
        let attempts = AtomicUsize::new(0);
        Self { adapter, rules, names, limits, routes: DashMap::new(), attempts }
    }

    /// Takes a message apart. Needs no lock; what it finds is valid for the next
    /// [`Mapper::apply`].
    ///
    /// # Errors
    /// What becomes of a message that can't be taken apart.
    pub fn read(&self, observation: &Observation) -> Result<Message, Outcome> {
        let route = self.known_route(&observation.address);
        let living = |shape| route.as_ref().and_then(|route| route.living(shape));
        let (object, whole) = (living(Shape::Object), living(Shape::Whole));
        let collector = Collector::new(object.as_ref(), whole.as_ref(), observation.received);
        self.decode(observation, collector)
    }

    /// The same for a message of which nothing is known yet.
    pub(super) fn read_anew(&self, observation: &Observation) -> Result<Message, Outcome> {
        self.decode(observation, Collector::new(None, None, observation.received))
    }

    fn decode(
        &self,
        observation: &Observation,
        mut collector: Collector<'_>,
    ) -> Result<Message, Outcome> {
        let size = observation.payload.bytes.len();
        if size > self.limits.payload_bytes {
            return Err(Outcome::Failed(format!(
                "the payload has {size} bytes, more than the limit of {}; raise limits.payload_bytes or send less",
                self.limits.payload_bytes
            )));
        }
        match codec::decode(&observation.payload, &self.limits.codec(), &mut collector) {
            Ok(decoded) => Ok(collector.finish(decoded)),
            Err(DecodeError::Empty) => Err(Outcome::Unmapped(
                "the payload is empty (in MQTT it clears a retained message)".into(),
            )),
            Err(error) => Err(Outcome::Failed(error.to_string())),
        }
    }

    /// Applies a message that was taken apart.
    pub fn apply(
        &self,
        observation: &Observation,
        message: Message,
        writing: &mut Writing<'_>,
    ) -> Outcome {
        let known = self.known_route(&observation.address);
        let route = known.clone().unwrap_or_else(|| self.new_route(&observation.address));
        // The thing may have been removed since the message was taken apart: then its leaves have
        // no places any more.
        let message = match message.is_for(&route) {
            true => message,
            false => match self.read(observation) {
                Ok(message) => message,
                Err(outcome) => return outcome,
            },
        };
        let mut arrival = Arrival { mapper: self, observation, route: &route, writing };
        let outcome = match route.rule.as_ref().and_then(|rule| rule.event.as_deref()) {
            Some(event) => arrival.occurrence(&SmolStr::new(event), message),
            None => arrival.states(message),
        };
        // An address that could not be taken in is not remembered: a flood of them costs nothing.
        if known.is_none() && matches!(outcome, Outcome::Applied(_) | Outcome::Duplicate(..)) {
            self.remember(&observation.address, route);
        }
        writing.settle(observation.received);
        outcome
    }

    /// Keeps a route, unless there are as many as properties may be: then messages of further
    /// addresses cost their way anew each time. Routes of things that are gone make room.
    fn remember(&self, address: &Address, route: Arc<Route>) {
        let most = self.limits.properties;
        if self.routes.len() >= most
            && self.attempts.fetch_add(1, Ordering::Relaxed).is_multiple_of(most)
        {
            self.routes.retain(|_, route| route.is_living());
        }
        if self.routes.len() < most {
            self.routes.insert(address.clone(), route);
        }
    }

    fn known_route(&self, address: &Address) -> Option<Arc<Route>> {
        self.routes.get(address).map(|route| route.value().clone())
    }

    /// The name of the thing that an address names for payloads of this shape.
    pub(super) fn name(
        &self,
        address: &str,
        shape: Shape,
        rule: Option<&RuleConfig>,
    ) -> names::Name<'_> {
        let of_rule =
            rule.and_then(|rule| Some(rule.thing.as_ref()?.fill(&rule.topic.captures(address)?)));
        match (of_rule, shape) {
            (Some(name), _) => self.names.of_rule(&name),
            (None, Shape::Object) => self.names.of_base(&self.adapter, address),
            (None, Shape::Whole) => self.names.of_base(&self.adapter, names::base_of(address)),
        }
    }

    pub(super) fn new_route(&self, address: &Address) -> Arc<Route> {
        let matches = |rule: &&Arc<RuleConfig>| rule.topic.captures(address.as_str()).is_some();
        Arc::new(Route::new(self.rules.iter().find(matches).cloned()))
    }
}

/// One message on its way into the registry.
struct Arrival<'a, 'w> {
    mapper: &'a Mapper,
    observation: &'a Observation,
    route: &'a Route,
    writing: &'a mut Writing<'w>,
}

impl Arrival<'_, '_> {
    fn states(&mut self, message: Message) -> Outcome {
        if message.leaves.is_empty() {
            return Outcome::Unmapped("the object has no members".to_owned());
        }
        let target = match self.target(message.shape) {
            Ok(target) => target,
            Err(reason) => return Outcome::Failed(reason),
        };
        let mut tally = Tally::default();
        let observation = self.observation;
        for Leaf { place, value } in message.leaves {
            let reading = Reading {
                value,
                device_time: message.device_time,
                received: observation.received,
                replayed: observation.retained || observation.redelivered,
            };
            match self.put(&target, place, message.shape, reading) {
                Ok((slot, verdict)) => tally.note(slot, verdict),
                Err(refusal) => tally.refused.push(refusal),
            }
        }
        tally.outcome(target.thing.clone())
    }

    fn put(
        &mut self,
        target: &Target,
        place: Place,
        shape: Shape,
        reading: Reading,
    ) -> Result<(usize, Verdict), Refusal> {
        let thing = &target.thing;
        let path = match place {
            Place::Slot(slot) => {
                return Ok((slot, self.writing.observe(thing, slot, reading)?));
            }
            Place::Path(path) => path,
        };
        // The message before this one in the same batch may have made the property.
        if let Some((_, slot)) = target.place(&path, 0) {
            return Ok((slot, self.writing.observe(thing, slot, reading)?));
        }
        let address = &self.observation.address;
        let name = match shape {
            Shape::Object => path.as_str(),
            Shape::Whole => &names::property_of(address.as_str()),
        };
        let source = Source { adapter: self.mapper.adapter.clone(), address: address.clone() };
        let (name, made_before) = target.free_name(name, &source);
        if let Some(slot) = made_before {
            target.learn(&path, slot);
            return Ok((slot, self.writing.observe(thing, slot, reading)?));
        }
        let slot = thing.property_count();
        let property = self.route.property(name, slot, source);
        self.writing.add_property(thing, property, reading)?;
        target.learn(&path, slot);
        Ok((slot, Verdict::Applied))
    }

    fn occurrence(&mut self, event: &SmolStr, message: Message) -> Outcome {
        if self.observation.retained {
            return Outcome::Unmapped(format!(
                "retained, so it is no new occurrence of the event `{event}`"
            ));
        }
        let target = match self.target(Shape::Object) {
            Ok(target) => target,
            Err(reason) => return Outcome::Failed(reason),
        };
        let whole = match message.shape {
            Shape::Whole => message.leaves.into_iter().next().map(|leaf| leaf.value),
            // Read as JSON once more, so that nothing around it is taken along, such as a byte
            // order mark.
            Shape::Object => std::str::from_utf8(&self.observation.payload.bytes)
                .ok()
                .and_then(|text| Value::from_json(text.trim_start_matches('\u{feff}')).ok()),
        };
        let received = self.observation.received;
        let time = message.device_time.unwrap_or(received);
        let data = whole.unwrap_or(Value::Null);
        self.writing.occurred(&target.thing, event, data, time, received);
        Outcome::Applied(Applied { thing: target.thing.clone(), slots: Vec::new(), note: None })
    }

    /// The thing that the address names for payloads of this shape; made when it is not there.
    fn target(&mut self, shape: Shape) -> Result<Arc<Target>, String> {
        if let Some(target) = self.route.living(shape) {
            return Ok(target);
        }
        let address = self.observation.address.as_str();
        if address.len() > names::LONGEST {
            return Err(format!(
                "the address has {} bytes, and names of things have at most {}",
                address.len(),
                names::LONGEST
            ));
        }
        let target = self.make_target(address, shape)?;
        self.route.lead_to(shape, target.clone());
        Ok(target)
    }

    fn make_target(&mut self, address: &str, shape: Shape) -> Result<Arc<Target>, String> {
        let rule = self.route.rule.as_ref();
        let name = self.mapper.name(address, shape, rule.map(AsRef::as_ref));
        match self.writing.thing(name.id(), rule, self.observation.received) {
            Ok(thing) => {
                name.keep();
                Ok(Target::new(thing))
            }
            Err(refusal) => Err(refusal.to_string()),
        }
    }
}

/// Counts what became of the leaves of one message.
#[derive(Default)]
struct Tally {
    slots: Vec<usize>,
    applied: bool,
    older: bool,
    refused: Vec<Refusal>,
}

impl Tally {
    fn note(&mut self, slot: usize, verdict: Verdict) {
        self.slots.push(slot);
        self.applied |= verdict == Verdict::Applied;
        self.older |= verdict == Verdict::Older;
    }

    fn outcome(self, thing: Arc<Thing>) -> Outcome {
        let refusal = self.refused.first().map(ToString::to_string);
        if self.slots.is_empty() {
            return Outcome::Failed(refusal.unwrap_or_default());
        }
        let note = refusal
            .map(|reason| format!("{} properties were left out: {reason}", self.refused.len()));
        let applied = Applied { thing, slots: self.slots, note };
        if self.applied {
            Outcome::Applied(applied)
        } else if self.older {
            Outcome::Duplicate(applied, "its time is older than that of the state held")
        } else {
            Outcome::Duplicate(applied, "it repeats the state held")
        }
    }
}
