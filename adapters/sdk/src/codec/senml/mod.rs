//! SenML (RFC 8428): records of measurements, each with its own name, unit and time.
//!
//! How names become those of properties:
//! - A record's full name is its base name and its name, joined.
//! - Where all records of a pack share one base name and each has a name of its own behind it, the
//!   base name is the device's and is cut: `urn:dev:ow:10e2073a:` and `voltage` give `voltage`.
//! - A leading `/`, with which names of LwM2M begin, is cut too: `/3303/0/5700` gives
//!   `3303/0/5700`.
//! - Where one name stands with several units in a pack, these are several quantities: the unit is
//!   added, `10e2073a.lat`.
//! - A sum (RFC 8428, section 4.5.4) is a property of its own: `power.sum`. Its unit is that of
//!   the value times seconds, for which SenML has no symbol: it carries none.
//!
//! Records are handed out in the order of their times (section 4.6).

mod read;
mod record;
mod write;

use std::collections::{HashMap, HashSet};

use smol_str::SmolStr;

use super::decimal;
use super::{DecodeError, Leaves, Limits, Measured, MeasuredAt};
use crate::model::{Number, Timestamp, Value};
use record::Record;

pub use write::{Entry, write_cbor, write_json};

/// The highest version that is understood (RFC 8428, section 4.4).
const VERSION: f64 = 10.0;

/// Times before this are relative to the time of receipt, in seconds (RFC 8428, section 4.5.3).
const RELATIVE: f64 = 268_435_456.0;

/// Hands out what a pack in JSON says. Tells of what was left out.
pub(super) fn walk_json(
    bytes: &[u8],
    limits: &Limits,
    out: &mut impl Leaves,
) -> Result<Option<String>, DecodeError> {
    hand_out(read::read_json(bytes, limits)?, limits, out)
}

/// Hands out what a pack in CBOR says. Tells of what was left out.
pub(super) fn walk_cbor(
    bytes: &[u8],
    limits: &Limits,
    out: &mut impl Leaves,
) -> Result<Option<String>, DecodeError> {
    hand_out(read::read_cbor(bytes, limits)?, limits, out)
}

/// Resolves the records of a pack and hands out what they say.
fn hand_out(
    records: Vec<Record>,
    limits: &Limits,
    out: &mut impl Leaves,
) -> Result<Option<String>, DecodeError> {
    let mut base = Base::default();
    let mut readings = Vec::new();
    for (index, record) in records.into_iter().enumerate() {
        base.resolve(record, &mut readings)
            .map_err(|reason| DecodeError::NotSenml(format!("record {index}: {reason}")))?;
    }
    if readings.len() > limits.leaves {
        return Err(DecodeError::TooManyLeaves(limits.leaves));
    }
    readings.sort_by_key(|reading| reading.time);
    let (cut, timed) = (shared_base(&readings), readings.iter().any(Reading::tells_a_time));
    let ambiguous = with_several_units(&readings);
    let mut name = String::new();
    for reading in &readings {
        name.clear();
        reading.put_name(cut, &mut name);
        if let Some(unit) = reading.unit.as_deref()
            && ambiguous.contains(&reading.full_name())
        {
            name.push('.');
            name.push_str(unit);
        }
        if reading.is_sum {
            name.push_str(".sum");
        }
        if name.len() > limits.name_bytes {
            return Err(DecodeError::NameTooLong(limits.name_bytes));
        }
        let unit = reading.unit.as_deref().filter(|_| !reading.is_sum);
        let time = reading.time.at().filter(|_| timed);
        out.measured(&super::property_name(&name), reading.value.clone(), Measured { unit, time });
    }
    Ok(base.note)
}

/// One measurement, resolved.
struct Reading {
    base_name: SmolStr,
    name: SmolStr,
    unit: Option<SmolStr>,
    time: Time,
    value: Value,
    is_sum: bool,
}

/// When a record was measured. Ordered: of what says a time and what says its distance from now,
/// the latter is taken to be newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Time {
    /// A time that no measurement has.
    Unbelievable,
    At(Timestamp),
    /// Microseconds after the receipt.
    FromReceipt(i64),
}

impl Time {
    fn at(self) -> Option<MeasuredAt> {
        match self {
            Self::Unbelievable => None,
            Self::At(time) => Some(MeasuredAt::Time(time)),
            Self::FromReceipt(micros) => Some(MeasuredAt::FromReceipt(micros)),
        }
    }
}

impl Reading {
    /// Zero means "about now", as long as no other record of the pack says otherwise.
    fn tells_a_time(&self) -> bool {
        !matches!(self.time, Time::Unbelievable | Time::FromReceipt(0))
    }

    fn put_name(&self, cut: bool, name: &mut String) {
        if !cut {
            name.push_str(&self.base_name);
        }
        name.push_str(&self.name);
        if name.starts_with('/') {
            name.remove(0);
        }
    }

    fn full_name(&self) -> Name<'_> {
        (&self.base_name, &self.name, self.is_sum)
    }
}

/// Base name, name, and whether it is that of a sum.
type Name<'a> = (&'a str, &'a str, bool);

fn shared_base(readings: &[Reading]) -> bool {
    let first = readings.first().map(|reading| &reading.base_name);
    readings.iter().all(|r| !r.name.is_empty() && Some(&r.base_name) == first)
}

/// The names that stand with more than one unit.
fn with_several_units(readings: &[Reading]) -> HashSet<Name<'_>> {
    let mut units = HashMap::new();
    let mut ambiguous = HashSet::new();
    for reading in readings {
        if *units.entry(reading.full_name()).or_insert(&reading.unit) != &reading.unit {
            ambiguous.insert(reading.full_name());
        }
    }
    ambiguous
}

/// The base fields that hold for a record: those of the records up to it.
#[derive(Default)]
struct Base {
    name: SmolStr,
    unit: Option<SmolStr>,
    time: f64,
    value: Option<Number>,
    sum: Option<Number>,
    note: Option<String>,
}

impl Base {
    fn resolve(&mut self, record: Record, readings: &mut Vec<Reading>) -> Result<(), String> {
        if let Some(version) = record.version.filter(|version| *version > VERSION) {
            return Err(format!(
                "it has version {version}, and this gateway knows SenML up to version {VERSION}"
            ));
        }
        self.name = record.base_name.unwrap_or_else(|| std::mem::take(&mut self.name));
        self.unit = record.base_unit.or(self.unit.take());
        self.time = record.base_time.unwrap_or(self.time);
        self.value = record.base_value.or(self.value.take());
        self.sum = record.base_sum.or(self.sum.take());

        let only_base = record.name.is_none() && record.unit.is_none() && record.time.is_none();
        let nothing = record.value.is_none() && record.sum.is_none();
        let value = match record.value {
            None if nothing && !only_base => self.value.clone().map(Value::Number),
            Some(Value::Number(number)) => Some(Value::Number(added(&self.value, number)?)),
            other => other,
        };
        let sum = match record.sum {
            None if nothing && !only_base => self.sum.clone(),
            Some(sum) => Some(added(&self.sum, sum)?),
            None => None,
        };
        if value.is_none() && sum.is_none() {
            return if only_base {
                Ok(())
            } else {
                Err("it has no value (v, vs, vb, vd or s)".into())
            };
        }
        let name = record.name.unwrap_or_default();
        check_name(&self.name, &name)?;
        let time = self.moment(self.time + record.time.unwrap_or(0.0));
        let unit = record.unit.or(self.unit.clone());
        let values = value.map(|value| (value, false)).into_iter();
        for (value, is_sum) in values.chain(sum.map(|sum| (Value::Number(sum), true))) {
            let (base_name, name, unit) = (self.name.clone(), name.clone(), unit.clone());
            readings.push(Reading { base_name, name, unit, time, value, is_sum });
        }
        Ok(())
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "below 2^28 seconds, and the cast saturates"
    )]
    fn moment(&mut self, seconds: f64) -> Time {
        if seconds < RELATIVE {
            return Time::FromReceipt((seconds * 1e6).round() as i64);
        }
        match Timestamp::parse(&format!("{seconds:.6}")) {
            Some(time) => Time::At(time),
            None => {
                self.note.get_or_insert_with(|| {
                    format!(
                        "a record says that it was measured {seconds} s after 1970, which is not believed: the time of receipt is used instead"
                    )
                });
                Time::Unbelievable
            }
        }
    }
}

fn added(base: &Option<Number>, number: Number) -> Result<Number, String> {
    let Some(base) = base else { return Ok(number) };
    decimal::sum(base, &number)
        .ok_or_else(|| "its value is beyond the range of a double".to_owned())
}

/// RFC 8428, section 4.5.1, and the leading `/` of LwM2M's names.
fn check_name(base: &str, name: &str) -> Result<(), String> {
    let mut all = base.chars().chain(name.chars());
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-:./_".contains(c);
    match all.next() {
        None => Err("it has no name (bn, n)".to_owned()),
        Some(first) if !first.is_ascii_alphanumeric() && first != '/' => Err(format!(
            "its name begins with `{}`, not with a letter or digit",
            first.escape_debug()
        )),
        Some(_) => match all.find(|c| !allowed(*c)) {
            Some(wrong) => Err(format!(
                "its name has a `{}`; only letters, digits and - : . / _ may stand there",
                wrong.escape_debug()
            )),
            None => Ok(()),
        },
    }
}

#[cfg(test)]
mod tests;
