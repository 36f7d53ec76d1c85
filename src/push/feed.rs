//! A position in the log that moves on: replay first, then live, without a seam, and with an
//! explicit gap where the log no longer has what came between.

use std::sync::Arc;

use tokio::sync::Notify;

use super::filter::Filter;
use crate::log::{self, Change, EventLog, LANE_PAGE, Lane, Listening, Seq};
use crate::registry::{Registry, Slot, Thing};

/// Changes of the whole log that are looked at in one go.
const PAGE: usize = 1024;
/// Changes of things are handed over in pages of about this many bytes: that much a reader holds
/// while it waits for its peer, however far behind it is.
pub const PAGE_BYTES: usize = 64 * 1024;
/// A live reader of one thing that is this many changes behind gets the newest states instead.
const LANE_LAG: usize = 4096;
/// The same for a live reader of the whole log.
const LAG: u64 = 50_000;

const LOST: &str = "the log no longer holds these changes";
const SLOW: &str = "the reader was too slow";

/// What a feed follows.
#[derive(Clone)]
pub enum Scope {
    /// These things and nothing else. Costs nothing while they are quiet.
    Things(Vec<Arc<Thing>>),
    /// The directory's own events.
    Directory(Arc<Lane>),
    /// Whatever passes the filter.
    Matching(Arc<Filter>),
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

/// A reader's position in the log.
pub struct Feed {
    log: Arc<dyn EventLog>,
    registry: Arc<Registry>,
    scope: Scope,
    position: Seq,
    /// Up to here the reader catches up on what it missed: it gets everything. Beyond, it is
    /// live, and when it is slow it gets the newest states only.
    live_after: Seq,
    wake: Arc<Notify>,
    listening: Vec<Listening>,
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
        let wake = Arc::new(Notify::new());
        let listening = match &scope {
            Scope::Things(things) => {
                things.iter().map(|thing| thing.lane().listen(wake.clone())).collect()
            }
            Scope::Directory(lane) => vec![lane.listen(wake.clone())],
            Scope::Matching(_) => vec![log.listen(wake.clone())],
        };
        let head = log.head();
        let position = position.unwrap_or(head);
        Self { log, registry, scope, position, live_after: head, wake, listening }
    }

    /// A second feed over the same log, which begins after `position`.
    #[must_use]
    pub fn beside(&self, scope: Scope, position: Seq) -> Self {
        Self::new(self.log.clone(), self.registry.clone(), scope, Some(position))
    }

    /// Where it is.
    #[must_use]
    pub fn position(&self) -> Seq {
        self.position
    }

    /// Follows one more thing: from the present position on, or from the log's head when nothing
    /// waits to be read, so that a long quiet feed does not go through the newcomer's past.
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
            self.listening.push(thing.lane().listen(self.wake.clone()));
        }
    }

    /// Follows a thing no more.
    pub fn leave(&mut self, thing: &Arc<Thing>) {
        if let Scope::Things(things) = &mut self.scope
            && let Some(at) = things.iter().position(|known| Arc::ptr_eq(known, thing))
        {
            things.swap_remove(at);
            self.listening.swap_remove(at);
        }
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
        // Where the first lane that holds more than a page was left.
        let mut complete = Seq(u64::MAX);
        for thing in things.iter().filter(|thing| thing.lane().newest() > self.position) {
            let page = self.log.read_lane(thing.lane(), self.position, self.patience())?;
            if let Some(last) = page.last().filter(|_| page.len() == LANE_PAGE) {
                complete = complete.min(last.seq);
            }
            found.extend(page);
        }
        found.retain(|change| change.seq <= complete);
        found.sort_by_key(|change| change.seq);
        // A position from another life of the gateway may be ahead of every lane.
        let head = self.log.head();
        if self.position > head { Err(log::Gap { until: head }) } else { Ok(found) }
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
            Scope::Things(things) => things.clone(),
            Scope::Directory(_) => return Vec::new(),
            Scope::Matching(_) => self.registry.things(),
        };
        let mut newest = Vec::new();
        for thing in things.iter().filter(|thing| thing.lane().newest() > after) {
            thing.each_slot(|slot| {
                let in_gap = slot.revision > after && slot.revision <= until;
                if in_gap && self.wants(thing, slot) {
                    newest.push(Newest { thing: thing.clone(), slot: slot.clone() });
                }
            });
        }
        newest.sort_by_key(|newest| newest.slot.revision);
        newest
    }

    fn wants(&self, thing: &Thing, slot: &Slot) -> bool {
        match &self.scope {
            Scope::Matching(filter) => filter.admits_state(thing.id(), &slot.property, &slot.state),
            _ => true,
        }
    }
}

/// Leaves as many changes as make a page, and at least one.
fn cut_page(changes: &mut Vec<Arc<Change>>) {
    let mut bytes = 0;
    let fitting = changes.iter().take_while(|change| {
        let room = bytes < PAGE_BYTES;
        bytes += change.size();
        room
    });
    let fitting = fitting.count();
    changes.truncate(fitting);
}
