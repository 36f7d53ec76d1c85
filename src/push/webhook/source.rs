use std::collections::VecDeque;
use std::sync::Arc;

use super::event::{Event, Events};
use super::outbox::Item;
use crate::log::{Change, EventLog, Seq};
use crate::push::feed::{Feed, Gap, Newest, Next, Scope};
use crate::push::filter::Filter;
use crate::registry::{Registry, Thing};

/// Where a webhook's events come from: its own cursor in the log, one event at a time.
pub(super) struct Source {
    log: Arc<dyn EventLog>,
    registry: Arc<Registry>,
    events: Arc<Events>,
    filter: Arc<Filter>,
    feed: Feed,
    /// Read from the log and not handed over yet.
    read: VecDeque<Read>,
    /// Position of what was handed over last.
    handed: Seq,
}

/// Small, so that a long gap costs little: of a state only its place is kept.
enum Read {
    Change(Arc<Change>),
    Gap { after: Seq, until: Seq, reason: &'static str },
    State { thing: Arc<Thing>, slot: usize, until: Seq },
}

impl Source {
    pub(super) fn new(
        log: Arc<dyn EventLog>,
        registry: Arc<Registry>,
        events: Arc<Events>,
        filter: Filter,
        position: Seq,
    ) -> Self {
        let filter = Arc::new(filter);
        let scope = Scope::Matching(filter.clone());
        let feed = Feed::new(log.clone(), registry.clone(), scope, Some(position));
        Self { log, registry, events, filter, feed, read: VecDeque::new(), handed: position }
    }

    /// Everything that matches up to here was handed over.
    pub(super) fn position(&self) -> Seq {
        if self.read.is_empty() { self.feed.position() } else { self.handed }
    }

    /// What comes next, if it is there.
    pub(super) fn next(&mut self) -> Option<Item> {
        loop {
            if self.read.is_empty() {
                self.handed = self.feed.position();
                let next = self.feed.poll()?;
                self.keep(next);
            }
            while let Some(read) = self.read.pop_front() {
                let before = self.handed;
                if let Some(event) = self.hand_over(read) {
                    return Some(Item { before, event });
                }
            }
        }
    }

    /// Waits until there may be something.
    pub(super) async fn ready(&mut self) {
        if self.read.is_empty() {
            self.handed = self.feed.position();
            let next = self.feed.next().await;
            self.keep(next);
        }
    }

    /// Lets go of what was read ahead: the log keeps it for a receiver that is down.
    pub(super) fn shed(&mut self) {
        if !self.read.is_empty() {
            self.go_to(self.handed);
        }
    }

    /// Goes on after another position, or with another filter.
    pub(super) fn restart(&mut self, filter: Filter, position: Seq) {
        self.filter = Arc::new(filter);
        self.go_to(position);
    }

    fn go_to(&mut self, position: Seq) {
        let scope = Scope::Matching(self.filter.clone());
        self.feed = Feed::new(self.log.clone(), self.registry.clone(), scope, Some(position));
        self.read = VecDeque::new();
        self.handed = position;
    }

    fn keep(&mut self, next: Next) {
        match next {
            Next::Changes(changes) => self.read = changes.into_iter().map(Read::Change).collect(),
            Next::Gap(gap) => self.keep_gap(gap),
            // A filter follows no particular thing that could go.
            Next::Gone(_) => {}
        }
    }

    fn keep_gap(&mut self, gap: Gap) {
        let Gap { after, until, reason, states } = gap;
        let place = |newest: Newest| {
            let slot = newest.slot.property.slot;
            Read::State { thing: newest.thing, slot, until }
        };
        self.handed = after;
        self.read = std::iter::once(Read::Gap { after, until, reason })
            .chain(states.into_iter().map(place))
            .collect();
    }

    fn hand_over(&mut self, read: Read) -> Option<Event> {
        match read {
            Read::Change(change) => {
                self.handed = change.seq;
                self.events.change(&change)
            }
            Read::Gap { after, until, reason } => Some(self.events.gap(after, until, reason)),
            Read::State { thing, slot, until } => {
                let slot = thing.slot_at(slot).filter(|_| !thing.is_deleted())?;
                // What changed once more is still ahead, in the log.
                if slot.revision > until {
                    return None;
                }
                self.handed = slot.revision;
                Some(self.events.newest(&Newest { thing, slot }))
            }
        }
    }
}
