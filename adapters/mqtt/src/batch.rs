//! Messages on their way into the gateway, together with what is owed to the broker for them.

use thingway_sdk::Report;

use crate::transport::PacketId;

/// A batch beyond either of these is full: what follows waits in the broker.
const FULL_REPORTS: usize = 4096;
const FULL_BYTES: usize = 4 * 1024 * 1024;

/// What must be written once a message is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acknowledgement {
    PubAck(PacketId),
    PubRec(PacketId),
}

#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) reports: Vec<Report>,
    pub(crate) acknowledgements: Vec<Acknowledgement>,
    bytes: usize,
}

impl Batch {
    pub(crate) fn push(&mut self, report: Report, acknowledgement: Option<Acknowledgement>) {
        if let Report::Observed(observation) = &report {
            self.bytes += observation.payload.bytes.len();
        }
        self.reports.push(report);
        self.acknowledgements.extend(acknowledgement);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.reports.len() >= FULL_REPORTS || self.bytes >= FULL_BYTES
    }

    /// Ready for the next messages, with its allocations.
    pub(crate) fn clear(&mut self) {
        self.reports.clear();
        self.acknowledgements.clear();
        self.bytes = 0;
    }
}
