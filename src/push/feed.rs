//! What readers follow and what they get, and the reader that waits by itself.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};
use tokio::sync::Notify;

use super::cursor::Cursor;
use super::filter::Filter;
use crate::log::{Change, EventLog, Lane, Listening, Seq};
use crate::registry::{Registry, Slot, Thing};

/// Changes of things are handed over in pages of about this many bytes: that much a reader holds
/// while it waits for its peer, however far behind it is.
pub const PAGE_BYTES: usize = 64 * 1024;

/// What is followed.
#[derive(Clone)]
pub enum Scope {
    /// These things and nothing else. Costs nothing while they are quiet. Most readers follow one:
    /// it is where the reader is, and not somewhere else in memory.
    Things(SmallVec<[Arc<Thing>; 1]>),
    /// The directory's own events.
    Directory(Arc<Lane>),
    /// Whatever passes the filter.
    Matching(Arc<Filter>),
}

impl Scope {
    /// One thing and nothing else.
    #[must_use]
    pub fn thing(thing: Arc<Thing>) -> Self {
        Self::Things(smallvec![thing])
    }
}

/// What a reader gets next.
pub enum Next {
    /// Changes in order; those of other readers' interest are among them.
    Changes(Vec<Arc<Change>>),
    /// Changes are missing; the newest states since the reader's position take their place.
    Gap(Gap),
    /// A thing that was followed is gone.
    Gone(Arc<Thing>),
}

/// What takes the place of missing changes.
pub struct Gap {
    /// The position before the gap.
    pub after: Seq,
    /// The position after it.
    pub until: Seq,
    /// Why there is one.
    pub reason: &'static str,
    /// The states that changed in between and did not since, in order of their revisions.
    pub states: Vec<Newest>,
}

/// The newest state of one property.
pub struct Newest {
    /// The thing.
    pub thing: Arc<Thing>,
    /// The property with its state.
    pub slot: Slot,
}

/// A [`Cursor`] that is woken when there may be something to read, for readers with a task of
/// their own.
pub struct Feed {
    cursor: Cursor,
    wake: Arc<Notify>,
    _listening: Vec<Listening>,
}

impl Feed {
    /// A feed that begins after `position`, or with what happens from now on.
    #[must_use]
    pub fn new(
        log: Arc<dyn EventLog>,
        registry: Arc<Registry>,
        scope: Scope,
        position: Option<Seq>,
    ) -> Self {
        Self::of(Cursor::new(log, registry, scope, position))
    }

    /// A feed that goes on where the cursor is.
    #[must_use]
    pub fn of(cursor: Cursor) -> Self {
        let wake = Arc::new(Notify::new());
        let listen = |part: super::page::Part| part.listen(&**cursor.log(), wake.clone());
        let listening = cursor.parts().into_iter().map(listen).collect();
        Self { cursor, wake, _listening: listening }
    }

    /// Where it is.
    #[must_use]
    pub fn position(&self) -> Seq {
        self.cursor.position()
    }

    /// Waits for what comes next. May be cancelled and called again: the position moves only when
    /// something is handed over.
    pub async fn next(&mut self) -> Next {
        loop {
            if let Some(next) = self.poll() {
                return next;
            }
            self.wake.notified().await;
        }
    }

    /// What there is right now, if anything.
    pub fn poll(&mut self) -> Option<Next> {
        self.cursor.poll()
    }
}
