//! The leaves of a JSON object, for conventions that understand each message anew.

use bytes::Bytes;
use smol_str::SmolStr;
use thingway_sdk::codec::{self, DecodeError, Leaves};
use thingway_sdk::{Payload, Timestamp, Value};

use super::Found;
use crate::limits::Limits;

/// More than any device of the conventions sends, and little enough to be held for each.
const LIMITS: codec::Limits = codec::Limits { depth: 16, leaves: 1000, name_bytes: 256 };

/// The leaves of a JSON object, in their order, named by their keys joined by dots. `None` where
/// the text is anything else or too much.
pub(super) fn leaves(json: &Bytes) -> Option<Vec<(SmolStr, Value)>> {
    gather(json.clone(), &LIMITS).ok()?
}

/// The leaves of an object that a convention wraps in an envelope, as values of properties; none
/// where it is no object.
///
/// # Errors
/// When it is nested too deep, or has too many leaves.
pub(super) fn found(json: &str, time: Option<Timestamp>) -> Result<Vec<Found>, String> {
    let gathered = gather(json.to_owned().into(), &Limits::default().codec());
    let leaves = gathered.map_err(|error| error.to_string())?.unwrap_or_default();
    Ok(leaves.into_iter().map(|(path, value)| Found::new(path, value).at(time)).collect())
}

/// The leaves of an object; `None` where the text is anything else.
fn gather(
    json: Bytes,
    limits: &codec::Limits,
) -> Result<Option<Vec<(SmolStr, Value)>>, DecodeError> {
    // A device that declares another media type means JSON all the same, by its convention.
    let content_type = Some(SmolStr::new_static("application/json"));
    let mut object = Object::default();
    codec::decode(&Payload { bytes: json, content_type }, limits, &mut object)?;
    Ok((!object.is_whole).then_some(object.leaves))
}

#[derive(Default)]
struct Object {
    leaves: Vec<(SmolStr, Value)>,
    is_whole: bool,
}

impl Leaves for Object {
    fn leaf(&mut self, path: &str, value: Value) {
        self.leaves.push((path.into(), value));
    }

    fn whole(&mut self, _: Value) {
        self.is_whole = true;
    }

    fn restart(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(json: &'static str) -> Option<Vec<String>> {
        let leaves = leaves(&Bytes::from_static(json.as_bytes()))?;
        Some(
            leaves.into_iter().map(|(path, value)| format!("{path}={}", value.to_json())).collect(),
        )
    }

    #[test]
    fn an_object_has_leaves_and_nothing_else_has() {
        let expected = ["a.b=21.50", "a.c=[1,2]", "d=null"].map(str::to_owned);
        assert_eq!(names(r#"{"a":{"b":21.50,"c":[1,2]},"d":null}"#), Some(expected.into()));
        for other in ["", "1", "[1]", "\"a\"", "{", "ON"] {
            assert_eq!(names(other), None, "{other}");
        }
    }
}
