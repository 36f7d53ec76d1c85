//! One message on its way into the registry: its leaves become readings of properties, or it is an
//! event.

use std::sync::Arc;

use smol_str::SmolStr;
use thingway_sdk::{Address, Observation, Subject, Value, codec};

use super::RuleConfig;
use super::mapper::{Applied, Mapper, Origin, Outcome, Slots};
use super::names;
use super::reader::{Contents, Message, Shape};
use super::route::{Properties, Route};
use crate::log::{Property, Told};
use crate::recorder::{Fold, Reading, Refusal, Verdict, Writing};
use crate::registry::Thing;

/// One message on its way into the registry.
pub(super) struct Arrival<'a, 'w> {
    mapper: &'a Mapper,
    observation: &'a Observation,
    properties: &'a mut Properties,
    writing: &'a mut Writing<'w>,
}

impl<'a, 'w> Arrival<'a, 'w> {
    pub(super) fn new(
        mapper: &'a Mapper,
        observation: &'a Observation,
        properties: &'a mut Properties,
        writing: &'a mut Writing<'w>,
    ) -> Self {
        Self { mapper, observation, properties, writing }
    }

    pub(super) fn outcome(
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
        let about = observation.about.as_ref();
        let is_news = about.is_some_and(|about| route.learn(about));
        let thing = match self.target(route, message.shape) {
            Ok(thing) => thing,
            Err(reason) => return Outcome::Failed(reason),
        };
        let whole_name = match message.shape {
            Shape::Object => SmolStr::default(),
            Shape::Whole => self.name_of_whole(),
        };
        let place = Place {
            adapter: &self.mapper.adapter,
            address: &observation.address,
            rule: route.rule.as_ref(),
            about,
            is_news,
            is_alone: message.leaves.len() == 1,
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
            let name = if message.shape == Shape::Whole { &whole_name } else { path };
            let put = match fold.find(name, place.adapter, place.address, guess) {
                Ok(slot) => place.observe(slot, unit, reading, &mut fold, self.properties),
                Err(name) => place.add(name, unit, reading, &mut fold, self.properties),
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

    /// The property that the payload as a whole is.
    fn name_of_whole(&self) -> SmolStr {
        match &self.observation.about {
            Some(about) => codec::property_name(&about.name),
            None => names::property_of(self.observation.address.as_str()),
        }
    }

    fn target(&mut self, route: &mut Route, shape: Shape) -> Result<Arc<Thing>, String> {
        let Observation { address, about, received, .. } = self.observation;
        let origin = Origin { address, about: about.as_ref(), received: *received };
        self.mapper.target(route, shape, &origin, self.writing)
    }
}

/// Where the leaves of one message come from.
struct Place<'a> {
    adapter: &'a Arc<str>,
    address: &'a Address,
    rule: Option<&'a Arc<RuleConfig>>,
    about: Option<&'a Arc<Subject>>,
    /// What it is about was not known before.
    is_news: bool,
    /// There is only one leaf.
    is_alone: bool,
}

impl Place<'_> {
    /// A reading of a property that is known.
    fn observe(
        &self,
        slot: usize,
        unit: Option<SmolStr>,
        reading: Reading,
        fold: &mut Fold<'_, '_>,
        properties: &mut Properties,
    ) -> Result<(usize, Verdict), Refusal> {
        let verdict = fold.observe(slot, reading);
        let unit = unit.filter(|_| verdict == Ok(Verdict::Applied));
        if self.is_news || unit.is_some() {
            self.tell(slot, unit, fold, properties);
        }
        verdict.map(|verdict| (slot, verdict))
    }

    /// The first reading of a property.
    fn add(
        &self,
        name: SmolStr,
        unit: Option<SmolStr>,
        reading: Reading,
        fold: &mut Fold<'_, '_>,
        properties: &mut Properties,
    ) -> Result<(usize, Verdict), Refusal> {
        let slot = fold.property_count();
        let property = self.describe(name, slot, self.told(unit), properties);
        fold.add(property, self.address.clone(), reading).map(|()| (slot, Verdict::Applied))
    }

    fn tell(
        &self,
        slot: usize,
        unit: Option<SmolStr>,
        fold: &mut Fold<'_, '_>,
        properties: &mut Properties,
    ) {
        let Some(known) = fold.property(slot) else { return };
        let told = self.told(unit.or_else(|| known.told.unit.clone()));
        if told != known.told {
            let property = self.describe(known.name.clone(), slot, told, properties);
            fold.describe(slot, property);
        }
    }

    fn describe(
        &self,
        name: SmolStr,
        slot: usize,
        told: Told,
        properties: &mut Properties,
    ) -> Arc<Property> {
        properties.describe(name, slot, self.adapter, self.address, self.rule, told)
    }

    /// What is told of one leaf. Title and type are those of the resource, so they go to a
    /// property only where it is alone there.
    fn told(&self, unit: Option<SmolStr>) -> Told {
        let Some(about) = self.about else { return Told { unit, ..Told::default() } };
        let Subject { title, semantic_type, form, .. } = &**about;
        let named = self.is_alone.then(|| (title.clone(), semantic_type.clone()));
        let (title, semantic_type) = named.unwrap_or_default();
        Told { unit, title, semantic_type, form: form.clone() }
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
