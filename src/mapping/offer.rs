//! What an adapter knows without a message: actions that devices offer, resources that are gone.

use thingway_sdk::{Address, Offer, Timestamp};

use super::mapper::{Learned, Mapper, Origin};
use super::reader::Shape;
use crate::recorder::Writing;

impl Mapper {
    /// Takes in that a device has an action.
    ///
    /// # Errors
    /// When there are too many things or actions.
    pub fn offer(&self, offer: &Offer, writing: &mut Writing<'_>) -> Result<(), String> {
        let Learned { routes, .. } = &mut *self.learned.lock();
        let mut unknown = None;
        let route = match routes.get_mut(&offer.address) {
            Some(route) => route,
            None => unknown.insert(self.new_route(&offer.address)),
        };
        route.learn(&offer.subject);
        let origin = Origin {
            address: &offer.address,
            about: Some(&offer.subject),
            received: offer.received,
        };
        let thing = self.target(route, Shape::Whole, &origin, writing)?;
        let offered = writing.offer(&thing, &self.adapter, offer);
        writing.settle(offer.received);
        offered.map_err(|refusal| refusal.to_string())?;
        if let Some(route) = unknown {
            routes.remember(&offer.address, route, self.limits.properties);
        }
        Ok(())
    }

    /// Takes in that nobody vouches any more for the states of an address.
    pub fn expire(&self, address: &Address, now: Timestamp, writing: &mut Writing<'_>) {
        if let Some(thing) = self.learned.lock().routes.thing(address) {
            writing.mark_stale(&thing, &self.adapter, Some(address), now);
        }
    }

    /// Takes in that there is nothing any more at an address: its states are stale, its action is
    /// gone.
    pub fn withdraw(&self, address: &Address, now: Timestamp, writing: &mut Writing<'_>) {
        if let Some(thing) = self.learned.lock().routes.thing(address) {
            writing.mark_stale(&thing, &self.adapter, Some(address), now);
            writing.withdraw_action(&thing, &self.adapter, address);
            writing.settle(now);
        }
    }
}
