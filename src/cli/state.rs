//! What the gateway says of one property, and how it is shown.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thingway_sdk::Timestamp;

use super::output::{Cell, Tone};

/// One record of `GET /properties`. The value stays as it was written, to the digit.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct State {
    pub(super) thing: String,
    pub(super) property: String,
    pub(super) value: Box<RawValue>,
    #[serde(default)]
    pub(super) unit: Option<String>,
    #[serde(default)]
    pub(super) time: Option<String>,
    #[serde(default)]
    received: Option<String>,
    #[serde(default)]
    quality: Option<String>,
    #[serde(default)]
    source: Option<Box<RawValue>>,
    #[serde(default)]
    revision: Option<Box<RawValue>>,
}

impl State {
    pub(super) const HEADER: [&str; 4] = ["PROPERTY", "VALUE", "UNIT", "AGE"];

    pub(super) fn row(&self, now: Timestamp) -> Vec<Cell> {
        vec![
            Cell::plain(&self.property),
            Cell::plain(self.value_text()),
            Cell::new(self.unit.as_deref().unwrap_or_default(), Tone::Faint),
            self.age_cell(now),
        ]
    }

    /// The value as a person reads it: text without its quotes.
    pub(super) fn value_text(&self) -> String {
        serde_json::from_str::<String>(self.value.get())
            .unwrap_or_else(|_| self.value.get().to_owned())
    }

    /// How old it is, and whether it may be trusted.
    fn age_cell(&self, now: Timestamp) -> Cell {
        let age = self.observed().map(|time| age(time, now)).unwrap_or_default();
        match self.doubt() {
            None => Cell::new(age, Tone::Faint),
            Some(doubt) => Cell::new(format!("{age} ({doubt})"), Tone::Warning),
        }
    }

    /// `stale`, `uncertain` or `bad`.
    pub(super) fn doubt(&self) -> Option<&str> {
        self.quality.as_deref().filter(|quality| *quality != "good")
    }

    pub(super) fn is_stale(&self) -> bool {
        self.doubt() == Some("stale")
    }

    pub(super) fn observed(&self) -> Option<Timestamp> {
        self.time.as_deref().or(self.received.as_deref()).and_then(Timestamp::parse)
    }
}

/// The name under which a thing is typed: ids of the gateway's own without their prefix.
pub(super) fn short(id: &str) -> &str {
    id.strip_prefix("urn:thingway:").unwrap_or(id)
}

/// `3 s ago`
pub(super) fn age(time: Timestamp, now: Timestamp) -> String {
    let seconds = time.until(now).as_secs();
    match seconds {
        0 => "now".to_owned(),
        1..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_the_unit_that_fits() {
        let now = Timestamp::parse("2026-01-05T12:00:00Z").unwrap();
        for (time, expected) in [
            ("2026-01-05T12:00:00Z", "now"),
            ("2026-01-05T12:00:09Z", "now"),
            ("2026-01-05T11:59:57Z", "3 s ago"),
            ("2026-01-05T11:55:00Z", "5 min ago"),
            ("2026-01-05T09:00:00Z", "3 h ago"),
            ("2026-01-01T12:00:00Z", "4 d ago"),
        ] {
            assert_eq!(age(Timestamp::parse(time).unwrap(), now), expected);
        }
    }

    #[test]
    fn a_value_keeps_every_digit() {
        let json = r#"{"thing":"urn:thingway:a","property":"p","value":21.500000000000000001}"#;
        let state: State = serde_json::from_str(json).unwrap();
        assert_eq!(state.value_text(), "21.500000000000000001");
        assert_eq!(short(&state.thing), "a");
    }
}
