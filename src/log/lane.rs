use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    listeners: Arc<Listeners>,
}

impl Lane {
    /// A lane without changes.
    #[must_use]
    pub fn new(id: ThingId) -> Arc<Self> {
        Arc::new(Self { id, newest: AtomicU64::new(0), listeners: Arc::default() })
    }

    /// The thing whose lane it is.
    #[must_use]
    pub fn id(&self) -> &ThingId {
        &self.id
    }

    /// Position of its newest change; zero when there is none.
    #[must_use]
    pub fn newest(&self) -> Seq {
        Seq(self.newest.load(Ordering::Acquire))
    }

    /// Only the log moves it, under its own lock, so that numbers rise.
    pub(super) fn advance(&self, to: Seq) -> Seq {
        Seq(self.newest.swap(to.0, Ordering::AcqRel))
    }

    /// Wakes who listens to this lane; costs one load when nobody does.
    pub fn announce(&self) {
        self.listeners.announce();
    }

    /// Wakes `wake` on every announcement for as long as the result is kept.
    pub fn listen(&self, wake: Arc<Notify>) -> Listening {
        Listeners::listen(&self.listeners, wake)
    }
}
