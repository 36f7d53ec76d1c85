//! The message layer (RFC 7252 section 4): each message is acted on once, a Confirmable one is sent
//! until it is acknowledged, one at a time per peer. It knows nothing of requests and responses
//! but their owners, and of addresses whether they are verified.

mod mids;
mod outgoing;
mod peer;
mod seen;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::config::{Addresses, Config};
use crate::event::{Counters, Event};
use crate::message::{Kind, Message, Token};
use crate::time::{Time, Timers};
use peer::{Outstanding, Peer};
use seen::Seen;

/// How long a Non-confirmable message ID may turn up again (RFC 7252 section 4.8.2).
const NON_LIFETIME: Duration = Duration::from_secs(145);

/// How many bytes go to an address that isn't verified, for each that came from it (RFC 9175
/// section 2.4).
const AMPLIFICATION: usize = 3;
/// How long an address counts as verified after it has proved that it receives what is sent to it.
const VERIFIED_FOR: Duration = Duration::from_secs(600);
/// Peers are put in order of their last sign of life no more precisely than this.
const TOUCH_INTERVAL: Duration = Duration::from_secs(1);
/// How many of the most silent peers are looked at for one that can be forgotten.
const FORGET_AMONG: usize = 16;

/// Whom a message is sent for, and who is told what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    Call(u64),
    Observation(u64),
    Observer(u64),
    /// A separate response: nobody needs to know.
    Answer,
}

/// What is due at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The outstanding message of a peer is sent again.
    Retransmit(SocketAddr),
    /// A request has had no response in time.
    Deadline(u64),
    /// A request that was put off is sent.
    Resume(u64),
    /// The answers to a request to a group are all here.
    Group(u64),
    /// An observation is registered or renewed, or its registration has failed.
    Observation(u64),
    /// The state of an observation is no longer fresh.
    Freshness(u64),
    /// A request to us is acknowledged before it is answered, or given up.
    Processing(u64),
    /// The answer to a request to a group is sent.
    Leisure(u64),
}

/// Where a message waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Somebody waits for it, or it goes on with what was begun.
    Fast,
    /// Behind all that is fast: registrations to observe are many, and nobody waits for them.
    Slow,
}

/// No room for another message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) config: Config,
    pub(crate) rng: StdRng,
    pub(crate) timers: Timers<Timer>,
    pub(crate) counters: Counters,
    pub(crate) events: VecDeque<Event>,
    out: VecDeque<(SocketAddr, Bytes)>,
    peers: HashMap<SocketAddr, Peer>,
    /// The peers by their last sign of life.
    by_silence: BTreeSet<(Time, SocketAddr)>,
    seen: Seen,
    last_id: u64,
}

impl Wire {
    pub(crate) fn new(config: Config, seed: [u8; 32]) -> Self {
        Self {
            config,
            rng: StdRng::from_seed(seed),
            timers: Timers::new(),
            counters: Counters::default(),
            events: VecDeque::new(),
            out: VecDeque::new(),
            peers: HashMap::new(),
            by_silence: BTreeSet::new(),
            seen: Seen::default(),
            last_id: 0,
        }
    }

    /// A number that no other request, observation or observer of this endpoint has.
    pub(crate) fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A time at random between two.
    pub(crate) fn between(&mut self, (shortest, longest): (Duration, Duration)) -> Duration {
        shortest + longest.saturating_sub(shortest).mul_f64(self.rng.random::<f64>())
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<(SocketAddr, Bytes)> {
        self.out.pop_front()
    }

    /// Whether the caller has left too much lying to take anything more in.
    pub(crate) fn is_full(&self) -> bool {
        self.events.len().max(self.out.len()) >= self.config.limits.unpolled
    }

    pub(crate) fn size(&self) -> usize {
        let queued: usize = self.peers.values().map(|peer| peer.queue.len()).sum();
        let unpolled = self.events.len() + self.out.len();
        self.peers.len() + queued + self.seen.len() + self.timers.len() + unpolled
    }

    // --- Peers ---

    /// Notes that so many bytes came from an address; fails when it can't be remembered.
    pub(crate) fn heard(&mut self, now: Time, from: SocketAddr, bytes: usize) -> Result<(), Full> {
        let peer = self.peer(now, from)?;
        peer.credit = peer.credit.saturating_add(AMPLIFICATION * bytes);
        Ok(())
    }

    /// Notes that an address has proved that it receives what is sent to it.
    pub(crate) fn verify(&mut self, now: Time, peer: SocketAddr) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.verified_until = now + VERIFIED_FOR;
        }
    }

    pub(crate) fn is_verified(&self, now: Time, peer: SocketAddr) -> bool {
        self.config.addresses == Addresses::Verified
            || self.peers.get(&peer).is_some_and(|peer| now < peer.verified_until)
    }

    /// How many bytes may be sent in answer to an address.
    pub(crate) fn allowance(&self, now: Time, peer: SocketAddr) -> usize {
        match self.is_verified(now, peer) {
            true => usize::MAX,
            false => self.peers.get(&peer).map_or(0, |peer| peer.credit),
        }
    }

    /// Forgets an address, and what is on its way to it.
    pub(crate) fn forget(&mut self, address: SocketAddr) {
        let Some(peer) = self.peers.remove(&address) else { return };
        self.by_silence.remove(&(peer.touched, address));
        self.timers.cancel(Timer::Retransmit(address));
        self.seen.forget(address);
    }

    fn peer(&mut self, now: Time, address: SocketAddr) -> Result<&mut Peer, Full> {
        if !self.peers.contains_key(&address) {
            if self.peers.len() >= self.config.limits.peers {
                self.forget_most_silent()?;
            }
            let first_mid = self.rng.random();
            self.peers.insert(address, Peer::new(first_mid, now));
            self.by_silence.insert((now, address));
        }
        let peer = self.peers.get_mut(&address).ok_or(Full)?;
        if now.saturating_sub(peer.touched) >= TOUCH_INTERVAL {
            self.by_silence.remove(&(peer.touched, address));
            self.by_silence.insert((now, address));
            peer.touched = now;
        }
        Ok(peer)
    }

    fn forget_most_silent(&mut self) -> Result<(), Full> {
        let idle = |address: &SocketAddr| self.peers.get(address).is_none_or(Peer::is_idle);
        let mut silent = self.by_silence.iter().take(FORGET_AMONG);
        let entry = *silent.find(|(_, address)| idle(address)).ok_or(Full)?;
        self.by_silence.remove(&entry);
        self.peers.remove(&entry.1);
        Ok(())
    }

    // --- What comes in ---

    /// Whether a message came before. If so, what it was answered with is sent again.
    pub(crate) fn is_duplicate(&mut self, now: Time, from: SocketAddr, message: &Message) -> bool {
        if let Some(answer) = self.seen.answer(now, (from, message.mid)) {
            self.counters.duplicates += 1;
            if message.kind == Kind::Confirmable && !answer.is_empty() {
                self.send_metered(now, from, answer);
            }
            return true;
        }
        let lifetime = match message.kind {
            Kind::Confirmable => self.config.transmission.exchange_lifetime(),
            _ => NON_LIFETIME,
        };
        self.seen.insert(now, (from, message.mid), now + lifetime, &self.config.limits);
        false
    }

    /// Ends the retransmission of what an acknowledgement names. The token is that of the response
    /// within: a response to something else acknowledges nothing.
    pub(crate) fn acknowledged(
        &mut self,
        now: Time,
        from: SocketAddr,
        mid: u16,
        token: Option<Token>,
    ) -> Option<Owner> {
        self.end_outstanding(now, from, |outstanding| {
            outstanding.mid == mid && token.is_none_or(|token| token == outstanding.token)
        })
    }

    /// Ends the retransmission of what a Reset names.
    pub(crate) fn rejected(&mut self, now: Time, from: SocketAddr, mid: u16) -> Option<Owner> {
        let outstanding = self.end_outstanding(now, from, |outstanding| outstanding.mid == mid);
        outstanding.or_else(|| self.peers.get_mut(&from)?.take_non(mid))
    }

    /// Ends the retransmission of a request whose response came without an acknowledgement. False
    /// when its transmission hasn't begun, or was over.
    pub(crate) fn answered(&mut self, now: Time, from: SocketAddr, owner: Owner) -> bool {
        self.end_outstanding(now, from, |outstanding| outstanding.owner == owner).is_some()
    }

    /// Takes back what wasn't sent, and sends again nothing of what was.
    pub(crate) fn withdraw(&mut self, now: Time, to: SocketAddr, owner: Owner) {
        self.withdraw_queued(to, owner);
        self.answered(now, to, owner);
    }

    /// Takes back what wasn't sent.
    pub(crate) fn withdraw_queued(&mut self, to: SocketAddr, owner: Owner) {
        if let Some(peer) = self.peers.get_mut(&to) {
            peer.queue.retain(|queued| queued.owner != owner);
        }
    }

    fn end_outstanding(
        &mut self,
        now: Time,
        address: SocketAddr,
        is_it: impl FnOnce(&Outstanding) -> bool,
    ) -> Option<Owner> {
        let peer = self.peers.get_mut(&address)?;
        let owner = peer.outstanding.take_if(|outstanding| is_it(outstanding))?.owner;
        self.timers.cancel(Timer::Retransmit(address));
        self.send_next(now, address);
        Some(owner)
    }
}
