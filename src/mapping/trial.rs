//! What a message would become: a dry run that changes nothing.

use smol_str::SmolStr;
use thingway_sdk::{Observation, ThingId, Timestamp, Value, codec::Encoding};

use super::mapper::{Mapper, Outcome};
use super::names;
use super::reader::{Contents, Shape};

/// What a message would become.
pub struct Trial {
    /// The thing that it would go to.
    pub thing: ThingId,
    /// The topic pattern of the rule that matches, if one does.
    pub rule: Option<String>,
    /// The event that it would be, with a rule that says so; then it sets no properties.
    pub event: Option<String>,
    /// The properties that it would set.
    pub properties: Vec<(SmolStr, Value)>,
    /// The time that the device tells; the newest, when it tells several.
    pub time: Option<Timestamp>,
    /// What the payload was taken for.
    pub encoding: Encoding,
    /// What may have been meant otherwise than it was understood.
    pub note: Option<String>,
}

impl Mapper {
    /// Tells what a message would become.
    ///
    /// # Errors
    /// What would become of one that goes nowhere.
    pub fn try_out(&self, observation: &Observation) -> Result<Trial, Outcome> {
        let mut contents = Contents::default();
        let message = self.read(observation, &mut contents)?;
        let address = observation.address.as_str();
        let route = self.new_route(&observation.address);
        let rule = route.rule.as_deref();
        let name = self.name(address, message.shape, rule, None);
        let event = rule.and_then(|rule| rule.event.clone());
        let time = message.device_time.or(contents.newest_time(&message));
        let properties = match &event {
            Some(_) => Vec::new(),
            None => {
                let mut named = |index| {
                    let (path, value) = contents.take(index)?;
                    Some(match message.shape {
                        Shape::Whole => (names::property_of(address), value),
                        Shape::Object => (path.into(), value),
                    })
                };
                message.leaves.clone().filter_map(&mut named).collect()
            }
        };
        Ok(Trial {
            thing: name.id().clone(),
            rule: rule.map(|rule| rule.topic.to_string()),
            event,
            properties,
            time,
            encoding: message.encoding,
            note: message.note,
        })
    }
}
