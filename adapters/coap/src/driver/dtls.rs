//! DTLS between the endpoint and the socket: what is to be sent waits until there is an association.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::dtls::{Associations, Closed, Counters, Event, Output};
use crate::time::Time;

/// Datagrams to one peer that wait for the handshake. Beyond, they are dropped, as the network may
/// drop them.
const WAITING: usize = 16;

pub(super) struct Layer {
    associations: Associations,
    identity: Option<String>,
    waiting: HashMap<SocketAddr, Vec<Bytes>>,
}

/// What is to be done, in this order.
#[derive(Default)]
pub(super) struct Todo {
    pub(super) send: Vec<(SocketAddr, Vec<u8>)>,
    pub(super) lost: Vec<Lost>,
    pub(super) receive: Vec<(SocketAddr, Vec<u8>)>,
}

/// A peer with which there is no association any more.
pub(super) struct Lost {
    pub(super) peer: SocketAddr,
    pub(super) reason: Arc<str>,
    /// Whether there never was one, or it broke; otherwise it was closed in good order.
    pub(super) failed: bool,
}

impl Layer {
    pub(super) fn new(associations: Associations, identity: Option<String>) -> Self {
        Self { associations, identity, waiting: HashMap::new() }
    }

    pub(super) fn counters(&self) -> Counters {
        self.associations.counters()
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.associations.next_deadline()
    }

    pub(super) fn send(&mut self, now: Time, peer: SocketAddr, plaintext: Bytes) -> Todo {
        let mut out = Output::default();
        if self.associations.is_established(peer) {
            // It is: so there is nothing to refuse.
            let _ = self.associations.send(now, peer, &plaintext, &mut out);
            return self.carry_out(now, out);
        }
        let connecting = match &self.identity {
            Some(identity) => self.associations.connect(now, peer, identity, &mut out),
            None => Err(crate::dtls::Refusal::NoAssociation(peer)),
        };
        match connecting {
            Ok(()) => {
                let waiting = self.waiting.entry(peer).or_default();
                if waiting.len() < WAITING {
                    waiting.push(plaintext);
                }
                self.carry_out(now, out)
            }
            Err(refusal) => {
                let reason = refusal.to_string().into();
                Todo { lost: vec![Lost { peer, reason, failed: true }], ..Todo::default() }
            }
        }
    }

    pub(super) fn receive(&mut self, now: Time, peer: SocketAddr, datagram: &[u8]) -> Todo {
        let mut out = Output::default();
        self.associations.receive(now, peer, datagram, &mut out);
        self.carry_out(now, out)
    }

    pub(super) fn handle_timeouts(&mut self, now: Time) -> Todo {
        let mut out = Output::default();
        self.associations.handle_timeouts(now, &mut out);
        self.carry_out(now, out)
    }

    /// Ends what there is with a peer; what it has to be told is returned.
    pub(super) fn close(&mut self, now: Time, peer: SocketAddr) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut out = Output::default();
        self.waiting.remove(&peer);
        self.associations.close(now, peer, &mut out);
        out.datagrams
    }

    fn carry_out(&mut self, now: Time, mut out: Output) -> Todo {
        let mut todo = Todo::default();
        for event in std::mem::take(&mut out.events) {
            match event {
                Event::Established(peer, _) => {
                    for plaintext in self.waiting.remove(&peer).unwrap_or_default() {
                        // It was established just now.
                        let _ = self.associations.send(now, peer, &plaintext, &mut out);
                    }
                }
                Event::Failed(peer, failure) => {
                    self.waiting.remove(&peer);
                    let reason = format!("DTLS: {failure}").into();
                    todo.lost.push(Lost { peer, reason, failed: true });
                }
                Event::Closed(peer, closed) => {
                    let reason = reason(closed).into();
                    todo.lost.push(Lost { peer, reason, failed: false });
                }
            }
        }
        todo.send = out.datagrams;
        todo.receive = out.plaintexts;
        todo
    }
}

fn reason(closed: Closed) -> &'static str {
    match closed {
        Closed::ByPeer => "the peer closed the DTLS association",
        Closed::ByUs => "the DTLS association was closed",
        Closed::ForAnother => "the DTLS association had to make room for another",
        Closed::Renewed => "the peer began a new DTLS association",
    }
}
