//! DTLS 1.2 with pre-shared keys (`TLS_PSK_WITH_AES_128_CCM_8`, RFC 7252, section 9.1.3.1) without
//! sockets and without a clock: one association for each peer, as its client or its server.
//!
//! Whoever drives it hands in datagrams and the present time, carries out what is in [`Output`],
//! and asks [`Associations::next_deadline`] when to call [`Associations::handle_timeouts`]. All
//! times are spans since one moment of the caller's choice.
//!
//! A peer's first ClientHello is answered with a cookie (RFC 6347, section 4.2.1). A peer that has
//! an association and begins anew, as a device does that lost its memory, keeps the old one until
//! the new one stands (section 4.2.8): nobody can end an association by a forged ClientHello.

mod association;
mod clock;
mod cryptography;
mod event;
mod keys;
mod record;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dimpl::Config;

use association::{Association, Progress, Resolver};
use clock::Clock;
use cryptography::PROVIDER;
pub use event::{Closed, Counters, Event, Failure, Output};
pub use keys::{KeyError, KeyFileError, Keys};
use record::{Record, records};

/// How many peers there may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Associations. One more takes the place of that which was idle for the longest time.
    pub associations: usize,
    /// Handshakes under way. One more takes the place of the oldest, of those first that have not
    /// returned a cookie yet.
    pub handshakes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { associations: 10_000, handshakes: 200 }
    }
}

/// Why something can't be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no key for this identity.
    #[error("there is no key for the identity `{0}`")]
    NoKey(String),
    /// There is no association with this peer.
    #[error("there is no association with {0}")]
    NoAssociation(SocketAddr),
    /// The cryptography that was built in does not work.
    #[error("DTLS can't be used: {0}")]
    Broken(String),
}

/// The associations of one socket.
pub struct Associations {
    limits: Limits,
    clock: Clock,
    resolver: Arc<Resolver>,
    server: Option<Arc<Config>>,
    clients: HashMap<Arc<str>, Arc<Config>>,
    peers: HashMap<SocketAddr, Peer>,
    deadlines: BTreeSet<(Duration, SocketAddr)>,
    handshakes: usize,
    established: usize,
    counters: Counters,
}

#[derive(Default)]
struct Peer {
    established: Option<Association>,
    handshake: Option<Association>,
    /// When the handshake began.
    began: Option<Duration>,
    /// When the association was last used.
    used: Option<Duration>,
    /// Its place among the deadlines.
    deadline: Option<Duration>,
}

impl Associations {
    /// No associations yet. Peers may begin one when `hint` is given: what the server tells them
    /// so that they choose an identity, which may be empty.
    ///
    /// # Errors
    /// When the cryptography that was built in does not work.
    pub fn new(keys: Keys, hint: Option<&str>, limits: Limits) -> Result<Self, Refusal> {
        let resolver = Arc::new(Resolver::new(keys));
        let server = hint.map(|hint| {
            let hint = Some(hint.as_bytes().to_vec()).filter(|hint| !hint.is_empty());
            build(Config::builder().with_psk_server(hint, resolver.clone()))
        });
        Ok(Self {
            limits,
            clock: Clock::new(),
            resolver,
            server: server.transpose()?,
            clients: HashMap::new(),
            peers: HashMap::new(),
            deadlines: BTreeSet::new(),
            handshakes: 0,
            established: 0,
            counters: Counters::default(),
        })
    }

    /// How often what happened.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Associations that stand.
    #[must_use]
    pub fn established(&self) -> usize {
        self.established
    }

    /// Whether plaintext can be sent to this peer.
    #[must_use]
    pub fn is_established(&self, peer: SocketAddr) -> bool {
        self.peers.get(&peer).is_some_and(|peer| peer.established.is_some())
    }

    /// Begins an association with a peer, as this identity. Nothing happens when one is begun
    /// already; one that stands is renewed.
    ///
    /// # Errors
    /// When there is no key for the identity.
    pub fn connect(
        &mut self,
        now: Duration,
        peer: SocketAddr,
        identity: &str,
        out: &mut Output,
    ) -> Result<(), Refusal> {
        if self.peers.get(&peer).is_some_and(|peer| peer.handshake.is_some()) {
            return Ok(());
        }
        let (identity, config) = self.client_config(identity)?;
        let association =
            Association::client(config, self.resolver.clone(), identity, self.clock, now);
        self.begin(now, peer, association, out);
        self.drive(now, peer, Stage::Handshake, out, |association| association.handle_timeout(now));
        Ok(())
    }

    fn client_config(&mut self, identity: &str) -> Result<(Arc<str>, Arc<Config>), Refusal> {
        let keys = self.resolver.keys();
        let (identity, _) =
            keys.get(identity).ok_or_else(|| Refusal::NoKey(identity.to_owned()))?;
        if let Some(config) = self.clients.get(&identity) {
            return Ok((identity, config.clone()));
        }
        let named = identity.as_bytes().to_vec();
        let config = build(Config::builder().with_psk_client(named, self.resolver.clone()))?;
        self.clients.insert(identity.clone(), config.clone());
        Ok((identity, config))
    }

    /// Takes a datagram from a peer.
    pub fn receive(&mut self, now: Duration, peer: SocketAddr, datagram: &[u8], out: &mut Output) {
        let Some(first) = records(datagram).next() else {
            self.counters.stray_datagrams += 1;
            return;
        };
        let Some(stage) = self.stage(peer, &first) else {
            return match self.server.clone().filter(|_| first.is_client_hello()) {
                Some(config) => {
                    let association =
                        Association::server(config, self.resolver.clone(), self.clock, now);
                    self.begin(now, peer, association, out);
                    self.drive(now, peer, Stage::Handshake, out, |association| {
                        association.receive(now, datagram)
                    });
                }
                None => self.counters.stray_datagrams += 1,
            };
        };
        self.drive(now, peer, stage, out, |association| association.receive(now, datagram));
    }

    /// Whom a datagram is for; `None` when it is for nobody yet.
    fn stage(&self, peer: SocketAddr, first: &Record<'_>) -> Option<Stage> {
        let peer = self.peers.get(&peer)?;
        match (&peer.handshake, &peer.established) {
            (Some(_), Some(_)) if first.is_of_a_handshake() => Some(Stage::Handshake),
            (_, Some(_)) if !first.is_client_hello() => Some(Stage::Established),
            (Some(_), _) => Some(Stage::Handshake),
            _ => None,
        }
    }

    /// Sends plaintext to a peer.
    ///
    /// # Errors
    /// When there is no association with it.
    pub fn send(
        &mut self,
        now: Duration,
        peer: SocketAddr,
        plaintext: &[u8],
        out: &mut Output,
    ) -> Result<(), Refusal> {
        if !self.is_established(peer) {
            return Err(Refusal::NoAssociation(peer));
        }
        self.drive(now, peer, Stage::Established, out, |association| {
            association.send(now, plaintext)
        });
        Ok(())
    }

    /// Ends what there is with a peer, and tells it so.
    pub fn close(&mut self, now: Duration, peer: SocketAddr, out: &mut Output) {
        self.end(now, peer, Closed::ByUs, out);
    }

    /// When the next thing is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Does what is due: sends again what was not answered, gives up handshakes.
    pub fn handle_timeouts(&mut self, now: Duration, out: &mut Output) {
        let due = self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now);
        let due: Vec<SocketAddr> = due.map(|(_, peer)| *peer).collect();
        for peer in due {
            for stage in [Stage::Handshake, Stage::Established] {
                self.drive(now, peer, stage, out, |association| association.handle_timeout(now));
            }
        }
    }

    fn begin(
        &mut self,
        now: Duration,
        peer: SocketAddr,
        association: Association,
        out: &mut Output,
    ) {
        if self.handshakes >= self.limits.handshakes {
            self.crowd_out(out);
        }
        let entry = self.peers.entry(peer).or_default();
        if entry.handshake.replace(association).is_none() {
            self.handshakes += 1;
        }
        entry.began = Some(now);
    }

    /// Gives up the oldest handshake: cookies that never come back must not keep others out.
    fn crowd_out(&mut self, out: &mut Output) {
        let under_way = self.peers.iter().filter_map(|(address, peer)| {
            Some(((peer.handshake.as_ref()?.is_in_earnest(), peer.began), *address))
        });
        if let Some((_, oldest)) = under_way.min() {
            self.counters.crowded_out += 1;
            if let Some(peer) = self.peers.get_mut(&oldest) {
                let client = peer.handshake.take().filter(Association::is_client);
                self.handshakes -= 1;
                if client.is_some() {
                    out.events.push(Event::Failed(oldest, Failure::TimedOut));
                }
            }
            self.tidy(oldest);
        }
    }

    /// Lets an association do something, and carries out what comes of it.
    fn drive(
        &mut self,
        now: Duration,
        peer: SocketAddr,
        stage: Stage,
        out: &mut Output,
        step: impl FnOnce(&mut Association) -> Progress,
    ) {
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        let place = match stage {
            Stage::Handshake => &mut entry.handshake,
            Stage::Established => &mut entry.established,
        };
        let Some(association) = place else { return };
        let progress = step(association);
        out.datagrams.extend(progress.datagrams.into_iter().map(|datagram| (peer, datagram)));
        if stage == Stage::Established && !progress.plaintexts.is_empty() {
            entry.used = Some(now);
        }
        let in_earnest = association.is_in_earnest();
        if let Some(failure) = progress.failed {
            *place = None;
            self.forget(stage);
            self.counters.count(&failure);
            // A hello that nothing followed is worth a count, not an event.
            if in_earnest {
                out.events.push(Event::Failed(peer, failure));
            }
        } else if progress.closed {
            *place = None;
            self.forget(stage);
            if stage == Stage::Established {
                out.events.push(Event::Closed(peer, Closed::ByPeer));
            }
        } else if let Some(identity) = progress.established {
            self.establish(now, peer, identity, out);
        }
        out.plaintexts.extend(progress.plaintexts.into_iter().map(|plaintext| (peer, plaintext)));
        self.tidy(peer);
    }

    fn establish(&mut self, now: Duration, peer: SocketAddr, identity: Arc<str>, out: &mut Output) {
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        let Some(association) = entry.handshake.take() else { return };
        self.handshakes -= 1;
        entry.used = Some(now);
        match entry.established.replace(association) {
            Some(_) => out.events.push(Event::Closed(peer, Closed::Renewed)),
            None => self.established += 1,
        }
        self.counters.established += 1;
        out.events.push(Event::Established(peer, identity));
        if self.established > self.limits.associations {
            let others = self
                .peers
                .iter()
                .filter(|(address, other)| **address != peer && other.established.is_some());
            let idle = others.min_by_key(|(_, other)| other.used).map(|(address, _)| *address);
            if let Some(idle) = idle {
                self.end(now, idle, Closed::ForAnother, out);
            }
        }
    }

    fn end(&mut self, now: Duration, peer: SocketAddr, why: Closed, out: &mut Output) {
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        if entry.handshake.take().is_some() {
            self.handshakes -= 1;
        }
        if let Some(mut association) = entry.established.take() {
            self.established -= 1;
            let farewell = association.close(now).datagrams;
            out.datagrams.extend(farewell.into_iter().map(|datagram| (peer, datagram)));
        }
        out.events.push(Event::Closed(peer, why));
        self.tidy(peer);
    }

    fn forget(&mut self, stage: Stage) {
        match stage {
            Stage::Handshake => self.handshakes -= 1,
            Stage::Established => self.established -= 1,
        }
    }

    /// Notes a peer's next deadline, or forgets the peer.
    fn tidy(&mut self, peer: SocketAddr) {
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        if let Some(before) = entry.deadline.take() {
            self.deadlines.remove(&(before, peer));
        }
        let both = entry.handshake.iter().chain(&entry.established);
        match both.map(Association::deadline).min() {
            Some(deadline) => {
                entry.deadline = Some(deadline);
                self.deadlines.insert((deadline, peer));
            }
            None => drop(self.peers.remove(&peer)),
        }
    }
}

/// How far an association is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Handshake,
    Established,
}

fn build(config: dimpl::ConfigBuilder) -> Result<Arc<Config>, Refusal> {
    let config = config.dtls13_cipher_suites(&[]).with_crypto_provider(PROVIDER).build();
    config.map(Arc::new).map_err(|error| Refusal::Broken(error.to_string()))
}

#[cfg(test)]
mod tests;
