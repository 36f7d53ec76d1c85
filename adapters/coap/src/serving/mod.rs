//! The gateway's things for constrained clients: what each request is answered. No sockets, no
//! clock: whoever has them asks [`Things`] and [`registrations`], and carries out what can't be
//! answered from memory.
//!
//! States of a property are answered by quality. What is good or uncertain is a 2.05 that counts as
//! fresh for a minute; what is stale is a 2.05 with a Max-Age of zero: the last that is known. What
//! the device itself calls bad is a 5.03, because CoAP has no other way to say that a value must
//! not be acted on; who observes then loses the observation, and registers anew.

mod links;
mod observed;
mod path;
mod registrations;
mod representation;
mod things;

use crate::exchange::Response;
use crate::message::Code;

pub(crate) use observed::Observed;
pub(crate) use path::{Path, segment};
pub(crate) use registrations::{Effect, Registrar};
pub(crate) use things::{Answer, Things, Write, answer_to_write};

/// An error with a diagnostic text (RFC 7252, section 5.5.2) that says what to do.
fn refuse(code: Code, diagnostic: impl Into<String>) -> Response {
    Response { payload: diagnostic.into().into(), ..Response::new(code) }
}

/// The method is not one of those that the resource takes.
fn not_allowed(methods: &str) -> Response {
    refuse(Code::METHOD_NOT_ALLOWED, format!("this takes {methods}"))
}
