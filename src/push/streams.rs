//! How many streams are open, who tells them what is new, and their end.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::herald::Heralds;
use crate::log::EventLog;

/// Hands out places for streams.
pub struct Streams {
    places: Arc<Semaphore>,
    most: usize,
    closing: CancellationToken,
    heralds: Arc<Heralds>,
}

impl Streams {
    /// At most `most` streams, all of which end when `closing` is cancelled.
    #[must_use]
    pub fn new(most: usize, closing: CancellationToken, log: Arc<dyn EventLog>) -> Self {
        let places = Arc::new(Semaphore::new(most));
        Self { places, most, closing, heralds: Heralds::new(log) }
    }

    /// A place for one more stream, kept for as long as the stream lives; none when all are taken.
    #[must_use]
    pub fn enter(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.most - self.places.available_permits()
    }

    /// Cancelled when streams have to end.
    #[must_use]
    pub fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// Those who tell streams what is new.
    #[must_use]
    pub fn heralds(&self) -> &Arc<Heralds> {
        &self.heralds
    }
}
