use std::sync::Arc;

use thingway_sdk::model::Kinds;
use thingway_sdk::{Address, Timestamp};

use super::Desired;
use super::body::Body;
use crate::log::{PackedState, Property, Seq, State};

/// One property with its present state.
#[derive(Debug, Clone)]
pub struct Slot {
    /// What stays the same.
    pub property: Arc<Property>,
    /// Where in its silo its states come from.
    pub address: Address,
    /// The types it was seen with.
    pub kinds: Kinds,
    /// Its newest state.
    pub state: State,
    /// The sequence number of that state: its entity tag.
    pub revision: Seq,
    /// What was asked of it last.
    pub desired: Option<Box<Desired>>,
}

/// The state of one property, as its thing keeps it: there are millions of them.
#[derive(Debug)]
pub(super) struct PackedSlot {
    pub(super) state: PackedState,
    /// The revision, which has 53 bits (see [`Seq`]), with what is known of the property in the
    /// bits above it.
    bits: u64,
}

const REVISION: u64 = (1 << 53) - 1;
const TOLD_WITH_THE_STATE: u64 = 1 << 53;
const TOLD_BEFORE: u64 = 1 << 54;
/// The types that it was seen with are in the highest byte.
const KINDS: u64 = 0xff << 56;

/// Where the newest time is that the device itself ever told of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It told none.
    Never,
    /// It is the state's.
    WithTheState,
    /// The thing keeps it apart.
    Before,
}

impl PackedSlot {
    pub(super) fn new(state: PackedState, revision: Seq, kinds: Kinds) -> Self {
        let mut slot = Self { state, bits: 0 };
        slot.set_revision(revision);
        slot.set_kinds(kinds);
        slot
    }

    pub(super) fn revision(&self) -> Seq {
        Seq(self.bits & REVISION)
    }

    pub(super) fn set_revision(&mut self, revision: Seq) {
        self.replace(REVISION, revision.0);
    }

    pub(super) fn kinds(&self) -> Kinds {
        Kinds::from_bits(self.bits.to_be_bytes()[0])
    }

    pub(super) fn set_kinds(&mut self, kinds: Kinds) {
        self.replace(KINDS, u64::from(kinds.bits()) << 56);
    }

    pub(super) fn told(&self) -> Told {
        match self.bits & (TOLD_WITH_THE_STATE | TOLD_BEFORE) {
            TOLD_WITH_THE_STATE => Told::WithTheState,
            TOLD_BEFORE => Told::Before,
            _ => Told::Never,
        }
    }

    pub(super) fn set_told(&mut self, told: Told) {
        let bits = match told {
            Told::Never => 0,
            Told::WithTheState => TOLD_WITH_THE_STATE,
            Told::Before => TOLD_BEFORE,
        };
        self.replace(TOLD_WITH_THE_STATE | TOLD_BEFORE, bits);
    }

    fn replace(&mut self, mask: u64, bits: u64) {
        self.bits = (self.bits & !mask) | (bits & mask);
    }
}

/// A look at one property where it is, without a copy.
#[derive(Clone, Copy)]
pub struct SlotRef<'a> {
    pub(super) body: &'a Body,
    pub(super) index: usize,
    pub(super) property: &'a Arc<Property>,
    pub(super) slot: &'a PackedSlot,
}

impl<'a> SlotRef<'a> {
    /// Its place among the thing's properties.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// What stays the same.
    #[must_use]
    pub fn property(&self) -> &'a Arc<Property> {
        self.property
    }

    /// Where in its silo its states come from.
    #[must_use]
    pub fn address(&self) -> &'a Address {
        self.body.address_of(self.index)
    }

    /// The types it was seen with.
    #[must_use]
    pub fn kinds(&self) -> Kinds {
        self.slot.kinds()
    }

    /// Its newest state.
    #[must_use]
    pub fn state(&self) -> &'a PackedState {
        &self.slot.state
    }

    /// The sequence number of that state: its entity tag.
    #[must_use]
    pub fn revision(&self) -> Seq {
        self.slot.revision()
    }

    /// The newest time that the device itself ever told: what is older is not news. The epoch
    /// when it told none.
    #[must_use]
    pub(crate) fn newest_device_time(&self) -> Timestamp {
        self.body.newest_device_time(self.index, self.slot)
    }

    /// A copy of all of it.
    #[must_use]
    pub fn to_slot(&self) -> Slot {
        Slot {
            property: self.property().clone(),
            address: self.address().clone(),
            kinds: self.kinds(),
            state: self.state().unpack(),
            revision: self.revision(),
            desired: self.body.desired(self.index).cloned().map(Box::new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thingway_sdk::{Quality, Timestamp, Value};

    #[test]
    fn what_is_kept_in_one_number_stays_apart() {
        let now = Timestamp::EPOCH;
        let (value, quality) = (Value::Null, Quality::Good);
        let state =
            PackedState::new(State { value, time: now, received: now, quality, replayed: false });
        let newest = Seq(REVISION);
        let mut slot = PackedSlot::new(state, newest, Kinds::OCTETS);
        for told in [Told::Before, Told::WithTheState, Told::Never] {
            slot.set_told(told);
            assert_eq!((slot.told(), slot.revision(), slot.kinds()), (told, newest, Kinds::OCTETS));
        }
        slot.set_revision(Seq(1));
        slot.set_kinds(Kinds::NULL);
        assert_eq!((slot.revision(), slot.kinds()), (Seq(1), Kinds::NULL));
    }
}
