use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use smallvec::SmallVec;
use smol_str::SmolStr;
use thingway_sdk::codec::{self, DecodeError};
use thingway_sdk::{Address, Observation, Value};

use super::RuleConfig;
use super::names::{self, Names};
use super::reader::{Collector, Contents, Message, Shape};
use super::route::{Properties, Route, Routes};
use crate::limits::Limits;
use crate::log::Told;
use crate::recorder::{Reading, Refusal, Verdict, Writing};
use crate::registry::Thing;

/// Maps the messages of one adapter.
pub struct Mapper {
    adapter: Arc<str>,
    rules: Vec<Arc<RuleConfig>>,
    names: Arc<Names>,
    limits: Limits,
    learned: Mutex<Learned>,
}

/// What was learned from the messages so far.
#[derive(Default)]
struct Learned {
    routes: Routes,
    properties: Properties,
}

/// Places of properties in their thing.
type Slots = SmallVec<[u32; 4]>;

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
            Ok(decoded) => Ok(collector.finish(decoded)),
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

    /// Applies a message that was taken apart.
    pub fn apply(
        &self,
        observation: &Observation,
        message: &Message,
        contents: &mut Contents,
        writing: &mut Writing<'_>,
    ) -> Outcome {
        let Learned { routes, properties } = &mut *self.learned.lock();
        let mut arrival = Arrival { mapper: self, observation, properties, writing };
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

    pub(super) fn new_route(&self, address: &Address) -> Route {
        let matches = |rule: &&Arc<RuleConfig>| rule.topic.captures(address.as_str()).is_some();
        Route::new(self.rules.iter().find(matches).cloned())
    }
}

/// One message on its way into the registry.
struct Arrival<'a, 'w> {
    mapper: &'a Mapper,
    observation: &'a Observation,
    properties: &'a mut Properties,
    writing: &'a mut Writing<'w>,
}

impl Arrival<'_, '_> {
    fn outcome(
        &mut self,
        route: &mut Route,
        message: &Message,
        contents: &mut Contents,
    ) -> Outcome {
        let event = route.rule.as_ref().and_then(|rule| rule.event.as_deref()).map(SmolStr::new);
        let outcome = match event {
            Some(event) => self.occurrence(&event, route, message, contents),
            None => self.states(route, message, contents),
        };
        self.writing.settle(self.observation.received);
        outcome
    }

    fn states(&mut self, route: &mut Route, message: &Message, contents: &mut Contents) -> Outcome {
        if message.leaves.is_empty() {
            return Outcome::Unmapped("the object has no members".to_owned());
        }
        let observation = self.observation;
        let thing = match self.target(route, message.shape) {
            Ok(thing) => thing,
            Err(reason) => return Outcome::Failed(reason),
        };
        let mut tally = Tally::default();
        let mut fold = self.writing.fold(&thing);
        // A device sends the same leaves in the same order, as a rule: the next place is the guess.
        let mut guess = route.first as usize;
        for index in message.leaves.clone() {
            let (unit, time) =
                contents.own(message, index).map_or((None, None), |own| (own.unit, own.time));
            let Some((path, value)) = contents.take(index) else { break };
            let reading = Reading {
                value,
                device_time: time.or(message.device_time),
                received: observation.received,
                replayed: observation.is_replayed(),
            };
            let name = match message.shape {
                Shape::Object => path,
                Shape::Whole => &names::property_of(observation.address.as_str()),
            };
            let (adapter, address) = (&self.mapper.adapter, &observation.address);
            let rule = route.rule.as_ref();
            let put = match fold.find(name, adapter, address, guess) {
                Ok(slot) => {
                    let verdict = fold.observe(slot, reading);
                    if unit.is_some() && verdict == Ok(Verdict::Applied) {
                        fold.tell(slot, Told { unit }, |known, told| {
                            let name = known.name.clone();
                            self.properties.describe(name, slot, adapter, address, rule, told)
                        });
                    }
                    verdict.map(|verdict| (slot, verdict))
                }
                Err(name) => {
                    let slot = fold.property_count();
                    let told = Told { unit };
                    let property =
                        self.properties.describe(name, slot, adapter, address, rule, told);
                    fold.add(property, address.clone(), reading).map(|()| (slot, Verdict::Applied))
                }
            };
            match put {
                Ok((slot, verdict)) => {
                    guess = slot + 1;
                    tally.note(slot, verdict);
                }
                Err(refusal) => tally.refused.push(refusal),
            }
        }
        drop(fold);
        route.first = tally.slots.first().copied().unwrap_or_default();
        tally.outcome(thing)
    }

    fn occurrence(
        &mut self,
        event: &SmolStr,
        route: &mut Route,
        message: &Message,
        contents: &mut Contents,
    ) -> Outcome {
        if self.observation.retained {
            return Outcome::Unmapped(format!(
                "retained, so it is no new occurrence of the event `{event}`"
            ));
        }
        let thing = match self.target(route, Shape::Object) {
            Ok(thing) => thing,
            Err(reason) => return Outcome::Failed(reason),
        };
        let whole = match message.shape {
            Shape::Whole => contents.take(message.leaves.start).map(|(_, value)| value),
            Shape::Object => {
                let limits = self.mapper.limits.codec();
                codec::whole(&self.observation.payload, message.encoding, &limits)
            }
        };
        let received = self.observation.received;
        let time = message.device_time.unwrap_or(received);
        self.writing.occurred(&thing, event, whole.unwrap_or(Value::Null), time, received);
        Outcome::Applied(Applied { thing, slots: Slots::new(), note: None })
    }

    /// The thing that the address names for payloads of this shape; made when it is not there.
    fn target(&mut self, route: &mut Route, shape: Shape) -> Result<Arc<Thing>, String> {
        if let Some(thing) = route.living(shape) {
            return Ok(thing.clone());
        }
        let address = self.observation.address.as_str();
        if address.len() > names::LONGEST {
            return Err(format!(
                "the address has {} bytes, and names of things have at most {}",
                address.len(),
                names::LONGEST
            ));
        }
        let rule = route.rule.as_ref();
        let name = self.mapper.name(address, shape, rule.map(AsRef::as_ref));
        let thing = self.writing.thing(name.id(), rule, self.observation.received);
        let thing = thing.map_err(|refusal| refusal.to_string())?;
        name.keep();
        route.lead_to(shape, thing.clone());
        Ok(thing)
    }
}

/// Counts what became of the leaves of one message.
#[derive(Default)]
struct Tally {
    slots: Slots,
    applied: bool,
    older: bool,
    refused: Vec<Refusal>,
}

impl Tally {
    fn note(&mut self, slot: usize, verdict: Verdict) {
        self.slots.extend(u32::try_from(slot));
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
