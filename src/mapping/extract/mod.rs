//! How payloads are read where a rule says it: in which format, where in them the values stand,
//! and when they were measured.

mod csv;
mod expression;
mod format;
mod layout;
mod pointer;
mod source;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use smol_str::SmolStr;
use thingway_sdk::codec::{self, DecodeError, Decoded, Leaves, Limits, Measured, MeasuredAt};
use thingway_sdk::{Payload, Timestamp, Value};

use super::RuleConfig;
use super::rule::Flaws;

pub use expression::Expression;
pub use format::{Decimal, Format};
pub use layout::Field;
pub use source::Source;

/// Where the values of a rule stand, worked out with its first message.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan(OnceLock<Option<Places>>);

/// A plan follows from its rule: rules that say the same have the same one.
impl PartialEq for Plan {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[derive(Debug, Clone)]
struct Places {
    /// The properties that are taken from a place of their own.
    sources: Vec<(SmolStr, Source)>,
    /// The leaves that these and the time are taken from, which are no properties of their own.
    taken: Vec<String>,
}

impl Places {
    /// None when the rule says nothing of how payloads are read.
    fn of(rule: &RuleConfig) -> Option<Self> {
        let own = rule.properties.iter();
        let from = own.filter_map(|(name, rule)| Some((SmolStr::new(name), rule.from.clone()?)));
        let sources: Vec<(SmolStr, Source)> = from.collect();
        let says_nothing = sources.is_empty()
            && rule.format.is_none()
            && rule.transform.is_none()
            && rule.time.is_none();
        let places = sources.iter().map(|(_, source)| source).chain(&rule.time);
        let taken = places.filter_map(Source::path).collect();
        (!says_nothing).then_some(Self { sources, taken })
    }

    /// Whether leaves are handed out as they stand.
    fn is_plain(&self, rule: &RuleConfig) -> bool {
        self.sources.is_empty() && rule.transform.is_none() && rule.time.is_none()
    }

    /// Whether a leaf was taken by a source: itself, what encloses it, or what stands in it.
    fn takes(&self, path: &str) -> bool {
        let begins = |long: &str, short: &str| {
            long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.taken.iter().any(|taken| begins(path, taken) || begins(taken, path))
    }
}

impl RuleConfig {
    /// Whether it leaves to the codecs how payloads are read.
    pub(in crate::mapping) fn reads_as_it_comes(&self) -> bool {
        self.plan.0.get_or_init(|| Places::of(self)).is_none()
    }

    /// Takes a payload apart as the rule says; None when it says nothing of it.
    pub fn read(
        &self,
        payload: &Payload,
        limits: &Limits,
        leaves: &mut impl Leaves,
    ) -> Option<Result<Decoded, DecodeError>> {
        let places = self.plan.0.get_or_init(|| Places::of(self)).as_ref()?;
        if payload.bytes.is_empty() {
            return Some(Err(DecodeError::Empty));
        }
        Some(if places.is_plain(self) {
            format::walk(self, payload, limits, leaves)
        } else {
            self.take(places, payload, limits, leaves)
        })
    }

    fn take(
        &self,
        places: &Places,
        payload: &Payload,
        limits: &Limits,
        leaves: &mut impl Leaves,
    ) -> Result<Decoded, DecodeError> {
        let (mut whole, mut decoded) = format::whole(self, payload, limits)?;
        if let Some(transform) = &self.transform {
            match transform.evaluate(&whole).map_err(|error| refused("transform", &error))? {
                Some(made) => whole = made,
                None => return Ok(nothing(decoded, "`transform` made nothing of the payload")),
            }
        }
        let time = self.find_time(&whole, &mut decoded)?;
        let mut out = Stamped { leaves, places, time };
        match &whole {
            Value::Json(text) if text.starts_with('{') => {
                let bytes = text.as_bytes().to_vec().into();
                let json = Payload { bytes, content_type: Some("application/json".into()) };
                codec::decode(&json, limits, &mut out)?;
            }
            _ if places.sources.is_empty() => out.leaves.whole(whole.clone()),
            _ => {}
        }
        let mut out = Stamped { leaves: out.leaves, places, time };
        for (name, source) in &places.sources {
            let found = source.find(&whole).map_err(|error| refused(name, &error))?;
            if let Some(value) = found {
                out.hand_out(name, value);
            }
        }
        Ok(decoded)
    }

    fn find_time(
        &self,
        whole: &Value,
        decoded: &mut Decoded,
    ) -> Result<Option<Timestamp>, DecodeError> {
        let Some(source) = &self.time else { return Ok(None) };
        let found = source.find(whole).map_err(|error| refused("time", &error))?;
        let time = match &found {
            Some(Value::Text(text)) => Timestamp::parse(text),
            Some(Value::Number(number)) => Timestamp::parse(number.as_str()),
            _ => None,
        };
        if time.is_none() {
            let what = found.map_or_else(|| "nothing".to_owned(), |value| shown(&value));
            decoded.note.get_or_insert_with(|| {
                format!(
                    "`time` finds {what}, which is no time: the time of receipt is used instead"
                )
            });
        }
        Ok(time)
    }
}

/// What is wrong with how a rule reads payloads.
pub(super) fn check(rule: &RuleConfig, flaws: &mut Flaws) {
    format::check(rule, flaws);
    if let Some(layout) = &rule.layout {
        layout::check(layout, flaws);
    }
    if rule.format == Some(Format::Text) {
        for (name, property) in &rule.properties {
            if matches!(property.from, Some(Source::Pointer(_))) {
                let mut of_property = Flaws::new(&["properties", name]);
                let help = "write `from = \"$\"`, or a JSONata expression that cuts the text";
                of_property.add("from", "a text has no members to point at", help);
                flaws.found.extend(of_property.found);
            }
        }
    }
}

fn refused(what: &str, reason: &str) -> DecodeError {
    DecodeError::Refused(format!("`{what}`: {reason}"))
}

fn nothing(decoded: Decoded, why: &str) -> Decoded {
    Decoded { note: Some(why.to_owned()), ..decoded }
}

/// The beginning of a value, for reports.
fn shown(value: &Value) -> String {
    value.to_json().chars().take(60).collect()
}

/// Hands leaves on with the time that the rule found, without those that are taken.
struct Stamped<'a, L> {
    leaves: &'a mut L,
    places: &'a Places,
    time: Option<Timestamp>,
}

impl<L: Leaves> Stamped<'_, L> {
    fn hand_out(&mut self, path: &str, value: Value) {
        match self.time {
            Some(time) => {
                let time = Some(MeasuredAt::Time(time));
                self.leaves.measured(path, value, Measured { unit: None, time });
            }
            None => self.leaves.leaf(path, value),
        }
    }
}

impl<L: Leaves> Leaves for Stamped<'_, L> {
    fn leaf(&mut self, path: &str, value: Value) {
        if !self.places.takes(path) {
            self.hand_out(path, value);
        }
    }

    fn whole(&mut self, value: Value) {
        self.leaves.whole(value);
    }

    fn restart(&mut self) {
        self.leaves.restart();
    }
}
