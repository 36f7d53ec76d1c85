//! One handshake and what comes of it, over dimpl.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dimpl::{Config, Dtls, Error, Output, PskResolver, SecurityError, TimeoutError};

use super::clock::Clock;
use super::event::Failure;
use super::keys::Keys;
use super::record::records;

/// How long a proof of the key may go unanswered or unread before the keys are taken to differ: four
/// repetitions, when each waits twice as long as the one before.
const PATIENCE: Duration = Duration::from_secs(15);

/// Alerts by which a peer says that it does not accept the key: bad_record_mac, decryption_failed,
/// decrypt_error and unknown_psk_identity (RFC 5246, section 7.2; RFC 4279, section 2).
const ALERTS_OF_WRONG_KEYS: [u8; 4] = [20, 21, 51, 115];

/// Looks up keys, and remembers who asked last: associations are driven one at a time.
pub(super) struct Resolver {
    keys: Keys,
    asked: Mutex<Option<Asked>>,
}

/// The identity that a peer named: known, or in its own words.
type Asked = Result<Arc<str>, String>;

impl Resolver {
    pub(super) fn new(keys: Keys) -> Self {
        Self { keys, asked: Mutex::default() }
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    fn take_asked(&self) -> Option<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl PskResolver for Resolver {
    fn resolve(&self, identity: &[u8]) -> Option<Vec<u8>> {
        let found = std::str::from_utf8(identity).ok().and_then(|text| self.keys.get(text));
        let asked = match &found {
            Some((identity, _)) => Ok(identity.clone()),
            None => Err(String::from_utf8_lossy(identity).into_owned()),
        };
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
        found.map(|(_, key)| key.to_vec())
    }
}

pub(super) struct Association {
    dtls: Dtls,
    clock: Clock,
    resolver: Arc<Resolver>,
    identity: Option<Asked>,
    established: bool,
    /// A Finished went out (as a client) or came in (as a server) and was not answered yet: since
    /// then, the keys may be found to differ.
    proof: Option<Duration>,
    is_client: bool,
    deadline: Duration,
}

/// What came of driving an association.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) datagrams: Vec<Vec<u8>>,
    pub(super) plaintexts: Vec<Vec<u8>>,
    /// It is established since now, as this identity.
    pub(super) established: Option<Arc<str>>,
    pub(super) closed: bool,
    pub(super) failed: Option<Failure>,
}

impl Association {
    pub(super) fn server(
        config: Arc<Config>,
        resolver: Arc<Resolver>,
        clock: Clock,
        now: Duration,
    ) -> Self {
        let dtls = Dtls::new_12_psk(config, clock.instant(now));
        Self::new(dtls, clock, resolver, None, now)
    }

    pub(super) fn client(
        config: Arc<Config>,
        resolver: Arc<Resolver>,
        identity: Arc<str>,
        clock: Clock,
        now: Duration,
    ) -> Self {
        let mut dtls = Dtls::new_12_psk(config, clock.instant(now));
        dtls.set_active(true);
        Self::new(dtls, clock, resolver, Some(Ok(identity)), now)
    }

    fn new(
        dtls: Dtls,
        clock: Clock,
        resolver: Arc<Resolver>,
        identity: Option<Asked>,
        now: Duration,
    ) -> Self {
        let is_client = identity.is_some();
        let (established, proof, deadline) = (false, None, now);
        Self { dtls, clock, resolver, identity, established, proof, is_client, deadline }
    }

    pub(super) fn deadline(&self) -> Duration {
        self.patience().map_or(self.deadline, |end| end.min(self.deadline))
    }

    /// When a peer that does not take or bring a proof of the key is given up.
    fn patience(&self) -> Option<Duration> {
        Some(self.proof.filter(|_| !self.established)? + PATIENCE)
    }

    /// Whether it is more than an address from which a hello came, which may be forged.
    pub(super) fn is_in_earnest(&self) -> bool {
        self.is_client || self.identity.is_some()
    }

    pub(super) fn is_client(&self) -> bool {
        self.is_client
    }

    pub(super) fn receive(&mut self, now: Duration, datagram: &[u8]) -> Progress {
        let result = self
            .dtls
            .handle_timeout(self.clock.instant(now))
            .and_then(|()| self.dtls.handle_packet(datagram));
        if let Some(asked) = self.resolver.take_asked().filter(|_| !self.is_client) {
            self.identity = Some(asked);
        }
        if !self.is_client && self.identity.is_some() && records(datagram).any(|r| r.proves_a_key())
        {
            self.proof.get_or_insert(now);
        }
        self.advance(now, result)
    }

    pub(super) fn send(&mut self, now: Duration, plaintext: &[u8]) -> Progress {
        let result = self.dtls.handle_timeout(self.clock.instant(now));
        let result = result.and_then(|()| self.dtls.send_application_data(plaintext).map(drop));
        self.advance(now, result)
    }

    pub(super) fn handle_timeout(&mut self, now: Duration) -> Progress {
        let result = self.dtls.handle_timeout(self.clock.instant(now));
        let mut progress = self.advance(now, result);
        if self.patience().is_some_and(|end| end <= now) {
            progress.failed.get_or_insert_with(|| self.why(Failure::TimedOut));
        }
        progress
    }

    pub(super) fn close(&mut self, now: Duration) -> Progress {
        let result = self.dtls.close();
        self.advance(now, result)
    }

    fn advance(&mut self, now: Duration, result: Result<(), Error>) -> Progress {
        let mut progress = Progress::default();
        let mut buffer = vec![0; 2048];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(datagram) => {
                    if self.is_client && records(datagram).any(|r| r.proves_a_key()) {
                        self.proof.get_or_insert(now);
                    }
                    progress.datagrams.push(datagram.to_vec());
                }
                Output::BufferTooSmall { needed } => buffer.resize(needed, 0),
                Output::Timeout(deadline) => {
                    self.deadline = self.clock.time(deadline);
                    break;
                }
                Output::Connected => {
                    self.established = true;
                    progress.established = self.identity.clone().and_then(Result::ok);
                }
                Output::ApplicationData(plaintext) => progress.plaintexts.push(plaintext.to_vec()),
                Output::CloseNotify => progress.closed = true,
                // Certificates and media keys, which PSK has none of.
                _ => {}
            }
        }
        match result {
            Ok(()) => {}
            Err(Error::ConnectionClosed) => progress.closed = true,
            Err(error) => progress.failed = Some(self.why(failure(error))),
        }
        progress
    }

    /// What stands behind a failure, given how far the handshake got.
    fn why(&self, failure: Failure) -> Failure {
        if self.established {
            return failure;
        }
        let is_of_a_wrong_key = match &failure {
            Failure::Refused(alert) => ALERTS_OF_WRONG_KEYS.contains(alert),
            Failure::TimedOut => true,
            Failure::Protocol(_) => !self.is_client,
            _ => false,
        };
        match &self.identity {
            Some(Err(unknown)) => Failure::UnknownIdentity(unknown.clone()),
            Some(Ok(identity)) if self.proof.is_some() && is_of_a_wrong_key => {
                Failure::WrongKey(identity.clone())
            }
            _ => failure,
        }
    }
}

fn failure(error: Error) -> Failure {
    match error {
        Error::SecurityError(SecurityError::FatalAlert { description }) => {
            Failure::Refused(description)
        }
        Error::Timeout(TimeoutError::Connect | TimeoutError::Handshake) => Failure::TimedOut,
        other => Failure::Protocol(other.to_string()),
    }
}
