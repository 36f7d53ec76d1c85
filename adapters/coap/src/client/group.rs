//! Requests to a group (RFC 7252 section 8): one question, answers from many addresses.

use std::collections::HashSet;
use std::net::SocketAddr;

use super::{Call, Client, Purpose, Running, Taken};
use crate::event::{Event, Failure, RequestId};
use crate::exchange::Request;
use crate::message::{Kind, Message, Token};
use crate::time::Time;
use crate::wire::{Owner, Timer, Wire};

/// Answers to one request; beyond, they are not taken.
const MAX_ANSWERS: usize = 4096;

#[derive(Debug)]
pub(super) struct Group {
    request_id: RequestId,
    request: Request,
    /// Who answered, so that each answers once.
    heard: HashSet<SocketAddr>,
}

impl Client {
    pub(crate) fn request_group(
        &mut self,
        now: Time,
        wire: &mut Wire,
        group: SocketAddr,
        request: Request,
        until: Time,
    ) -> RequestId {
        let request_id = RequestId(wire.new_id());
        if self.groups.len() >= wire.config.limits.requests {
            let failure = Failure::Busy;
            wire.events.push_back(Event::Failed { request: request_id, failure });
            return request_id;
        }
        let token = Token::random(&mut wire.rng);
        let message = Message {
            kind: Kind::NonConfirmable,
            code: request.method,
            mid: 0,
            token,
            options: request.options.clone(),
            payload: request.payload.clone(),
        };
        wire.send_once(now, group, message, Owner::Call(request_id.0));
        wire.timers.set(Timer::Group(request_id.0), until);
        self.groups.insert(token, Group { request_id, request, heard: HashSet::new() });
        request_id
    }

    /// The time for answers is over.
    pub(crate) fn group_over(&mut self, wire: &mut Wire, id: u64) {
        let request = RequestId(id);
        self.end_group(wire, request);
        wire.events.push_back(Event::GroupEnded { request });
    }

    pub(super) fn end_group(&mut self, wire: &mut Wire, request: RequestId) {
        wire.timers.cancel(Timer::Group(request.0));
        self.groups.retain(|_, group| group.request_id != request);
    }

    /// The answer of a member; it may be the first block of one.
    pub(super) fn group_response(
        &mut self,
        now: Time,
        wire: &mut Wire,
        from: SocketAddr,
        message: Message,
    ) -> Taken {
        let Some(group) = self.groups.get_mut(&message.token) else { return Taken::Unknown };
        if group.heard.len() >= MAX_ANSWERS || !group.heard.insert(from) {
            return Taken::Known;
        }
        let (config, token) = (wire.config, Token::random(&mut wire.rng));
        let mut call = Call::new(group.request.clone(), config.block_size, config.limits.body);
        let purpose = Purpose::Member(group.request_id);
        let step = call.take(message);
        if self.calls.len() < config.limits.requests {
            let id = wire.new_id();
            self.calls.insert(id, Running { peer: from, token, purpose, deadline: None, call });
            self.conclude(now, wire, id, step);
        }
        Taken::Known
    }
}
