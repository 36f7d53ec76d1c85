//! What a herald tells all its followers at once.

use std::ptr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::cursor::{LANE_LAG, PAGE};
use super::feed::PAGE_BYTES;
use super::sse::Form;
use super::ws::Shared;
use crate::log::{Change, EventLog, LANE_PAGE, Lane, Listening, Seq};
use crate::registry::Thing;

/// A part of the log.
#[derive(Clone)]
pub(super) enum Part {
    /// One thing's lane.
    Thing(Arc<Thing>),
    /// The directory's lane.
    Directory(Arc<Lane>),
    /// All of it.
    Whole,
}

impl Part {
    /// Wakes `wake` whenever something of this part is announced.
    pub(super) fn listen(&self, log: &dyn EventLog, wake: Arc<Notify>) -> Listening {
        match self.lane() {
            Some(lane) => lane.listen(wake),
            None => log.listen(wake),
        }
    }

    /// Its lane; none for the whole log.
    pub(super) fn lane(&self) -> Option<&Lane> {
        match self {
            Self::Thing(thing) => Some(thing.lane()),
            Self::Directory(lane) => Some(lane),
            Self::Whole => None,
        }
    }

    /// Tells parts of one log from each other.
    pub(super) fn key(&self) -> usize {
        self.lane().map_or(0, |lane| ptr::from_ref(lane).addr())
    }
}

/// Changes of one part of the log, all there are between two positions, and what was made of them
/// for the first follower and serves the others.
pub(super) struct Page {
    pub(super) part: Part,
    /// Without what lies after this position, a follower can't go on with this page.
    pub(super) after: Seq,
    /// Where a follower is that has taken the page.
    pub(super) until: Seq,
    /// When it was read.
    pub(super) read: Instant,
    /// Whether there is more behind it.
    pub(super) is_cut: bool,
    entries: Vec<Entry>,
    scratch: Scratch,
}

/// Room in which followers put together what they write, one after the other: it stays in the
/// processor's cache while they come and go.
#[derive(Default)]
pub(super) struct Scratch {
    /// One message.
    pub(super) text: Vec<u8>,
    /// What goes out in one system call.
    pub(super) frames: Vec<u8>,
}

/// One change of a page.
pub(super) struct Entry {
    pub(super) change: Arc<Change>,
    chunks: [Option<Bytes>; Form::ALL],
    notification: Option<Shared>,
}

impl Page {
    /// Reads what comes after a position. Where the log has a gap, nobody can go on with the page,
    /// and each follower finds out by itself what it has missed.
    pub(super) fn read(log: &dyn EventLog, part: &Part, after: Seq) -> Self {
        let (read, most) = match part.lane() {
            Some(lane) => (log.read_lane(lane, after, LANE_LAG), LANE_PAGE),
            None => (log.read(after, PAGE), PAGE),
        };
        let (mut changes, after, until) = match read {
            Ok(changes) => (changes, after, after),
            Err(gap) => (Vec::new(), Seq(u64::MAX), gap.until),
        };
        let found = changes.len();
        cut_page(&mut changes);
        let is_cut = changes.len() < found || found == most;
        let until = changes.last().map_or(until, |last| last.seq);
        let entries = changes.into_iter().map(Entry::new).collect();
        Self {
            part: part.clone(),
            after,
            until,
            read: Instant::now(),
            is_cut,
            entries,
            scratch: Scratch::default(),
        }
    }

    /// How many changes are on it.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The place of the first change after a position.
    pub(super) fn first_after(&self, position: Seq) -> usize {
        let after = |entry: &Entry| entry.change.seq > position;
        self.entries.iter().position(after).unwrap_or(self.entries.len())
    }

    /// The changes from a place on, and room to write in.
    pub(super) fn entries_from(&mut self, first: usize) -> (&mut [Entry], &mut Scratch) {
        (self.entries.get_mut(first..).unwrap_or_default(), &mut self.scratch)
    }
}

impl Entry {
    fn new(change: Arc<Change>) -> Self {
        Self { change, chunks: [const { None }; Form::ALL], notification: None }
    }

    /// The change as a chunk of an event stream.
    pub(super) fn chunk(&mut self, form: Form, make: impl FnOnce(&Change) -> Bytes) -> &Bytes {
        self.chunks[form as usize].get_or_insert_with(|| make(&self.change))
    }

    /// The change as a notification.
    pub(super) fn notification(&mut self, make: impl FnOnce(&Change) -> Shared) -> &mut Shared {
        self.notification.get_or_insert_with(|| make(&self.change))
    }
}

/// Leaves as many changes as make a page, and at least one.
pub(super) fn cut_page(changes: &mut Vec<Arc<Change>>) {
    let mut bytes = 0;
    let fitting = changes.iter().take_while(|change| {
        let room = bytes < PAGE_BYTES;
        bytes += change.size();
        room
    });
    let fitting = fitting.count();
    changes.truncate(fitting);
}
