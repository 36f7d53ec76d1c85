use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use thingway_sdk::Address;

/// So many topics are remembered; then all are forgotten and learnt anew. One more, and the table
/// would have to be twice as large.
const MOST: usize = 14 * 1024;

/// Topics longer than this are not remembered, in bytes.
const LONGEST: usize = 256;

/// The longer topics of a connection's messages, each checked and put into memory once: the same
/// ones come again and again. Short ones are faster checked than looked up.
#[derive(Default)]
pub(crate) struct Topics(HashSet<Topic>);

struct Topic(Address);

impl Topics {
    pub(super) fn known(&self, topic: &[u8]) -> Option<Address> {
        if topic.len() <= Address::INLINE_BYTES {
            return None;
        }
        self.0.get(topic).map(|known| known.0.clone())
    }

    /// Remembers a topic that is well formed.
    pub(super) fn learn(&mut self, topic: &str) -> Address {
        let address = Address::from(topic);
        if (Address::INLINE_BYTES + 1..=LONGEST).contains(&topic.len()) {
            if self.0.len() >= MOST {
                self.0.clear();
            }
            self.0.insert(Topic(address.clone()));
        }
        address
    }
}

impl Borrow<[u8]> for Topic {
    fn borrow(&self) -> &[u8] {
        self.0.as_str().as_bytes()
    }
}

impl Hash for Topic {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let bytes: &[u8] = self.borrow();
        bytes.hash(state);
    }
}

impl PartialEq for Topic {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Topic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded() {
        let mut topics = Topics::default();
        topics.learn(&"x".repeat(LONGEST + 1));
        assert!(topics.0.is_empty());
        for number in 0..=MOST {
            let topic = format!("home/kitchen/ceiling/lamp/{number}");
            assert_eq!(topics.learn(&topic).as_str(), topic);
            assert_eq!(topics.known(topic.as_bytes()), Some(topic.as_str().into()));
        }
        assert_eq!(topics.0.len(), 1);
        assert_eq!(topics.known(b"home/kitchen/ceiling/lamp/0"), None);
    }

    #[test]
    fn short_topics_need_no_memory() {
        let (mut topics, longest) = (Topics::default(), "x".repeat(Address::INLINE_BYTES));
        assert_eq!(topics.learn(&longest).as_str(), longest);
        assert_eq!(topics.known(longest.as_bytes()), None);
        assert!(topics.0.is_empty());
    }
}
