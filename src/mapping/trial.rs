//! What a message would become: a dry run that changes nothing.

use std::sync::Arc;

use smol_str::SmolStr;
use thingway_sdk::codec::Encoding;
use thingway_sdk::{Observation, ThingId, Timestamp, Value};

use super::convention::{Found, Meaning, Step};
use super::mapper::{Mapper, Outcome, incoming, read_leaves};
use super::reader::{Contents, Shape};
use super::{RuleConfig, names};

/// What a message would become.
pub struct Trial {
    /// The thing that it would go to; the first, where it speaks of several, and none where it only
    /// announces.
    pub thing: Option<ThingId>,
    /// The topic pattern of the rule that matches, if one does.
    pub rule: Option<String>,
    /// The convention that it is recognised by.
    pub convention: Option<&'static str>,
    /// The event that it would be, with a rule that says so; then it sets no properties.
    pub event: Option<String>,
    /// The properties that it would set.
    pub properties: Vec<(SmolStr, Value)>,
    /// The time that the device tells; the newest, when it tells several.
    pub time: Option<Timestamp>,
    /// What the payload was taken for.
    pub encoding: Option<Encoding>,
    /// What may have been meant otherwise than it was understood.
    pub note: Option<String>,
}

impl Mapper {
    /// Tells what a message would become.
    ///
    /// # Errors
    /// What would become of one that goes nowhere.
    pub fn try_out(&self, observation: &Observation) -> Result<Trial, Outcome> {
        self.check_size(&observation.payload)?;
        let batch = self.begin();
        let mut new = None;
        let route = match batch.learned.routes.get(&observation.address) {
            Some(route) => route,
            None => new.insert(batch.learned.new_route(&observation.address)),
        };
        let rule = route.rule().cloned();
        let conventions = &batch.learned.conventions;
        let interpreted = conventions.try_out(route.concerned, &incoming(observation));
        drop(batch);
        match interpreted {
            Some(interpreted) => self.meant(interpreted.understood()?),
            None => self.leaves(observation, rule.as_ref()),
        }
    }

    /// What leaves would become.
    fn leaves(
        &self,
        observation: &Observation,
        rule: Option<&Arc<RuleConfig>>,
    ) -> Result<Trial, Outcome> {
        let mut contents = Contents::default();
        let message = read_leaves(self, rule.map(AsRef::as_ref), observation, &mut contents)?;
        let address = observation.address.as_str();
        let rule = rule.map(AsRef::as_ref);
        let name = self.name(address, message.shape, rule, None).map_err(Outcome::Failed)?;
        let event = rule.and_then(|rule| rule.event.clone());
        let time = message.device_time.or(contents.newest_time(&message));
        let mut properties = Vec::new();
        let mut refused = None;
        for index in message.leaves.clone().filter(|_| event.is_none()) {
            let Some((path, value)) = contents.take(index) else { break };
            let name = match message.shape {
                Shape::Whole => names::property_of(address),
                Shape::Object => path.into(),
            };
            match taken_in(rule, &name, value) {
                Ok(value) => properties.extend(value.map(|value| (name, value))),
                Err(reason) => refused = refused.or(Some(format!("`{name}`: {reason}"))),
            }
        }
        if let (true, Some(reason)) = (properties.is_empty() && event.is_none(), &refused) {
            return Err(Outcome::Failed(reason.clone()));
        }
        let convention = rule.and_then(|rule| Some(rule.convention.as_ref()?.name));
        Ok(Trial {
            thing: Some(name.id().clone()),
            rule: rule.filter(|_| convention.is_none()).map(|rule| rule.topic.to_string()),
            convention,
            event,
            properties,
            time,
            encoding: message.encoding,
            note: message.note.or(refused),
        })
    }

    /// What a message that a convention understood would do.
    fn meant(
        &self,
        (convention, meaning, note): (&'static str, Meaning, Option<String>),
    ) -> Result<Trial, Outcome> {
        let mut trial = Trial {
            thing: None,
            rule: None,
            convention: Some(convention),
            event: None,
            properties: Vec::new(),
            time: None,
            encoding: None,
            note,
        };
        let mut announced = 0;
        for step in meaning.steps {
            let rule = match &step {
                Step::Found(rule, _) | Step::Occurred(rule, ..) => rule,
                Step::Route(..) | Step::Claim(_) => {
                    announced += 1;
                    continue;
                }
                _ => continue,
            };
            let name = self.name("", Shape::Whole, Some(rule), None).map_err(Outcome::Failed)?;
            trial.thing.get_or_insert_with(|| name.id().clone());
            match step {
                Step::Found(rule, found) => {
                    for Found { property, value, time, .. } in found {
                        let value = taken_in(Some(&rule), &property, value);
                        let value = value.map_err(Outcome::Failed)?;
                        trial.properties.extend(value.map(|value| (property, value)));
                        trial.time = trial.time.max(time);
                    }
                }
                Step::Occurred(_, event, _, time) => {
                    (trial.event, trial.time) = (Some(event.into()), Some(time));
                }
                _ => {}
            }
        }
        if announced > 0 {
            trial.note = Some(format!("announces what messages of {announced} addresses mean"));
        }
        Ok(trial)
    }
}

/// What a rule makes of a value; none where it leaves it out of the states.
fn taken_in(rule: Option<&RuleConfig>, name: &str, value: Value) -> Result<Option<Value>, String> {
    let Some(rule) = rule.and_then(|rule| rule.properties.get(name)) else {
        return Ok(Some(value));
    };
    match rule.ignore || rule.event {
        true => Ok(None),
        false => rule.take_in(value).map(Some),
    }
}
