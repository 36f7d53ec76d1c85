use std::sync::Arc;

use thingway_sdk::{Exposed, Following, Snapshot, Value, WriteFailure, Written};
use tokio::time::Instant;

use super::observed::Observed;
use super::path::Path;
use super::representation::{self, OFFERED};
use super::{links, not_allowed, refuse};
use crate::exchange::{Request, Response};
use crate::message::Code;

/// When to come again with what is too much now, in seconds.
const BUSY_FOR: u32 = 1;

/// The gateway's things as resources.
#[derive(Clone)]
pub(crate) struct Things(Arc<dyn Exposed>);

/// What a request is answered.
#[derive(Debug)]
pub(crate) enum Answer {
    /// This.
    Now(Response),
    /// This, and what tells of newer states to who wants to observe them.
    State(Response, Observed),
    /// What the device answers to a write.
    Later(Write),
}

/// A value for a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) thing: String,
    pub(crate) property: String,
    pub(crate) value: Value,
}

impl Things {
    pub(crate) fn new(exposed: Arc<dyn Exposed>) -> Self {
        Self(exposed)
    }

    /// The present state of what is observed; none when it is gone.
    pub(crate) fn read_observed(&self, observed: &Observed) -> Option<Snapshot> {
        self.0.read(&observed.thing, &observed.property)
    }

    /// Follows what is observed.
    pub(crate) fn follow(&self, observed: &Observed) -> Option<Box<dyn Following>> {
        self.0.follow(&observed.thing, &observed.property)
    }

    /// Asks the device to take a value.
    pub(crate) async fn carry_out(
        &self,
        write: Write,
        deadline: Instant,
    ) -> Result<Written, WriteFailure> {
        self.0.write(&write.thing, &write.property, write.value, deadline).await
    }

    /// Answers a request for what is no part of the resource directory.
    pub(crate) fn answer(&self, path: Option<Path>, request: &Request) -> Answer {
        self.try_answer(path, request).unwrap_or_else(Answer::Now)
    }

    fn try_answer(&self, path: Option<Path>, request: &Request) -> Result<Answer, Response> {
        let is_get = request.method == Code::GET;
        Ok(match path {
            Some(Path::Property(thing, property)) => match request.method {
                Code::GET => self.read(thing, property, request)?,
                Code::PUT => self.write(thing, property, request)?,
                _ => return Err(not_allowed("GET and PUT")),
            },
            Some(Path::Properties(thing)) if is_get => Answer::Now(self.read_all(&thing, request)?),
            Some(Path::WellKnown) if is_get => {
                Answer::Now(links::well_known(&self.0.things(), request))
            }
            Some(Path::Things) if is_get => Answer::Now(links::list(&self.0.things(), request)),
            Some(_) => return Err(not_allowed("GET")),
            None => return Err(refuse(Code::NOT_FOUND, "look into /.well-known/core")),
        })
    }

    fn read(&self, thing: String, property: String, request: &Request) -> Result<Answer, Response> {
        let state = self.0.read(&thing, &property).ok_or_else(|| no_property(&thing))?;
        let format = representation::accepted(request, &OFFERED)?;
        let observed = Observed { thing, property, format, revision: state.revision };
        let name = representation::full_name(&observed.thing, &observed.property);
        let response = representation::of_state(format, &name, &state, representation::MAX_AGE);
        Ok(Answer::State(representation::unless_known(request, response), observed))
    }

    fn read_all(&self, id: &str, request: &Request) -> Result<Response, Response> {
        let no_thing = || refuse(Code::NOT_FOUND, "there is no such thing; look into /things");
        let thing = self.0.thing(id).ok_or_else(no_thing)?;
        let format = representation::accepted(request, &OFFERED[..4])?;
        let names = thing.properties.iter().map(|property| property.name.as_str());
        let states: Vec<_> =
            names.filter_map(|name| Some((name, self.0.read(id, name)?))).collect();
        let response = representation::of_states(format, id, &states);
        Ok(representation::unless_known(request, response))
    }

    fn write(
        &self,
        thing: String,
        property: String,
        request: &Request,
    ) -> Result<Answer, Response> {
        let state = self.0.read(&thing, &property).ok_or_else(|| no_property(&thing))?;
        representation::condition(request, state.revision)?;
        let value = representation::value(request)?;
        Ok(Answer::Later(Write { thing, property, value }))
    }
}

fn no_property(thing: &str) -> Response {
    refuse(
        Code::NOT_FOUND,
        format!("there is no such property; look into /things/{thing}/properties"),
    )
}

/// What became of a write.
pub(crate) fn answer_to_write(outcome: Result<Written, WriteFailure>) -> Response {
    let failure = match outcome {
        Ok(Written::Confirmed) => return Response::new(Code::CHANGED),
        Ok(Written::Sent) => {
            let reason = "it was sent, but the device has not confirmed it; read it later";
            return refuse(Code::GATEWAY_TIMEOUT, reason);
        }
        Err(failure) => failure,
    };
    let text = failure.to_string();
    match failure {
        WriteFailure::Unknown => refuse(Code::NOT_FOUND, text),
        WriteFailure::ReadOnly(_) => refuse(Code::METHOD_NOT_ALLOWED, text),
        WriteFailure::BadValue(_) => refuse(Code::BAD_REQUEST, text),
        WriteFailure::Busy(_) => refuse(Code::SERVICE_UNAVAILABLE, text).max_age(BUSY_FOR),
        WriteFailure::Refused(_) => refuse(Code::BAD_GATEWAY, text),
        WriteFailure::TimedOut(_) => refuse(Code::GATEWAY_TIMEOUT, text),
    }
}

#[cfg(test)]
mod tests;
