//! Observing resources elsewhere (RFC 7641 section 3). An observation lasts until the caller ends
//! it: what goes wrong in between is tried again, more and more slowly.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::{Call, Client, Purpose, Running, Step};
use crate::event::{Event, Failure, ObservationId, Trouble};
use crate::exchange::{Request, Response};
use crate::message::{Code, Message, Token, options};
use crate::observe::Arrival;
use crate::time::Time;
use crate::wire::{Lane, Owner, Timer, Wire};

const REGISTER: u32 = 0;
const DEREGISTER: u32 = 1;

/// How often a state that changes while it is fetched is asked for again at once.
const MAX_UNSTEADY: u8 = 4;
/// The first pause after a registration failed.
const BACK_OFF: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Observation {
    peer: SocketAddr,
    request: Request,
    phase: Phase,
    /// Kept from one registration to the next, so that the server replaces its entry instead of
    /// making a second one; new after trouble.
    token: Token,
    /// The newest notification under this token.
    last: Option<Arrival>,
    echo: Option<Bytes>,
    /// Whether this registration was answered by an Echo before.
    challenged: bool,
    /// The request for the rest of a notification.
    fetch: Option<u64>,
    /// How often in a row the state changed before its last block was here.
    unsteady: u8,
    /// Failures since it last worked.
    failures: u32,
    observed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not registered; the timer tells when it will be tried.
    Pausing,
    /// Registration is on its way; the timer is set when it was acknowledged.
    Registering,
    /// Registered, as far as is known; the timer tells when to renew.
    Registered,
}

impl Client {
    pub(crate) fn observe(
        &mut self,
        now: Time,
        wire: &mut Wire,
        peer: SocketAddr,
        mut request: Request,
    ) -> Result<ObservationId, Failure> {
        if self.observations.len() >= wire.config.limits.observations {
            return Err(Failure::Busy);
        }
        // A registration is one message.
        if request.payload.len() > wire.config.block_size.bytes() {
            return Err(Failure::TooLarge);
        }
        request.options.remove(options::OBSERVE);
        let id = wire.new_id();
        let observation = Observation {
            peer,
            request,
            phase: Phase::Pausing,
            token: Token::random(&mut wire.rng),
            last: None,
            echo: None,
            challenged: false,
            fetch: None,
            unsteady: 0,
            failures: 0,
            observed: true,
        };
        self.observations.insert(id, observation);
        self.register(now, wire, id, Lane::Slow);
        Ok(ObservationId(id))
    }

    /// Registers, or renews the registration.
    pub(crate) fn observation_due(&mut self, now: Time, wire: &mut Wire, id: u64) {
        match self.observations.get(&id).map(|observation| observation.phase) {
            Some(Phase::Registering) => {
                self.interrupt(now, wire, id, Failure::Timeout.into(), None);
            }
            Some(Phase::Pausing | Phase::Registered) => {
                self.register(now, wire, id, Lane::Slow);
            }
            None => {}
        }
    }

    pub(crate) fn freshness_over(&mut self, wire: &mut Wire, id: u64) {
        wire.events.push_back(Event::Stale { observation: ObservationId(id) });
    }

    fn register(&mut self, now: Time, wire: &mut Wire, id: u64, lane: Lane) {
        let Some(observation) = self.observations.get_mut(&id) else { return };
        observation.phase = Phase::Registering;
        let (peer, token) = (observation.peer, observation.token);
        // An observation asks like any other request, for blocks of a size and with an Echo.
        let call = Call::new(observation.request.clone(), wire.config.block_size, 0);
        let Some(mut message) = call.message(token) else { return };
        message.options.set_uint(options::OBSERVE, REGISTER);
        if let Some(echo) = observation.echo.clone() {
            message.options.set(options::ECHO, echo);
        }
        self.tokens.insert((peer, token), Owner::Observation(id));
        wire.timers.cancel(Timer::Observation(id));
        wire.withdraw_queued(peer, Owner::Observation(id));
        if wire.confirm(now, peer, message, Owner::Observation(id), lane).is_err() {
            self.interrupt(now, wire, id, Failure::Busy.into(), None);
        }
    }

    pub(super) fn registration_acknowledged(&mut self, now: Time, wire: &mut Wire, id: u64) {
        let registering = |observation: &&Observation| observation.phase == Phase::Registering;
        if self.observations.get(&id).filter(registering).is_some() {
            // The response is sent again as often as the registration would have been.
            let wait = wire.config.transmission.wait();
            wire.timers.set(Timer::Observation(id), now + wait);
        }
    }

    /// The response to a registration, or a notification.
    pub(super) fn notification(
        &mut self,
        now: Time,
        wire: &mut Wire,
        id: u64,
        message: Message,
        piggybacked: bool,
    ) {
        let Some(observation) = self.observations.get_mut(&id) else { return };
        let echo = message.options.get(options::ECHO);
        if let (Code::UNAUTHORIZED, Some(echo)) = (message.code, echo)
            && observation.phase == Phase::Registering
            && !observation.challenged
        {
            observation.echo = Some(echo.clone());
            observation.challenged = true;
            wire.answered(now, observation.peer, Owner::Observation(id));
            // Before all others to this device, for which one answer to a challenge will do.
            return self.register(now, wire, id, Lane::Fast);
        }
        if !message.code.is_success() {
            let wait = message.options.uint(options::MAX_AGE);
            let wait = wait.filter(|_| message.code == Code::SERVICE_UNAVAILABLE);
            return self.interrupt(now, wire, id, Trouble::Refused(message.code), wait);
        }
        let order = message.options.uint(options::OBSERVE);
        let renewal = observation.last.is_some();
        if let Some(order) = order {
            let arrival = Arrival { order, at: now };
            // What answers the registration on its way was made after all that came before. A
            // server that was restarted may count from the start again.
            let answers = piggybacked && observation.phase == Phase::Registering;
            if !answers && observation.last.is_some_and(|last| !arrival.is_newer_than(last)) {
                wire.counters.overtaken += 1;
                return;
            }
            observation.last = Some(arrival);
        }
        observation.observed = order.is_some();
        observation.phase = Phase::Registered;
        observation.challenged = false;
        if renewal && order.is_some() && !piggybacked {
            // A renewal that waits for its turn isn't needed any more; one that is on its way goes
            // on, because its response may be newer than this notification.
            wire.withdraw_queued(observation.peer, Owner::Observation(id));
        } else {
            wire.withdraw(now, observation.peer, Owner::Observation(id));
        }
        self.renew_after(now, wire, id, message.options.max_age());
        self.fetch_rest(now, wire, id, message);
    }

    /// Sets when to ask again, after so many seconds of freshness.
    fn renew_after(&mut self, now: Time, wire: &mut Wire, id: u64, max_age: u32) {
        let Some(observation) = self.observations.get_mut(&id) else { return };
        let settings = wire.config.observe;
        let fresh = Duration::from_secs(max_age.into()).min(settings.backstop);
        let jitter = wire.between(settings.renew_after);
        let pause = match observation.observed {
            true => fresh + jitter,
            false => {
                // Not registered, so nobody knows the token any more.
                self.tokens.remove(&(observation.peer, observation.token));
                observation.token = Token::random(&mut wire.rng);
                observation.last = None;
                observation.phase = Phase::Pausing;
                fresh.max(settings.poll_at_most)
            }
        };
        wire.timers.set(Timer::Observation(id), now + pause);
    }

    /// Passes a state on when it is whole, or fetches the rest of it. A rest of an older state that
    /// is being fetched is of no interest any more.
    fn fetch_rest(&mut self, now: Time, wire: &mut Wire, id: u64, message: Message) {
        let Some(observation) = self.observations.get_mut(&id) else { return };
        let (peer, request) = (observation.peer, observation.request.clone());
        if let Some(older) = observation.fetch.take() {
            self.end(now, wire, older);
        }
        let config = wire.config;
        let mut call = Call::rest(request, config.block_size, config.limits.body);
        match call.take(message) {
            Step::Done(response) => self.fetched(now, wire, ObservationId(id), Ok(response)),
            Step::Failed(failure) => self.fetched(now, wire, ObservationId(id), Err(failure)),
            Step::Send | Step::Wait(_) => {
                let token = Token::random(&mut wire.rng);
                let purpose = Purpose::Fetch(ObservationId(id));
                // It may fail at once, and then ends the registration, too.
                let fetch = wire.new_id();
                if let Some(observation) = self.observations.get_mut(&id) {
                    observation.fetch = Some(fetch);
                }
                self.calls.insert(fetch, Running { peer, token, purpose, deadline: None, call });
                self.send(now, wire, fetch);
            }
        }
    }

    /// A state is here as a whole, or is not to be had.
    pub(super) fn fetched(
        &mut self,
        now: Time,
        wire: &mut Wire,
        id: ObservationId,
        outcome: Result<Response, Failure>,
    ) {
        let Some(observation) = self.observations.get_mut(&id.0) else { return };
        observation.fetch = None;
        let mut response = match outcome {
            Ok(response) if response.code.is_success() => response,
            Ok(response) => {
                return self.interrupt(now, wire, id.0, Trouble::Refused(response.code), None);
            }
            // A registration, unlike a GET, says where the state that it returns belongs in the
            // order of the notifications.
            Err(Failure::Unsteady) if observation.unsteady < MAX_UNSTEADY => {
                observation.unsteady += 1;
                return self.register(now, wire, id.0, Lane::Fast);
            }
            Err(failure) => return self.interrupt(now, wire, id.0, failure.into(), None),
        };
        observation.failures = 0;
        observation.unsteady = 0;
        let observed = observation.observed;
        response.options.remove(options::OBSERVE);
        let settings = wire.config.observe;
        let fresh_until = now + Duration::from_secs(response.options.max_age().into());
        // What is polled can't be fresher than polling makes it.
        let polled_until = if observed { now } else { now + settings.poll_at_most };
        let stale_at = fresh_until.max(polled_until) + settings.stale_after;
        wire.timers.set(Timer::Freshness(id.0), stale_at);
        wire.events.push_back(Event::Notified { observation: id, response, observed, fresh_until });
    }

    /// Ends a registration that doesn't work, and sets when to try again: after so many seconds if
    /// the server says so, else after a pause that doubles.
    pub(super) fn interrupt(
        &mut self,
        now: Time,
        wire: &mut Wire,
        id: u64,
        trouble: Trouble,
        wait: Option<u32>,
    ) {
        let Some(observation) = self.observations.get_mut(&id) else { return };
        let limit = wire.config.observe.back_off_limit;
        let doubled = BACK_OFF.saturating_mul(1 << observation.failures.min(16)).min(limit);
        let pause =
            wait.map_or(doubled, |seconds| Duration::from_secs(seconds.into()).max(BACK_OFF));
        let again_at = now + pause + wire.between((Duration::ZERO, pause / 2));
        observation.failures += 1;
        observation.unsteady = 0;
        observation.phase = Phase::Pausing;
        observation.last = None;
        observation.echo = None;
        observation.challenged = false;
        let (peer, token, fetch) = (observation.peer, observation.token, observation.fetch.take());
        observation.token = Token::random(&mut wire.rng);
        self.tokens.remove(&(peer, token));
        wire.withdraw(now, peer, Owner::Observation(id));
        if let Some(fetch) = fetch {
            self.end(now, wire, fetch);
        }
        wire.timers.set(Timer::Observation(id), again_at);
        let observation = ObservationId(id);
        wire.events.push_back(Event::Interrupted { observation, trouble, again_at });
    }

    /// Ends an observation, and tells the server so (RFC 7641 section 3.6).
    pub(crate) fn unobserve(&mut self, now: Time, wire: &mut Wire, id: ObservationId) {
        let Some(observation) = self.observations.remove(&id.0) else { return };
        let Observation { peer, mut request, token, phase, fetch, .. } = observation;
        wire.timers.cancel(Timer::Observation(id.0));
        wire.timers.cancel(Timer::Freshness(id.0));
        wire.withdraw(now, peer, Owner::Observation(id.0));
        if let Some(fetch) = fetch {
            self.end(now, wire, fetch);
        }
        self.tokens.remove(&(peer, token));
        if phase == Phase::Pausing {
            return;
        }
        request.options.set_uint(options::OBSERVE, DEREGISTER);
        let call = Call::new(request, wire.config.block_size, wire.config.limits.body);
        let running = Running { peer, token, purpose: Purpose::Farewell, deadline: None, call };
        self.start(now, wire, running);
    }

    pub(crate) fn observations(&self) -> Vec<ObservationId> {
        let mut all: Vec<_> = self.observations.keys().copied().map(ObservationId).collect();
        all.sort_unstable();
        all
    }
}
