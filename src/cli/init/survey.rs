//! What came while `init` listened, within bounds: the newest message of each topic, and counts.

use std::collections::{BTreeMap, HashMap};

use super::hints::Looks;
use crate::silo::MessageRecord;

/// How many topics are looked at. Messages of further ones are counted.
pub(super) const MOST_TOPICS: usize = 10_000;

/// How many different reasons are kept apart.
const MOST_REASONS: usize = 30;

/// How many topics are named as examples.
pub(super) const EXAMPLES: usize = 3;

#[derive(Default)]
pub(super) struct Survey {
    /// The newest message of each topic; one that was mapped is not replaced by one that was not.
    pub(super) topics: HashMap<String, MessageRecord>,
    pub(super) messages: usize,
    /// Messages of topics that are not looked at.
    pub(super) beyond: usize,
    /// Messages by their convention.
    pub(super) conventions: BTreeMap<&'static str, usize>,
    /// By what became of the messages, and why.
    pub(super) reasons: BTreeMap<(&'static str, String), Messages>,
}

/// Some messages.
#[derive(Default)]
pub(super) struct Messages {
    pub(super) count: usize,
    /// Where some of them came from.
    pub(super) examples: Vec<String>,
}

impl Survey {
    /// How many messages came, on how many topics.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.messages, self.topics.len())
    }

    pub(super) fn take(&mut self, record: MessageRecord) {
        self.messages += 1;
        if let Some(convention) = record.convention {
            *self.conventions.entry(convention).or_default() += 1;
        }
        let is_known = self.topics.contains_key(&record.address);
        if !is_known && self.topics.len() >= MOST_TOPICS {
            self.beyond += 1;
            return;
        }
        if let Some(reason) = reason(&record) {
            self.note(if is_mapped(&record) { "mapped" } else { record.outcome }, reason, &record);
        }
        let is_kept = self.topics.get(&record.address).is_some_and(is_mapped);
        if is_mapped(&record) || !is_kept {
            self.topics.insert(record.address.clone(), record);
        }
    }

    fn note(&mut self, outcome: &'static str, reason: String, record: &MessageRecord) {
        let mut key = (outcome, reason);
        if self.reasons.len() >= MOST_REASONS && !self.reasons.contains_key(&key) {
            key.1 = "other reasons".to_owned();
        }
        let messages = self.reasons.entry(key).or_default();
        messages.count += 1;
        if messages.examples.len() < EXAMPLES && !messages.examples.contains(&record.address) {
            messages.examples.push(record.address.clone());
        }
    }
}

/// Whether a message became the state of something.
fn is_mapped(record: &MessageRecord) -> bool {
    matches!(record.outcome, "mapped" | "duplicate")
}

/// Why a message is nothing, or may be something else than it was taken for; where in the payload
/// that shows differs from message to message.
fn reason(record: &MessageRecord) -> Option<String> {
    let reason = match is_mapped(record) {
        // What it looks like is told of its family.
        true if Looks::of(record.encoding, true, &record.payload).words().is_some() => return None,
        true => record.note.as_deref()?,
        false => record.reason.as_deref()?,
    };
    Some(reason.split(" at line ").next().unwrap_or(reason).to_owned())
}

#[cfg(test)]
pub(super) fn record(address: &str, outcome: &'static str, payload: &str) -> MessageRecord {
    MessageRecord {
        adapter: "mqtt".into(),
        address: address.into(),
        received: thingway_sdk::Timestamp::EPOCH,
        bytes: payload.len(),
        retained: false,
        outcome,
        reason: None,
        note: None,
        convention: None,
        thing: None,
        properties: Vec::new(),
        encoding: Some("json"),
        payload: payload.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_bounded_and_the_rest_is_counted() {
        let mut survey = Survey::default();
        for n in 0..MOST_TOPICS + 5 {
            survey.take(record(&format!("a/{n}"), "mapped", "1"));
        }
        survey.take(record("a/0", "mapped", "2"));
        assert_eq!(survey.counts(), (MOST_TOPICS + 6, MOST_TOPICS));
        assert_eq!(survey.beyond, 5);
        assert_eq!(survey.topics["a/0"].payload, "2");
    }

    #[test]
    fn a_message_that_was_mapped_says_more_than_one_that_was_not() {
        let mut survey = Survey::default();
        survey.take(record("a", "mapped", "1"));
        survey.take(record("a", "unmapped", ""));
        assert_eq!(survey.topics["a"].payload, "1");
    }

    #[test]
    fn reasons_are_grouped_wherever_in_the_payload_they_show() {
        let mut survey = Survey::default();
        for (address, column) in [("a", 1), ("b", 2)] {
            let reason = Some(format!("kept as text: expected value at line 1 column {column}"));
            let noted = MessageRecord { note: reason, ..record(address, "duplicate", "{") };
            survey.take(noted);
        }
        let (key, messages) = survey.reasons.first_key_value().unwrap();
        assert_eq!(key, &("mapped", "kept as text: expected value".to_owned()));
        assert_eq!((messages.count, messages.examples.join(" ")), (2, "a b".to_owned()));
    }
}
