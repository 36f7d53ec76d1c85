//! What happened, in order: the one truth of the gateway.
//!
//! Every state of a property, every event and every change of the directory gets a sequence
//! number here, gateway-wide. The registry is the fold of this log, and every push is a position
//! in it. The trait is the seam for logs on disk or on a distributed engine.

mod change;
mod config;
mod lane;
mod listeners;
mod literal;
mod memory;
mod packed;

use std::sync::Arc;

use tokio::sync::Notify;

pub use change::{
    Change, DirectoryEvent, Draft, Fact, Occurrence, Property, Seq, State, Told, What, WriteTarget,
};
pub use config::LogConfig;
pub use lane::Lane;
pub use listeners::{Announcement, Listening};
pub use memory::MemoryLog;
pub use packed::PackedState;

/// The log no longer holds all that was asked for: what lies after the position and up to
/// `until` is incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The newest sequence number when the gap was found; reading goes on after it.
    pub until: Seq,
}

/// Changes that are read from a lane in one go, at most.
pub const LANE_PAGE: usize = 1024;

/// An ordered log of changes, which has one writer.
pub trait EventLog: Send + Sync + 'static {
    /// Takes all drafts out of a batch and shows them to the readers at once. The first gets the
    /// number after [`EventLog::head`], each further one the next. The writer has them folded into
    /// the registry before, so that a position never is ahead of the states.
    fn append(&self, batch: &mut Vec<Draft>) -> Announcement;

    /// The newest sequence number.
    fn head(&self) -> Seq;

    /// At most `limit` changes after a position, in order; empty at the head.
    ///
    /// # Errors
    /// When the log no longer, or never, held what follows the position.
    fn read(&self, after: Seq, limit: usize) -> Result<Vec<Arc<Change>>, Gap>;

    /// The same for one lane, at a cost that depends on that lane alone: the first [`LANE_PAGE`]
    /// changes, when there are more. More than `limit` in all are a gap, too: who is that far
    /// behind wants the newest state.
    ///
    /// # Errors
    /// As for [`EventLog::read`].
    fn read_lane(&self, lane: &Lane, after: Seq, limit: usize) -> Result<Vec<Arc<Change>>, Gap>;

    /// Wakes `wake` on every announcement for as long as the result is kept.
    fn listen(&self, wake: Arc<Notify>) -> Listening;
}
