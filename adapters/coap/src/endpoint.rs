//! The endpoint: all of CoAP but sockets and clocks.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::client::{Client, Taken};
use crate::config::Config;
use crate::event::{Counters, Event, Failure, IncomingId, ObservationId, ObserverId, RequestId};
use crate::exchange::{Request, Response};
use crate::message::options::In;
use crate::message::{Kind, Malformed, Message};
use crate::server::{Server, UnknownObserver};
use crate::time::Time;
use crate::wire::{Owner, Timer, Wire};

/// Client and server at one socket. It is told what time it is and which datagrams came, and says
/// which to send, what happened, and when it wants to be woken.
///
/// After each call, take out what [`poll_transmit`](Self::poll_transmit) and
/// [`poll_event`](Self::poll_event) have, and sleep until [`next_deadline`](Self::next_deadline).
/// `now` must never go back.
#[derive(Debug)]
pub struct Endpoint {
    wire: Wire,
    client: Client,
    server: Server,
}

impl Endpoint {
    /// An endpoint whose tokens, message IDs and pauses follow from a seed. Over a network the seed
    /// must be one that nobody can guess.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let mut wire = Wire::new(config, seed);
        let server = Server::new(&mut wire);
        Self { wire, client: Client::default(), server }
    }

    // --- Time and datagrams ---

    /// Takes a datagram in that was sent to us alone.
    pub fn handle_datagram(&mut self, now: Time, from: SocketAddr, datagram: &[u8]) {
        self.receive(now, from, datagram, false);
    }

    /// Takes a datagram in that was sent to a multicast group. It must be Non-confirmable, is never
    /// answered by a Reset, and errors in it are not answered (RFC 7252 section 8).
    pub fn handle_group_datagram(&mut self, now: Time, from: SocketAddr, datagram: &[u8]) {
        self.receive(now, from, datagram, true);
    }

    /// Does what is due. To be called when [`next_deadline`](Self::next_deadline) is over; it does
    /// no harm at other times.
    pub fn handle_timeout(&mut self, now: Time) {
        while !self.wire.is_full()
            && let Some(timer) = self.wire.timers.take_due(now)
        {
            self.due(now, timer);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn next_deadline(&self) -> Option<Time> {
        self.wire.timers.next()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, Bytes)> {
        self.wire.poll_transmit()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.wire.events.pop_front()
    }

    /// What came that was not as it should be.
    pub fn counters(&self) -> Counters {
        self.wire.counters
    }

    /// How many things it holds: peers, messages, requests, observations, observers, bodies and
    /// timers. All of them are bounded by the limits of the configuration.
    pub fn size(&self) -> usize {
        self.wire.size() + self.client.size() + self.server.size()
    }

    // --- As a client ---

    /// Sends a request. It ends in one [`Event::Response`] or [`Event::Failed`], by the deadline.
    /// Long bodies go and come in blocks.
    pub fn request(
        &mut self,
        now: Time,
        peer: SocketAddr,
        request: Request,
        deadline: Time,
    ) -> RequestId {
        self.client.request(now, &mut self.wire, peer, request, deadline)
    }

    /// Sends a request to a multicast group, in one Non-confirmable message. Each answer until then
    /// is an [`Event::Response`], and the end an [`Event::GroupEnded`]; long answers, of which the
    /// rest is then still on its way, may come after it.
    pub fn request_group(
        &mut self,
        now: Time,
        group: SocketAddr,
        request: Request,
        until: Time,
    ) -> RequestId {
        self.client.request_group(now, &mut self.wire, group, request, until)
    }

    /// Forgets a request; there will be no event of it.
    pub fn cancel(&mut self, now: Time, request: RequestId) {
        self.client.cancel(now, &mut self.wire, request);
    }

    /// Observes a resource until [`unobserve`](Self::unobserve). Each newer state is an
    /// [`Event::Notified`]; a resource that can't be observed is polled.
    pub fn observe(
        &mut self,
        now: Time,
        peer: SocketAddr,
        request: Request,
    ) -> Result<ObservationId, Failure> {
        self.client.observe(now, &mut self.wire, peer, request)
    }

    /// Ends an observation and tells the server so. There will be no event of it.
    pub fn unobserve(&mut self, now: Time, observation: ObservationId) {
        self.client.unobserve(now, &mut self.wire, observation);
    }

    /// Ends all observations: what a gateway owes its devices before it stops. It is done when
    /// there is no [`next_deadline`](Self::next_deadline) any more, or when the caller has waited
    /// long enough.
    pub fn unobserve_all(&mut self, now: Time) {
        for observation in self.client.observations() {
            self.unobserve(now, observation);
        }
    }

    // --- As a server ---

    /// Answers a request. False when that was done before, or when it took longer than a minute.
    pub fn respond(&mut self, now: Time, id: IncomingId, response: Response) -> bool {
        self.server.respond(now, &mut self.wire, id, response)
    }

    /// Takes who made a request that asks for it as an observer; to be called before
    /// [`respond`](Self::respond), whose response is then the first state. The same observer comes
    /// back when it renews its registration. None when there are too many.
    pub fn accept_observer(&mut self, now: Time, id: IncomingId) -> Option<ObserverId> {
        self.server.accept_observer(now, &mut self.wire, id)
    }

    /// Tells an observer of a new state. When the one before is still under way, only the newest
    /// is told after it. Any response but a success ends the observation.
    pub fn notify(
        &mut self,
        now: Time,
        observer: ObserverId,
        response: Response,
        confirmable: bool,
    ) -> Result<(), UnknownObserver> {
        self.server.notify(now, &mut self.wire, observer, response, confirmable)
    }

    // --- The connection below ---

    /// The connection to a peer is gone, as of a DTLS session: nothing that belongs to it holds any
    /// more. Requests fail, observations are registered anew, observers are gone.
    pub fn disconnected(&mut self, now: Time, peer: SocketAddr) {
        self.wire.forget(peer);
        self.client.disconnected(now, &mut self.wire, peer);
        self.server.disconnected(&mut self.wire, peer);
    }

    // --- Inside ---

    fn receive(&mut self, now: Time, from: SocketAddr, datagram: &[u8], group: bool) {
        self.wire.counters.received += 1;
        if self.wire.is_full() || self.wire.heard(now, from, datagram.len()).is_err() {
            self.wire.counters.dropped += 1;
            return;
        }
        match Message::decode(&Bytes::copy_from_slice(datagram)) {
            Ok(message) if group => self.group_message(now, from, message),
            Ok(message) => self.message(now, from, message),
            Err(malformed) => {
                self.wire.counters.malformed += 1;
                if let (Malformed::Format { kind: Kind::Confirmable, mid }, false) =
                    (malformed, group)
                {
                    self.wire.reject(now, from, mid);
                }
            }
        }
    }

    fn group_message(&mut self, now: Time, from: SocketAddr, message: Message) {
        if message.kind != Kind::NonConfirmable || !message.code.is_request() {
            self.wire.counters.unexpected += 1;
        } else if !self.wire.is_duplicate(now, from, &message) {
            self.server.request(now, &mut self.wire, from, message, true);
        }
    }

    fn message(&mut self, now: Time, from: SocketAddr, message: Message) {
        match message.kind {
            Kind::Acknowledgement => self.acknowledgement(now, from, message),
            Kind::Reset => match self.wire.rejected(now, from, message.mid) {
                Some(owner) => self.failed(now, owner, Failure::Reset),
                None => self.wire.counters.unexpected += 1,
            },
            // A ping (RFC 7252 section 4.3).
            Kind::Confirmable if !message.code.is_request() && !message.code.is_response() => {
                self.wire.reject(now, from, message.mid);
            }
            Kind::Confirmable | Kind::NonConfirmable => {
                if self.wire.is_duplicate(now, from, &message) {
                    return;
                }
                match message.code.is_request() {
                    true => self.server.request(now, &mut self.wire, from, message, false),
                    false => self.response(now, from, message),
                }
            }
        }
    }

    /// An acknowledgement, with the response in it or without.
    fn acknowledgement(&mut self, now: Time, from: SocketAddr, mut message: Message) {
        let token = message.code.is_response().then_some(message.token);
        let Some(owner) = self.wire.acknowledged(now, from, message.mid, token) else {
            self.wire.counters.unexpected += 1;
            return;
        };
        self.server.acknowledged(now, &mut self.wire, owner);
        if token.is_none() {
            self.client.acknowledged(now, &mut self.wire, owner);
        } else if message.options.recognise(In::Response).is_err() {
            self.wire.counters.bad_options += 1;
            self.failed(now, owner, Failure::BadResponse);
        } else {
            self.client.response(now, &mut self.wire, from, message, true);
        }
    }

    /// A response in a message of its own.
    fn response(&mut self, now: Time, from: SocketAddr, mut message: Message) {
        let (kind, mid, token) = (message.kind, message.mid, message.token);
        let taken = if message.options.recognise(In::Response).is_err() {
            self.wire.counters.bad_options += 1;
            self.client.bad_response(now, &mut self.wire, from, token);
            Taken::Unknown
        } else {
            let taken = self.client.response(now, &mut self.wire, from, message, false);
            self.wire.counters.unexpected += u64::from(taken == Taken::Unknown);
            taken
        };
        let answer = match (taken, kind) {
            (Taken::Known, Kind::Confirmable) => Kind::Acknowledgement,
            (Taken::Known, _) => return,
            (Taken::Unknown, _) => Kind::Reset,
        };
        self.wire.answer(now, from, &Message::empty(answer, mid));
    }

    fn failed(&mut self, now: Time, owner: Owner, failure: Failure) {
        self.client.failed(now, &mut self.wire, owner, failure);
        self.server.failed(now, &mut self.wire, owner);
    }

    fn due(&mut self, now: Time, timer: Timer) {
        let wire = &mut self.wire;
        match timer {
            Timer::Retransmit(peer) => {
                if let Some(owner) = wire.retransmit(now, peer) {
                    self.failed(now, owner, Failure::Timeout);
                }
            }
            Timer::Deadline(id) => self.failed(now, Owner::Call(id), Failure::Timeout),
            Timer::Resume(id) => self.client.resume(now, wire, id),
            Timer::Group(id) => self.client.group_over(wire, id),
            Timer::Observation(id) => self.client.observation_due(now, wire, id),
            Timer::Freshness(id) => self.client.freshness_over(wire, id),
            Timer::Processing(id) => self.server.processing_due(now, wire, id),
            Timer::Leisure(id) => self.server.leisure_over(now, wire, id),
        }
    }
}
