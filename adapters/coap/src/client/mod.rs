//! Our side as a client: requests, and the tokens by which their responses are known again. A token
//! is bound to an address and port: what comes from elsewhere answers nothing.

mod call;
mod group;
mod observation;

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::event::{Event, Failure, ObservationId, RequestId};
use crate::exchange::Request;
use crate::message::{Message, Token};
use crate::time::Time;
use crate::wire::{Lane, Owner, Timer, Wire};
use call::{Call, Step};
use group::Group;
use observation::Observation;

/// What a response was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The answer to something that was asked.
    Known,
    /// Nobody asked: the sender should hear that by a Reset.
    Unknown,
}

/// Whom a request is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Caller(RequestId),
    /// The rest of an answer to a request to a group.
    Member(RequestId),
    /// The rest of a notification.
    Fetch(ObservationId),
    /// The end of an observation: the answer doesn't matter.
    Farewell,
}

#[derive(Debug)]
struct Running {
    peer: SocketAddr,
    token: Token,
    purpose: Purpose,
    /// When a request of the caller fails. The others fail when nothing moves on for long.
    deadline: Option<Time>,
    call: Call,
}

#[derive(Debug, Default)]
pub(crate) struct Client {
    tokens: HashMap<(SocketAddr, Token), Owner>,
    calls: HashMap<u64, Running>,
    groups: HashMap<Token, Group>,
    observations: HashMap<u64, Observation>,
}

impl Client {
    pub(crate) fn request(
        &mut self,
        now: Time,
        wire: &mut Wire,
        peer: SocketAddr,
        request: Request,
        deadline: Time,
    ) -> RequestId {
        let id = RequestId(wire.new_id());
        let full = self.calls.len() >= wire.config.limits.requests;
        if full || request.payload.len() > wire.config.limits.body {
            let failure = if full { Failure::Busy } else { Failure::TooLarge };
            wire.events.push_back(Event::Failed { request: id, failure });
            return id;
        }
        let call = Call::new(request, wire.config.block_size, wire.config.limits.body);
        let (purpose, token) = (Purpose::Caller(id), Token::random(&mut wire.rng));
        let running = Running { peer, token, purpose, deadline: Some(deadline), call };
        wire.timers.set(Timer::Deadline(id.0), deadline);
        self.calls.insert(id.0, running);
        self.send(now, wire, id.0);
        id
    }

    pub(crate) fn cancel(&mut self, now: Time, wire: &mut Wire, request: RequestId) {
        self.end_group(wire, request);
        let purposes = [Purpose::Caller(request), Purpose::Member(request)];
        let of_it =
            |(id, running): (&u64, &Running)| purposes.contains(&running.purpose).then_some(*id);
        let mut calls: Vec<u64> = self.calls.iter().filter_map(of_it).collect();
        calls.sort_unstable();
        for id in calls {
            self.end(now, wire, id);
        }
    }

    /// Starts a request of our own, beyond what the caller asked for.
    fn start(&mut self, now: Time, wire: &mut Wire, running: Running) -> u64 {
        let id = wire.new_id();
        self.calls.insert(id, running);
        self.send(now, wire, id);
        id
    }

    /// Sends the next message of a request under the token that it has.
    fn send(&mut self, now: Time, wire: &mut Wire, id: u64) {
        let Some(running) = self.calls.get_mut(&id) else { return };
        let (peer, token, deadline) = (running.peer, running.token, running.deadline);
        let Some(message) = running.call.message(token) else {
            return self.conclude(now, wire, id, Step::Failed(Failure::TooLarge));
        };
        self.tokens.insert((peer, token), Owner::Call(id));
        let lifetime = wire.config.transmission.exchange_lifetime();
        wire.timers.set(Timer::Deadline(id), deadline.unwrap_or(now + lifetime));
        if wire.confirm(now, peer, message, Owner::Call(id), Lane::Fast).is_err() {
            self.conclude(now, wire, id, Step::Failed(Failure::Busy));
        }
    }

    /// A response with this token came from this address, to the message that was acknowledged by
    /// it if it was piggybacked.
    pub(crate) fn response(
        &mut self,
        now: Time,
        wire: &mut Wire,
        from: SocketAddr,
        message: Message,
        piggybacked: bool,
    ) -> Taken {
        let Some(owner) = self.tokens.get(&(from, message.token)).copied() else {
            return self.group_response(now, wire, from, message);
        };
        // Who knows the token has received what was sent to the address.
        wire.verify(now, from);
        match owner {
            Owner::Call(id) => self.call_response(now, wire, id, message, piggybacked),
            Owner::Observation(id) => {
                self.notification(now, wire, id, message, piggybacked);
                Taken::Known
            }
            Owner::Observer(_) | Owner::Answer => Taken::Unknown,
        }
    }

    /// A response that can't be used came for this token: what waits for it has failed.
    pub(crate) fn bad_response(
        &mut self,
        now: Time,
        wire: &mut Wire,
        from: SocketAddr,
        token: Token,
    ) {
        if let Some(owner) = self.tokens.get(&(from, token)).copied() {
            wire.answered(now, from, owner);
            self.failed(now, wire, owner, Failure::BadResponse);
        }
    }

    fn call_response(
        &mut self,
        now: Time,
        wire: &mut Wire,
        id: u64,
        message: Message,
        piggybacked: bool,
    ) -> Taken {
        let Some(running) = self.calls.get_mut(&id) else { return Taken::Unknown };
        let notification = message.options.get(crate::message::options::OBSERVE).is_some();
        if running.purpose == Purpose::Farewell && notification && !piggybacked {
            return Taken::Unknown;
        }
        let (peer, token) = (running.peer, running.token);
        let step = running.call.take(message);
        // Each message has a token of its own: a late response to one before it is unknown.
        running.token = Token::random(&mut wire.rng);
        self.tokens.remove(&(peer, token));
        wire.answered(now, peer, Owner::Call(id));
        self.conclude(now, wire, id, step);
        Taken::Known
    }

    fn conclude(&mut self, now: Time, wire: &mut Wire, id: u64, step: Step) {
        let outcome = match step {
            Step::Send => return self.send(now, wire, id),
            Step::Wait(pause) => {
                let at = now + pause;
                wire.timers.set(Timer::Resume(id), at);
                // For a request of the caller the deadline stands.
                if self.calls.get(&id).is_some_and(|running| running.deadline.is_none()) {
                    let lifetime = wire.config.transmission.exchange_lifetime();
                    wire.timers.set(Timer::Deadline(id), at + lifetime);
                }
                return;
            }
            Step::Done(response) => Ok(response),
            Step::Failed(failure) => Err(failure),
        };
        let Some((from, purpose)) = self.end(now, wire, id) else { return };
        match (purpose, outcome) {
            (Purpose::Caller(request) | Purpose::Member(request), Ok(response)) => {
                wire.events.push_back(Event::Response { request, from, response });
            }
            (Purpose::Caller(request), Err(failure)) => {
                wire.events.push_back(Event::Failed { request, failure });
            }
            (Purpose::Fetch(observation), outcome) => {
                self.fetched(now, wire, observation, outcome);
            }
            // One answer less of a group, and a farewell that wasn't heard.
            (Purpose::Member(_), Err(_)) | (Purpose::Farewell, _) => {}
        }
    }

    /// Ends a request without a word.
    fn end(&mut self, now: Time, wire: &mut Wire, id: u64) -> Option<(SocketAddr, Purpose)> {
        let running = self.calls.remove(&id)?;
        self.tokens.remove(&(running.peer, running.token));
        wire.withdraw(now, running.peer, Owner::Call(id));
        wire.timers.cancel(Timer::Deadline(id));
        wire.timers.cancel(Timer::Resume(id));
        Some((running.peer, running.purpose))
    }

    pub(crate) fn resume(&mut self, now: Time, wire: &mut Wire, id: u64) {
        self.send(now, wire, id);
    }

    /// What was sent for an owner had no effect.
    pub(crate) fn failed(&mut self, now: Time, wire: &mut Wire, owner: Owner, failure: Failure) {
        match owner {
            Owner::Call(id) => self.conclude(now, wire, id, Step::Failed(failure)),
            Owner::Observation(id) => self.interrupt(now, wire, id, failure.into(), None),
            Owner::Observer(_) | Owner::Answer => {}
        }
    }

    /// An Empty acknowledgement: the response comes later.
    pub(crate) fn acknowledged(&mut self, now: Time, wire: &mut Wire, owner: Owner) {
        if let Owner::Observation(id) = owner {
            self.registration_acknowledged(now, wire, id);
        }
    }

    /// The connection to a peer is gone, and with it all that was asked of it.
    pub(crate) fn disconnected(&mut self, now: Time, wire: &mut Wire, peer: SocketAddr) {
        let mut lost: Vec<Owner> = (self.tokens.iter())
            .filter(|((address, _), _)| *address == peer)
            .map(|(_, owner)| *owner)
            .collect();
        lost.sort_unstable();
        for owner in lost {
            self.failed(now, wire, owner, Failure::Disconnected);
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.tokens.len() + self.calls.len() + self.groups.len() + self.observations.len()
    }
}
