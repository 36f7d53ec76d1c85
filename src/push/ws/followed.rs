//! One thing that a consumer follows.

use std::sync::Arc;

use super::message::{Body, notification};
use super::subscriptions::{Kind, Subscription, Subscriptions};
use crate::push::herald::Place;
use crate::registry::Thing;
use crate::rest::Problem;

/// A thing with the subscriptions to it.
pub(super) struct Followed {
    pub(super) thing: Arc<Thing>,
    properties: Subscriptions,
    events: Subscriptions,
    /// Where its changes are told.
    _place: Place,
}

impl Followed {
    /// Nobody has subscribed yet.
    pub(super) fn new(thing: Arc<Thing>, place: Place) -> Self {
        let (properties, events) = (Subscriptions::default(), Subscriptions::default());
        Self { thing, properties, events, _place: place }
    }

    /// Whether it is this very thing, and not one that came later under the same id.
    pub(super) fn is(&self, thing: &Arc<Thing>) -> bool {
        Arc::ptr_eq(&self.thing, thing)
    }

    /// The subscriptions of one kind.
    pub(super) fn of(&self, kind: Kind) -> &Subscriptions {
        match kind {
            Kind::Properties => &self.properties,
            Kind::Events => &self.events,
        }
    }

    /// The same, to be changed.
    pub(super) fn of_mut(&mut self, kind: Kind) -> &mut Subscriptions {
        match kind {
            Kind::Properties => &mut self.properties,
            Kind::Events => &mut self.events,
        }
    }

    /// The subscription with this id, if nothing has replaced it.
    pub(super) fn by_id(&mut self, id: u64) -> Option<&mut Subscription> {
        self.properties.by_id(id).or_else(|| self.events.by_id(id))
    }

    /// All subscriptions.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.properties.iter().chain(self.events.iter())
    }

    /// One of them.
    pub(super) fn first(&self) -> Option<(Kind, Subscription)> {
        [Kind::Properties, Kind::Events]
            .into_iter()
            .find_map(|kind| Some((kind, self.of(kind).iter().next()?.clone())))
    }

    /// How many entries there are to remember.
    pub(super) fn len(&self) -> usize {
        self.properties.len() + self.events.len()
    }

    /// Tells every subscription that it is over, because the thing is gone.
    pub(super) fn farewells(&self) -> impl Iterator<Item = String> {
        self.iter().map(|subscription| {
            let gone = Problem::not_found("the thing was removed; this subscription ends");
            notification(self.thing.id(), subscription, None, Body::error(gone))
        })
    }
}
