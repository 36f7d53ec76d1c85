//! What consumers send.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use smol_str::SmolStr;
use thingway_sdk::{ThingId, Value};

use super::operation::Operation;
use crate::log::Seq;
use crate::rest::Problem;

/// A UUID has 36 characters; each subscription keeps its own, so longer ones are refused.
const CORRELATION_BYTES: usize = 128;

/// What an answer repeats of its request.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    /// The thing by its full id.
    pub(super) thing: Option<ThingId>,
    /// The operation, also one that does not exist.
    pub(super) operation: Option<SmolStr>,
    /// The property or event.
    pub(super) name: Option<SmolStr>,
    /// What joins the messages of one operation.
    pub(super) correlation: Option<SmolStr>,
}

/// A request that is well formed as far as all requests are alike.
pub(super) struct Request<'a> {
    pub(super) head: Head,
    pub(super) thing: ThingId,
    pub(super) operation: Operation,
    members: Members<'a>,
}

/// A message that is no request, with what could be read of it.
pub(super) struct Refusal {
    pub(super) head: Head,
    pub(super) problem: Problem,
}

/// The members as they stand, so that an error in one of them does not hide the others.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Members<'a> {
    #[serde(borrow, rename = "thingID", deserialize_with = "present")]
    thing: Option<&'a RawValue>,
    #[serde(borrow, rename = "messageType", deserialize_with = "present")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    operation: Option<&'a RawValue>,
    #[serde(borrow, rename = "correlationID", deserialize_with = "present")]
    correlation: Option<&'a RawValue>,
    #[serde(borrow, rename = "lastNotificationID", deserialize_with = "present")]
    last: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    name: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    names: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    value: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    values: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    input: Option<&'a RawValue>,
}

/// A member that is `null` is there: `null` can be written to a property.
fn present<'de, D: Deserializer<'de>>(member: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(member).map(Some)
}

/// Reads one message.
///
/// A `messageID` is not asked for: the draft demands it, but no answer refers to it.
pub(super) fn read(text: &str) -> Result<Request<'_>, Box<Refusal>> {
    let refusal = |head, problem| Box::new(Refusal { head, problem });
    let members = Members::read(text).map_err(|problem| refusal(Head::default(), problem))?;
    let head = members.head();
    match members.check() {
        Ok((thing, operation)) => Ok(Request { head, thing, operation, members }),
        Err(problem) => Err(refusal(head, problem)),
    }
}

impl<'a> Members<'a> {
    fn read(text: &'a str) -> Result<Self, Problem> {
        // An array with the members in order would be a struct to serde, too.
        if !text.trim_start().starts_with('{') {
            return Err(Problem::bad_request("a message is a JSON object"));
        }
        serde_json::from_str(text)
            .map_err(|error| Problem::bad_request(format!("a message is a JSON object: {error}")))
    }

    /// As much as can be read.
    fn head(&self) -> Head {
        let thing = self.thing.and_then(string);
        Head {
            thing: thing.and_then(|written| ThingId::resolve(&written).ok()),
            operation: self.operation.and_then(string).map(SmolStr::new),
            name: self.name.and_then(string).map(SmolStr::new),
            correlation: self.correlation().unwrap_or_default(),
        }
    }

    fn check(&self) -> Result<(ThingId, Operation), Problem> {
        if required(self.kind, "messageType")? != "request" {
            return Err(wrong("messageType", "it is \"request\" in all that a consumer sends"));
        }
        let operation = Operation::named(&required(self.operation, "operation")?)?;
        let thing = required(self.thing, "thingID")?;
        let thing =
            ThingId::resolve(&thing).map_err(|error| wrong("thingID", &error.to_string()))?;
        self.correlation()?;
        Ok((thing, operation))
    }

    fn correlation(&self) -> Result<Option<SmolStr>, Problem> {
        let Some(raw) = self.correlation else { return Ok(None) };
        let text = string(raw).filter(|text| text.len() <= CORRELATION_BYTES);
        let text = text.ok_or_else(|| wrong("correlationID", "it is a string, such as a UUID"))?;
        Ok(Some(SmolStr::new(text)))
    }
}

impl Request<'_> {
    /// The name of the property, event or action.
    pub(super) fn name(&self) -> Result<SmolStr, Problem> {
        required(self.members.name, "name").map(SmolStr::new)
    }

    /// The names of several properties.
    pub(super) fn names(&self) -> Result<Vec<SmolStr>, Problem> {
        let names = self.members.names.ok_or_else(|| missing("names"))?;
        let names: Option<Vec<SmolStr>> = serde_json::from_str(names.get()).ok();
        let names = names.filter(|names| !names.is_empty());
        names.ok_or_else(|| wrong("names", "it is an array with at least one property's name"))
    }

    /// The value to be written.
    pub(super) fn value(&self) -> Result<Value, Problem> {
        let value = self.members.value.ok_or_else(|| missing("value"))?;
        value_of(value, "value")
    }

    /// The input of an action, if it is given one.
    pub(super) fn input(&self) -> Result<Option<Value>, Problem> {
        self.members.input.map(|input| value_of(input, "input")).transpose()
    }

    /// The values to be written, by the names of their properties.
    pub(super) fn values(&self) -> Result<Vec<(SmolStr, Value)>, Problem> {
        let values = self.members.values.ok_or_else(|| missing("values"))?;
        let values: Option<BTreeMap<SmolStr, &RawValue>> = serde_json::from_str(values.get()).ok();
        let values = values.filter(|values| !values.is_empty()).ok_or_else(|| {
            wrong("values", "it is an object with at least one property's name and value")
        })?;
        values.into_iter().map(|(name, raw)| Ok((name, value_of(raw, "values")?))).collect()
    }

    /// The notification after which a subscription goes on.
    pub(super) fn last_notification(&self) -> Result<Option<Seq>, Problem> {
        let Some(raw) = self.members.last else { return Ok(None) };
        let digits = string(raw).unwrap_or_else(|| raw.get().to_owned());
        let seq = digits.parse().map_err(|_| {
            wrong("lastNotificationID", "it is the notificationID of a notification")
        })?;
        Ok(Some(Seq(seq)))
    }
}

fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

fn value_of(raw: &RawValue, member: &str) -> Result<Value, Problem> {
    Value::from_json(raw.get()).map_err(|error| wrong(member, &error.to_string()))
}

fn required(raw: Option<&RawValue>, member: &str) -> Result<String, Problem> {
    let raw = raw.ok_or_else(|| missing(member))?;
    string(raw).ok_or_else(|| wrong(member, "it is a string"))
}

fn missing(member: &str) -> Problem {
    Problem::bad_request(format!("the member `{member}` is missing"))
}

fn wrong(member: &str, right: &str) -> Problem {
    Problem::bad_request(format!("the member `{member}` is not right: {right}"))
}
