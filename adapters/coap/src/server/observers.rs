//! Who observes our resources (RFC 7641 section 4). To each observer at most one Confirmable
//! notification is under way; what happens meanwhile is told by the newest state alone.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::block::BlockSize;
use crate::config::Limits;
use crate::exchange::Response;
use crate::message::Token;
use crate::time::Time;

use super::operation::Operation;

/// A notification is Confirmable after so long without one: the RFC wants one in 24 hours (section
/// 4.5), and this leaves room for it to be late.
const CONFIRM_AFTER: Duration = Duration::from_secs(23 * 3600);
/// Of two notifications within this time, the second is Confirmable, so that its acknowledgement
/// sets the pace (section 4.5.1).
const UNCONFIRMED_PACE: Duration = Duration::from_secs(3);
/// Order numbers rise by so many a second on their own.
const ORDERS_PER_SECOND: u128 = 64;

#[derive(Debug)]
pub(super) struct Observer {
    pub(super) peer: SocketAddr,
    pub(super) token: Token,
    pub(super) operation: Operation,
    /// How long a state may be that goes out in one piece.
    pub(super) block_size: BlockSize,
    /// The newest state, for when the notification under way is acknowledged.
    pub(super) waiting: Option<Response>,
    /// Whether a Confirmable notification is under way.
    pub(super) under_way: bool,
    order: u32,
    confirmed_at: Time,
    notified_at: Time,
}

impl Observer {
    /// The number for the next notification. It follows the clock, so that it is newer than one
    /// that was sent under the same token before the observer was forgotten.
    pub(super) fn next_order(&mut self, now: Time) -> u32 {
        let clock = (now.as_millis() * ORDERS_PER_SECOND / 1000) as u32;
        let ahead = clock.wrapping_sub(self.order) & 0x00ff_ffff;
        let step = if ahead < 1 << 23 { ahead.max(1) } else { 1 };
        self.order = self.order.wrapping_add(step) & 0x00ff_ffff;
        self.order
    }

    /// Whether the next notification has to be Confirmable whatever the caller wants; and that it
    /// is being sent.
    pub(super) fn must_confirm(&mut self, now: Time, wanted: bool) -> bool {
        let long_ago = now.saturating_sub(self.confirmed_at) >= CONFIRM_AFTER;
        let too_fast = now.saturating_sub(self.notified_at) < UNCONFIRMED_PACE;
        let confirm = wanted || long_ago || too_fast;
        self.notified_at = now;
        if confirm {
            self.confirmed_at = now;
        }
        confirm
    }
}

/// All observers, bounded altogether and per IP address.
#[derive(Debug, Default)]
pub(super) struct Observers {
    by_id: HashMap<u64, Observer>,
    by_token: HashMap<(SocketAddr, Token), u64>,
    per_address: HashMap<IpAddr, usize>,
}

impl Observers {
    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Observer> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn find(&self, peer: SocketAddr, token: Token) -> Option<u64> {
        self.by_token.get(&(peer, token)).copied()
    }

    pub(super) fn of_peer(&self, peer: SocketAddr) -> Vec<u64> {
        let of_peer = self.by_token.iter().filter(|((address, _), _)| *address == peer);
        let mut ids: Vec<u64> = of_peer.map(|(_, id)| *id).collect();
        ids.sort_unstable();
        ids
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn has_room(&self, peer: SocketAddr, limits: &Limits) -> bool {
        let here = self.per_address.get(&peer.ip()).copied().unwrap_or(0);
        self.by_id.len() < limits.observers && here < limits.observers_per_address
    }

    pub(super) fn insert(
        &mut self,
        now: Time,
        id: u64,
        operation: Operation,
        token: Token,
        block_size: BlockSize,
    ) {
        let peer = operation.peer;
        let observer = Observer {
            peer,
            token,
            operation,
            block_size,
            waiting: None,
            under_way: false,
            order: 0,
            confirmed_at: now,
            // The response to the registration is no notification.
            notified_at: now.saturating_sub(UNCONFIRMED_PACE),
        };
        *self.per_address.entry(peer.ip()).or_default() += 1;
        self.by_token.insert((peer, token), id);
        self.by_id.insert(id, observer);
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Observer> {
        let observer = self.by_id.remove(&id)?;
        let address = observer.peer.ip();
        self.by_token.remove(&(observer.peer, observer.token));
        if let Some(count) = self.per_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&address);
            }
        }
        Some(observer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Code, Options};
    use crate::observe::Arrival;

    fn observer(now: Time) -> Observer {
        let operation = Operation::new("[::1]:1".parse().unwrap(), Code::GET, &Options::default());
        let mut observers = Observers::default();
        observers.insert(now, 1, operation, Token::default(), BlockSize::LARGEST);
        observers.remove(1).unwrap()
    }

    #[test]
    fn order_numbers_rise_with_each_notification_and_with_time() {
        let start = Duration::from_secs(262_000);
        let mut observer = observer(start);
        let mut last = Arrival { order: observer.next_order(start), at: start };
        for step in 1..2000 {
            let at = start + Duration::from_millis(step * 700);
            for _ in 0..2 {
                let next = Arrival { order: observer.next_order(at), at };
                assert!(next.is_newer_than(last), "{next:?} after {last:?}");
                last = next;
            }
        }
    }

    #[test]
    fn one_notification_in_24_hours_is_confirmable() {
        let mut observer = observer(Time::ZERO);
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        assert!(!observer.must_confirm(hours(1), false));
        assert!(observer.must_confirm(hours(1), false), "too soon after the one before");
        assert!(!observer.must_confirm(hours(23), false));
        assert!(observer.must_confirm(hours(24), false));
    }

    #[test]
    fn an_address_has_so_many_observers() {
        let limits = Limits { observers_per_address: 1, ..Limits::default() };
        let operation = Operation::new("[::1]:1".parse().unwrap(), Code::GET, &Options::default());
        let mut observers = Observers::default();
        observers.insert(Time::ZERO, 1, operation, Token::default(), BlockSize::LARGEST);
        assert!(!observers.has_room("[::1]:2".parse().unwrap(), &limits));
        assert!(observers.has_room("[::2]:1".parse().unwrap(), &limits));
        observers.remove(1);
        assert!(observers.has_room("[::1]:2".parse().unwrap(), &limits));
    }
}
