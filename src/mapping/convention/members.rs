//! The leaves of a JSON object that a convention wraps in an envelope, as values of properties.

use smol_str::format_smolstr;
use thingway_sdk::codec::{self, Leaves};
use thingway_sdk::{Payload, Timestamp, Value};

use super::Found;
use crate::limits::Limits;

/// The leaves of an object, with their names behind `prefix`; none where it is no object.
///
/// # Errors
/// When it is nested too deep, or has too many leaves.
pub(super) fn found(
    json: &str,
    prefix: &str,
    time: Option<Timestamp>,
) -> Result<Vec<Found>, String> {
    let payload =
        Payload { bytes: json.to_owned().into(), content_type: Some("application/json".into()) };
    let mut gathered = Gathered { prefix, time, found: Vec::new() };
    codec::decode(&payload, &Limits::default().codec(), &mut gathered)
        .map_err(|error| error.to_string())?;
    Ok(gathered.found)
}

struct Gathered<'a> {
    prefix: &'a str,
    time: Option<Timestamp>,
    found: Vec<Found>,
}

impl Leaves for Gathered<'_> {
    fn leaf(&mut self, path: &str, value: Value) {
        let property = format_smolstr!("{}{path}", self.prefix);
        self.found.push(Found::new(property, value).at(self.time));
    }

    fn whole(&mut self, _value: Value) {
        self.restart();
    }

    fn restart(&mut self) {
        self.found.clear();
    }
}
