//! The messages that came, so that each is acted on once (RFC 7252 section 4.5).

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;

use crate::config::Limits;
use crate::time::Time;

/// Who sent it, and its message ID.
pub(super) type Origin = (SocketAddr, u16);

#[derive(Debug)]
struct Entry {
    serial: u64,
    until: Time,
    answer: Bytes,
}

/// Bounded by entries and by bytes of answers; beyond, the oldest go.
#[derive(Debug, Default)]
pub(super) struct Seen {
    entries: HashMap<Origin, Entry>,
    /// In the order of arrival. A serial that isn't that of the entry belongs to one before it.
    order: VecDeque<(Origin, u64)>,
    serial: u64,
    bytes: usize,
}

impl Seen {
    /// The answer to a message that came before; empty when there was none yet.
    pub(super) fn answer(&self, now: Time, origin: Origin) -> Option<Bytes> {
        let entry = self.entries.get(&origin).filter(|entry| now < entry.until)?;
        Some(entry.answer.clone())
    }

    /// Remembers a message that is new.
    pub(super) fn insert(&mut self, now: Time, origin: Origin, until: Time, limits: &Limits) {
        self.serial += 1;
        let entry = Entry { serial: self.serial, until, answer: Bytes::new() };
        if let Some(before) = self.entries.insert(origin, entry) {
            self.bytes -= before.answer.len();
        }
        self.order.push_back((origin, self.serial));
        while self.order.len() > limits.seen_messages || self.oldest_is_over(now) {
            self.forget_oldest();
        }
    }

    /// Keeps the answer for duplicates of the message.
    pub(super) fn keep_answer(&mut self, origin: Origin, answer: Bytes, limits: &Limits) {
        let Some(entry) = self.entries.get_mut(&origin) else { return };
        self.bytes = self.bytes - entry.answer.len() + answer.len();
        entry.answer = answer;
        while self.bytes > limits.seen_bytes {
            self.forget_oldest();
        }
    }

    /// Forgets what came from an address.
    pub(super) fn forget(&mut self, address: SocketAddr) {
        self.entries.retain(|(from, _), entry| {
            let stays = *from != address;
            if !stays {
                self.bytes -= entry.answer.len();
            }
            stays
        });
    }

    fn oldest_is_over(&self, now: Time) -> bool {
        let over = |(origin, serial): &(Origin, u64)| {
            let entry = self.entries.get(origin).filter(|entry| entry.serial == *serial);
            entry.is_none_or(|entry| entry.until <= now)
        };
        self.order.front().is_some_and(over)
    }

    fn forget_oldest(&mut self) {
        let Some((origin, serial)) = self.order.pop_front() else { return };
        if self.entries.get(&origin).is_some_and(|entry| entry.serial == serial)
            && let Some(entry) = self.entries.remove(&origin)
        {
            self.bytes -= entry.answer.len();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn origin(mid: u16) -> Origin {
        ("127.0.0.1:5683".parse().unwrap(), mid)
    }

    #[test]
    fn the_oldest_go_when_it_is_full() {
        let limits = Limits { seen_messages: 2, seen_bytes: 10, ..Limits::default() };
        let (now, until) = (Time::ZERO, Duration::from_secs(247));
        let mut seen = Seen::default();
        for mid in 1..=3 {
            seen.insert(now, origin(mid), until, &limits);
        }
        assert_eq!(seen.answer(now, origin(1)), None);
        assert_eq!(seen.answer(now, origin(2)), Some(Bytes::new()));

        seen.keep_answer(origin(2), Bytes::from_static(b"123456"), &limits);
        seen.keep_answer(origin(3), Bytes::from_static(b"123456"), &limits);
        assert_eq!(seen.answer(now, origin(2)), None);
        assert_eq!(seen.answer(now, origin(3)).unwrap(), "123456");
        assert_eq!((seen.entries.len(), seen.len(), seen.bytes), (1, 1, 6));
    }

    #[test]
    fn a_message_is_new_again_after_its_lifetime() {
        let limits = Limits::default();
        let until = Duration::from_secs(247);
        let mut seen = Seen::default();
        seen.insert(Time::ZERO, origin(1), until, &limits);
        assert_eq!(seen.answer(until, origin(1)), None);
        seen.insert(until, origin(1), until * 2, &limits);
        seen.insert(until, origin(2), until * 2, &limits);
        assert_eq!((seen.entries.len(), seen.len(), seen.bytes), (2, 2, 0));
    }
}
