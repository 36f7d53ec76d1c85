//! Topic names and topic filters (MQTT 5, section 4.7; the same in 3.1.1).

use std::fmt;

use serde::{Deserialize, Deserializer};

/// The most bytes that a topic may have: its length is written in 16 bits.
const LONGEST_BYTES: usize = 65_535;

/// What a subscription asks for: levels between slashes, `+` for any one level, `#` at the end for
/// any number of them; perhaps behind `$share/<group>/`.
#[derive(Clone, PartialEq, Eq)]
pub struct TopicFilter(Box<str>);

/// Why a text is no topic or no filter, and what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTopic {
    /// Nothing.
    #[error("a topic has at least one character")]
    Empty,
    /// More than 16 bits can count.
    #[error("a topic has at most {LONGEST_BYTES} bytes")]
    TooLong,
    /// U+0000.
    #[error("a topic must not hold the character U+0000")]
    Nul,
    /// `+` or `#` where only a name may stand.
    #[error("`+` and `#` may stand in subscriptions only: name one topic")]
    Wildcard,
    /// `a#` or `#/b`.
    #[error("`#` stands alone in the last level: write `home/#`, not `home#` or `#/home`")]
    MultiLevel,
    /// `a+`.
    #[error("`+` stands alone in its level: write `home/+/state`, not `home/l+/state`")]
    SingleLevel,
    /// `$share` without its parts.
    #[error("a shared subscription is written `$share/<group>/<filter>`")]
    Share,
}

impl TopicFilter {
    /// For filters that stand in this crate's own text.
    pub(crate) fn from_static(filter: &'static str) -> Self {
        Self(filter.into())
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the broker may give the messages to another subscriber of the same group.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.0.starts_with("$share/")
    }

    /// Whether a topic is meant. Wildcards in the first level leave out topics that begin with
    /// `$` (section 4.7.2).
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        let filter = without_share(&self.0);
        if topic.starts_with('$') && filter.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = topic.split('/');
        for wanted in filter.split('/') {
            match (wanted, levels.next()) {
                ("#", _) => return true,
                ("+", Some(_)) => {}
                (name, Some(level)) if name == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }
}

fn without_share(filter: &str) -> &str {
    filter
        .strip_prefix("$share/")
        .and_then(|rest| rest.split_once('/'))
        .map_or(filter, |(_group, filter)| filter)
}

impl TryFrom<&str> for TopicFilter {
    type Error = InvalidTopic;

    fn try_from(text: &str) -> Result<Self, InvalidTopic> {
        check_text(text)?;
        if text == "$share" || text.starts_with("$share/") {
            check_share(text)?;
        }
        let mut levels = without_share(text).split('/').peekable();
        while let Some(level) = levels.next() {
            if level.contains('#') && (level != "#" || levels.peek().is_some()) {
                return Err(InvalidTopic::MultiLevel);
            }
            if level.contains('+') && level != "+" {
                return Err(InvalidTopic::SingleLevel);
            }
        }
        Ok(Self(text.into()))
    }
}

fn check_share(text: &str) -> Result<(), InvalidTopic> {
    let parts = text.strip_prefix("$share/").and_then(|rest| rest.split_once('/'));
    match parts {
        Some((group, filter))
            if !group.is_empty() && !group.contains(['+', '#']) && !filter.is_empty() =>
        {
            Ok(())
        }
        _ => Err(InvalidTopic::Share),
    }
}

fn check_text(text: &str) -> Result<(), InvalidTopic> {
    match text {
        "" => Err(InvalidTopic::Empty),
        _ if text.len() > LONGEST_BYTES => Err(InvalidTopic::TooLong),
        _ if text.contains('\0') => Err(InvalidTopic::Nul),
        _ => Ok(()),
    }
}

/// Whether a message may be published to `topic`.
///
/// # Errors
/// When it is empty, too long, or holds a wildcard or U+0000.
pub fn check_name(topic: &str) -> Result<(), InvalidTopic> {
    check_text(topic)?;
    let has_wildcard = topic.bytes().any(|byte| matches!(byte, b'+' | b'#'));
    if has_wildcard { Err(InvalidTopic::Wildcard) } else { Ok(()) }
}

impl fmt::Debug for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TopicFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::try_from(text.as_str())
            .map_err(|error| serde::de::Error::custom(format!("`{text}`: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_standard_says() {
        for (filter, topic, expected) in [
            ("#", "a/b", true),
            ("#", "$SYS/uptime", false),
            ("+/b", "$SYS/b", false),
            ("$SYS/#", "$SYS/uptime", true),
            ("a/#", "a", true),
            ("a/#", "ab", false),
            ("a/+", "a/b", true),
            ("a/+", "a", false),
            ("a/+", "a/b/c", false),
            ("+/+", "/b", true),
            ("a", "a", true),
            ("a", "a/", false),
            ("$share/g/a/+", "a/b", true),
            ("$share/g/#", "$SYS/b", false),
        ] {
            assert_eq!(
                TopicFilter::try_from(filter).unwrap().matches(topic),
                expected,
                "{filter} {topic}"
            );
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let long = "x".repeat(LONGEST_BYTES + 1);
        for (text, expected) in [
            ("", InvalidTopic::Empty),
            ("a#", InvalidTopic::MultiLevel),
            ("#/a", InvalidTopic::MultiLevel),
            ("a/b+", InvalidTopic::SingleLevel),
            ("a\0", InvalidTopic::Nul),
            ("$share", InvalidTopic::Share),
            ("$share/g", InvalidTopic::Share),
            ("$share/+/a", InvalidTopic::Share),
            (&long, InvalidTopic::TooLong),
        ] {
            assert_eq!(TopicFilter::try_from(text), Err(expected), "{}", text.len());
        }
    }

    #[test]
    fn names_hold_no_wildcards() {
        assert_eq!(check_name("home/lamp/set"), Ok(()));
        assert_eq!(check_name("home/+/set"), Err(InvalidTopic::Wildcard));
        assert_eq!(check_name("home/#"), Err(InvalidTopic::Wildcard));
        assert_eq!(check_name("a\0b"), Err(InvalidTopic::Nul));
    }
}
