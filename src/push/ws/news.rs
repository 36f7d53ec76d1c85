//! What happened, in the words of a notification.

use std::sync::Arc;

use thingway_sdk::ThingId;

use super::followed::Followed;
use super::message::{Body, Missing, Notification, notification};
use super::subscriptions::{Kind, Subscription};
use crate::log::{Change, Seq, What};
use crate::push::feed::{Gap, Newest};
use crate::registry::Thing;

/// Something to be told; `only` to the subscription that catches up on it.
pub(super) struct News {
    pub(super) what: Happened,
    pub(super) only: Option<u64>,
}

/// What there is to tell.
pub(super) enum Happened {
    /// A new state, or an occurrence of an event.
    Change(Arc<Change>),
    /// The newest state, where changes are missing.
    Newest(Newest),
    /// Changes of this thing are missing.
    Missing(Arc<Thing>, Missing),
}

/// What takes the place of missing changes of these things.
pub(super) fn missing(gap: Gap, things: Vec<Arc<Thing>>) -> impl Iterator<Item = Happened> {
    let missing = Missing { after: gap.after, until: gap.until, reason: gap.reason };
    let things = things.into_iter().map(move |thing| Happened::Missing(thing, missing));
    things.chain(gap.states.into_iter().map(Happened::Newest))
}

impl News {
    /// The thing that it is about.
    pub(super) fn thing(&self) -> &ThingId {
        match &self.what {
            Happened::Change(change) => change.thing(),
            Happened::Newest(newest) => newest.thing.id(),
            Happened::Missing(thing, _) => thing.id(),
        }
    }

    /// Notifications of it, one for each subscription to the thing that it concerns.
    pub(super) fn tell(&self, followed: &Followed) -> Vec<String> {
        match &self.what {
            Happened::Change(change) => {
                let subscription = concerned(change, followed);
                let subscription = subscription.filter(|one| self.concerns(one, change.seq));
                subscription.map(|one| of_change(change).to(one)).into_iter().collect()
            }
            Happened::Newest(newest) => self.newest(newest, followed).into_iter().collect(),
            Happened::Missing(_, missing) => self.gaps(*missing, followed),
        }
    }

    fn newest(&self, newest: &Newest, followed: &Followed) -> Option<String> {
        let slot = &newest.slot;
        let name = slot.property.name.as_str();
        let subscription = followed.of(Kind::Properties).for_name(name)?;
        let same = followed.is(&newest.thing);
        (same && self.concerns(subscription, slot.revision)).then(|| {
            let body = Body { seq: Some(slot.revision), ..Body::state(&slot.state) };
            notification(newest.thing.id(), subscription, Some(name), body)
        })
    }

    fn gaps(&self, missing: Missing, followed: &Followed) -> Vec<String> {
        let concerned = followed.iter().filter(|one| self.concerns(one, missing.until));
        let tell = |subscription: &Subscription| {
            let after = match self.only {
                Some(_) => missing.after,
                None => missing.after.max(subscription.after),
            };
            let gap = Some(Missing { after, ..missing });
            let body = Body { gap, ..Body::default() };
            notification(followed.thing.id(), subscription, None, body)
        };
        concerned.map(tell).collect()
    }

    /// A subscription hears of what it catches up on, and of what came after all that it knows.
    fn concerns(&self, subscription: &Subscription, seq: Seq) -> bool {
        match self.only {
            Some(id) => id == subscription.id,
            None => seq > subscription.after,
        }
    }
}

/// The subscription that counts for a change.
pub(super) fn concerned<'a>(change: &Change, followed: &'a Followed) -> Option<&'a Subscription> {
    let (kind, name) = Kind::told_by(change)?;
    let subscription = followed.of(kind).for_name(name)?;
    followed.is(&change.about).then_some(subscription)
}

/// What is told of a change.
pub(super) fn of_change(change: &Change) -> Notification {
    let (name, body) = match &change.what {
        What::State(property, state) => (Some(&property.name), Body::state(state)),
        What::Event(name, data, time) => {
            let body = Body { data: Some(data), timestamp: Some(*time), ..Body::default() };
            (Some(name), body)
        }
        What::Directory(..) => (None, Body::default()),
    };
    let body = Body { seq: Some(change.seq), ..body };
    Notification::new(change.thing(), name.map(|name| name.as_str()), body)
}
