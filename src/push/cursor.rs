//! A position in the log that moves on: replay first, then live, without a seam, and with an
//! explicit gap where the log no longer has what came between. Whoever keeps one has to be told
//! when there is something to read: by a [`Feed`](super::feed::Feed) or by a
//! [`herald`](super::herald).

use std::sync::Arc;

use super::feed::{Gap, Newest, Next, Scope};
use super::filter::Filter;
use super::page::{Page, Part, cut_page};
use crate::log::{self, Change, EventLog, LANE_PAGE, Seq};
use crate::registry::{Registry, SlotRef, Thing};

/// Changes of the whole log that are looked at in one go.
pub(super) const PAGE: usize = 1024;
/// A live reader of one thing that is this many changes behind gets the newest states instead.
pub(super) const LANE_LAG: usize = 4096;
/// The same for a live reader of the whole log.
const LAG: u64 = 50_000;

const LOST: &str = "the log no longer holds these changes";
const SLOW: &str = "the reader was too slow";

/// A reader's position in the log.
pub struct Cursor {
    log: Arc<dyn EventLog>,
    registry: Arc<Registry>,
    scope: Scope,
    position: Seq,
    /// Up to here the reader catches up on what it missed: it gets everything. Beyond, it is
    /// live, and when it is slow it gets the newest states only.
    live_after: Seq,
    /// It began beyond the head: the position is from another life of the gateway, or another one.
    astray: bool,
}

impl Cursor {
    /// A cursor that begins after `position`, or with what happens from now on.
    #[must_use]
    pub fn new(
        log: Arc<dyn EventLog>,
        registry: Arc<Registry>,
        scope: Scope,
        position: Option<Seq>,
    ) -> Self {
        let head = log.head();
        let position = position.unwrap_or(head);
        Self { log, registry, scope, position, live_after: head, astray: position > head }
    }

    /// A second cursor over the same log, which begins after `position`.
    #[must_use]
    pub fn beside(&self, scope: Scope, position: Seq) -> Self {
        Self::new(self.log.clone(), self.registry.clone(), scope, Some(position))
    }

    /// Where it is.
    #[must_use]
    pub fn position(&self) -> Seq {
        self.position
    }

    /// The parts of the log that it reads.
    pub(super) fn parts(&self) -> Vec<Part> {
        match &self.scope {
            Scope::Things(things) => {
                things.iter().map(|thing| Part::Thing(thing.clone())).collect()
            }
            Scope::Directory(lane) => vec![Part::Directory(lane.clone())],
            Scope::Matching(_) => vec![Part::Whole],
        }
    }

    /// The log that it reads.
    pub(super) fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }

    /// Follows one more thing: from the present position on, or from the log's head when nothing
    /// waits to be read, so that a long quiet reader does not go through the newcomer's past.
    /// Whoever is to be told of the thing's changes has to listen to it before.
    pub fn follow(&mut self, thing: &Arc<Thing>) {
        if let Scope::Things(things) = &mut self.scope
            && !things.iter().any(|known| Arc::ptr_eq(known, thing))
        {
            // First the head, then the lanes: what comes in between is in a lane already.
            let head = self.log.head();
            if things.iter().all(|known| known.lane().newest() <= self.position) {
                self.position = self.position.max(head);
            }
            things.push(thing.clone());
        }
    }

    /// Follows a thing no more.
    pub fn leave(&mut self, thing: &Arc<Thing>) {
        if let Scope::Things(things) = &mut self.scope {
            things.retain(|known| !Arc::ptr_eq(known, thing));
        }
    }

    /// What there is right now, if anything.
    pub fn poll(&mut self) -> Option<Next> {
        if std::mem::take(&mut self.astray) {
            let head = self.log.head();
            if self.position > head {
                return Some(self.gap(head, LOST));
            }
        }
        match &self.scope {
            Scope::Things(things) => {
                let read = self.read_things(things);
                self.take(read).or_else(|| self.leave_deleted())
            }
            Scope::Directory(lane) => {
                let read = self.log.read_lane(lane, self.position, self.patience());
                self.take(read)
            }
            Scope::Matching(filter) => {
                let filter = filter.clone();
                self.read_matching(&filter)
            }
        }
    }

    /// Takes from a herald's page what is new here and gives its place in the page; what of that
    /// is wanted, [`Cursor::admits`] knows. None when the page does not continue this position:
    /// then [`Cursor::poll`] has what comes next.
    pub(super) fn take_from(&mut self, page: &Page) -> Option<usize> {
        if self.astray || self.position < page.after || !self.reads_only(&page.part) {
            return None;
        }
        let first = page.first_after(self.position);
        self.position = self.position.max(page.until);
        Some(first)
    }

    fn reads_only(&self, part: &Part) -> bool {
        match (&self.scope, part) {
            (Scope::Things(things), Part::Thing(thing)) => {
                matches!(&things[..], [only] if Arc::ptr_eq(only, thing))
            }
            (Scope::Directory(own), Part::Directory(lane)) => Arc::ptr_eq(own, lane),
            (Scope::Matching(_), Part::Whole) => true,
            _ => false,
        }
    }

    /// Whether a change of the part that it reads is wanted.
    pub(super) fn admits(&self, change: &Change) -> bool {
        match &self.scope {
            Scope::Matching(filter) => filter.admits(change),
            Scope::Things(_) | Scope::Directory(_) => true,
        }
    }

    /// Whether a thing that it follows is gone, which [`Cursor::poll`] tells after the last of its
    /// changes.
    pub(super) fn lost_a_thing(&self) -> bool {
        match &self.scope {
            Scope::Things(things) => things.iter().any(|thing| thing.is_deleted()),
            Scope::Directory(_) | Scope::Matching(_) => false,
        }
    }

    fn leave_deleted(&mut self) -> Option<Next> {
        let Scope::Things(things) = &self.scope else { return None };
        let deleted = things.iter().find(|thing| thing.is_deleted())?.clone();
        self.leave(&deleted);
        Some(Next::Gone(deleted))
    }

    /// How many changes of one lane are read before they count as too many.
    fn patience(&self) -> usize {
        if self.position < self.live_after { usize::MAX } else { LANE_LAG }
    }

    fn read_things(&self, things: &[Arc<Thing>]) -> Result<Vec<Arc<Change>>, log::Gap> {
        let mut found = Vec::new();
        let mut lanes = 0;
        // Where the first lane that holds more than a page was left.
        let mut complete = Seq(u64::MAX);
        for thing in things.iter().filter(|thing| thing.lane().newest() > self.position) {
            let page = self.log.read_lane(thing.lane(), self.position, self.patience())?;
            if let Some(last) = page.last().filter(|_| page.len() == LANE_PAGE) {
                complete = complete.min(last.seq);
            }
            if found.is_empty() {
                found = page;
            } else {
                found.extend(page);
            }
            lanes += 1;
        }
        if lanes > 1 {
            found.retain(|change: &Arc<Change>| change.seq <= complete);
            found.sort_by_key(|change| change.seq);
        }
        Ok(found)
    }

    fn read_matching(&mut self, filter: &Filter) -> Option<Next> {
        loop {
            let head = self.log.head();
            if self.position >= self.live_after && head.0.saturating_sub(self.position.0) > LAG {
                return Some(self.gap(head, SLOW));
            }
            let read = match self.log.read(self.position, PAGE) {
                Err(gap) => return Some(self.gap(gap.until, self.why(gap.until))),
                Ok(read) => read,
            };
            self.position = read.last()?.seq;
            let matching: Vec<_> =
                read.into_iter().filter(|change| filter.admits(change)).collect();
            if !matching.is_empty() {
                return Some(Next::Changes(matching));
            }
        }
    }

    fn take(&mut self, read: Result<Vec<Arc<Change>>, log::Gap>) -> Option<Next> {
        match read {
            Ok(mut changes) => {
                cut_page(&mut changes);
                self.position = changes.last()?.seq;
                Some(Next::Changes(changes))
            }
            Err(gap) => Some(self.gap(gap.until, self.why(gap.until))),
        }
    }

    /// A position beyond the head is none of this log's.
    fn why(&self, head: Seq) -> &'static str {
        if (self.live_after..=head).contains(&self.position) { SLOW } else { LOST }
    }

    fn gap(&mut self, until: Seq, reason: &'static str) -> Next {
        let after = std::mem::replace(&mut self.position, until);
        // A position from the future (another gateway, or an older log) counts as the beginning.
        let since = if after > until { Seq::default() } else { after };
        let states = self.newest(since, until);
        Next::Gap(Gap { after, until, reason, states })
    }

    /// States with a revision in `(after, until]`: what changed later comes from the log.
    fn newest(&self, after: Seq, until: Seq) -> Vec<Newest> {
        let things = match &self.scope {
            Scope::Things(things) => things.to_vec(),
            Scope::Directory(_) => return Vec::new(),
            Scope::Matching(_) => self.registry.things(),
        };
        let mut newest = Vec::new();
        for thing in things.iter().filter(|thing| thing.lane().newest() > after) {
            thing.each_slot(|slot| {
                let in_gap = slot.revision() > after && slot.revision() <= until;
                if in_gap && self.wants(thing, &slot) {
                    newest.push(Newest { thing: thing.clone(), slot: slot.to_slot() });
                }
            });
        }
        newest.sort_by_key(|newest| newest.slot.revision);
        newest
    }

    fn wants(&self, thing: &Thing, slot: &SlotRef<'_>) -> bool {
        match &self.scope {
            Scope::Matching(filter) => {
                filter.admits_state(thing.id(), slot.property(), slot.state().quality())
            }
            _ => true,
        }
    }
}
