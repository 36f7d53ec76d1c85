//! What is known of one address and port.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::mids::Mids;
use super::{Full, Lane, Owner};
use crate::message::{Message, Token};
use crate::time::Time;

/// Non-confirmable messages per peer for which a Reset is still understood; beyond, the oldest go.
const REMEMBERED_NONS: usize = 32;

/// A Confirmable message that has been sent and not acknowledged.
#[derive(Debug)]
pub(super) struct Outstanding {
    pub(super) owner: Owner,
    pub(super) mid: u16,
    pub(super) token: Token,
    pub(super) datagram: Bytes,
    /// How often it was sent again.
    pub(super) again: u32,
    /// How long the next acknowledgement is waited for.
    pub(super) timeout: Duration,
    /// Whether it answers a request, so that it counts against what may be sent to an address
    /// that isn't verified.
    pub(super) metered: bool,
}

#[derive(Debug)]
pub(super) struct Queued {
    pub(super) owner: Owner,
    pub(super) message: Message,
    pub(super) metered: bool,
    pub(super) lane: Lane,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) mids: Mids,
    /// The one outstanding interaction: NSTART is 1 (RFC 7252 section 4.7).
    pub(super) outstanding: Option<Outstanding>,
    pub(super) queue: VecDeque<Queued>,
    nons: VecDeque<(u16, Owner)>,
    /// Bytes that may still be sent to it before it is verified.
    pub(super) credit: usize,
    pub(super) verified_until: Time,
    /// When it was last moved to the end of those that may be forgotten.
    pub(super) touched: Time,
}

impl Peer {
    pub(super) fn new(first_mid: u16, now: Time) -> Self {
        Self {
            mids: Mids::starting_at(first_mid),
            outstanding: None,
            queue: VecDeque::new(),
            nons: VecDeque::new(),
            credit: 0,
            verified_until: Time::ZERO,
            touched: now,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.outstanding.is_none() && self.queue.is_empty()
    }

    pub(super) fn enqueue(&mut self, queued: Queued, limit: usize) -> Result<(), Full> {
        let is_fast = |queued: &&Queued| queued.lane == Lane::Fast;
        let fast = self.queue.iter().take_while(is_fast).count();
        let (at, before) = match queued.lane {
            Lane::Fast => (fast, fast),
            Lane::Slow => (self.queue.len(), self.queue.len() - fast),
        };
        if before >= limit {
            return Err(Full);
        }
        self.queue.insert(at, queued);
        Ok(())
    }

    pub(super) fn remember_non(&mut self, mid: u16, owner: Owner) {
        if self.nons.len() == REMEMBERED_NONS {
            self.nons.pop_front();
        }
        self.nons.push_back((mid, owner));
    }

    pub(super) fn take_non(&mut self, mid: u16) -> Option<Owner> {
        let at = self.nons.iter().position(|(other, _)| *other == mid)?;
        self.nons.remove(at).map(|(_, owner)| owner)
    }
}
