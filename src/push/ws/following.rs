//! From changes to notifications: one position in the log for all subscriptions of a socket, and
//! a short detour for those that resume from an older one.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use smallvec::SmallVec;
use smol_str::SmolStr;
use thingway_sdk::ThingId;

use super::followed::Followed;
use super::news::{Happened, News, concerned, missing};
use super::shared::Shared;
use super::subscriptions::{Kind, Subscription, Subscriptions};
use crate::log::{EventLog, Seq};
use crate::push::cursor::Cursor;
use crate::push::feed::{Next, Scope};
use crate::push::herald::Voice;
use crate::push::page::{Entry, Page, Part, Scratch};
use crate::registry::{Registry, Thing};

/// A subscription that is still catching up hears nothing of what is live.
const NOT_YET: Seq = Seq(u64::MAX);

/// What a consumer wants to hear of.
pub(super) struct Wish {
    /// Properties or events.
    pub(super) kind: Kind,
    /// The only one of them, or all.
    pub(super) name: Option<SmolStr>,
    /// The operation that asked for it.
    pub(super) operation: SmolStr,
    /// What its notifications carry.
    pub(super) correlation: Option<SmolStr>,
    /// Where an earlier subscription ended.
    pub(super) resume_after: Option<Seq>,
}

/// All that one socket follows.
pub(super) struct Following {
    log: Arc<dyn EventLog>,
    /// Stands still while a subscription catches up, so that both meet without a seam.
    cursor: Cursor,
    voice: Voice,
    things: HashMap<ThingId, Followed>,
    /// The only subscription, where there is one, as with most. It is here, and not behind three
    /// pointers, because a herald needs it of each of its followers.
    sole: Option<(Kind, Subscription)>,
    catching_up: VecDeque<CatchUp>,
    /// Taken from the log and not yet told; never more than one page.
    page: VecDeque<News>,
    /// Told in the consumer's words and not yet fetched.
    ready: VecDeque<String>,
    entries: usize,
    last_id: u64,
}

/// What there is to tell.
pub(super) enum Told {
    /// This.
    This(String),
    /// Nothing so far, but not everything was looked at.
    NothingYet,
    /// All was told.
    All,
}

/// One subscription's own way from an older position.
struct CatchUp {
    thing: Arc<Thing>,
    subscription: u64,
    position: Seq,
}

impl Following {
    /// Follows nothing yet.
    pub(super) fn new(log: Arc<dyn EventLog>, registry: Arc<Registry>, voice: Voice) -> Self {
        let cursor = Cursor::new(log.clone(), registry, Scope::Things(SmallVec::new()), None);
        Self {
            log,
            cursor,
            voice,
            things: HashMap::new(),
            sole: None,
            catching_up: VecDeque::new(),
            page: VecDeque::new(),
            ready: VecDeque::new(),
            entries: 0,
            last_id: 0,
        }
    }

    /// How many subscriptions there are, with those names that were taken out of one to all.
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// Begins to tell of a thing.
    pub(super) fn subscribe(&mut self, thing: &Arc<Thing>, wish: Wish) {
        self.last_id += 1;
        let id = self.last_id;
        let after = if wish.resume_after.is_some() { NOT_YET } else { self.log.head() };
        let Wish { kind, name, operation, correlation, resume_after } = wish;
        let subscription = Subscription { id, operation, name, correlation, after };
        self.follow(thing);
        self.change(thing.id(), kind, |subscriptions| subscriptions.add(subscription));
        if let Some(position) = resume_after {
            self.forget_replaced();
            let thing = thing.clone();
            self.catching_up.push_back(CatchUp { thing, subscription: id, position });
        }
        self.find_sole();
    }

    /// Tells no more of one name, or of all.
    pub(super) fn unsubscribe(&mut self, thing: &ThingId, kind: Kind, name: Option<&SmolStr>) {
        self.change(thing, kind, |subscriptions| subscriptions.end(name));
        if self.things.get(thing).is_some_and(|followed| followed.len() == 0)
            && let Some(followed) = self.things.remove(thing)
        {
            self.cursor.leave(&followed.thing);
        }
        self.find_sole();
    }

    /// Whether something to tell waits that no herald will speak of.
    pub(super) fn has_more(&self) -> bool {
        !(self.ready.is_empty() && self.page.is_empty() && self.catching_up.is_empty())
    }

    /// Whether a page of a herald that was told was the last word.
    pub(super) fn is_up_to_date(&self) -> bool {
        !self.has_more() && !self.cursor.lost_a_thing()
    }

    /// What to tell next. Looks at no more than one page, so that requests get their turn even
    /// while nothing in a long log is for this consumer.
    pub(super) fn next(&mut self) -> Told {
        if self.ready.is_empty() && self.page.is_empty() && !self.turn_page() {
            return Told::All;
        }
        while self.ready.is_empty() {
            let Some(news) = self.page.pop_front() else { return Told::NothingYet };
            if let Some(followed) = self.things.get(news.thing()) {
                self.ready.extend(news.tell(followed));
            }
        }
        self.ready.pop_front().map_or(Told::NothingYet, Told::This)
    }

    /// Takes a herald's page and gives the place of the first change in it that is new. None when
    /// the page is not what comes next here; [`Following::next`] knows what does.
    pub(super) fn take_from(&mut self, page: &Page) -> Option<usize> {
        if self.has_more() { None } else { self.cursor.take_from(page) }
    }

    /// Writes the notification of a change in a page that was taken, if it is for this consumer.
    pub(super) fn tell(&self, entry: &mut Entry, scratch: &mut Scratch) {
        let change = &entry.change;
        // Only those who follow one thing take pages: it needs no looking up.
        let subscription = match &self.sole {
            Some((kind, sole)) => Some(sole).filter(|sole| sole.is_for(*kind, change)),
            None => self.things.values().next().and_then(|followed| concerned(change, followed)),
        };
        let seq = entry.change.seq;
        if let Some(subscription) = subscription.filter(|subscription| seq > subscription.after) {
            entry.notification(Shared::new).put(subscription, scratch);
        }
    }

    /// Keeps a change of a page for later.
    pub(super) fn keep(&mut self, entry: &Entry) {
        let what = Happened::Change(entry.change.clone());
        self.page.push_back(News { what, only: None });
    }

    fn follow(&mut self, thing: &Arc<Thing>) {
        match self.things.get(thing.id()) {
            Some(followed) if followed.is(thing) => return,
            // It was removed and came back before anybody looked.
            Some(former) => {
                let former = former.thing.clone();
                self.cursor.leave(&former);
                self.end(&former);
            }
            None => {}
        }
        // Listening comes first: what is published from here on is told, the rest is in the log.
        let place = self.voice.hear_of(&Part::Thing(thing.clone()));
        self.cursor.follow(thing);
        self.things.insert(thing.id().clone(), Followed::new(thing.clone(), place));
    }

    fn change(&mut self, thing: &ThingId, kind: Kind, change: impl FnOnce(&mut Subscriptions)) {
        let Some(followed) = self.things.get_mut(thing) else { return };
        let before = followed.len();
        change(followed.of_mut(kind));
        self.entries = self.entries + followed.len() - before;
    }

    /// Keeps the list of those that catch up no longer than that of the subscriptions.
    fn forget_replaced(&mut self) {
        let mut waiting = std::mem::take(&mut self.catching_up);
        waiting.retain(|one| self.is_current(one));
        self.catching_up = waiting;
    }

    fn is_current(&mut self, one: &CatchUp) -> bool {
        let followed = self.things.get_mut(one.thing.id());
        followed.is_some_and(|followed| followed.by_id(one.subscription).is_some())
    }

    /// False when there is nothing more.
    fn turn_page(&mut self) -> bool {
        if let Some(one) = self.catching_up.pop_front() {
            if self.is_current(&one) {
                self.catch_up(one);
            }
            return true;
        }
        let next = self.cursor.poll();
        let some = next.is_some();
        next.into_iter().for_each(|next| self.turn_to(next));
        some
    }

    fn turn_to(&mut self, next: Next) {
        match next {
            Next::Changes(changes) => self.add(changes.into_iter().map(Happened::Change), None),
            Next::Gap(gap) => {
                let things = self.things.values().map(|followed| &followed.thing);
                let touched = things.filter(|thing| thing.lane().newest() > gap.after);
                let touched = touched.cloned().collect();
                self.add(missing(gap, touched), None);
            }
            Next::Gone(thing) => self.end(&thing),
        }
    }

    /// Reads one page for a subscription that resumes.
    fn catch_up(&mut self, mut one: CatchUp) {
        let scope = Scope::thing(one.thing.clone());
        let mut cursor = self.cursor.beside(scope, one.position);
        let next = cursor.poll();
        one.position = cursor.position();
        let only = Some(one.subscription);
        match next {
            Some(Next::Changes(changes)) => {
                self.add(changes.into_iter().map(Happened::Change), only);
            }
            Some(Next::Gap(gap)) => self.add(missing(gap, vec![one.thing.clone()]), only),
            // That a thing is gone, the cursor tells to all its subscriptions.
            Some(Next::Gone(_)) | None => return self.go_live(&one),
        }
        // What comes after the place where the cursor stands, the cursor tells.
        if one.position >= self.cursor.position() {
            self.go_live(&one);
        } else {
            self.catching_up.push_front(one);
        }
    }

    fn go_live(&mut self, one: &CatchUp) {
        let followed = self.things.get_mut(one.thing.id());
        if let Some(subscription) = followed.and_then(|f| f.by_id(one.subscription)) {
            subscription.after = one.position;
        }
        self.find_sole();
    }

    fn add(&mut self, news: impl Iterator<Item = Happened>, only: Option<u64>) {
        self.page.extend(news.map(|what| News { what, only }));
    }

    /// Tells every subscription to a thing that it is over.
    fn end(&mut self, thing: &Arc<Thing>) {
        if self.things.get(thing.id()).is_some_and(|followed| followed.is(thing))
            && let Some(followed) = self.things.remove(thing.id())
        {
            self.entries -= followed.len();
            self.ready.extend(followed.farewells());
        }
        self.find_sole();
    }

    /// Has to be done whenever a subscription has changed.
    fn find_sole(&mut self) {
        let first = || self.things.values().find_map(Followed::first);
        self.sole = if self.entries == 1 { first() } else { None };
    }
}
