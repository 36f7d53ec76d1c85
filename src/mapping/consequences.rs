//! What a convention said, carried out.

use std::sync::Arc;

use smol_str::{SmolStr, format_smolstr};
use thingway_sdk::{Address, Observation, Offer, Payload, Subject, Timestamp};

use super::RuleConfig;
use super::arrival::Arrival;
use super::convention::{Action, Meaning, Step};
use super::mapper::{Applied, Batch, Learned, Outcome};
use super::reader::{Contents, Shape, is_believed};
use super::retold;
use crate::recorder::Writing;
use crate::registry::{SlotRef, Thing};

impl Batch<'_> {
    /// Carries out what a message means, step by step.
    pub(super) fn carry_out(
        &mut self,
        observation: &Observation,
        meaning: Meaning,
        writing: &mut Writing<'_>,
    ) -> Outcome {
        let mut done = Done::default();
        for step in meaning.steps {
            match self.step(observation, step, writing) {
                Ok(outcome) => done.add(outcome),
                Err(reason) => done.refused(reason),
            }
            writing.settle(observation.received);
        }
        done.outcome()
    }

    /// Carries one step out: what became of it, where it says something of a thing's state.
    fn step(
        &mut self,
        observation: &Observation,
        step: Step,
        writing: &mut Writing<'_>,
    ) -> Result<Option<Outcome>, String> {
        let now = observation.received;
        let mapper = self.mapper;
        match step {
            Step::Route(address, _) | Step::Claim(address) => {
                self.map_anew(&address, writing);
            }
            Step::Release(address) => {
                if let Some(thing) = self.learned.routes.thing(&address) {
                    writing.mark_stale(&thing, &mapper.adapter, Some(&address), now);
                }
            }
            Step::Found(rule, found) => {
                let thing = mapper.thing_of(&rule, now, writing)?;
                let Learned { properties, reach, deadlines, .. } = &mut *self.learned;
                let mut arrival = Arrival::new(mapper, observation, properties, writing);
                let outcome = arrival.found(thing, &rule, found);
                reach.check(&outcome, observation, writing);
                let most = mapper.limits.properties;
                deadlines.heard(Some(&rule), observation, &outcome, most);
                return Ok(Some(outcome));
            }
            Step::Occurred(rule, event, data, time) => {
                if observation.retained {
                    return Err(format!(
                        "retained, so it is no new occurrence of the event `{event}`"
                    ));
                }
                let thing = mapper.thing_of(&rule, now, writing)?;
                let time = if is_believed(now, time) { time } else { now };
                let occurred = writing.occurred(&thing, &event, data, time, now);
                occurred.map_err(|refusal| refusal.to_string())?;
                return Ok(Some(applied_to(thing)));
            }
            Step::Offered(rule, action) => {
                let thing = mapper.thing_of(&rule, now, writing)?;
                let (offer, payload) = offered(&rule, action, now);
                let offered = writing.offer(&thing, &mapper.adapter, &offer, payload);
                offered.map_err(|refusal| refusal.to_string())?;
                return Ok(Some(applied_to(thing)));
            }
            Step::Withdrawn(rule, action) => {
                if let Some(thing) = self.existing(&rule, writing)? {
                    let address = address_of_action(&rule, &action);
                    writing.withdraw_action(&thing, &mapper.adapter, &address);
                    return Ok(Some(applied_to(thing)));
                }
            }
            Step::Dropped(rule, names) => {
                if let Some(thing) = self.existing(&rule, writing)? {
                    let is_dropped = |slot: &SlotRef<'_>| {
                        slot.property().adapter == mapper.adapter
                            && names.contains(&slot.property().name)
                    };
                    writing.mark_those_stale(&thing, is_dropped, now);
                }
            }
            Step::Online(rule) => {
                let name = mapper.name("", Shape::Whole, Some(&rule), None)?;
                self.learned.reach.regain(name.id(), now, writing);
            }
            Step::Offline(rule) => {
                let name = mapper.name("", Shape::Whole, Some(&rule), None)?;
                let most = mapper.limits.things;
                self.learned.reach.lose(name.id(), &mapper.adapter, most, now, writing);
            }
            Step::Gone(rule) => {
                if let Some(thing) = self.existing(&rule, writing)? {
                    self.learned.reach.forget(thing.id());
                    writing.delete(&thing, now);
                }
            }
            Step::Asked(form, payload) => self.ask(form, payload),
        }
        Ok(None)
    }

    fn ask(&mut self, form: thingway_sdk::Form, payload: Payload) {
        /// More questions in one batch are not asked: their devices announce themselves again.
        const MOST: usize = 256;
        if self.learned.questions.len() < MOST {
            self.learned.questions.push((form, payload));
        }
    }

    /// The thing that a rule is about, if it is there.
    fn existing(
        &self,
        rule: &Arc<RuleConfig>,
        writing: &Writing<'_>,
    ) -> Result<Option<Arc<Thing>>, String> {
        let name = self.mapper.name("", Shape::Whole, Some(rule), None)?;
        Ok(writing.find(name.id()))
    }

    /// An address means something else now: what it said last is said again, and what that was
    /// before is no more.
    pub(super) fn map_anew(&mut self, address: &Address, writing: &mut Writing<'_>) {
        let Some(route) = self.learned.routes.get_mut(address) else { return };
        let Some((shape, before)) = route.take_moved() else { return };
        let adapter = self.mapper.adapter.clone();
        let Some((observation, is_stale)) = retold::observation(&before, &adapter, address, shape)
        else {
            return;
        };
        let mut contents = Contents::default();
        let outcome = match self.read(&observation, &mut contents) {
            Ok(message) => self.apply(&observation, message, &mut contents, writing),
            Err(outcome) => outcome,
        };
        let now = observation.received;
        writing.settle(now);
        if is_stale
            && let Outcome::Applied(applied) | Outcome::Duplicate(applied, _) = &outcome
            && let Some(thing) = &applied.thing
        {
            let is_it = |slot: &SlotRef<'_>| applied.has(slot.index());
            writing.mark_those_stale(thing, is_it, now);
        }
        self.retire(address, &before, &outcome, now, writing);
    }

    /// Lets go of what an address meant before: a thing that has nothing else goes, and what is
    /// left of another one is stale.
    fn retire(
        &self,
        address: &Address,
        before: &Arc<Thing>,
        outcome: &Outcome,
        now: Timestamp,
        writing: &mut Writing<'_>,
    ) {
        let adapter = &self.mapper.adapter;
        let is_same = |thing: &Option<Arc<Thing>>| {
            thing.as_ref().is_some_and(|thing| Arc::ptr_eq(thing, before))
        };
        match outcome {
            Outcome::Applied(applied) | Outcome::Duplicate(applied, _)
                if is_same(&applied.thing) =>
            {
                let is_left = |slot: &SlotRef<'_>| {
                    slot.property().adapter == *adapter
                        && slot.address() == address
                        && !applied.has(slot.index())
                };
                writing.mark_those_stale(before, is_left, now);
            }
            _ if self.leads_nowhere(before) => {
                writing.delete(before, now);
            }
            _ => {
                writing.mark_stale(before, adapter, Some(address), now);
            }
        }
    }

    /// Whether no address leads to a thing any more.
    fn leads_nowhere(&self, thing: &Arc<Thing>) -> bool {
        let mut is_left = !thing.view().actions.is_empty() || thing.description().is_some();
        thing.each_slot(|slot| {
            let is_ours = slot.property().adapter == self.mapper.adapter;
            let leads = self.learned.routes.thing(slot.address());
            is_left |= !is_ours || leads.is_some_and(|leads| Arc::ptr_eq(&leads, thing));
        });
        !is_left
    }
}

/// An action as the recorder takes it.
fn offered(
    rule: &RuleConfig,
    action: Action,
    received: Timestamp,
) -> (Offer, Option<super::PayloadTemplate>) {
    let subject = Subject {
        thing: rule.convention.as_ref().map(|by| by.thing.clone()).unwrap_or_default(),
        name: action.name.clone(),
        title: action.title,
        semantic_type: None,
        form: Some(action.form),
    };
    let address = address_of_action(rule, &action.name);
    (Offer { address, subject: Arc::new(subject), received }, action.payload)
}

/// Several actions may be asked for at one address, so its name tells it apart: no address that a
/// message comes from has a `#`.
fn address_of_action(rule: &RuleConfig, action: &SmolStr) -> Address {
    let thing = rule.convention.as_ref().map_or("", |by| &by.thing);
    Address::from(format_smolstr!("{thing}#{action}").as_str())
}

fn applied_to(thing: Arc<Thing>) -> Outcome {
    Outcome::Applied(Applied { thing: Some(thing), ..Applied::default() })
}

/// What became of a message of several steps.
#[derive(Default)]
struct Done {
    applied: Option<Applied>,
    duplicate: Option<(Applied, &'static str)>,
    refused: Vec<String>,
}

impl Done {
    fn add(&mut self, outcome: Option<Outcome>) {
        match outcome {
            Some(Outcome::Applied(applied)) => drop(self.applied.get_or_insert(applied)),
            Some(Outcome::Duplicate(applied, why)) => {
                self.duplicate.get_or_insert((applied, why));
            }
            Some(Outcome::Failed(reason) | Outcome::Unmapped(reason)) => self.refused(reason),
            None => {}
        }
    }

    fn refused(&mut self, reason: String) {
        self.refused.push(reason);
    }

    fn outcome(self) -> Outcome {
        let count = self.refused.len();
        let Some(reason) = self.refused.into_iter().next() else {
            return match (self.applied, self.duplicate) {
                (None, Some((applied, why))) => Outcome::Duplicate(applied, why),
                (applied, _) => Outcome::Applied(applied.unwrap_or_default()),
            };
        };
        match self.applied.or(self.duplicate.map(|(applied, _)| applied)) {
            Some(mut applied) => {
                let note = format!("{count} parts were left out: {reason}");
                applied.note.get_or_insert(note);
                Outcome::Applied(applied)
            }
            None => Outcome::Failed(reason),
        }
    }
}
