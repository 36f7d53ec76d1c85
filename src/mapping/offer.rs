//! What an adapter knows without a message: actions that devices offer, resources that are gone.

use thingway_sdk::{Address, Offer, Timestamp};

use super::mapper::{Batch, Origin};
use super::reader::Shape;
use crate::recorder::Writing;

impl Batch<'_> {
    /// Takes in that a device has an action.
    ///
    /// # Errors
    /// When there are too many things or actions.
    pub fn offer(&mut self, offer: &Offer, writing: &mut Writing<'_>) -> Result<(), String> {
        let mapper = self.mapper;
        let mut unknown = match self.learned.routes.place(&offer.address) {
            Some(_) => None,
            None => Some(self.learned.new_route(&offer.address)),
        };
        let known = self.learned.routes.get_mut(&offer.address);
        let Some(route) = known.or(unknown.as_mut()) else { return Ok(()) };
        route.learn(&offer.subject);
        let origin = Origin {
            address: &offer.address,
            about: Some(&offer.subject),
            received: offer.received,
        };
        let thing = mapper.target(route, Shape::Whole, &origin, writing)?;
        route.is_news = false;
        let offered = writing.offer(&thing, &mapper.adapter, offer, None);
        writing.settle(offer.received);
        offered.map_err(|refusal| refusal.to_string())?;
        if let Some(route) = unknown {
            self.learned.routes.remember(route, mapper.limits.properties);
        }
        Ok(())
    }

    /// Takes in that nobody vouches any more for the states of an address.
    pub fn expire(&self, address: &Address, now: Timestamp, writing: &mut Writing<'_>) {
        if let Some(thing) = self.learned.routes.thing(address) {
            writing.mark_stale(&thing, &self.mapper.adapter, Some(address), now);
        }
    }

    /// Takes in that there is nothing any more at an address: its states are stale, its action is
    /// gone.
    pub fn withdraw(&self, address: &Address, now: Timestamp, writing: &mut Writing<'_>) {
        if let Some(thing) = self.learned.routes.thing(address) {
            writing.mark_stale(&thing, &self.mapper.adapter, Some(address), now);
            writing.withdraw_action(&thing, &self.mapper.adapter, address);
            writing.settle(now);
        }
    }
}
