//! From changes to notifications: one position in the log for all subscriptions of a socket, and
//! a short detour for those that resume from an older one.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use smol_str::SmolStr;
use thingway_sdk::ThingId;

use super::message::{Body, Missing, notification};
use super::subscriptions::{Subscription, Subscriptions};
use crate::log::{Change, EventLog, Seq, What};
use crate::push::feed::{Feed, Gap, Newest, Next, Scope};
use crate::registry::{Registry, Thing};
use crate::rest::Problem;

/// A subscription that is still catching up hears nothing of what is live.
const NOT_YET: Seq = Seq(u64::MAX);

/// What of a thing can be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// States of its properties.
    Properties,
    /// Occurrences of its events.
    Events,
}

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
    feed: Feed,
    things: HashMap<ThingId, Followed>,
    catching_up: VecDeque<CatchUp>,
    /// Taken from the feed and not yet told; never more than one page.
    page: VecDeque<Item>,
    /// Told in the consumer's words and not yet fetched.
    ready: VecDeque<String>,
    entries: usize,
    last_id: u64,
}

struct Followed {
    thing: Arc<Thing>,
    properties: Subscriptions,
    events: Subscriptions,
}

/// One subscription's own way from an older position.
struct CatchUp {
    thing: Arc<Thing>,
    subscription: u64,
    position: Seq,
}

/// Something to be told; `only` to the subscription that catches up on it.
struct Item {
    news: News,
    only: Option<u64>,
}

enum News {
    Change(Arc<Change>),
    Newest(Newest),
    Missing(Arc<Thing>, Missing),
}

impl Following {
    /// Follows nothing yet.
    pub(super) fn new(log: Arc<dyn EventLog>, registry: Arc<Registry>) -> Self {
        let feed = Feed::new(log.clone(), registry, Scope::Things(Vec::new()), None);
        Self {
            log,
            feed,
            things: HashMap::new(),
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
    }

    /// Tells no more of one name, or of all.
    pub(super) fn unsubscribe(&mut self, thing: &ThingId, kind: Kind, name: Option<&SmolStr>) {
        self.change(thing, kind, |subscriptions| subscriptions.end(name));
        if self.things.get(thing).is_some_and(|followed| followed.len() == 0)
            && let Some(followed) = self.things.remove(thing)
        {
            self.feed.leave(&followed.thing);
        }
    }

    /// Waits until there may be something to tell. May be cancelled and called again.
    pub(super) async fn wait(&mut self) {
        if self.ready.is_empty() && self.page.is_empty() && self.catching_up.is_empty() {
            let next = self.feed.next().await;
            self.turn_to(next);
        }
    }

    /// The next notification. Looks at no more than one page, so that requests get their turn
    /// even while nothing in a long log is for this consumer: `None` may come before the end.
    pub(super) fn next(&mut self) -> Option<String> {
        if self.ready.is_empty() && self.page.is_empty() {
            self.turn_page();
        }
        while self.ready.is_empty() {
            let item = self.page.pop_front()?;
            self.tell(&item);
        }
        self.ready.pop_front()
    }

    fn follow(&mut self, thing: &Arc<Thing>) {
        match self.things.get(thing.id()) {
            Some(followed) if Arc::ptr_eq(&followed.thing, thing) => return,
            // It was removed and came back before anybody looked.
            Some(former) => {
                let former = former.thing.clone();
                self.feed.leave(&former);
                self.end(&former);
            }
            None => {}
        }
        self.feed.follow(thing);
        self.things.insert(thing.id().clone(), Followed::new(thing.clone()));
    }

    fn change(&mut self, thing: &ThingId, kind: Kind, change: impl FnOnce(&mut Subscriptions)) {
        let Some(followed) = self.things.get_mut(thing) else { return };
        let before = followed.len();
        change(followed.of_mut(kind));
        self.entries = self.entries + followed.len() - before;
    }

    /// Keeps the list of those that catch up no longer than that of the subscriptions.
    fn forget_replaced(&mut self) {
        let things = &mut self.things;
        self.catching_up.retain(|one| {
            things.get_mut(one.thing.id()).is_some_and(|f| f.by_id(one.subscription).is_some())
        });
    }

    fn turn_page(&mut self) {
        if let Some(one) = self.catching_up.pop_front() {
            self.catch_up(one);
        } else if let Some(next) = self.feed.poll() {
            self.turn_to(next);
        }
    }

    fn turn_to(&mut self, next: Next) {
        match next {
            Next::Changes(changes) => self.add(changes.into_iter().map(News::Change), None),
            Next::Gap(gap) => {
                let touched = self.things.values().map(|followed| &followed.thing);
                let touched = touched.filter(|thing| thing.lane().newest() > gap.after);
                let touched = touched.cloned().collect();
                self.add(news_of(gap, touched), None);
            }
            Next::Gone(thing) => self.end(&thing),
        }
    }

    /// Reads one page for a subscription that resumes. It is live as soon as it is where the feed
    /// stands: what follows, the feed tells.
    fn catch_up(&mut self, mut one: CatchUp) {
        let things = vec![one.thing.clone()];
        let mut feed = self.feed.beside(Scope::Things(things.clone()), one.position);
        let next = feed.poll();
        one.position = feed.position();
        let arrived = match next {
            Some(Next::Changes(_) | Next::Gap(_)) => one.position >= self.feed.position(),
            // That a thing is gone, the feed tells to all its subscriptions.
            Some(Next::Gone(_)) | None => true,
        };
        let followed = self.things.get_mut(one.thing.id());
        let Some(subscription) = followed.and_then(|f| f.by_id(one.subscription)) else { return };
        if arrived {
            subscription.after = one.position;
        }
        match next {
            Some(Next::Changes(changes)) => {
                self.add(changes.into_iter().map(News::Change), Some(one.subscription));
            }
            Some(Next::Gap(gap)) => self.add(news_of(gap, things), Some(one.subscription)),
            Some(Next::Gone(_)) | None => {}
        }
        if !arrived {
            self.catching_up.push_front(one);
        }
    }

    fn add(&mut self, news: impl Iterator<Item = News>, only: Option<u64>) {
        self.page.extend(news.map(|news| Item { news, only }));
    }

    fn tell(&mut self, item: &Item) {
        let Item { news, only } = item;
        match news {
            News::Change(change) => self.ready.extend(self.tell_change(change, *only)),
            News::Newest(newest) => self.ready.extend(self.tell_newest(newest, *only)),
            News::Missing(thing, missing) => self.tell_missing(thing, *missing, *only),
        }
    }

    fn tell_change(&self, change: &Change, only: Option<u64>) -> Option<String> {
        let followed = self.things.get(change.thing())?;
        let (name, subscriptions) = match &change.what {
            What::State(property, _) => (&property.name, &followed.properties),
            What::Event(name, ..) => (name, &followed.events),
            What::Directory(..) => return None,
        };
        let subscription = subscriptions.for_name(name)?;
        if !Arc::ptr_eq(followed.thing.lane(), &change.lane)
            || !subscription.hears(change.seq, only)
        {
            return None;
        }
        let body = match &change.what {
            What::State(_, state) => Body::state(state),
            What::Event(_, data, time) => {
                Body { data: Some(data), timestamp: Some(*time), ..Body::default() }
            }
            What::Directory(..) => return None,
        };
        let body = Body { seq: Some(change.seq), ..body };
        Some(notification(change.thing(), subscription, Some(name), body))
    }

    fn tell_newest(&self, newest: &Newest, only: Option<u64>) -> Option<String> {
        let slot = &newest.slot;
        let followed = self.things.get(newest.thing.id())?;
        let subscription = followed.properties.for_name(&slot.property.name)?;
        if !Arc::ptr_eq(&followed.thing, &newest.thing) || !subscription.hears(slot.revision, only)
        {
            return None;
        }
        let body = Body { seq: Some(slot.revision), ..Body::state(&slot.state) };
        let name = Some(slot.property.name.as_str());
        Some(notification(newest.thing.id(), subscription, name, body))
    }

    fn tell_missing(&mut self, thing: &Arc<Thing>, missing: Missing, only: Option<u64>) {
        let Some(followed) = self.things.get(thing.id()) else { return };
        for subscription in followed.iter().filter(|one| one.hears(missing.until, only)) {
            let after = match only {
                Some(_) => missing.after,
                None => missing.after.max(subscription.after),
            };
            let body = Body { gap: Some(Missing { after, ..missing }), ..Body::default() };
            self.ready.push_back(notification(thing.id(), subscription, None, body));
        }
    }

    /// Tells every subscription to a thing that it is over.
    fn end(&mut self, thing: &Arc<Thing>) {
        let same = |followed: &Followed| Arc::ptr_eq(&followed.thing, thing);
        if !self.things.get(thing.id()).is_some_and(same) {
            return;
        }
        let Some(followed) = self.things.remove(thing.id()) else { return };
        self.entries -= followed.len();
        for subscription in followed.iter() {
            let gone = Problem::not_found("the thing was removed; this subscription ends");
            let body = Body::error(gone);
            self.ready.push_back(notification(thing.id(), subscription, None, body));
        }
    }
}

/// What takes the place of missing changes of these things.
fn news_of(gap: Gap, touched: Vec<Arc<Thing>>) -> impl Iterator<Item = News> {
    let missing = Missing { after: gap.after, until: gap.until, reason: gap.reason };
    let touched = touched.into_iter().map(move |thing| News::Missing(thing, missing));
    touched.chain(gap.states.into_iter().map(News::Newest))
}

impl Followed {
    fn new(thing: Arc<Thing>) -> Self {
        Self { thing, properties: Subscriptions::default(), events: Subscriptions::default() }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut Subscriptions {
        match kind {
            Kind::Properties => &mut self.properties,
            Kind::Events => &mut self.events,
        }
    }

    fn by_id(&mut self, id: u64) -> Option<&mut Subscription> {
        self.properties.by_id(id).or_else(|| self.events.by_id(id))
    }

    fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.properties.iter().chain(self.events.iter())
    }

    fn len(&self) -> usize {
        self.properties.len() + self.events.len()
    }
}

impl Subscription {
    /// Whether it is for this one to hear: it catches up on it, or it came after all that it
    /// knows.
    fn hears(&self, seq: Seq, only: Option<u64>) -> bool {
        match only {
            Some(id) => id == self.id,
            None => seq > self.after,
        }
    }
}
