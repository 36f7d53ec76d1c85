//! Answers that don't make a weapon of us: an address that isn't verified gets little, or is asked
//! to prove itself (RFC 9175 section 2.4).

use std::net::SocketAddr;

use super::{Pending, Server};
use crate::block::BlockSize;
use crate::exchange::Response;
use crate::message::{Code, Message, options};
use crate::time::Time;
use crate::wire::Wire;

impl Server {
    /// The message with a response; or with what goes in its place to an address that may not be
    /// sent so much.
    pub(super) fn fitting(
        &mut self,
        now: Time,
        wire: &mut Wire,
        pending: &Pending,
        response: &Response,
    ) -> Message {
        let allowance = wire.allowance(now, pending.peer);
        let message = self.first_message(now, wire, pending, response);
        if message.encode().len() <= allowance {
            return message;
        }
        let safe = matches!(pending.method, Code::GET | Code::FETCH);
        let continued = pending.block2.is_some_and(|block| block.number > 0);
        if !safe && !continued {
            // It was carried out, so it can't be asked to come again.
            return self.small_enough(now, wire, pending, response).unwrap_or_else(|| {
                self.first_message(now, wire, pending, &Response::new(response.code))
            });
        }
        let challenge = self.challenge(now, wire, pending.peer);
        let mut message = self.first_message(now, wire, pending, &challenge);
        if message.encode().len() > allowance {
            message.options.remove(options::ECHO);
        }
        message
    }

    /// The message with the largest block of a response that may go to the address.
    pub(super) fn small_enough(
        &mut self,
        now: Time,
        wire: &Wire,
        pending: &Pending,
        response: &Response,
    ) -> Option<Message> {
        let allowance = wire.allowance(now, pending.peer);
        let wanted = pending.block2.map_or(BlockSize::LARGEST, |block| block.size);
        let mut size = wanted.min(wire.config.block_size);
        loop {
            let message = self.sliced(now, wire, pending, response, size);
            if message.encode().len() <= allowance {
                return Some(message);
            }
            size = BlockSize::at_most(size.bytes() / 2)?;
        }
    }

    /// Asks an address to prove itself.
    pub(super) fn challenge(&self, now: Time, wire: &mut Wire, address: SocketAddr) -> Response {
        wire.counters.challenged += 1;
        let mut response = Response::new(Code::UNAUTHORIZED);
        response.options.set(options::ECHO, self.echo.make(now, address));
        response
    }
}
