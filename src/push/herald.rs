//! Heralds: one task per part of the log that is followed goes through all who follow it and has
//! each write what is new straight to its socket. A task of its own for each follower would have
//! to be woken for each delivery, and that costs as much as the writing.
//!
//! A follower that can't take something, because its peer does not read or because it is further
//! behind, is passed over: it has its position in the log and goes on by itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tracing::debug;

use super::page::{Page, Part};
use crate::log::{EventLog, Listening, Seq};

/// Followers that are looked at before the first of them is told: of as many, that is still in the
/// processor's cache when it is needed.
const CIRCLE: usize = 64;
/// Deliveries before other tasks get their turn: as many system calls take about a millisecond.
/// Each turn wakes another of the runtime's threads, and may move the herald to it.
const TURN: usize = 256;

/// Somebody who is told what is new.
pub(super) trait Follower: Send + Sync {
    /// Looks at what [`Follower::hear`] will need, and does nothing else: of many followers in a
    /// row the processor fetches that at once, but waits for one after the other when it is to
    /// take hold of it.
    fn approach(&self);

    /// Takes what is new, if it can at once. It must not wait for anything.
    fn hear(&self, page: &mut Page);
}

/// The heralds of one log; there is one for each part of it that somebody follows.
pub struct Heralds {
    log: Arc<dyn EventLog>,
    heralds: Mutex<HashMap<usize, Arc<Herald>>>,
}

struct Herald {
    part: Part,
    wake: Arc<Notify>,
    followers: Mutex<Followers>,
    _listening: Listening,
}

/// In the order in which they came, so that nobody is left out when others come and go meanwhile.
#[derive(Default)]
struct Followers {
    last: u64,
    all: BTreeMap<u64, Weak<dyn Follower>>,
}

/// A follower's place with a herald, for as long as it is kept.
pub(super) struct Place {
    heralds: Arc<Heralds>,
    herald: Arc<Herald>,
    number: u64,
}

/// How one follower comes to hear of parts of the log.
pub(super) struct Voice {
    heralds: Arc<Heralds>,
    follower: Weak<dyn Follower>,
}

impl Voice {
    pub(super) fn new(heralds: Arc<Heralds>, follower: Weak<dyn Follower>) -> Self {
        Self { heralds, follower }
    }

    /// Has the follower told of all that is published in this part from now on.
    pub(super) fn hear_of(&self, part: &Part) -> Place {
        self.heralds.join(part, self.follower.clone())
    }
}

impl Heralds {
    /// Nobody follows yet.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>) -> Arc<Self> {
        Arc::new(Self { log, heralds: Mutex::default() })
    }

    /// How many parts of the log are followed.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.heralds.lock().len()
    }

    /// Has a follower told of all that is published in this part of the log from now on.
    pub(super) fn join(self: &Arc<Self>, part: &Part, follower: Weak<dyn Follower>) -> Place {
        let mut heralds = self.heralds.lock();
        let herald = heralds.entry(part.key()).or_insert_with(|| self.appoint(part)).clone();
        let number = herald.followers.lock().add(follower);
        drop(heralds);
        Place { heralds: self.clone(), herald, number }
    }

    fn appoint(&self, part: &Part) -> Arc<Herald> {
        let wake = Arc::new(Notify::new());
        let herald = Arc::new(Herald {
            part: part.clone(),
            followers: Mutex::default(),
            _listening: part.listen(&*self.log, wake.clone()),
            wake,
        });
        tokio::spawn(herald.clone().run(self.log.clone(), self.log.head()));
        herald
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Both locks, so that nobody joins a herald that is about to leave.
        let mut heralds = self.heralds.heralds.lock();
        let mut followers = self.herald.followers.lock();
        followers.all.remove(&self.number);
        if followers.all.is_empty() {
            heralds.remove(&self.herald.part.key());
            self.herald.wake.notify_one();
        }
    }
}

impl Followers {
    fn add(&mut self, follower: Weak<dyn Follower>) -> u64 {
        self.last += 1;
        self.all.insert(self.last, follower);
        self.last
    }

    /// Fills the circle with those who come after a number, and gives the number of the last.
    fn gather(&self, after: u64, circle: &mut Vec<Arc<dyn Follower>>) -> Option<u64> {
        let next = || self.all.range(after + 1..).take(CIRCLE);
        // Counting looks at each of them, and that helps as `approach` does.
        circle.reserve(next().filter(|(_, follower)| follower.strong_count() > 0).count());
        let mut last = None;
        for (number, follower) in next() {
            circle.extend(follower.upgrade());
            last = Some(*number);
        }
        last
    }
}

impl Herald {
    async fn run(self: Arc<Self>, log: Arc<dyn EventLog>, mut position: Seq) {
        let mut deliveries = 0;
        while !self.is_deserted() {
            self.wake.notified().await;
            loop {
                let mut page = Page::read(&*log, &self.part, position);
                position = page.until;
                self.proclaim(&mut page, &mut deliveries).await;
                if !page.is_cut {
                    break;
                }
            }
        }
        debug!("A herald left: nobody follows its part of the log any more");
    }

    fn is_deserted(&self) -> bool {
        self.followers.lock().all.is_empty()
    }

    /// `deliveries` are those since other tasks last had their turn.
    async fn proclaim(&self, page: &mut Page, deliveries: &mut usize) {
        let mut circle = Vec::new();
        let mut last = 0;
        loop {
            let gathered = self.followers.lock().gather(last, &mut circle);
            let Some(number) = gathered else { return };
            last = number;
            // Outside of the lock: the last hold on a follower may be given up here, and its
            // places with it.
            circle.iter().for_each(|follower| follower.approach());
            *deliveries += circle.len() * page.len();
            circle.drain(..).for_each(|follower| follower.hear(page));
            if *deliveries >= TURN {
                *deliveries = 0;
                yield_now().await;
            }
        }
    }
}
