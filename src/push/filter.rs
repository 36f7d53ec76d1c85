//! Which changes a reader wants.

use thingway_sdk::{Quality, ThingId};

use crate::log::{Change, Property, State, What};

/// Passes what matches all of its parts; an empty part passes everything.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Patterns of thing ids or bare names.
    pub things: Vec<Pattern>,
    /// Whether states pass at all.
    pub states: bool,
    /// Patterns of property names.
    pub properties: Vec<Pattern>,
    /// Patterns of event names; `None` passes no events.
    pub events: Option<Vec<Pattern>>,
    /// Unit of the property, as a SenML symbol.
    pub unit: Option<String>,
    /// Quality of the state.
    pub quality: Option<Quality>,
    /// Name of the adapter that the state came from.
    pub silo: Option<String>,
}

impl Filter {
    /// Whether this change passes.
    #[must_use]
    pub fn admits(&self, change: &Change) -> bool {
        match &change.what {
            What::State(property, State { quality, .. }) => {
                self.admits_state(change.thing(), property, *quality)
            }
            What::Event(name, ..) => {
                let wanted = |events: &Vec<Pattern>| any(events, |pattern| pattern.matches(name));
                self.events.as_ref().is_some_and(wanted) && self.admits_thing(change.thing())
            }
            What::Directory(..) => false,
        }
    }

    /// Whether a state passes.
    #[must_use]
    pub fn admits_state(&self, thing: &ThingId, property: &Property, quality: Quality) -> bool {
        self.states
            && self.quality.is_none_or(|wanted| wanted == quality)
            && self.unit.as_deref().is_none_or(|unit| property.unit() == Some(unit))
            && self.silo.as_deref().is_none_or(|silo| &*property.adapter == silo)
            && any(&self.properties, |pattern| pattern.matches(&property.name))
            && self.admits_thing(thing)
    }

    /// Whether anything of this thing may pass.
    #[must_use]
    pub fn admits_thing(&self, thing: &ThingId) -> bool {
        any(&self.things, |one| {
            // Nearly all patterns are of names, so the URI is seldom put together.
            one.matches(thing.name()) || one.may_match_a_urn() && one.matches(&thing.uri())
        })
    }
}

fn any(patterns: &[Pattern], matches: impl FnMut(&Pattern) -> bool) -> bool {
    patterns.is_empty() || patterns.iter().any(matches)
}

/// Text in which `*` stands for any characters, also none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<String>);

impl Pattern {
    /// Reads a pattern; every text is one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.split('*').map(str::to_owned).collect())
    }

    /// False when it fits no `urn:…`, whatever follows.
    fn may_match_a_urn(&self) -> bool {
        let first = self.0.first().map_or("", String::as_str);
        first.contains(':') || self.0.len() > 1 && "urn".starts_with(first)
    }

    /// Whether the whole text fits.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let (Some(first), Some(last)) = (self.0.first(), self.0.last()) else { return false };
        if self.0.len() == 1 {
            return text == first;
        }
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for part in &self.0[1..self.0.len() - 1] {
            match rest.find(part.as_str()) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.len() >= last.len() && rest.ends_with(last.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        let cases = [
            ("home.*", "home.kitchen", true),
            ("home.*", "home.", true),
            ("home.*", "homes", false),
            ("*", "", true),
            ("*.lamp", "home.lamp", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
            ("lamp", "lamp", true),
            ("lamp", "lamps", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn things_are_matched_by_name_and_by_uri() {
        let cases = [
            ("home.lamp", "home.lamp", true),
            ("urn:thingway:home.lamp", "home.lamp", true),
            ("urn:*.lamp", "home.lamp", true),
            ("u*lamp", "home.lamp", true),
            ("*thingway*", "home.lamp", true),
            ("urn*", "urn:dev:a", true),
            ("thingway*", "home.lamp", false),
            ("urn", "home.lamp", false),
        ];
        for (pattern, id, expected) in cases {
            let filter = Filter { things: vec![Pattern::new(pattern)], ..Filter::default() };
            let admitted = filter.admits_thing(&ThingId::resolve(id).unwrap());
            assert_eq!(admitted, expected, "{pattern} {id}");
        }
    }
}
