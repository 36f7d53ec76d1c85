use std::mem;
use std::sync::Arc;

use thingway_sdk::model::Kinds;
use thingway_sdk::{Address, Timestamp};

use super::action::Action;
use super::model::Model;
use super::slot::{PackedSlot, SlotRef, Told};
use super::thing::{Description, EventSource};
use super::{Desired, DesiredStatus};
use crate::log::{PackedState, Seq};
use crate::mapping::RuleConfig;

/// What is behind a thing's lock: its states and what is said of it. There may be millions of
/// them, so each byte counts: what few things have is apart. First stands what each message needs.
#[repr(C)]
pub(crate) struct Body {
    /// Without room for more: most things have few properties and get no more of them.
    slots: Box<[PackedSlot]>,
    /// With the properties of the slots.
    model: Arc<Model>,
    /// Where the states of the first property come from, and those of most others. Means nothing
    /// before there is one, and stays the same from then on.
    address: Address,
    extra: Option<Box<Extra>>,
    pub(super) revision: Seq,
    pub(super) modified: Timestamp,
    pub(super) created: Timestamp,
}

/// What most things don't have.
#[derive(Default)]
pub(super) struct Extra {
    pub(super) events: Vec<EventSource>,
    pub(super) actions: Vec<Action>,
    pub(super) description: Option<Description>,
    /// Where the states of properties come from that do not come from the thing's address, in the
    /// order of their places.
    addresses: Vec<(usize, Address)>,
    /// What was asked of properties last, by their places.
    desired: Vec<(usize, Desired)>,
    /// Times that devices told before they told of states without any, by the properties' places.
    device_times: Vec<(usize, Timestamp)>,
}

impl Body {
    pub(super) fn new(rule: Option<Arc<RuleConfig>>, now: Timestamp) -> Self {
        Self {
            slots: Box::default(),
            model: Arc::new(Model { rule, properties: Box::default() }),
            address: Address::from(""),
            extra: None,
            revision: Seq::default(),
            modified: now,
            created: now,
        }
    }

    pub(super) fn rule(&self) -> Option<&Arc<RuleConfig>> {
        self.model.rule.as_ref()
    }

    pub(super) fn events(&self) -> &[EventSource] {
        self.extra.as_ref().map_or(&[], |extra| &extra.events)
    }

    pub(super) fn actions(&self) -> &[Action] {
        self.extra.as_ref().map_or(&[], |extra| &extra.actions)
    }

    pub(super) fn description(&self) -> Option<&Description> {
        self.extra.as_ref()?.description.as_ref()
    }

    pub(super) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    pub(super) fn is_reported(&self) -> bool {
        !self.slots.is_empty() || !self.events().is_empty() || !self.actions().is_empty()
    }
}

/// Its properties.
impl Body {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// Where the states of its first property come from; None before it has one.
    pub(super) fn address(&self) -> Option<&Address> {
        (!self.slots.is_empty()).then_some(&self.address)
    }

    pub(crate) fn slot(&self, index: usize) -> Option<SlotRef<'_>> {
        let (property, slot) = (self.model.properties.get(index)?, self.slots.get(index)?);
        Some(SlotRef { body: self, index, property, slot })
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = SlotRef<'_>> {
        let both = self.model.properties.iter().zip(&self.slots).enumerate();
        both.map(|(index, (property, slot))| SlotRef { body: self, index, property, slot })
    }

    pub(crate) fn named(&self, name: &str) -> Option<SlotRef<'_>> {
        self.slot(self.model.place(name)?)
    }

    pub(super) fn address_of(&self, index: usize) -> &Address {
        let elsewhere = || {
            let addresses = &self.extra.as_ref()?.addresses;
            let found = addresses.binary_search_by_key(&index, |(place, _)| *place).ok()?;
            Some(&addresses.get(found)?.1)
        };
        elsewhere().unwrap_or(&self.address)
    }

    pub(super) fn desired(&self, index: usize) -> Option<&Desired> {
        of(&self.extra.as_ref()?.desired, index)
    }

    pub(super) fn newest_device_time(&self, index: usize, slot: &PackedSlot) -> Timestamp {
        let before = || of(&self.extra.as_ref()?.device_times, index).copied();
        match slot.told() {
            Told::Never => Timestamp::EPOCH,
            Told::WithTheState => slot.state.time(),
            Told::Before => before().unwrap_or(Timestamp::EPOCH),
        }
    }

    /// Adds the last property of this model; its state and its revision belong together.
    pub(crate) fn add(
        &mut self,
        model: Arc<Model>,
        address: Address,
        kinds: Kinds,
        state: PackedState,
        revision: Seq,
        device_time: Timestamp,
    ) {
        let index = self.slots.len();
        if index == 0 {
            self.address = address;
        } else if self.address != address {
            self.extra().addresses.push((index, address));
        }
        let mut slots = mem::take(&mut self.slots).into_vec();
        slots.reserve_exact(1);
        slots.push(PackedSlot::new(state, revision, kinds));
        self.slots = slots.into_boxed_slice();
        self.model = model;
        self.set_device_time(index, device_time);
    }

    /// Gives a property a new state.
    pub(crate) fn put(
        &mut self,
        index: usize,
        state: PackedState,
        revision: Seq,
        newest_device_time: Timestamp,
    ) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.state = state;
            slot.set_revision(revision);
            self.set_device_time(index, newest_device_time);
        }
    }

    pub(crate) fn set_kinds(&mut self, index: usize, kinds: Kinds) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.set_kinds(kinds);
        }
    }

    /// The rule and the properties as they are in this model, which has as many of them.
    pub(crate) fn set_model(&mut self, model: Arc<Model>) {
        self.model = model;
    }

    pub(super) fn set_desired(&mut self, index: usize, desired: Desired) {
        if index < self.slots.len() {
            set(&mut self.extra().desired, index, desired);
        }
    }

    pub(super) fn settle_desired(&mut self, index: usize, command: &str, status: DesiredStatus) {
        let Some(extra) = &mut self.extra else { return };
        let asked = extra.desired.iter_mut().find(|(place, _)| *place == index);
        if let Some((_, desired)) = asked.filter(|(_, desired)| desired.command == command) {
            desired.status = status;
        }
    }

    fn set_device_time(&mut self, index: usize, newest: Timestamp) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let told = match newest {
            Timestamp::EPOCH => Told::Never,
            newest if newest == slot.state.time() => Told::WithTheState,
            _ => Told::Before,
        };
        slot.set_told(told);
        if told == Told::Before {
            set(&mut self.extra().device_times, index, newest);
        }
    }
}

fn of<T>(list: &[(usize, T)], index: usize) -> Option<&T> {
    list.iter().find(|(place, _)| *place == index).map(|(_, found)| found)
}

fn set<T>(list: &mut Vec<(usize, T)>, index: usize, new: T) {
    match list.iter_mut().find(|(place, _)| *place == index) {
        Some((_, known)) => *known = new,
        None => list.push((index, new)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{self, Property, State};
    use crate::registry::Thing;
    use thingway_sdk::{Quality, Value};

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn state(time: i64) -> PackedState {
        let (value, received, quality) = (Value::Null, at(1_000_000), Quality::Good);
        PackedState::new(State { value, time: at(time), received, quality, replayed: false })
    }

    /// A thing with a property from each of these addresses.
    fn body(addresses: &[&str]) -> Body {
        let mut body = Body::new(None, at(0));
        for (slot, address) in addresses.iter().enumerate() {
            let (name, adapter) = ((*address).into(), "mqtt".into());
            let told = log::Told::default();
            let property = Property { name, slot, adapter, rule: None, told, write: None };
            let (kinds, now) = (Kinds::NULL, Timestamp::EPOCH);
            let model = Arc::new(body.model().with(slot, Arc::new(property)));
            body.add(model, (*address).into(), kinds, state(0), Seq(1), now);
        }
        body
    }

    #[test]
    fn what_there_are_millions_of_is_small() {
        assert!(size_of::<PackedSlot>() <= 40, "{}", size_of::<PackedSlot>());
        assert!(size_of::<Thing>() <= 136, "{}", size_of::<Thing>());
    }

    #[test]
    fn each_property_has_the_address_that_it_came_with() {
        let addresses = ["a", "b", "a", "c", "b"];
        let body = body(&addresses);
        assert!(body.slots().map(|slot| slot.address().as_str()).eq(addresses));
        assert_eq!(body.address(), Some(&"a".into()));
    }

    #[test]
    fn the_newest_device_time_outlives_states_that_tell_none() {
        let mut body = body(&["a", "b"]);
        let mut told = |state_time, newest| {
            body.put(1, state(state_time), Seq(2), at(newest));
            body.slot(1).unwrap().newest_device_time()
        };
        for (state_time, newest) in [(7, 0), (7, 7), (9, 7), (9, 8), (9, 9), (10, 9)] {
            assert_eq!(told(state_time, newest), at(newest));
        }
        assert_eq!(body.slot(0).unwrap().newest_device_time(), Timestamp::EPOCH);
    }

    #[test]
    fn what_is_asked_of_a_property_is_its_own() {
        let mut body = body(&["a", "b"]);
        let (time, status) = (at(0), DesiredStatus::Pending);
        let ask =
            |command: &str| Desired { value: Value::Null, time, command: command.into(), status };
        body.set_desired(1, ask("one"));
        body.set_desired(1, ask("two"));
        body.set_desired(2, ask("nobody"));
        body.settle_desired(1, "one", DesiredStatus::Timeout);
        body.settle_desired(1, "two", DesiredStatus::Confirmed);
        let found: Vec<_> = body.slots().map(|slot| slot.to_slot().desired).collect();
        assert!(found[0].is_none());
        let desired = found[1].as_ref().unwrap();
        assert_eq!((&*desired.command, desired.status), ("two", DesiredStatus::Confirmed));
    }
}
