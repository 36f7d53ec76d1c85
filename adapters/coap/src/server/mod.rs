//! Our side as a server: each request is asked of the caller once, and answered in the
//! acknowledgement when the caller is quick, else in a message of its own.

mod blocks;
mod echo;
mod kept;
mod notify;
mod observers;
mod operation;
mod unverified;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::block::{Assembly, Block};
use crate::event::{Event, IncomingId, ObserverId};
use crate::exchange::{Request, Response};
use crate::message::options::{self, In};
use crate::message::{Code, Kind, Message, Token};
use crate::time::Time;
use crate::wire::{Lane, Owner, Timer, Wire};
use echo::EchoKey;
use kept::Kept;
pub use notify::UnknownObserver;
use observers::Observers;
use operation::Operation;

/// How long an acknowledgement waits for the response: well before the other side, which waits
/// two seconds, sends again.
const PIGGYBACK_WITHIN: Duration = Duration::from_secs(1);
/// How long the caller may take for a response.
const RESPOND_WITHIN: Duration = Duration::from_secs(60);
/// The answer to a request to a group is put off by up to this (RFC 7252 section 8.2).
const LEISURE: Duration = Duration::from_secs(5);
/// When to come again with what is too much now, in seconds.
const BUSY_FOR: u32 = 5;

/// A request that waits for its response.
#[derive(Debug)]
struct Pending {
    peer: SocketAddr,
    kind: Kind,
    mid: u16,
    token: Token,
    operation: Operation,
    method: Code,
    /// The last block of the request, which the response confirms.
    block1: Option<Block>,
    /// The part of the response that is asked for.
    block2: Option<Block>,
    observe: bool,
    observer: Option<u64>,
    /// Whether it came to a group, so that errors are not worth an answer.
    group: bool,
    /// Whether an Empty acknowledgement was sent.
    acknowledged: bool,
}

#[derive(Debug)]
pub(crate) struct Server {
    pending: HashMap<u64, Pending>,
    uploads: Kept<Assembly>,
    downloads: Kept<Response>,
    observers: Observers,
    /// Answers to a group, and to whom.
    leisurely: HashMap<u64, (SocketAddr, Message)>,
    echo: EchoKey,
}

impl Server {
    pub(crate) fn new(wire: &mut Wire) -> Self {
        Self {
            pending: HashMap::new(),
            uploads: Kept::default(),
            downloads: Kept::default(),
            observers: Observers::default(),
            leisurely: HashMap::new(),
            echo: EchoKey::random(&mut wire.rng),
        }
    }

    /// A request that didn't come before.
    pub(crate) fn request(
        &mut self,
        now: Time,
        wire: &mut Wire,
        from: SocketAddr,
        mut message: Message,
        group: bool,
    ) {
        let recognised = message.options.recognise(In::Request);
        let echo = message.options.get(options::ECHO);
        if echo.is_some_and(|echo| self.echo.is_fresh(now, from, echo)) {
            wire.verify(now, from);
        }
        let blocks = Block::read(&message.options, options::BLOCK1)
            .and_then(|block1| Ok((block1, Block::read(&message.options, options::BLOCK2)?)));
        let (block1, block2) = *blocks.as_ref().unwrap_or(&(None, None));
        let pending = Pending {
            peer: from,
            kind: message.kind,
            mid: message.mid,
            token: message.token,
            operation: Operation::new(from, message.code, &message.options),
            method: message.code,
            block1,
            block2,
            observe: false,
            observer: None,
            group,
            acknowledged: false,
        };
        if recognised.is_err() {
            wire.counters.bad_options += 1;
            if message.kind == Kind::Confirmable {
                self.answer(now, wire, pending, Response::new(Code::BAD_OPTION));
            }
            return;
        }
        let proxied = [options::PROXY_URI, options::PROXY_SCHEME];
        if proxied.iter().any(|proxy| message.options.get(*proxy).is_some()) {
            return self.answer(now, wire, pending, Response::new(Code::PROXYING_NOT_SUPPORTED));
        }
        if blocks.is_err() {
            let response = Response::error(Code::BAD_REQUEST, "the block size 7 is reserved");
            return self.answer(now, wire, pending, response);
        }
        self.accept(now, wire, pending, message);
    }

    fn accept(&mut self, now: Time, wire: &mut Wire, mut pending: Pending, message: Message) {
        let changes = !matches!(pending.method, Code::GET | Code::FETCH);
        if changes && wire.config.verify_changes && !wire.is_verified(now, pending.peer) {
            let challenge = self.challenge(now, wire, pending.peer);
            return self.answer(now, wire, pending, challenge);
        }
        let body = match self.take_in(now, wire, &pending, &message) {
            Ok(body) => body,
            Err(response) => return self.answer(now, wire, pending, response),
        };
        if let Some(block) = pending.block2.filter(|block| block.number > 0) {
            if let Some(kept) = self.downloads.get(now, &pending.operation).cloned() {
                return self.answer(now, wire, pending, kept);
            }
            // A method that changes something isn't carried out again for the rest of its answer.
            if pending.method != Code::GET || block.offset() > wire.config.limits.body {
                let response = Response::new(Code::REQUEST_ENTITY_INCOMPLETE);
                return self.answer(now, wire, pending, response);
            }
        }
        let wish = message.options.uint(options::OBSERVE);
        let observable = matches!(pending.method, Code::GET | Code::FETCH) && !pending.group;
        match wish.filter(|_| observable) {
            Some(0) if !wire.is_verified(now, pending.peer) => {
                let challenge = self.challenge(now, wire, pending.peer);
                return self.answer(now, wire, pending, challenge);
            }
            Some(0) => pending.observe = true,
            Some(1) => self.deregister(now, wire, pending.peer, pending.token),
            _ => {}
        }
        if self.pending.len() >= wire.config.limits.processing {
            let response = Response::new(Code::SERVICE_UNAVAILABLE).max_age(BUSY_FOR);
            return self.answer(now, wire, pending, response);
        }
        let mut options = message.options;
        for of_the_transfer in [
            options::BLOCK1,
            options::BLOCK2,
            options::SIZE1,
            options::SIZE2,
            options::OBSERVE,
            options::ECHO,
        ] {
            options.remove(of_the_transfer);
        }
        let id = wire.new_id();
        let (from, observe) = (pending.peer, pending.observe);
        let request = Request { method: pending.method, options, payload: body };
        self.pending.insert(id, pending);
        wire.timers.set(Timer::Processing(id), now + PIGGYBACK_WITHIN);
        wire.events.push_back(Event::Request { id: IncomingId(id), from, request, observe });
    }

    /// The caller was not quick enough for a piggybacked response, or for any.
    pub(crate) fn processing_due(&mut self, now: Time, wire: &mut Wire, id: u64) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        if pending.acknowledged {
            self.respond(now, wire, IncomingId(id), Response::new(Code::SERVICE_UNAVAILABLE));
            return;
        }
        pending.acknowledged = true;
        wire.timers.set(Timer::Processing(id), now + RESPOND_WITHIN);
        if pending.kind == Kind::Confirmable {
            let empty = Message::empty(Kind::Acknowledgement, pending.mid);
            wire.answer(now, pending.peer, &empty);
        }
    }

    /// Answers a request; false when it was answered before, or given up.
    pub(crate) fn respond(
        &mut self,
        now: Time,
        wire: &mut Wire,
        id: IncomingId,
        response: Response,
    ) -> bool {
        let Some(pending) = self.pending.remove(&id.0) else { return false };
        wire.timers.cancel(Timer::Processing(id.0));
        self.answer(now, wire, pending, response);
        true
    }

    /// Sends a response, or as much of it as a block holds and as may go to the address.
    fn answer(&mut self, now: Time, wire: &mut Wire, pending: Pending, response: Response) {
        if pending.group {
            return self.answer_group(now, wire, &pending, &response);
        }
        let mut response = response;
        if let Some(observer) = pending.observer {
            self.confirm_registration(now, wire, observer, &mut response);
        }
        let mut message = self.fitting(now, wire, &pending, &response);
        match (pending.kind, pending.acknowledged) {
            (Kind::Confirmable, false) => {
                message.kind = Kind::Acknowledgement;
                message.mid = pending.mid;
                wire.answer(now, pending.peer, &message);
            }
            (Kind::Confirmable, true) => {
                let owner = pending.observer.map_or(Owner::Answer, Owner::Observer);
                self.answer_separately(now, wire, pending.peer, message, owner);
            }
            _ => {
                let owner = pending.observer.map_or(Owner::Answer, Owner::Observer);
                message.kind = Kind::NonConfirmable;
                wire.send_once(now, pending.peer, message, owner);
            }
        }
    }

    fn answer_separately(
        &mut self,
        now: Time,
        wire: &mut Wire,
        peer: SocketAddr,
        message: Message,
        owner: Owner,
    ) {
        let sent = wire.confirm(now, peer, message, owner, Lane::Fast);
        if sent.is_err() {
            wire.counters.withheld += 1;
        }
        if let (Ok(()), Owner::Observer(id)) = (sent, owner)
            && let Some(observer) = self.observers.get_mut(id)
        {
            observer.under_way = true;
        }
    }

    /// An answer to a request to a group comes at leisure, and only when it is good news. Its block
    /// is small enough to go to an address that isn't verified.
    fn answer_group(&mut self, now: Time, wire: &mut Wire, pending: &Pending, response: &Response) {
        let room = self.leisurely.len() < wire.config.limits.processing;
        if !response.code.is_success() || !room {
            return;
        }
        if let Some(message) = self.small_enough(now, wire, pending, response) {
            let id = wire.new_id();
            let leisure = wire.between((Duration::ZERO, LEISURE));
            wire.timers.set(Timer::Leisure(id), now + leisure);
            self.leisurely.insert(id, (pending.peer, message));
        }
    }

    pub(crate) fn leisure_over(&mut self, now: Time, wire: &mut Wire, id: u64) {
        if let Some((peer, message)) = self.leisurely.remove(&id) {
            wire.send_once(now, peer, message, Owner::Answer);
        }
    }

    pub(crate) fn size(&self) -> usize {
        let transfers = self.uploads.len() + self.downloads.len();
        self.pending.len() + self.leisurely.len() + self.observers.len() + transfers
    }

    /// The connection to a peer is gone, and with it all that it waited for.
    pub(crate) fn disconnected(&mut self, wire: &mut Wire, peer: SocketAddr) {
        let gone = |(id, pending): (&u64, &Pending)| (pending.peer == peer).then_some(*id);
        for id in self.pending.iter().filter_map(gone).collect::<Vec<_>>() {
            self.pending.remove(&id);
            wire.timers.cancel(Timer::Processing(id));
        }
        for id in self.observers.of_peer(peer) {
            self.observers.remove(id);
            wire.events.push_back(Event::ObserverGone { observer: ObserverId(id) });
        }
    }
}
