use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// What became of a silo's messages. Once all that arrived was dealt with,
/// `received = applied + duplicate + unmapped + failed`.
#[derive(Debug, Default)]
pub struct Counters {
    received: AtomicU64,
    applied: AtomicU64,
    duplicate: AtomicU64,
    unmapped: AtomicU64,
    failed: AtomicU64,
    kept_as_text: AtomicU64,
    kept_as_octets: AtomicU64,
    link_losses: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Count {
    /// Messages that arrived.
    pub received: u64,
    /// Messages that brought a new state or an event.
    pub applied: u64,
    /// Messages that brought nothing newer than what was known.
    pub duplicate: u64,
    /// Messages that were understood and mean nothing for any thing.
    pub unmapped: u64,
    /// Messages that could not be taken in.
    pub failed: u64,
    /// Messages among them that look like JSON, are not, and were kept as text.
    pub kept_as_text: u64,
    /// Messages among them that are neither JSON nor text and were kept as bytes.
    pub kept_as_octets: u64,
    /// How often the link was lost.
    pub link_losses: u64,
}

/// One counter of [`Counters`].
#[derive(Debug, Clone, Copy)]
pub(super) enum Counter {
    Received,
    Applied,
    Duplicate,
    Unmapped,
    Failed,
    KeptAsText,
    KeptAsOctets,
}

impl Counter {
    const ALL: [Self; 7] = [
        Self::Received,
        Self::Applied,
        Self::Duplicate,
        Self::Unmapped,
        Self::Failed,
        Self::KeptAsText,
        Self::KeptAsOctets,
    ];
}

/// What became of the messages of one batch.
#[derive(Default)]
pub(super) struct Tally([u64; Counter::ALL.len()]);

impl Tally {
    pub(super) fn add(&mut self, counter: Counter) {
        self.0[counter as usize] += 1;
    }
}

impl Counters {
    pub(super) fn add_all(&self, tally: &Tally) {
        for counter in Counter::ALL {
            self.add(counter, tally.0[counter as usize]);
        }
    }

    pub(super) fn add(&self, counter: Counter, by: u64) {
        let counter = match counter {
            Counter::Received => &self.received,
            Counter::Applied => &self.applied,
            Counter::Duplicate => &self.duplicate,
            Counter::Unmapped => &self.unmapped,
            Counter::Failed => &self.failed,
            Counter::KeptAsText => &self.kept_as_text,
            Counter::KeptAsOctets => &self.kept_as_octets,
        };
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// Notes that the link was lost.
    pub fn link_lost(&self) {
        self.link_losses.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters now.
    #[must_use]
    pub fn count(&self) -> Count {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Count {
            received: read(&self.received),
            applied: read(&self.applied),
            duplicate: read(&self.duplicate),
            unmapped: read(&self.unmapped),
            failed: read(&self.failed),
            kept_as_text: read(&self.kept_as_text),
            kept_as_octets: read(&self.kept_as_octets),
            link_losses: read(&self.link_losses),
        }
    }
}
