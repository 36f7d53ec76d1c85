use std::sync::Arc;

use thingway_sdk::codec::Encoding;
use thingway_sdk::{BoxFuture, Intake, Observation, Report, Timestamp};
use tracing::{info, warn};

use super::Silo;
use super::counters::{Counter, Tally};
use super::history::Ended;
use crate::mapping::{Batch, Contents, Message, Outcome};
use crate::recorder::Writing;

/// Where an adapter's reports come in.
pub struct SiloIntake(pub Arc<Silo>);

impl Intake for SiloIntake {
    fn connected(&self) {
        if self.0.health.connected() {
            info!(adapter = %self.0.name, endpoint = %self.0.adapter.endpoint(), "Connected");
        }
    }

    fn troubled(&self, reason: String) {
        self.0.health.troubled(reason);
    }

    fn submit<'a>(&'a self, batch: &'a mut Vec<Report>) -> BoxFuture<'a, ()> {
        // All is in memory, so there is nothing to wait for; a log that is elsewhere would wait.
        self.0.take_in(batch);
        Box::pin(std::future::ready(()))
    }
}

impl Silo {
    /// Applies a batch in one turn of the recorder, then counts and remembers it.
    fn take_in(&self, batch: &mut Vec<Report>) {
        let messages = batch.iter().filter(|report| report.is_message()).count();
        self.counters.add(Counter::Received, messages as u64);
        let mut contents = Contents::default();
        let mut mapping = self.mapper.begin();
        mapping.approach(batch.iter().map(Report::address));
        let read: Vec<Read<'_>> =
            batch.iter().map(|report| read(report, &mut mapping, &mut contents)).collect();
        let mut writing = self.recorder.write();
        let mut ended = Vec::with_capacity(messages);
        for read in read {
            ended.extend(self.apply(read, &mut contents, &mut mapping, &mut writing));
        }
        drop(writing);
        let questions = mapping.end();
        self.count(batch, &ended);
        self.history.remember(batch, ended);
        batch.clear();
        self.questions.ask(questions);
    }

    fn apply(
        &self,
        read: Read<'_>,
        contents: &mut Contents,
        mapping: &mut Batch<'_>,
        writing: &mut Writing<'_>,
    ) -> Option<Ended> {
        match read {
            Read::Message(observation, mut message) => {
                let (encoding, by) = (message.encoding, message.by);
                let note = message.note.take();
                let outcome = mapping.apply(observation, message, contents, writing);
                Some(Ended { outcome, encoding, note, by })
            }
            Read::Ended(outcome) => Some(Ended { outcome, encoding: None, note: None, by: None }),
            Read::Notice(report) => {
                self.notice(report, mapping, writing);
                None
            }
        }
    }

    /// What an adapter knows without a message.
    fn notice(&self, report: &Report, mapping: &mut Batch<'_>, writing: &mut Writing<'_>) {
        match report {
            Report::Offered(offer) => {
                if let Err(reason) = mapping.offer(offer, writing)
                    && self.failures.may_log()
                {
                    let address = &offer.address;
                    warn!(adapter = %self.name, %address, %reason, "Action refused");
                }
            }
            Report::Withdrawn(address) => mapping.withdraw(address, Timestamp::now(), writing),
            Report::Stale(address) => mapping.expire(address, Timestamp::now(), writing),
            Report::Observed(_) | Report::Rejected(_) => {}
        }
    }

    fn count(&self, batch: &[Report], ended: &[Ended]) {
        let mut tally = Tally::default();
        for (report, ended) in batch.iter().filter(|report| report.is_message()).zip(ended) {
            tally.add(match &ended.outcome {
                Outcome::Applied(_) => Counter::Applied,
                Outcome::Duplicate(..) => Counter::Duplicate,
                Outcome::Unmapped(_) => Counter::Unmapped,
                Outcome::Failed(_) => Counter::Failed,
            });
            match (ended.encoding, &ended.note) {
                (Some(Encoding::Text), Some(_)) => tally.add(Counter::KeptAsText),
                (Some(Encoding::Octets), _) => tally.add(Counter::KeptAsOctets),
                _ => {}
            }
            if let Outcome::Failed(reason) = &ended.outcome
                && self.failures.may_log()
            {
                let address = report.address();
                warn!(adapter = %self.name, %address, %reason, "Message refused");
            }
        }
        self.counters.add_all(&tally);
    }
}

fn read<'a>(report: &'a Report, mapping: &mut Batch<'_>, contents: &mut Contents) -> Read<'a> {
    match report {
        Report::Observed(observation) => match mapping.read(observation, contents) {
            Ok(message) => Read::Message(observation, message),
            Err(outcome) => Read::Ended(outcome),
        },
        Report::Rejected(rejection) => Read::Ended(Outcome::Failed(rejection.reason.clone())),
        notice => Read::Notice(notice),
    }
}

/// A report on its way: taken apart, or already at its end.
enum Read<'a> {
    Message(&'a Observation, Message),
    Ended(Outcome),
    Notice(&'a Report),
}
