//! The values of one message on their way into one thing.

use std::sync::Arc;

use smol_str::SmolStr;
use thingway_sdk::{Address, Observation, Quality, Subject, Timestamp, Value};

use super::mapper::{Applied, Outcome, Slots};
use super::properties::Properties;
use super::{PropertyRule, RuleConfig};
use crate::log::{Property, Told};
use crate::recorder::{Fold, Reading, Verdict, Writing};
use crate::registry::Thing;

/// Where the values of one message come from.
pub(super) struct Place<'a> {
    pub(super) adapter: &'a Arc<str>,
    pub(super) address: &'a Address,
    pub(super) rule: Option<&'a Arc<RuleConfig>>,
    pub(super) about: Option<&'a Arc<Subject>>,
    /// What is said of the properties may be another than before.
    pub(super) is_news: bool,
    /// There is only one value.
    pub(super) is_alone: bool,
}

/// Puts values into a thing, and counts what became of them.
pub(super) struct Landing<'a> {
    place: Place<'a>,
    observation: &'a Observation,
    properties: &'a mut Properties,
    /// Where the next value has its place, most likely: a device sends the same values in the same
    /// order, as a rule.
    pub(super) guess: usize,
    slots: Slots,
    applied: bool,
    older: bool,
    refused: Vec<String>,
    /// Events that the message tells of: their names and what they say.
    events: Vec<(SmolStr, Value, Timestamp)>,
    /// There were values that are nothing by the rule.
    ignored: bool,
}

impl<'a> Landing<'a> {
    pub(super) fn new(
        place: Place<'a>,
        observation: &'a Observation,
        properties: &'a mut Properties,
    ) -> Self {
        Self {
            place,
            observation,
            properties,
            guess: 0,
            slots: Slots::new(),
            applied: false,
            older: false,
            refused: Vec::new(),
            events: Vec::new(),
            ignored: false,
        }
    }

    /// A value of the message, as the recorder takes it.
    pub(super) fn reading(
        &self,
        value: Value,
        device_time: Option<Timestamp>,
        quality: Quality,
    ) -> Reading {
        Reading {
            value,
            device_time,
            received: self.observation.received,
            replayed: self.observation.is_replayed(),
            quality,
        }
    }

    /// The place of the first value.
    pub(super) fn first(&self) -> u32 {
        self.slots.first().copied().unwrap_or_default()
    }

    /// Puts one value into the property of this name.
    pub(super) fn put(
        &mut self,
        name: &str,
        unit: Option<SmolStr>,
        mut reading: Reading,
        fold: &mut Fold<'_, '_>,
    ) {
        let found = fold.find(name, self.place.adapter, self.place.own_address(), self.guess);
        if let Ok(slot) = found
            && self.place.is_news
        {
            self.tell(slot, name, None, fold);
        }
        let ruled = match &found {
            Ok(slot) => fold.property(*slot).and_then(|known| known.rule.as_ref()),
            Err(_) => self.ruled(name),
        };
        if let Some(rule) = ruled {
            if rule.ignore {
                self.ignored = true;
                return;
            }
            if rule.event {
                self.happened(name, reading);
                return;
            }
            match rule.take_in(reading.value) {
                Ok(value) => reading.value = value,
                Err(reason) => return self.refused.push(format!("`{name}`: {reason}")),
            }
        }
        let put = match found {
            Ok(slot) => self.observe(slot, name, unit, reading, fold),
            Err(free) => self.add(free, name, unit, reading, fold),
        };
        match put {
            Ok((slot, verdict)) => {
                self.guess = slot + 1;
                self.slots.extend(u32::try_from(slot));
                self.applied |= verdict == Verdict::Applied;
                self.older |= verdict == Verdict::Older;
            }
            Err(reason) => self.refused.push(reason),
        }
    }

    /// A value that is an event: not when the silo only says again what was, nor when it says that
    /// there is none.
    fn happened(&mut self, name: &str, reading: Reading) {
        let is_none = match &reading.value {
            Value::Null => true,
            Value::Text(text) => text.is_empty(),
            _ => false,
        };
        // What is delivered once more may not have been seen yet.
        if is_none || self.observation.retained {
            self.ignored = true;
        } else {
            let time = reading.device_time.unwrap_or(reading.received);
            self.events.push((name.into(), reading.value, time));
        }
    }

    /// A reading of a property that is known.
    fn observe(
        &mut self,
        slot: usize,
        said: &str,
        unit: Option<SmolStr>,
        reading: Reading,
        fold: &mut Fold<'_, '_>,
    ) -> Result<(usize, Verdict), String> {
        let verdict = fold.observe(slot, reading).map_err(|refusal| refusal.to_string())?;
        if verdict == Verdict::Applied && unit.is_some() {
            self.tell(slot, said, unit, fold);
        }
        Ok((slot, verdict))
    }

    /// The first reading of a property, whose name may be another than the message says, where
    /// another address has that.
    fn add(
        &mut self,
        name: SmolStr,
        said: &str,
        unit: Option<SmolStr>,
        reading: Reading,
        fold: &mut Fold<'_, '_>,
    ) -> Result<(usize, Verdict), String> {
        let slot = fold.property_count();
        let property = self.describe(name, said, slot, self.place.told(unit));
        let added = fold.add(property, self.place.address.clone(), reading);
        added.map(|()| (slot, Verdict::Applied)).map_err(|refusal| refusal.to_string())
    }

    fn tell(&mut self, slot: usize, said: &str, unit: Option<SmolStr>, fold: &mut Fold<'_, '_>) {
        let Some(known) = fold.property(slot) else { return };
        let told = self.place.told(unit.or_else(|| known.told.unit.clone()));
        let ruled = self.ruled(said).map(Arc::as_ptr);
        if told != known.told || ruled != known.rule.as_ref().map(Arc::as_ptr) {
            let property = self.describe(known.name.clone(), said, slot, told);
            fold.describe(slot, property);
        }
    }

    fn ruled(&self, name: &str) -> Option<&Arc<PropertyRule>> {
        self.place.rule?.properties.get(name)
    }

    fn describe(&mut self, name: SmolStr, said: &str, slot: usize, told: Told) -> Arc<Property> {
        let Place { adapter, address, rule, .. } = self.place;
        let ruled = rule.and_then(|rule| Some((&**rule, rule.properties.get(said)?)));
        self.properties.describe(name, slot, adapter, address, ruled, told)
    }

    /// Ends the message: what became of it.
    pub(super) fn end(self, thing: Arc<Thing>, writing: &mut Writing<'_>) -> Outcome {
        let mut refused = self.refused;
        let mut happened = false;
        for (event, data, time) in self.events {
            match writing.occurred(&thing, &event, data, time, self.observation.received) {
                Ok(()) => happened = true,
                Err(refusal) => refused.push(refusal.to_string()),
            }
        }
        let refusal = refused.first();
        if self.slots.is_empty() && !happened {
            return match refusal {
                Some(reason) => Outcome::Failed(reason.clone()),
                None => Outcome::Unmapped(
                    "what it tells is left out by its rule, or an event that is over".to_owned(),
                ),
            };
        }
        let note = refusal
            .map(|reason| format!("{} of what it tells was left out: {reason}", refused.len()));
        let applied = Applied { thing: Some(thing), slots: self.slots, note };
        if self.applied || happened {
            Outcome::Applied(applied)
        } else if self.older {
            Outcome::Duplicate(applied, "its time is older than that of the state held")
        } else {
            Outcome::Duplicate(applied, "it repeats the state held")
        }
    }
}

impl Place<'_> {
    /// The address whose properties are its own. To a convention a name is one property, whichever
    /// of the device's addresses tells of it.
    fn own_address(&self) -> Option<&Address> {
        let by_convention = self.rule.is_some_and(|rule| rule.convention.is_some());
        (!by_convention).then_some(self.address)
    }

    /// What is told of one value. Title and type are those of the resource, so they go to a
    /// property only where it is alone there.
    fn told(&self, unit: Option<SmolStr>) -> Told {
        let Some(about) = self.about else { return Told { unit, ..Told::default() } };
        let Subject { title, semantic_type, form, .. } = &**about;
        let named = self.is_alone.then(|| (title.clone(), semantic_type.clone()));
        let (title, semantic_type) = named.unwrap_or_default();
        Told { unit, title, semantic_type, form: form.clone() }
    }
}
