//! What goes out: at once, when it is its turn, and again.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;

use super::peer::{Outstanding, Queued};
use super::{Full, Lane, Owner, Timer, Wire};
use crate::message::{Kind, Message};
use crate::time::Time;
use crate::transmission::ACK_RANDOM_FACTOR;

/// When all message IDs are in use, it is looked again after this time.
const MID_WAIT: Duration = Duration::from_secs(1);

impl Wire {
    /// Sends a Confirmable message when it is its turn. The message gets its ID when it is sent.
    pub(crate) fn confirm(
        &mut self,
        now: Time,
        to: SocketAddr,
        message: Message,
        owner: Owner,
        lane: Lane,
    ) -> Result<(), Full> {
        let limit = self.config.limits.queued_per_peer;
        let metered = owner == Owner::Answer;
        let peer = self.peer(now, to)?;
        peer.enqueue(Queued { owner, message, metered, lane }, limit)?;
        self.send_next(now, to);
        Ok(())
    }

    /// Whether a message waits for its turn.
    pub(crate) fn is_queued(&self, to: SocketAddr, owner: Owner) -> bool {
        let queue = self.peers.get(&to).map(|peer| &peer.queue);
        queue.is_some_and(|queue| queue.iter().any(|queued| queued.owner == owner))
    }

    /// Puts a newer message in the place of one that waits for its turn.
    pub(crate) fn supersede(&mut self, to: SocketAddr, owner: Owner, message: Message) {
        let queue = self.peers.get_mut(&to).map(|peer| &mut peer.queue);
        let queued = queue.and_then(|queue| queue.iter_mut().find(|queued| queued.owner == owner));
        if let Some(queued) = queued {
            queued.message = message;
        }
    }

    /// Sends a Non-confirmable message at once. An answer counts against what may be sent to an
    /// address that isn't verified.
    pub(crate) fn send_once(
        &mut self,
        now: Time,
        to: SocketAddr,
        mut message: Message,
        owner: Owner,
    ) {
        let lifetime = self.config.transmission.exchange_lifetime();
        let mid = self.peer(now, to).ok().and_then(|peer| {
            let mid = peer.mids.take(now, lifetime)?;
            if owner != Owner::Answer {
                peer.remember_non(mid, owner);
            }
            Some(mid)
        });
        let Some(mid) = mid else {
            self.counters.withheld += 1;
            return;
        };
        message.mid = mid;
        match owner {
            Owner::Answer => self.send_metered(now, to, message.encode()),
            _ => self.out.push_back((to, message.encode())),
        }
    }

    /// Answers a message by an acknowledgement or Reset that bears its ID, now and whenever the
    /// message comes again.
    pub(crate) fn answer(&mut self, now: Time, to: SocketAddr, message: &Message) {
        let datagram = message.encode();
        self.seen.keep_answer((to, message.mid), datagram.clone(), &self.config.limits);
        self.send_metered(now, to, datagram);
    }

    /// Rejects a message that isn't remembered: a ping, or one with a format error.
    pub(crate) fn reject(&mut self, now: Time, to: SocketAddr, mid: u16) {
        self.send_metered(now, to, Message::empty(Kind::Reset, mid).encode());
    }

    pub(super) fn send_metered(&mut self, now: Time, to: SocketAddr, datagram: Bytes) {
        if self.allowance(now, to) < datagram.len() {
            self.counters.withheld += 1;
            return;
        }
        if let Some(peer) = self.peers.get_mut(&to) {
            peer.credit = peer.credit.saturating_sub(datagram.len());
        }
        self.out.push_back((to, datagram));
    }

    pub(super) fn send_next(&mut self, now: Time, to: SocketAddr) {
        let lifetime = self.config.transmission.exchange_lifetime();
        let Some(peer) = self.peers.get_mut(&to) else { return };
        if peer.outstanding.is_some() || peer.queue.is_empty() {
            return;
        }
        let Some(mid) = peer.mids.take(now, lifetime) else {
            self.timers.set(Timer::Retransmit(to), now + MID_WAIT);
            return;
        };
        let Some(queued) = peer.queue.pop_front() else { return };
        let Queued { owner, mut message, metered, .. } = queued;
        message.mid = mid;
        let datagram = message.encode();
        let ack_timeout = self.config.transmission.ack_timeout;
        let timeout = ack_timeout.mul_f64(self.rng.random_range(1.0..=ACK_RANDOM_FACTOR));
        peer.outstanding = Some(Outstanding {
            owner,
            mid,
            token: message.token,
            datagram: datagram.clone(),
            again: 0,
            timeout,
            metered,
        });
        self.timers.set(Timer::Retransmit(to), now + timeout);
        self.send(now, to, datagram, metered);
    }

    /// Sends the outstanding message of a peer again; the owner is returned when it was sent often
    /// enough.
    pub(crate) fn retransmit(&mut self, now: Time, to: SocketAddr) -> Option<Owner> {
        let Some(outstanding) = self.peers.get_mut(&to)?.outstanding.as_mut() else {
            self.send_next(now, to);
            return None;
        };
        if outstanding.again == self.config.transmission.max_retransmit {
            return self.end_outstanding(now, to, |_| true);
        }
        outstanding.again += 1;
        outstanding.timeout *= 2;
        let (datagram, metered) = (outstanding.datagram.clone(), outstanding.metered);
        let at = now + outstanding.timeout;
        self.timers.set(Timer::Retransmit(to), at);
        self.counters.retransmitted += 1;
        self.send(now, to, datagram, metered);
        None
    }

    fn send(&mut self, now: Time, to: SocketAddr, datagram: Bytes, metered: bool) {
        match metered {
            true => self.send_metered(now, to, datagram),
            false => self.out.push_back((to, datagram)),
        }
    }
}
