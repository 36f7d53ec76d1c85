//! The small templates of a rule: a pattern that matches an address and remembers its levels,
//! text with those levels filled in, and a payload with a value filled in.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use smol_str::SmolStr;
use thingway_sdk::Value;

use super::convention::MetricCommand;
use super::jinja::Jinja;

/// An address pattern: `home/{room}/lamp`, `+` for any one level, a last `#` for the rest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct AddressPattern {
    text: String,
    levels: Vec<Level>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Exactly(String),
    Named(String),
    Any,
    Rest,
}

/// The levels that an [`AddressPattern`] named, with what stood there.
pub(super) type Captures<'a> = Vec<(&'a str, &'a str)>;

/// Text with `{level}` placeholders: `home/{room}/lamp/set`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TextTemplate(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Level(String),
}

/// A payload with `{value}` (the value as JSON), `{text}` (the value without quotes) or `{members}`
/// (the members of an object, without its braces) in it; all other braces stand for themselves, so
/// JSON can be written as it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct PayloadTemplate(Making);

/// How a payload is made of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Making {
    /// By placeholders in a text.
    Text(String),
    /// By looking the value up: what is reported, and what is sent for it.
    Words(Arc<[(Value, SmolStr)]>),
    /// By a template that the device announced.
    Jinja(Jinja),
    /// As a metric of Sparkplug.
    Metric(MetricCommand),
}

impl AddressPattern {
    /// The levels that were named, when the address matches.
    #[must_use]
    pub(super) fn captures<'a>(&'a self, address: &'a str) -> Option<Captures<'a>> {
        let mut captures = Vec::new();
        let mut found = address.split('/');
        for level in &self.levels {
            let here = match level {
                Level::Rest => return Some(captures),
                _ => found.next()?,
            };
            match level {
                Level::Exactly(text) if text != here => return None,
                Level::Named(name) => captures.push((name.as_str(), here)),
                _ => {}
            }
        }
        found.next().is_none().then_some(captures)
    }

    /// Whether it matches every address that the other one matches.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let mut theirs = other.levels.iter();
        for own in &self.levels {
            match (own, theirs.next()) {
                (Level::Rest, _) => return true,
                (_, None | Some(Level::Rest)) => return false,
                (Level::Exactly(own), Some(Level::Exactly(theirs))) if own == theirs => {}
                (Level::Exactly(_), _) => return false,
                (Level::Named(_) | Level::Any, _) => {}
            }
        }
        theirs.next().is_none()
    }

    /// Whether a placeholder of this name can be filled from a match.
    #[must_use]
    pub(super) fn names(&self, placeholder: &str) -> bool {
        self.levels.iter().any(|level| matches!(level, Level::Named(name) if name == placeholder))
    }
}

/// Every address.
impl Default for AddressPattern {
    fn default() -> Self {
        Self { text: "#".to_owned(), levels: vec![Level::Rest] }
    }
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for AddressPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() {
            return Err("a topic pattern can't be empty; `#` matches every topic".into());
        }
        let levels = text.split('/').map(level).collect::<Result<Vec<_>, _>>()?;
        let rest = levels.iter().position(|level| *level == Level::Rest);
        if rest.is_some_and(|at| at + 1 != levels.len()) {
            return Err(format!("in `{text}`, `#` must be the last level"));
        }
        Ok(Self { text, levels })
    }
}

fn level(text: &str) -> Result<Level, String> {
    Ok(match text {
        "+" => Level::Any,
        "#" => Level::Rest,
        _ => match text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            Some(name) if is_identifier(name) => Level::Named(name.to_owned()),
            None if !text.contains(['{', '}', '+', '#']) => Level::Exactly(text.to_owned()),
            _ => {
                return Err(format!(
                    "`{text}` is no topic level: a placeholder such as `{{room}}`, `+` or `#` stands for a whole level"
                ));
            }
        },
    })
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl TextTemplate {
    /// Whether it could be this text, with something in its placeholders.
    #[must_use]
    pub(super) fn fits(&self, text: &str) -> bool {
        fits(&self.0, text)
    }

    /// This text, whatever stands in it.
    pub(super) fn literal(text: &str) -> Self {
        Self(vec![Piece::Text(text.to_owned())])
    }

    /// The text with its placeholders filled; unknown ones, which a checked rule does not have,
    /// are left empty.
    #[must_use]
    pub(super) fn fill(&self, captures: &Captures<'_>) -> String {
        let value = |name: &str| captures.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| *v);
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Level(name) => value(name),
            })
            .collect()
    }

    /// The placeholders that stand in it.
    pub(super) fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Level(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }
}

impl TryFrom<String> for TextTemplate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after
                .split_once('}')
                .ok_or_else(|| format!("in `{text}`, a `{{` is not closed"))?;
            if !is_identifier(name) {
                return Err(format!("in `{text}`, `{{{name}}}` names no level of the topic"));
            }
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Level(name.to_owned()));
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }
}

fn fits(pieces: &[Piece], text: &str) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return text.is_empty() };
    match first {
        Piece::Text(piece) => text.strip_prefix(piece.as_str()).is_some_and(|it| fits(rest, it)),
        // A placeholder stands for (a part of) one level, and is not empty.
        Piece::Level(_) => {
            let level = text.split('/').next().unwrap_or_default();
            let ends = level.char_indices().map(|(at, c)| at + c.len_utf8());
            ends.into_iter().any(|end| fits(rest, &text[end..]))
        }
    }
}

impl PayloadTemplate {
    /// Sends other words than are reported: `LOCK` for `LOCKED`.
    pub(super) fn words(words: impl IntoIterator<Item = (Value, SmolStr)>) -> Self {
        Self(Making::Words(words.into_iter().collect()))
    }

    /// Sends what a template makes of `value`.
    pub(super) fn jinja(template: Jinja) -> Self {
        Self(Making::Jinja(template))
    }

    /// Sends the value of a metric.
    pub(super) fn metric(command: MetricCommand) -> Self {
        Self(Making::Metric(command))
    }

    /// The payload for one value.
    ///
    /// # Errors
    /// When the device has no payload for the value.
    pub fn fill(&self, value: &Value) -> Result<Vec<u8>, String> {
        match &self.0 {
            Making::Text(text) => Ok(fill_text(text, value)),
            Making::Jinja(template) => template.command(value),
            Making::Metric(command) => command.fill(value),
            Making::Words(words) => {
                let found = words.iter().find(|(said, _)| said.means_the_same(value));
                let (_, sent) =
                    found.ok_or_else(|| format!("{} is no command", value.to_json()))?;
                Ok(sent.as_bytes().to_vec())
            }
        }
    }
}

fn fill_text(text: &str, value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        rest = if let Some(behind) = rest.strip_prefix("{value}") {
            value.write_json(&mut out);
            behind
        } else if let Some(behind) = rest.strip_prefix("{text}") {
            out.extend_from_slice(&value.to_octets());
            behind
        } else if let Some(behind) = rest.strip_prefix("{members}") {
            out.extend_from_slice(members(value).as_bytes());
            behind
        } else {
            out.push(b'{');
            &rest[1..]
        };
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

/// What stands between the braces of an object; nothing where it is none.
fn members(value: &Value) -> &str {
    let Value::Json(json) = value else { return "" };
    json.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or_default()
}

impl Default for PayloadTemplate {
    fn default() -> Self {
        Self::from("{value}".to_owned())
    }
}

impl From<String> for PayloadTemplate {
    fn from(text: String) -> Self {
        Self(Making::Text(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> AddressPattern {
        AddressPattern::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_pattern_matches_as_mqtt_does_and_remembers_its_levels() {
        let home = pattern("home/{room}/lamp");
        assert_eq!(home.captures("home/kitchen/lamp"), Some(vec![("room", "kitchen")]));
        assert_eq!(home.captures("home/kitchen/lamp/set"), None);
        assert_eq!(home.captures("home/kitchen"), None);
        assert_eq!(pattern("a/+/#").captures("a/b/c/d"), Some(vec![]));
        assert_eq!(pattern("a/#").captures("a"), Some(vec![]));
        assert_eq!(pattern("#").captures("x/y"), Some(vec![]));
    }

    #[test]
    fn a_pattern_covers_those_that_match_no_more_than_it() {
        let covers = |one: &str, other: &str| pattern(one).covers(&pattern(other));
        for (one, other) in [
            ("#", "a/b"),
            ("a/#", "a"),
            ("a/#", "a/+/#"),
            ("a/{x}", "a/+"),
            ("a/+", "a/b"),
            ("a", "a"),
        ] {
            assert!(covers(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("a/b", "a/+"),
            ("a/+", "a/#"),
            ("a/+", "a"),
            ("a/+", "a/b/c"),
            ("a/#", "b"),
            ("+", "#"),
        ] {
            assert!(!covers(one, other), "{one} {other}");
        }
    }

    #[test]
    fn a_pattern_that_can_not_match_is_refused() {
        for bad in ["", "a/#/b", "a/x{room}/b", "a/{}/b", "a/b+"] {
            assert!(AddressPattern::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn text_is_recognised_as_filled() {
        let template = TextTemplate::try_from("cmd/{room}/lamp-{room}/set".to_owned()).unwrap();
        assert!(template.fits("cmd/hall/lamp-hall/set"));
        for other in ["cmd/hall/lamp-/set", "cmd/hall/lamp-a/b/set", "cmd//lamp-a/set", "cmd"] {
            assert!(!template.fits(other), "{other}");
        }
    }

    #[test]
    fn text_is_filled_from_the_levels() {
        let template = TextTemplate::try_from("cmd/{room}/lamp-{room}/set".to_owned()).unwrap();
        assert_eq!(template.fill(&vec![("room", "hall")]), "cmd/hall/lamp-hall/set");
        assert_eq!(template.placeholders().collect::<Vec<_>>(), ["room", "room"]);
        assert!(TextTemplate::try_from("a/{room".to_owned()).is_err());
    }

    #[test]
    fn a_payload_takes_the_value_and_leaves_other_braces_alone() {
        let fill = |template: &str, json: &str| {
            let template = PayloadTemplate::from(template.to_owned());
            let filled = template.fill(&Value::from_json(json).unwrap());
            String::from_utf8(filled.unwrap()).unwrap()
        };
        assert_eq!(fill("{value}", "21.50"), "21.50");
        assert_eq!(fill(r#"{"setpoint":{value}}"#, "21"), r#"{"setpoint":21}"#);
        assert_eq!(fill("{text}", "\"ON\""), "ON");
        assert_eq!(fill("{value}", "\"ON\""), "\"ON\"");
        assert_eq!(fill("{{value}}", "1"), "{1}");
        assert_eq!(fill(r#"{"id":7,{members}}"#, r#"{"a":1,"b":{}}"#), r#"{"id":7,"a":1,"b":{}}"#);
    }
    #[test]
    fn a_device_may_be_told_other_words_than_it_reports() {
        let words = [("LOCKED", "LOCK"), ("UNLOCKED", "UNLOCK")];
        let template = PayloadTemplate::words(
            words.map(|(said, sent)| (Value::Text(said.into()), sent.into())),
        );
        assert_eq!(template.fill(&Value::Text("UNLOCKED".into())), Ok(b"UNLOCK".to_vec()));
        assert!(template.fill(&Value::Text("JAMMED".into())).is_err());
    }
}
