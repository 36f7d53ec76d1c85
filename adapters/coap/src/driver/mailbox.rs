//! Where the news of observations wait for who is interested: of each the newest only, so a slow
//! reader costs no more memory than there are observations.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::event::{ObservationId, Trouble};
use crate::exchange::Response;

/// What became of an observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The state, newer than the one before.
    State {
        /// The state.
        response: Response,
        /// False when the resource can't be observed and was polled.
        observed: bool,
        /// Until when its Max-Age lets it count as fresh.
        fresh_until: Instant,
    },
    /// The last state has outlived its Max-Age, and nothing newer came.
    Stale,
    /// It doesn't work at present, and is tried again without further ado.
    Interrupted {
        /// Why.
        trouble: Trouble,
        /// Why the peer can't be reached, where the layers below know.
        unreachable: Option<Arc<str>>,
        /// When the registration is tried again.
        again_at: Instant,
    },
}

/// Takes the news of any number of observations.
#[derive(Debug)]
pub struct Mailbox(Slots);

/// The driver's side of a mailbox.
#[derive(Debug, Clone)]
pub(super) struct Slots(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    news: Mutex<News>,
    came: Notify,
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct News {
    /// Who has news, the longest wait first.
    order: VecDeque<ObservationId>,
    slots: HashMap<ObservationId, Slot>,
}

/// A state, and what was told after it.
#[derive(Debug, Default)]
struct Slot {
    state: Option<Notice>,
    then: Option<Notice>,
}

impl Mailbox {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self(Slots(Arc::default()))
    }

    /// The next news, as soon as there are any.
    pub async fn next(&mut self) -> (ObservationId, Notice) {
        loop {
            if let Some(news) = self.try_next() {
                return news;
            }
            // There is one reader: what comes from here on leaves its permit.
            self.0.0.came.notified().await;
        }
    }

    /// The next news, if there are any.
    pub fn try_next(&mut self) -> Option<(ObservationId, Notice)> {
        let mut news = self.0.lock();
        let id = news.order.pop_front()?;
        let slot = news.slots.get_mut(&id)?;
        let notice = match slot.state.take() {
            Some(state) if slot.then.is_some() => {
                news.order.push_front(id);
                return Some((id, state));
            }
            Some(state) => state,
            None => slot.then.take()?,
        };
        news.slots.remove(&id);
        Some((id, notice))
    }

    pub(super) fn slots(&self) -> Slots {
        self.0.clone()
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.0.0.closed.store(true, Ordering::Relaxed);
    }
}

impl Slots {
    /// False when nobody reads any more.
    pub(super) fn put(&self, id: ObservationId, notice: Notice) -> bool {
        if self.0.closed.load(Ordering::Relaxed) {
            return false;
        }
        let mut news = self.lock();
        let news = &mut *news;
        let slot = news.slots.entry(id).or_insert_with(|| {
            news.order.push_back(id);
            Slot::default()
        });
        match notice {
            Notice::State { .. } => *slot = Slot { state: Some(notice), then: None },
            Notice::Stale | Notice::Interrupted { .. } => slot.then = Some(notice),
        }
        self.0.came.notify_one();
        true
    }

    fn lock(&self) -> MutexGuard<'_, News> {
        // Every call leaves it whole.
        self.0.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Code;

    fn state(text: &'static str) -> Notice {
        let response = Response::with_body(Code::CONTENT, 0, text);
        Notice::State { response, observed: true, fresh_until: Instant::now() }
    }

    #[tokio::test(start_paused = true)]
    async fn of_each_observation_the_newest_waits() {
        let mut mailbox = Mailbox::new();
        let (a, b) = (ObservationId(1), ObservationId(2));
        let slots = mailbox.slots();
        for (id, notice) in [(a, state("1")), (a, Notice::Stale), (b, state("2")), (a, state("3"))]
        {
            assert!(slots.put(id, notice));
        }
        assert!(slots.put(b, Notice::Stale));
        assert_eq!(mailbox.next().await, (a, state("3")));
        assert_eq!(mailbox.next().await, (b, state("2")));
        assert_eq!(mailbox.next().await, (b, Notice::Stale));
        assert_eq!(mailbox.try_next(), None);
        drop(mailbox);
        assert!(!slots.put(a, Notice::Stale));
    }
}
