//! One message on its way into the registry: its leaves become readings of properties, or it is an
//! event.

use std::sync::Arc;

use smol_str::SmolStr;
use thingway_sdk::{Observation, Quality, Value, codec};

use super::RuleConfig;
use super::convention::Found;
use super::landing::{Landing, Place};
use super::mapper::{Applied, Mapper, Origin, Outcome};
use super::names;
use super::properties::Properties;
use super::reader::{Contents, Message, Shape, is_believed};
use super::route::Route;
use crate::recorder::Writing;
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

    /// What becomes of a message whose leaves are known.
    pub(super) fn outcome(
        &mut self,
        route: &mut Route,
        message: &Message,
        contents: &mut Contents,
    ) -> Outcome {
        let event = route.rule().and_then(|rule| rule.event.as_deref()).map(SmolStr::new);
        let outcome = match event {
            Some(event) => self.occurrence(&event, route, message, contents),
            None => self.states(route, message, contents),
        };
        route.is_news = false;
        self.writing.settle(self.observation.received);
        outcome
    }

    /// What becomes of values that a convention found.
    pub(super) fn found(
        &mut self,
        thing: Arc<Thing>,
        rule: &Arc<RuleConfig>,
        found: Vec<Found>,
    ) -> Outcome {
        let place = Place {
            adapter: &self.mapper.adapter,
            address: &self.observation.address,
            rule: Some(rule),
            about: None,
            is_news: true,
            is_alone: false,
        };
        let mut landing = Landing::new(place, self.observation, self.properties);
        let mut fold = self.writing.fold(&thing);
        for Found { property, value, time, is_bad } in found {
            let time = time.filter(|time| is_believed(self.observation.received, *time));
            let quality = if is_bad { Quality::Bad } else { Quality::Good };
            let reading = landing.reading(value, time, quality);
            landing.put(&property, None, reading, &mut fold);
        }
        drop(fold);
        landing.end(thing, self.writing)
    }

    fn states(&mut self, route: &mut Route, message: &Message, contents: &mut Contents) -> Outcome {
        if message.leaves.is_empty() {
            return Outcome::Unmapped("the object has no members".to_owned());
        }
        let observation = self.observation;
        let about = observation.about.as_ref();
        if let Some(about) = about {
            route.learn(about);
        }
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
            rule: route.rule(),
            about,
            is_news: route.is_news,
            is_alone: message.leaves.len() == 1,
        };
        let mut landing = Landing::new(place, observation, self.properties);
        landing.guess = route.first as usize;
        let mut fold = self.writing.fold(&thing);
        for index in message.leaves.clone() {
            let (unit, time) =
                contents.own(message, index).map_or((None, None), |own| (own.unit, own.time));
            let Some((path, value)) = contents.take(index) else { break };
            let reading = landing.reading(value, time.or(message.device_time), Quality::Good);
            let name = if message.shape == Shape::Whole { &whole_name } else { path };
            landing.put(name, unit, reading, &mut fold);
        }
        drop(fold);
        let first = landing.first();
        let outcome = landing.end(thing, self.writing);
        route.first = first;
        outcome
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
                let encoding = message.encoding;
                encoding.and_then(|it| codec::whole(&self.observation.payload, it, &limits))
            }
        };
        let received = self.observation.received;
        let time = message.device_time.unwrap_or(received);
        let data = whole.unwrap_or(Value::Null);
        match self.writing.occurred(&thing, event, data, time, received) {
            Ok(()) => Outcome::Applied(Applied { thing: Some(thing), ..Applied::default() }),
            Err(refusal) => Outcome::Failed(refusal.to_string()),
        }
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
