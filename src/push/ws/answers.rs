//! Answers that need nothing but the thing: reading, preparing a write, and finding names.

use std::sync::Arc;

use smol_str::SmolStr;
use thingway_sdk::Value;

use super::invocations::Invocation;
use super::message::{Body, Values, response};
use super::pending::Pending;
use super::request::{Head, Request};
use super::session::Reply;
use super::writes::{Write, check};
use crate::registry::{Slot, Thing};
use crate::rest::Problem;

pub(super) fn done(head: &Head) -> Reply {
    Reply::Now(response(head, Body::default()))
}

pub(super) fn refused(head: &Head, problem: Problem) -> Reply {
    Reply::Now(response(head, Body::error(problem)))
}

pub(super) fn read(thing: &Thing, request: &Request<'_>) -> Result<Reply, Problem> {
    let slot = slot(thing, &request.name()?)?;
    Ok(Reply::Now(response(&request.head, Body::state(&slot.state))))
}

pub(super) fn read_all(thing: &Thing, head: &Head) -> Reply {
    let mut values = Vec::with_capacity(thing.property_count());
    thing
        .each_slot(|slot| values.push((slot.property().name.clone(), slot.state().unpack().value)));
    answer_values(head, &values)
}

/// An unknown name makes the whole request a bad one: 400 and not 404, says the draft.
pub(super) fn read_several(thing: &Thing, request: &Request<'_>) -> Result<Reply, Problem> {
    let read = |name: SmolStr| match thing.slot(&name) {
        Some(slot) => Ok((name, slot.state.value)),
        None => Err(Problem::bad_request(no_such_property(thing, &name))),
    };
    let values = request.names()?.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(answer_values(&request.head, &values))
}

fn answer_values(head: &Head, values: &[(SmolStr, Value)]) -> Reply {
    Reply::Now(response(head, Body { values: Some(Values(values)), ..Body::default() }))
}

pub(super) fn write(thing: &Arc<Thing>, request: &Request<'_>) -> Result<Reply, Problem> {
    let slot = slot(thing, &request.name()?)?;
    let values = vec![(slot.property, request.value()?)];
    let (head, thing) = (request.head.clone(), thing.clone());
    let write = Write { head, thing, values, several: false };
    Ok(Reply::Later(Box::new(Pending::Write(write))))
}

/// Nothing is written unless everything could be: names, writability and values are looked at
/// first.
pub(super) fn write_several(thing: &Arc<Thing>, request: &Request<'_>) -> Result<Reply, Problem> {
    let checked = |(name, value): (SmolStr, Value)| {
        let slot = thing.slot(&name);
        let slot = slot.ok_or_else(|| Problem::bad_request(no_such_property(thing, &name)))?;
        check(&slot.property, &value)?;
        Ok((slot.property, value))
    };
    let values = request.values()?.into_iter().map(checked).collect::<Result<_, Problem>>()?;
    let (head, thing) = (request.head.clone(), thing.clone());
    let write = Write { head, thing, values, several: true };
    Ok(Reply::Later(Box::new(Pending::Write(write))))
}

pub(super) fn invoke(thing: &Arc<Thing>, request: &Request<'_>) -> Result<Reply, Problem> {
    let name = request.name()?;
    let action = thing.action(&name).ok_or_else(|| {
        Problem::not_found(format!(
            "the thing `{}` has no action `{name}`; its description has those there are",
            thing.id()
        ))
    })?;
    let (head, thing, input) = (request.head.clone(), thing.clone(), request.input()?);
    let invocation = Invocation { head, thing, action, input };
    Ok(Reply::Later(Box::new(Pending::Invoke(invocation))))
}

fn slot(thing: &Thing, name: &str) -> Result<Slot, Problem> {
    thing.slot(name).ok_or_else(|| Problem::not_found(no_such_property(thing, name)))
}

pub(super) fn property(thing: &Thing, name: &str) -> Result<SmolStr, Problem> {
    slot(thing, name).map(|slot| slot.property.name.clone())
}

fn no_such_property(thing: &Thing, name: &str) -> String {
    format!("the thing `{}` has no property `{name}`; readallproperties has them all", thing.id())
}

pub(super) fn event(thing: &Thing, name: &str) -> Result<SmolStr, Problem> {
    match thing.event(name) {
        Some(event) => Ok(event.name),
        None => Err(Problem::not_found(format!(
            "the thing `{}` has no event `{name}`; its description has those there are",
            thing.id()
        ))),
    }
}
