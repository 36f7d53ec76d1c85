//! States that are only good for a while: when each address has to be heard again.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use thingway_sdk::{Address, Observation, Timestamp};

use super::RuleConfig;
use super::mapper::{Batch, Outcome};
use crate::recorder::Writing;
use crate::registry::Thing;

/// When the states of addresses become stale. There is one entry for each address whose rule sets
/// a time.
#[derive(Default)]
pub(super) struct Deadlines {
    known: HashMap<Address, (Timestamp, Arc<Thing>)>,
    /// Each known address once, with its deadline or an earlier one: a deadline that moves is
    /// found out when the earlier one has come.
    queue: BinaryHeap<Reverse<(Timestamp, Address)>>,
}

impl Deadlines {
    /// Notes that an address was heard; of addresses beyond `most` nothing is noted.
    pub(super) fn heard(
        &mut self,
        rule: Option<&Arc<RuleConfig>>,
        observation: &Observation,
        outcome: &Outcome,
        most: usize,
    ) {
        let Some(seconds) = rule.and_then(|rule| rule.ttl_seconds) else { return };
        let Outcome::Applied(applied) = outcome else { return };
        let Some(thing) = &applied.thing else { return };
        let until = observation.received.plus(Duration::from_secs(seconds.get().into()));
        self.renew(&observation.address, thing, until, most);
    }

    fn renew(&mut self, address: &Address, thing: &Arc<Thing>, until: Timestamp, most: usize) {
        if let Some(known) = self.known.get_mut(address) {
            *known = (until, thing.clone());
        } else if self.known.len() < most {
            self.known.insert(address.clone(), (until, thing.clone()));
            self.queue.push(Reverse((until, address.clone())));
        }
    }

    /// Takes out an address whose time is over.
    fn take_overdue(&mut self, now: Timestamp) -> Option<(Address, Arc<Thing>)> {
        loop {
            let Reverse((queued, _)) = self.queue.peek()?;
            if *queued > now {
                return None;
            }
            let Reverse((_, address)) = self.queue.pop()?;
            let until = self.known.get(&address)?.0;
            if until <= now {
                let (_, thing) = self.known.remove(&address)?;
                return Some((address, thing));
            }
            self.queue.push(Reverse((until, address)));
        }
    }
}

/// As many addresses at a time become stale: messages have their turn in between.
const AT_A_TIME: usize = 1000;

impl Batch<'_> {
    /// Takes out the addresses whose time is over.
    #[must_use]
    pub fn overdue(&mut self, now: Timestamp) -> Vec<(Address, Arc<Thing>)> {
        let deadlines = &mut self.learned.deadlines;
        std::iter::from_fn(|| deadlines.take_overdue(now)).take(AT_A_TIME).collect()
    }

    /// The states of these addresses were not renewed in time.
    pub fn outlive(
        &self,
        overdue: &[(Address, Arc<Thing>)],
        now: Timestamp,
        writing: &mut Writing<'_>,
    ) {
        for (address, thing) in overdue {
            writing.mark_stale(thing, &self.mapper.adapter, Some(address), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use thingway_sdk::ThingId;

    use super::*;

    #[test]
    fn an_address_is_overdue_once_when_it_was_not_heard_again() {
        let mut deadlines = Deadlines::default();
        let thing = Thing::new(ThingId::from_name("t"), None, Timestamp::EPOCH);
        let at = Timestamp::from_micros;
        let renew = |deadlines: &mut Deadlines, address: &str, until| {
            deadlines.renew(&Address::from(address), &thing, at(until), 2);
        };
        renew(&mut deadlines, "a", 10);
        renew(&mut deadlines, "b", 20);
        renew(&mut deadlines, "c", 5);
        renew(&mut deadlines, "a", 30);
        let mut overdue = |now| {
            let taken = deadlines.take_overdue(at(now));
            taken.map(|(address, _)| address.as_str().to_owned())
        };
        assert_eq!(overdue(15), None);
        assert_eq!(overdue(40).as_deref(), Some("b"));
        assert_eq!(overdue(40).as_deref(), Some("a"));
        assert_eq!(overdue(40), None);
    }
}
