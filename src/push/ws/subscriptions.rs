//! Who wants what of one thing: the last subscription wins.

use smol_str::SmolStr;

use crate::log::{Change, Seq, What};

/// What of a thing can be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// States of its properties.
    Properties,
    /// Occurrences of its events.
    Events,
}

impl Kind {
    /// Of what a change of a thing tells, and of which of them by name. None of what only the
    /// directory tells.
    pub(super) fn told_by(change: &Change) -> Option<(Self, &SmolStr)> {
        match &change.what {
            What::State(property, _) => Some((Self::Properties, &property.name)),
            What::Event(name, ..) => Some((Self::Events, name)),
            What::Directory(..) => None,
        }
    }
}

/// One subscription of a consumer.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    /// Tells it from those that it replaced.
    pub(super) id: u64,
    /// The operation that made it; its notifications repeat it.
    pub(super) operation: SmolStr,
    /// The only property or event that it is for.
    pub(super) name: Option<SmolStr>,
    /// What its notifications carry.
    pub(super) correlation: Option<SmolStr>,
    /// It hears only of what came after this.
    pub(super) after: Seq,
}

impl Subscription {
    /// Whether a change of its thing is what it is for; it is one of this kind.
    pub(super) fn is_for(&self, kind: Kind, change: &Change) -> bool {
        Kind::told_by(change).is_some_and(|(told, name)| {
            told == kind && self.name.as_ref().is_none_or(|own| own == name)
        })
    }
}

/// The subscriptions to the properties of one thing, or to its events.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    all: Option<Subscription>,
    /// What is said of single names, in their order: a subscription of its own, or that the one to
    /// all does not count for it any more. Most have one or two, which a hash would only hide
    /// behind more memory to touch.
    single: Vec<(SmolStr, Option<Subscription>)>,
}

impl Subscriptions {
    /// Adds a subscription; it replaces what was there for the same name, or for all.
    pub(super) fn add(&mut self, subscription: Subscription) {
        match subscription.name.clone() {
            Some(name) => self.say(name, Some(subscription)),
            None => {
                self.single.clear();
                self.all = Some(subscription);
            }
        }
    }

    /// Ends what there is for a name, or everything.
    pub(super) fn end(&mut self, name: Option<&SmolStr>) {
        match name {
            Some(name) if self.all.is_some() => self.say(name.clone(), None),
            Some(name) => {
                if let Ok(at) = self.place(name) {
                    self.single.remove(at);
                }
            }
            None => *self = Self::default(),
        }
    }

    /// The subscription that counts for a name.
    pub(super) fn for_name(&self, name: &str) -> Option<&Subscription> {
        match self.place(name) {
            Ok(at) => self.single[at].1.as_ref(),
            Err(_) => self.all.as_ref(),
        }
    }

    fn say(&mut self, name: SmolStr, own: Option<Subscription>) {
        match self.place(&name) {
            Ok(at) => self.single[at].1 = own,
            Err(at) => self.single.insert(at, (name, own)),
        }
    }

    /// Where a name is, or would have to be.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.single.binary_search_by(|(known, _)| known.as_str().cmp(name))
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.all.iter().chain(self.single.iter().filter_map(|(_, own)| own.as_ref()))
    }

    /// The one with this id, if nothing has replaced it.
    pub(super) fn by_id(&mut self, id: u64) -> Option<&mut Subscription> {
        let single = self.single.iter_mut().filter_map(|(_, own)| own.as_mut());
        self.all.iter_mut().chain(single).find(|subscription| subscription.id == id)
    }

    /// How many entries there are to remember.
    pub(super) fn len(&self) -> usize {
        usize::from(self.all.is_some()) + self.single.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(id: u64, name: Option<&str>) -> Subscription {
        Subscription {
            id,
            operation: "observeproperty".into(),
            name: name.map(SmolStr::new),
            correlation: None,
            after: Seq(0),
        }
    }

    fn id_for(subscriptions: &Subscriptions, name: &str) -> Option<u64> {
        subscriptions.for_name(name).map(|subscription| subscription.id)
    }

    #[test]
    fn the_last_one_wins() {
        let mut subscriptions = Subscriptions::default();
        subscriptions.add(subscription(1, Some("a")));
        subscriptions.add(subscription(2, Some("a")));
        assert_eq!(id_for(&subscriptions, "a"), Some(2));
        subscriptions.add(subscription(3, None));
        assert_eq!(id_for(&subscriptions, "a"), Some(3));
        subscriptions.add(subscription(4, Some("a")));
        assert_eq!((id_for(&subscriptions, "a"), id_for(&subscriptions, "b")), (Some(4), Some(3)));
        assert!(subscriptions.by_id(2).is_none());
    }

    #[test]
    fn one_name_is_taken_out_of_all_and_the_others_stay() {
        let mut subscriptions = Subscriptions::default();
        subscriptions.add(subscription(1, None));
        subscriptions.end(Some(&"a".into()));
        assert_eq!((id_for(&subscriptions, "a"), id_for(&subscriptions, "b")), (None, Some(1)));
        subscriptions.end(None);
        assert_eq!((id_for(&subscriptions, "b"), subscriptions.len()), (None, 0));
        subscriptions.end(Some(&"a".into()));
        assert_eq!(subscriptions.len(), 0, "what was never there needs no memory");
    }
}
