//! What happened, in order: the one truth of the gateway.
//!
//! Every state of a property, every event and every change of the directory gets a sequence
//! number here, gateway-wide. The registry is the fold of this log, and every push is a position
//! in it. The trait is the seam for logs on disk or on a distributed engine.

mod change;
mod config;
mod lane;
mod listeners;
mod memory;

use std::sync::Arc;

use tokio::sync::Notify;

pub use change::{Change, DirectoryEvent, Draft, Property, Seq, Source, State, What, WriteTarget};
pub use config::LogConfig;
pub use lane::Lane;
pub use listeners::Listening;
pub use memory::MemoryLog;

/// The log no longer holds all that was asked for: what lies after the position and up to
/// `until` is incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The newest sequence number when the gap was found; reading goes on after it.
    pub until: Seq,
}

/// An ordered log of changes.
pub trait EventLog: Send + Sync + 'static {
    /// Gives a draft its sequence number and keeps it. Readers don't see it yet: that is
    /// [`EventLog::publish`], once for many appends.
    fn append(&self, draft: Draft) -> Seq;

    /// Lets readers see what was appended. The writer calls it once all of that is folded into the
    /// registry, so that a position never is ahead of the states.
    fn publish(&self);

    /// Wakes who listens to the whole log.
    fn announce(&self);

    /// The newest sequence number that was published.
    fn head(&self) -> Seq;

    /// At most `limit` changes after a position, in order; empty at the head.
    ///
    /// # Errors
    /// When the log no longer, or never, held what follows the position.
    fn read(&self, after: Seq, limit: usize) -> Result<Vec<Arc<Change>>, Gap>;

    /// The same for one lane, at a cost that depends on that lane alone. More than `limit`
    /// changes are a gap, too: who is that far behind wants the newest state.
    ///
    /// # Errors
    /// As for [`EventLog::read`].
    fn read_lane(&self, lane: &Lane, after: Seq, limit: usize) -> Result<Vec<Arc<Change>>, Gap>;

    /// Wakes `wake` on every announcement for as long as the result is kept.
    fn listen(&self, wake: Arc<Notify>) -> Listening;
}
