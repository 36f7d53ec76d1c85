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

/// One property, as its thing keeps it: in half the bytes of a [`Slot`].
#[derive(Debug)]
pub(super) struct PackedSlot {
    pub(super) property: Arc<Property>,
    pub(super) state: PackedState,
    pub(super) revision: Seq,
    /// Which address of the thing its states come from.
    pub(super) address: u32,
    pub(super) kinds: Kinds,
    pub(super) told: Told,
}

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

/// A look at one property where it is, without a copy.
#[derive(Clone, Copy)]
pub struct SlotRef<'a> {
    pub(super) body: &'a Body,
    pub(super) index: usize,
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
        &self.slot.property
    }

    /// Where in its silo its states come from.
    #[must_use]
    pub fn address(&self) -> &'a Address {
        self.body.address(self.slot)
    }

    /// The types it was seen with.
    #[must_use]
    pub fn kinds(&self) -> Kinds {
        self.slot.kinds
    }

    /// Its newest state.
    #[must_use]
    pub fn state(&self) -> &'a PackedState {
        &self.slot.state
    }

    /// The sequence number of that state: its entity tag.
    #[must_use]
    pub fn revision(&self) -> Seq {
        self.slot.revision
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
