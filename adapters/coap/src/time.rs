//! Time without a clock: what the endpoint knows of it, it is told.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

/// Time since a moment of the caller's choice, on a clock that never goes back.
pub type Time = Duration;

/// What is due when. Each timer is set at most once, so there are no more than owners of timers.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    at: HashMap<T, Time>,
    queue: BTreeSet<(Time, T)>,
}

impl<T: Copy + Eq + Hash + Ord> Timers<T> {
    pub(crate) fn new() -> Self {
        Self { at: HashMap::new(), queue: BTreeSet::new() }
    }

    /// Sets a timer, in place of when it was set to before.
    pub(crate) fn set(&mut self, timer: T, at: Time) {
        self.cancel(timer);
        self.at.insert(timer, at);
        self.queue.insert((at, timer));
    }

    pub(crate) fn cancel(&mut self, timer: T) {
        if let Some(at) = self.at.remove(&timer) {
            self.queue.remove(&(at, timer));
        }
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.queue.first().map(|(at, _)| *at)
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Takes the first timer that is due.
    pub(crate) fn take_due(&mut self, now: Time) -> Option<T> {
        let (_, timer) = *self.queue.first().filter(|(at, _)| *at <= now)?;
        self.cancel(timer);
        Some(timer)
    }
}
