//! How an endpoint behaves, and how much it takes in.

use std::time::Duration;

use crate::block::BlockSize;
use crate::transmission::Transmission;

/// How an endpoint behaves.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The largest block that is sent, and asked for. Below 1,024 bytes, requests ask for blocks
    /// of this size from the start (RFC 7959 section 2.3, early negotiation).
    pub block_size: BlockSize,
    /// How messages are sent again.
    pub transmission: Transmission,
    /// How resources are observed.
    pub observe: Observe,
    /// Whether the addresses of peers are known to be theirs.
    pub addresses: Addresses,
    /// Whether a request that changes something is taken only from a verified address, so that
    /// a forged one opens no valve: others are answered by a challenge (RFC 9175 section 2.3).
    pub verify_changes: bool,
    /// How much is taken in.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            block_size: BlockSize::LARGEST,
            transmission: Transmission::default(),
            observe: Observe::default(),
            addresses: Addresses::Unverified,
            verify_changes: false,
            limits: Limits::default(),
        }
    }
}

/// Whether the sender of a datagram is known to be where it says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// It may be forged, as over plain UDP. No address gets more than three times the bytes that
    /// came from it, until it has repeated an Echo option (RFC 9175 section 2.4).
    Unverified,
    /// It was verified below, as by a DTLS handshake.
    Verified,
}

/// How resources are observed.
#[derive(Clone, Copy, Debug)]
pub struct Observe {
    /// A registration is renewed so long after the last state ceased to be fresh, at random
    /// between the two: so that many devices are not asked in the same moment.
    pub renew_after: (Duration, Duration),
    /// A state is reported as stale so long after it ceased to be fresh: time in which a device
    /// can say that the state still holds. Zero goes by the letter of Max-Age.
    pub stale_after: Duration,
    /// A registration is renewed when nothing was heard for so long, however long the last state
    /// is fresh: a server that was restarted knows nothing of it.
    pub backstop: Duration,
    /// A resource that can't be observed is read no more often than this.
    pub poll_at_most: Duration,
    /// The longest pause after failed registrations. The pauses begin at two seconds and double.
    pub back_off_limit: Duration,
}

impl Default for Observe {
    fn default() -> Self {
        Self {
            renew_after: (Duration::from_secs(2), Duration::from_secs(6)),
            stale_after: Duration::from_secs(10),
            backstop: Duration::from_secs(15 * 60),
            poll_at_most: Duration::from_secs(10),
            back_off_limit: Duration::from_secs(5 * 60),
        }
    }
}

/// How much an endpoint holds at most, and what happens beyond.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Addresses of which something is known. Beyond, the one that was silent longest is
    /// forgotten; when something is under way with all of them, the datagram is ignored.
    pub peers: usize,
    /// Confirmable messages that wait for their turn, per peer. Beyond, requests fail as busy,
    /// separate responses are dropped, and observers are. Registrations to observe wait behind
    /// them, as many again; beyond, they try again later.
    pub queued_per_peer: usize,
    /// Messages that are remembered so that duplicates are recognised. Beyond, the oldest go: its
    /// duplicate is then taken for a new message.
    pub seen_messages: usize,
    /// Bytes of answers that are kept for duplicates. Beyond, the oldest go.
    pub seen_bytes: usize,
    /// Requests of ours that wait for a response. Beyond, they are refused as busy.
    pub requests: usize,
    /// Resources that are observed. Beyond, observing is refused as busy.
    pub observations: usize,
    /// The longest body that is taken from, or sent to, a peer in blocks, in bytes.
    pub body: usize,
    /// Bytes of all bodies that peers are sending us in blocks. Beyond, the oldest go, and their
    /// senders are told 4.08.
    pub upload_bytes: usize,
    /// Bytes of the responses that peers are fetching in blocks. Beyond, the oldest go: a GET is
    /// then answered anew, block for block, and other methods are told 4.08.
    pub download_bytes: usize,
    /// Requests to us that are being worked on. Beyond, they are answered 5.03.
    pub processing: usize,
    /// Observers of our resources. Beyond, they get the state, but no notifications.
    pub observers: usize,
    /// Observers of our resources with the same IP address. Beyond, the same.
    pub observers_per_address: usize,
    /// Events and datagrams that wait to be polled. Beyond, incoming datagrams are dropped, as
    /// the network may drop them, and what is due is put off.
    pub unpolled: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            peers: 16_384,
            queued_per_peer: 1024,
            seen_messages: 65_536,
            seen_bytes: 8 << 20,
            requests: 16_384,
            observations: 65_536,
            body: 1 << 20,
            upload_bytes: 8 << 20,
            download_bytes: 16 << 20,
            processing: 1024,
            observers: 16_384,
            observers_per_address: 256,
            unpolled: 4096,
        }
    }
}
