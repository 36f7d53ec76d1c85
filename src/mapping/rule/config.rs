use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde::Deserialize;
use smol_str::SmolStr;

use super::{Flaw, Flaws, PropertyRule};
use crate::mapping::extract::{self, Decimal, Expression, Field, Format, Plan, Source};
use crate::mapping::template::{AddressPattern, TextTemplate};

/// `[[rules]]`: what the gateway can't see from the messages of a topic by itself. The first rule
/// whose topic matches is the one that counts. Conventions make rules, too.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Only messages of this adapter; every adapter when left out.
    pub adapter: Option<String>,
    /// Topic template: `home/{room}/thermostat`, where `{room}` is any one level. `+` and a last
    /// `#` match as in MQTT.
    #[schema(value_type = String)]
    pub topic: AddressPattern,
    /// Name of the thing, where the topic's own does not fit: `home.{room}`.
    #[schema(value_type = Option<String>)]
    pub thing: Option<TextTemplate>,
    /// Human-readable title of the thing.
    pub title: Option<String>,
    /// Human-readable description of the thing.
    pub description: Option<String>,
    /// Semantic type of the thing, as TD `@type`; several with blanks between.
    #[serde(rename = "type")]
    pub semantic_type: Option<String>,
    /// Name of the event that each message on the topic is; the payload is its data.
    pub event: Option<String>,
    /// What the payloads are: `json`, `cbor`, `senml`, `text`, `csv` or `bytes`. When left out, the
    /// media type says it, else the bytes decide.
    pub format: Option<Format>,
    /// The sign between a number's whole part and its fraction in `text` and `csv`: `.` or `,`.
    pub decimal: Option<Decimal>,
    /// Between the cells of `csv`: one character; `,` when left out, and `;` with a decimal comma.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1)]
    pub separator: Option<char>,
    /// The names of the cells of `csv`, in order; cells without a name (`""`) are left out.
    pub columns: Option<Vec<String>>,
    /// Where in `bytes` the values are.
    pub layout: Option<Vec<Field>>,
    /// JSONata expression that makes another object of the payload; its members become the
    /// properties.
    #[schema(value_type = Option<String>)]
    pub transform: Option<Expression>,
    /// Where in the payload the time of the measurement is, as in a property's `from`: ISO 8601, or
    /// seconds, milliseconds or microseconds since 1970, told apart by their magnitude.
    #[schema(value_type = Option<String>)]
    pub time: Option<Source>,
    /// States that are not told anew within this time become stale.
    #[schema(value_type = Option<u32>, minimum = 1)]
    pub ttl_seconds: Option<NonZeroU32>,
    /// What is known of the thing's properties, by name.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, PropertyRule>)]
    pub properties: BTreeMap<String, Arc<PropertyRule>>,
    /// Set where a convention made the rule, which is then about one thing.
    #[serde(skip)]
    #[schema(ignore)]
    pub convention: Option<ByConvention>,
    /// How payloads are read, worked out with the first of them.
    #[serde(skip)]
    #[schema(ignore)]
    pub(in crate::mapping) plan: Plan,
}

/// What only a convention says in a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByConvention {
    /// The convention.
    pub name: &'static str,
    /// What the thing is named after, levels separated by `/`: things of other adapters that are
    /// named after the same are others.
    pub thing: SmolStr,
    /// What the maker calls this one device for ever: serial number, MAC or EUI address.
    pub device_id: Option<SmolStr>,
}

impl RuleConfig {
    /// A rule of a convention, about the thing that is named after `thing`.
    #[must_use]
    pub fn by_convention(name: &'static str, thing: impl Into<SmolStr>) -> Self {
        let convention = ByConvention { name, thing: thing.into(), device_id: None };
        Self { convention: Some(convention), ..Self::default() }
    }

    /// Whether a property that it is about is written at this address.
    #[must_use]
    pub fn writes_to(&self, address: &str) -> bool {
        let mut written = self.properties.values().filter_map(|rule| rule.write.as_ref());
        written.any(|write| write.topic.fits(address))
    }

    /// Whether it says the same as the other of the thing itself.
    #[must_use]
    pub fn describes_like(&self, other: &Self) -> bool {
        self.title == other.title
            && self.description == other.description
            && self.semantic_type == other.semantic_type
            && self.convention == other.convention
    }

    /// Finds what can't be seen in one option alone.
    #[must_use]
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Flaws::new(&[]);
        let written = self.properties.values().filter_map(|p| Some(&p.write.as_ref()?.topic));
        let placeholders = self.thing.iter().chain(written).flat_map(TextTemplate::placeholders);
        for name in placeholders.filter(|name| !self.topic.names(name)) {
            let reason = format!(
                "`{{{name}}}` is used, but no level of the topic `{}` has that name",
                self.topic
            );
            flaws.add("topic", reason, "name a level so, or correct where it is used");
        }
        let event = self.event.as_deref().unwrap_or("event");
        if event.is_empty() || event.chars().any(char::is_control) {
            let reason = format!("`{}` can't be an event's name", event.escape_debug());
            flaws.add("event", reason, "use letters and digits");
        }
        extract::check(self, &mut flaws);
        let of_properties = self.properties.iter().flat_map(|(name, rule)| rule.flaws(name));
        flaws.found.into_iter().chain(of_properties).collect()
    }
}
