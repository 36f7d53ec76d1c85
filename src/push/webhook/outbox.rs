//! What one webhook sends next, when it tries again and when it gives up: decided here from the
//! time and from how attempts ended, without a socket or a clock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::DeliveryConfig;
use super::backoff::Backoff;
use super::event::Event;
use super::outcome::Outcome;
use crate::log::Seq;

/// One event on its way, with the position to begin at again should it not get there.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) before: Seq,
    pub(super) event: Event,
}

/// Names one item in an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// What to do now.
#[derive(Debug)]
pub(super) enum Step {
    /// Post this, and tell how it ended.
    Post { ticket: Ticket, item: Arc<Item>, attempt: u32 },
    /// Nothing is due before that moment, if any; with `room`, another item may be put in.
    Wait { until: Option<Instant>, room: bool },
}

/// What the end of an attempt means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Done.
    Delivered,
    /// To be tried again at that moment.
    Retry(Instant),
    /// It has failed for long enough: the next one's turn.
    GivenUp,
    /// The receiver wants no more.
    Disable,
}

/// The few deliveries of one webhook that are under way or wait for another attempt. What comes
/// after them stays in the log.
#[derive(Debug)]
pub(super) struct Outbox {
    concurrency: usize,
    backoff: Backoff,
    give_up: Duration,
    /// In the order in which they happened.
    entries: VecDeque<Entry>,
    next_ticket: u64,
    /// The receiver asked to be left alone until then.
    quiet_until: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    ticket: Ticket,
    item: Arc<Item>,
    attempts: u32,
    first_attempt: Option<Instant>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Never tried.
    Fresh,
    UnderWay,
    RetryAt(Instant),
}

impl Outbox {
    pub(super) fn new(config: &DeliveryConfig) -> Self {
        Self {
            concurrency: config.concurrency,
            backoff: Backoff::new(config),
            give_up: Duration::from_secs(config.give_up_seconds),
            entries: VecDeque::new(),
            next_ticket: 0,
            quiet_until: None,
        }
    }

    /// Takes what happened next; only after a [`Step::Wait`] with room.
    pub(super) fn put(&mut self, item: Item) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let item = Arc::new(item);
        let entry = Entry { ticket, item, attempts: 0, first_attempt: None, phase: Phase::Fresh };
        self.entries.push_back(entry);
    }

    /// What to do at this moment.
    pub(super) fn step(&mut self, now: Instant) -> Step {
        self.quiet_until = self.quiet_until.filter(|quiet| now < *quiet);
        match self.next_due(now).and_then(|index| self.entries.get_mut(index)) {
            Some(entry) => {
                entry.attempts += 1;
                entry.first_attempt.get_or_insert(now);
                entry.phase = Phase::UnderWay;
                Step::Post {
                    ticket: entry.ticket,
                    item: entry.item.clone(),
                    attempt: entry.attempts,
                }
            }
            None => Step::Wait { until: self.next_moment(), room: self.has_room() },
        }
    }

    /// What it means that an attempt ended so. `draw` is a random number from 0 to 1.
    pub(super) fn settle(
        &mut self,
        ticket: Ticket,
        outcome: &Outcome,
        now: Instant,
        draw: f64,
    ) -> Verdict {
        let Some(index) = self.entries.iter().position(|entry| entry.ticket == ticket) else {
            return Verdict::Delivered;
        };
        match outcome {
            Outcome::Delivered { .. } => {
                self.entries.remove(index);
                Verdict::Delivered
            }
            Outcome::Gone => {
                self.entries[index].phase = Phase::RetryAt(now);
                Verdict::Disable
            }
            Outcome::Failed(failure) => self.failed(index, failure.retry_after, now, draw),
        }
    }

    fn failed(
        &mut self,
        index: usize,
        retry_after: Option<Duration>,
        now: Instant,
        draw: f64,
    ) -> Verdict {
        let entry = &mut self.entries[index];
        if entry.first_attempt.is_some_and(|first| now >= first + self.give_up) {
            self.entries.remove(index);
            return Verdict::GivenUp;
        }
        let pause = self.backoff.pause(entry.attempts, draw).max(retry_after.unwrap_or_default());
        entry.phase = Phase::RetryAt(now + pause);
        // What the receiver asks for holds for all that goes to it.
        self.quiet_until = self.quiet_until.max(retry_after.map(|pause| now + pause));
        Verdict::Retry(now + pause)
    }

    /// Forgets pauses: something changed, so it may work now.
    pub(super) fn retry_now(&mut self, now: Instant) {
        self.quiet_until = None;
        for entry in &mut self.entries {
            if matches!(entry.phase, Phase::RetryAt(_)) {
                entry.phase = Phase::RetryAt(now);
            }
        }
    }

    /// Forgets all deliveries; only while none is under way.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.quiet_until = None;
    }

    /// Everything up to here is done; `taken` is the position up to which items were put in.
    pub(super) fn done_until(&self, taken: Seq) -> Seq {
        self.entries.front().map_or(taken, |oldest| oldest.item.before)
    }

    /// Whether nothing is under way.
    pub(super) fn is_at_rest(&self) -> bool {
        self.under_way() == 0
    }

    /// When a delivery that failed is tried again, if one did.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        let retries = self.entries.iter().filter_map(|entry| match entry.phase {
            Phase::RetryAt(moment) => Some(moment),
            Phase::Fresh | Phase::UnderWay => None,
        });
        retries.min().max(self.quiet_until.filter(|_| self.has_failed()))
    }

    /// Whether a delivery waits for another attempt.
    pub(super) fn has_failed(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.phase, Phase::RetryAt(_)))
    }

    fn under_way(&self) -> usize {
        self.entries.iter().filter(|entry| entry.phase == Phase::UnderWay).count()
    }

    fn has_room(&self) -> bool {
        self.entries.len() < self.concurrency
    }

    fn next_due(&self, now: Instant) -> Option<usize> {
        if self.quiet_until.is_some() {
            return None;
        }
        (0..self.entries.len()).find(|index| {
            let due = match self.entries[*index].phase {
                Phase::Fresh => true,
                Phase::UnderWay => false,
                Phase::RetryAt(moment) => moment <= now,
            };
            due && !self.is_behind_its_like(*index)
        })
    }

    /// Whether an earlier delivery has to be done first: one of the same subject, or, where either
    /// has none (a gap), any.
    fn is_behind_its_like(&self, index: usize) -> bool {
        let subject = self.entries[index].item.event.subject.as_deref();
        self.entries.iter().take(index).any(|earlier| {
            let earlier = earlier.item.event.subject.as_deref();
            subject.is_none() || earlier.is_none() || subject == earlier
        })
    }

    fn next_moment(&self) -> Option<Instant> {
        let fresh = self.entries.iter().any(|entry| entry.phase == Phase::Fresh);
        self.next_retry().or(self.quiet_until.filter(|_| fresh))
    }
}

#[cfg(test)]
mod tests;
