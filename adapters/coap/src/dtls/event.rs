use std::net::SocketAddr;
use std::sync::Arc;

/// What a call brought about. Whoever drives the associations carries it all out.
#[derive(Debug, Default)]
pub struct Output {
    /// To be sent.
    pub datagrams: Vec<(SocketAddr, Vec<u8>)>,
    /// What peers said, deciphered.
    pub plaintexts: Vec<(SocketAddr, Vec<u8>)>,
    /// What became of associations.
    pub events: Vec<Event>,
}

/// What became of an association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The peer has shown that it has the key of this identity.
    Established(SocketAddr, Arc<str>),
    /// A handshake ended without an association, or an association broke.
    Failed(SocketAddr, Failure),
    /// An association has ended.
    Closed(SocketAddr, Closed),
}

/// Why there is no association.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The peer named an identity for which there is no key.
    #[error("there is no key for the identity `{0}`")]
    UnknownIdentity(String),
    /// The peer and this side have different keys for the identity.
    #[error("the key for the identity `{0}` is not the one that the peer has")]
    WrongKey(Arc<str>),
    /// The peer sent a fatal alert (RFC 5246, section 7.2).
    #[error("the peer refused with alert {0}")]
    Refused(u8),
    /// The peer did not answer.
    #[error("the peer did not answer in time")]
    TimedOut,
    /// Anything else that broke the protocol.
    #[error("{0}")]
    Protocol(String),
}

/// Why an association has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The peer closed it.
    ByPeer,
    /// This side closed it.
    ByUs,
    /// It had been idle for the longest time when another one needed its place.
    ForAnother,
    /// The peer has made a new one in its place: it has started anew.
    Renewed,
}

/// How often what happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Handshakes that became associations.
    pub established: u64,
    /// [`Failure::UnknownIdentity`]
    pub unknown_identities: u64,
    /// [`Failure::WrongKey`]
    pub wrong_keys: u64,
    /// All other failures.
    pub failed: u64,
    /// Handshakes that were given up for newer ones, because too many were under way.
    pub crowded_out: u64,
    /// Datagrams that belong to no association and begin none.
    pub stray_datagrams: u64,
}

impl Counters {
    /// All of them, as they are called outside.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 6] {
        [
            ("handshake", self.established),
            ("unknown_identity", self.unknown_identities),
            ("wrong_key", self.wrong_keys),
            ("handshake_failed", self.failed),
            ("handshake_crowded_out", self.crowded_out),
            ("stray_datagram", self.stray_datagrams),
        ]
    }

    pub(super) fn count(&mut self, failure: &Failure) {
        let counter = match failure {
            Failure::UnknownIdentity(_) => &mut self.unknown_identities,
            Failure::WrongKey(_) => &mut self.wrong_keys,
            Failure::Refused(_) | Failure::TimedOut | Failure::Protocol(_) => &mut self.failed,
        };
        *counter += 1;
    }
}
