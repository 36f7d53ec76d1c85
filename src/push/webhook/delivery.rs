use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use thingway_sdk::Timestamp;

use super::event::Event;
use super::outcome::Outcome;
use crate::log::Seq;

/// Deliveries that each webhook remembers.
pub(crate) const REMEMBERED: usize = 50;

/// One delivery as the log of its webhook tells of it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Delivery {
    /// The CloudEvent's `id` and the `webhook-id` of every attempt.
    pub id: String,
    /// The CloudEvent's type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The property or the event that it is about: the thing's id, a slash, the name.
    pub subject: Option<String>,
    /// Sequence number of the change.
    #[schema(value_type = Option<u64>)]
    pub sequence: Option<Seq>,
    /// When the last attempt ended.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Status code of the last answer, if there was one.
    pub status: Option<u16>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// How long the last attempt took, in milliseconds.
    pub duration_ms: u64,
    /// What became of it.
    pub outcome: DeliveryOutcome,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// The receiver answered 2xx.
    Delivered,
    /// The last attempt failed; there will be another.
    Retrying,
    /// It failed for so long that it will not be tried again.
    GivenUp,
    /// The only attempt failed: a test, or a delivery sent once more by request.
    Failed,
    /// It failed, and its webhook was changed, rewound or disabled before another attempt; where
    /// the webhook still wants it, it comes back as a new entry.
    Interrupted,
}

impl Delivery {
    pub(super) fn of(
        event: &Event,
        attempts: u32,
        ended: &Outcome,
        took: Duration,
        outcome: DeliveryOutcome,
    ) -> Self {
        Self {
            id: event.id.clone(),
            kind: event.kind,
            subject: event.subject.clone(),
            sequence: event.sequence,
            time: Timestamp::now(),
            attempts,
            status: ended.status(),
            error: ended.error().map(str::to_owned),
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            outcome,
        }
    }
}

/// The last deliveries of one webhook.
#[derive(Debug, Default)]
pub(super) struct Deliveries(VecDeque<Delivery>);

impl Deliveries {
    /// Notes how an attempt ended; the attempts of one delivery are one entry.
    pub(super) fn note(&mut self, delivery: Delivery) {
        let same = |known: &&mut Delivery| {
            known.id == delivery.id && known.outcome == DeliveryOutcome::Retrying
        };
        if delivery.attempts > 1
            && let Some(known) = self.0.iter_mut().rev().find(same)
        {
            *known = delivery;
            return;
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(delivery);
    }

    /// Notes that nothing will be tried again as it stands here.
    pub(super) fn interrupt(&mut self) {
        let retrying =
            self.0.iter_mut().filter(|delivery| delivery.outcome == DeliveryOutcome::Retrying);
        retrying.for_each(|delivery| delivery.outcome = DeliveryOutcome::Interrupted);
    }

    /// The newest ones, newest first.
    pub(super) fn newest(&self, limit: usize) -> Vec<Delivery> {
        self.0.iter().rev().take(limit).cloned().collect()
    }

    /// The newest one with this id.
    pub(super) fn find(&self, id: &str) -> Option<&Delivery> {
        self.0.iter().rev().find(|delivery| delivery.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn delivery(id: &str, attempts: u32, outcome: DeliveryOutcome) -> Delivery {
        let event = Event {
            id: id.to_owned(),
            kind: "thingway.test",
            subject: None,
            sequence: None,
            body: Bytes::new(),
        };
        let ended = Outcome::Delivered { status: 204 };
        Delivery::of(&event, attempts, &ended, Duration::from_millis(7), outcome)
    }

    #[test]
    fn attempts_of_one_delivery_are_one_entry_and_a_replay_is_another() {
        let mut deliveries = Deliveries::default();
        deliveries.note(delivery("a", 1, DeliveryOutcome::Retrying));
        deliveries.note(delivery("a", 2, DeliveryOutcome::Delivered));
        deliveries.note(delivery("a", 1, DeliveryOutcome::Delivered));
        let attempts: Vec<_> = deliveries.newest(9).iter().map(|d| d.attempts).collect();
        assert_eq!(attempts, [1, 2]);
        assert_eq!(deliveries.newest(1).len(), 1);
    }

    #[test]
    fn an_interrupted_delivery_begins_anew() {
        let mut deliveries = Deliveries::default();
        deliveries.note(delivery("a", 1, DeliveryOutcome::Retrying));
        deliveries.note(delivery("b", 1, DeliveryOutcome::Delivered));
        deliveries.interrupt();
        deliveries.note(delivery("a", 1, DeliveryOutcome::Delivered));
        let outcomes: Vec<_> = deliveries.newest(9).iter().map(|d| d.outcome).collect();
        let (delivered, interrupted) = (DeliveryOutcome::Delivered, DeliveryOutcome::Interrupted);
        assert_eq!(outcomes, [delivered, delivered, interrupted]);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut deliveries = Deliveries::default();
        for id in 0..REMEMBERED + 5 {
            deliveries.note(delivery(&id.to_string(), 1, DeliveryOutcome::Delivered));
        }
        assert_eq!(deliveries.newest(usize::MAX).len(), REMEMBERED);
        assert!(deliveries.find("4").is_none() && deliveries.find("5").is_some());
    }
}
