//! Registering observers, and notifying them.

use std::net::SocketAddr;

use super::blocks::cut;
use super::{Pending, Server};
use crate::block::BlockSize;
use crate::event::{Event, IncomingId, ObserverId};
use crate::exchange::Response;
use crate::message::{Kind, Message, Token, options};
use crate::time::Time;
use crate::wire::{Lane, Owner, Wire};

/// There is no such observer (any more).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such observer")]
pub struct UnknownObserver;

impl Server {
    /// Takes the sender of a request that asks for it as an observer. None when it doesn't ask, or
    /// when there are too many: the request is then to be answered like any other.
    pub(crate) fn accept_observer(
        &mut self,
        now: Time,
        wire: &mut Wire,
        id: IncomingId,
    ) -> Option<ObserverId> {
        let pending = self.pending.get(&id.0).filter(|pending| pending.observe)?;
        let Pending { peer, token, ref operation, .. } = *pending;
        let operation = operation.clone();
        let wanted = pending.block2.map_or(BlockSize::LARGEST, |block| block.size);
        let observer = match self.observers.find(peer, token) {
            Some(again) if self.observers.get_mut(again)?.operation == operation => again,
            other => {
                // The same token for something else: it replaces what it stood for.
                if let Some(other) = other {
                    self.gone(now, wire, other);
                }
                if !self.observers.has_room(peer, &wire.config.limits) {
                    return None;
                }
                let observer = wire.new_id();
                let block_size = wanted.min(wire.config.block_size);
                self.observers.insert(now, observer, operation, token, block_size);
                observer
            }
        };
        self.pending.get_mut(&id.0)?.observer = Some(observer);
        Some(ObserverId(observer))
    }

    /// Marks the response to a registration as the first state; an error ends the observation.
    pub(super) fn confirm_registration(
        &mut self,
        now: Time,
        wire: &mut Wire,
        id: u64,
        response: &mut Response,
    ) {
        let Some(observer) = self.observers.get_mut(id) else { return };
        if response.code.is_success() {
            response.options.set_uint(options::OBSERVE, observer.next_order(now));
        } else {
            self.gone(now, wire, id);
        }
    }

    /// Tells an observer of a new state. An error is told, too, and ends the observation.
    pub(crate) fn notify(
        &mut self,
        now: Time,
        wire: &mut Wire,
        id: ObserverId,
        response: Response,
        confirmable: bool,
    ) -> Result<(), UnknownObserver> {
        let observer = self.observers.get_mut(id.0).ok_or(UnknownObserver)?;
        if !response.code.is_success() {
            let observer = self.observers.remove(id.0).ok_or(UnknownObserver)?;
            wire.withdraw(now, observer.peer, Owner::Observer(id.0));
            let message = notification(observer.token, Kind::Confirmable, response);
            if wire.confirm(now, observer.peer, message, Owner::Answer, Lane::Fast).is_err() {
                wire.counters.withheld += 1;
            }
            wire.events.push_back(Event::ObserverGone { observer: id });
            return Ok(());
        }
        let confirm = observer.must_confirm(now, confirmable);
        if observer.under_way {
            observer.waiting = Some(response);
            self.supersede_queued(now, wire, id.0);
        } else {
            self.send_notification(now, wire, id.0, response, confirm);
        }
        Ok(())
    }

    /// A notification that still waits for its turn is replaced by the newest state.
    fn supersede_queued(&mut self, now: Time, wire: &mut Wire, id: u64) {
        let Some(observer) = self.observers.get_mut(id) else { return };
        let Some(response) = observer.waiting.clone() else { return };
        let peer = observer.peer;
        if !wire.is_queued(peer, Owner::Observer(id)) {
            return;
        }
        observer.waiting = None;
        if let Some(message) = self.notification_of(now, wire, id, response, Kind::Confirmable) {
            wire.supersede(peer, Owner::Observer(id), message);
        }
    }

    fn send_notification(
        &mut self,
        now: Time,
        wire: &mut Wire,
        id: u64,
        response: Response,
        confirm: bool,
    ) {
        let kind = if confirm { Kind::Confirmable } else { Kind::NonConfirmable };
        let Some(message) = self.notification_of(now, wire, id, response, kind) else { return };
        let Some(observer) = self.observers.get_mut(id) else { return };
        let peer = observer.peer;
        if !confirm {
            return wire.send_once(now, peer, message, Owner::Observer(id));
        }
        observer.under_way = true;
        if wire.confirm(now, peer, message, Owner::Observer(id), Lane::Fast).is_err() {
            // Too slow for all that it wants to know: it may register again.
            self.gone(now, wire, id);
        }
    }

    /// The message for a state; of a long one it is the first block, and the rest is kept.
    fn notification_of(
        &mut self,
        now: Time,
        wire: &Wire,
        id: u64,
        mut response: Response,
        kind: Kind,
    ) -> Option<Message> {
        let observer = self.observers.get_mut(id)?;
        response.options.set_uint(options::OBSERVE, observer.next_order(now));
        let (token, operation) = (observer.token, observer.operation.clone());
        if response.payload.len() > observer.block_size.bytes() {
            let (part, whole) = cut(&response, 0, observer.block_size)?;
            let bytes = whole.payload.len();
            self.downloads.put(now, operation, whole, bytes, wire.config.limits.download_bytes);
            response = part;
        }
        Some(notification(token, kind, response))
    }

    /// A Confirmable notification was acknowledged: what happened meanwhile can be told.
    pub(crate) fn acknowledged(&mut self, now: Time, wire: &mut Wire, owner: Owner) {
        let Owner::Observer(id) = owner else { return };
        let Some(observer) = self.observers.get_mut(id) else { return };
        observer.under_way = false;
        if let Some(response) = observer.waiting.take() {
            self.send_notification(now, wire, id, response, true);
        }
    }

    /// A notification was rejected, or never acknowledged: nobody is interested any more.
    pub(crate) fn failed(&mut self, now: Time, wire: &mut Wire, owner: Owner) {
        if let Owner::Observer(id) = owner {
            self.gone(now, wire, id);
        }
    }

    /// A GET with Observe 1 ends the observation with its token (RFC 7641 section 3.6).
    pub(super) fn deregister(
        &mut self,
        now: Time,
        wire: &mut Wire,
        peer: SocketAddr,
        token: Token,
    ) {
        if let Some(id) = self.observers.find(peer, token) {
            self.gone(now, wire, id);
        }
    }

    fn gone(&mut self, now: Time, wire: &mut Wire, id: u64) {
        if let Some(observer) = self.observers.remove(id) {
            wire.withdraw(now, observer.peer, Owner::Observer(id));
            wire.events.push_back(Event::ObserverGone { observer: ObserverId(id) });
        }
    }
}

fn notification(token: Token, kind: Kind, response: Response) -> Message {
    let Response { code, options, payload } = response;
    Message { kind, code, mid: 0, token, options, payload }
}
