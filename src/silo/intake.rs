use std::sync::Arc;

use thingway_sdk::codec::Encoding;
use thingway_sdk::{BoxFuture, Intake, Observation, Rejection, Report};
use tracing::{info, warn};

use super::Silo;
use super::counters::Counter;
use super::history::Entry;
use crate::mapping::{Message, Outcome};

/// Where an adapter's reports come in.
pub struct SiloIntake(pub Arc<Silo>);

impl Intake for SiloIntake {
    fn connected(&self) {
        if self.0.health.connected() {
            info!(adapter = %self.0.name, endpoint = %self.0.adapter.endpoint(), "Connected");
        }
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
        self.counters.add(Counter::Received, batch.len() as u64);
        let read: Vec<Read> = batch.drain(..).map(|report| self.read(report)).collect();
        let mut writing = self.recorder.write();
        let entries: Vec<Entry> = read
            .into_iter()
            .map(|read| match read {
                Read::Message(observation, message) => {
                    let (encoding, note) = (message.encoding, message.note.clone());
                    let outcome = self.mapper.apply(&observation, message, &mut writing);
                    entry(&observation, Some(encoding), note, outcome)
                }
                Read::Ended(entry) => entry,
            })
            .collect();
        drop(writing);
        entries.iter().for_each(|entry| self.count(entry));
        self.history.remember(entries.into_iter());
    }

    fn read(&self, report: Report) -> Read {
        match report {
            Report::Observed(observation) => match self.mapper.read(&observation) {
                Ok(message) => Read::Message(observation, message),
                Err(outcome) => Read::Ended(entry(&observation, None, None, outcome)),
            },
            Report::Rejected(rejection) => Read::Ended(rejected(rejection)),
        }
    }

    fn count(&self, entry: &Entry) {
        let counter = match &entry.outcome {
            Outcome::Applied(_) => Counter::Applied,
            Outcome::Duplicate(..) => Counter::Duplicate,
            Outcome::Unmapped(_) => Counter::Unmapped,
            Outcome::Failed(_) => Counter::Failed,
        };
        self.counters.add(counter, 1);
        match (entry.encoding, &entry.note) {
            (Some(Encoding::Text), Some(_)) => self.counters.add(Counter::KeptAsText, 1),
            (Some(Encoding::Octets), _) => self.counters.add(Counter::KeptAsOctets, 1),
            _ => {}
        }
        if let Outcome::Failed(reason) = &entry.outcome
            && self.failures.may_log()
        {
            warn!(adapter = %self.name, address = %entry.address, %reason, "Message refused");
        }
    }
}

/// A report on its way: taken apart, or already at its end.
enum Read {
    Message(Observation, Message),
    Ended(Entry),
}

fn entry(
    observation: &Observation,
    encoding: Option<Encoding>,
    note: Option<String>,
    outcome: Outcome,
) -> Entry {
    let payload = &observation.payload.bytes;
    Entry {
        address: observation.address.clone(),
        received: observation.received,
        size: payload.len(),
        preview: Entry::preview(payload),
        retained: observation.retained,
        encoding,
        note,
        outcome,
    }
}

fn rejected(rejection: Rejection) -> Entry {
    Entry {
        address: rejection.address,
        received: rejection.received,
        size: rejection.size,
        preview: Box::default(),
        retained: false,
        encoding: None,
        note: None,
        outcome: Outcome::Failed(rejection.reason),
    }
}
