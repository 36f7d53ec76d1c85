//! Conventions: what many devices agreed on, so that nobody has to write a rule for them.
//!
//! A [`Convention`] is shown the messages of the addresses that it cares about and says what they
//! mean. Where an announcement tells what the messages of an address are, it answers with the rule
//! that a person would otherwise write ([`Meaning::route`]), and is not asked again for each of
//! them; where every message has to be understood anew (a binary format, a template), it claims
//! the address ([`Meaning::claim`]) or cares about it from the beginning, and hands out readings.
//!
//! A convention knows nothing of things that are there, of locks and of sockets: it is told bytes
//! and keeps what announcements said.

mod cloudevents;
#[cfg(test)]
mod fixtures;
mod forms;
mod growing;
mod home_assistant;
mod homie;
mod leaves;
mod lorawan;
mod meaning;
mod shelly;
mod sparkplug;
mod standard;
mod tasmota;
mod units;
mod zigbee2mqtt;

use std::borrow::Cow;

use smol_str::SmolStr;
use thingway_sdk::{Payload, Timestamp};

pub(super) use meaning::{Action, Found, Meaning, Step};
pub(super) use sparkplug::MetricCommand;
pub use standard::Known;
pub(super) use standard::{Concerned, Conventions, Interpreted};

use super::RuleConfig;

/// One convention of how devices speak. There is one for each adapter.
pub(super) trait Convention: Send {
    /// What `explain` and the configuration call it: `zigbee2mqtt`.
    fn name(&self) -> &'static str;

    /// Whether messages of this address may be of the convention, by the address alone. It is
    /// asked once for each address, and must be cheap.
    fn concerns(&self, address: &str) -> bool;

    /// What a message means. Shown are the messages of addresses that concern it or that it
    /// claimed.
    fn take(&mut self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken;

    /// The same convention with all that it knows, for a dry run.
    fn duplicate(&self) -> Box<dyn Convention>;
}

/// One message, as a convention sees it.
pub(super) struct Incoming<'a> {
    /// Where it came from: an MQTT topic.
    pub(super) address: &'a str,
    /// What it said.
    pub(super) payload: &'a Payload,
    /// When it was received.
    pub(super) received: Timestamp,
    /// The silo kept it for newcomers: it tells the present state, not that something happened just
    /// now. What is only delivered once more may not have been seen yet.
    pub(super) retained: bool,
}

impl Incoming<'_> {
    /// The payload as text, where it is UTF-8.
    pub(super) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.payload.bytes).ok()
    }
}

/// The properties with a state of which a device spoke before, and does not any more.
fn no_longer(before: &RuleConfig, now: &RuleConfig) -> Vec<SmolStr> {
    let is_lost = |name: &String| now.properties.get(name).is_none_or(|property| property.event);
    let states = before.properties.iter().filter(|(_, property)| !property.event);
    states.filter(|(name, _)| is_lost(name)).map(|(name, _)| name.into()).collect()
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Taken {
    /// Its meaning was told.
    Understood,
    /// It belongs to the convention and means nothing for any thing: why.
    Nothing(Cow<'static, str>),
    /// It belongs to the convention and is not what it should be: why, and what to change.
    Malformed(String),
    /// It only looked like it: the next convention is asked, or the message is mapped as it is.
    NotMine,
}
