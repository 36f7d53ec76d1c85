use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use once_cell::race::OnceBox;
use thingway_sdk::ThingId;
use tokio::sync::Notify;

use super::Seq;
use super::listeners::{Listeners, Listening};

/// One thing's part of the log: where its newest change is, and who waits for the next. So a
/// reader of one thing pays for that thing alone, however busy the others are.
#[derive(Debug)]
pub struct Lane {
    id: ThingId,
    newest: AtomicU64,
    /// Made by the first who listens: most lanes never have one.
    listeners: OnceBox<Arc<Listeners>>,
}

impl Lane {
    /// A lane without changes.
    #[must_use]
    pub fn new(id: ThingId) -> Self {
        Self { id, newest: AtomicU64::new(0), listeners: OnceBox::new() }
    }

    /// The thing whose lane it is.
    #[must_use]
    pub fn id(&self) -> &ThingId {
        &self.id
    }

    /// Position of its newest change that readers see; zero when there is none.
    #[must_use]
    pub fn newest(&self) -> Seq {
        Seq(self.newest.load(Ordering::Acquire))
    }

    /// Only the log moves it, under its own lock, so that numbers rise. Returns where it was.
    pub(super) fn advance(&self, to: Seq) -> Seq {
        let earlier = Seq(self.newest.load(Ordering::Relaxed));
        self.newest.store(to.0, Ordering::Release);
        earlier
    }

    /// Who listened to it so far.
    pub(super) fn listeners(&self) -> Option<&Arc<Listeners>> {
        self.listeners.get()
    }

    /// Wakes who listens to this lane.
    pub fn announce(&self) {
        if let Some(listeners) = self.listeners() {
            listeners.announce();
        }
    }

    /// Wakes `wake` on every announcement for as long as the result is kept.
    pub fn listen(&self, wake: Arc<Notify>) -> Listening {
        Listeners::listen(self.listeners.get_or_init(Box::default), wake)
    }
}
