use std::sync::atomic::{AtomicU64, Ordering};

use crate::{dtls, event};

/// What drivers have counted, all that an adapter has had one after the other together.
#[derive(Debug)]
pub struct Tally(Vec<(&'static str, AtomicU64)>);

/// What one driver has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) messages: event::Counters,
    pub(super) dtls: dtls::Counters,
}

impl Tally {
    /// Nothing was counted yet. What DTLS counts is there only where it is spoken.
    #[must_use]
    pub fn new(secure: bool) -> Self {
        let messages = event::Counters::default().named().len();
        let none = Count::default();
        let names = none.named().take(if secure { usize::MAX } else { messages });
        Self(names.map(|(name, _)| (name, AtomicU64::new(0))).collect())
    }

    /// Each count with its name.
    #[must_use]
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        self.0.iter().map(|(name, count)| (*name, count.load(Ordering::Relaxed))).collect()
    }

    /// Adds what has come since a count.
    pub(super) fn add(&self, since: &Count, now: &Count) {
        for ((_, total), (before, after)) in self.0.iter().zip(since.named().zip(now.named())) {
            if after.1 > before.1 {
                total.fetch_add(after.1 - before.1, Ordering::Relaxed);
            }
        }
    }
}

impl Count {
    fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.messages.named().into_iter().chain(self.dtls.named())
    }
}
