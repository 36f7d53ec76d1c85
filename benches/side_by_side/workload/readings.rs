//! What devices publish: objects of 120 bytes with three numbers, one of which only rises.

use crate::client::mqtt::{Burst, Message, Qos};

/// The leaf that only rises.
pub(super) const LEAF: &str = "sequence_number_of_reading";
/// The first number: all have eight digits.
const FIRST: usize = 10_000_000;

pub(super) fn topic(thing: usize) -> String {
    format!("bench/t{thing:07}")
}

fn object(number: usize) -> String {
    let hundredths = u32::try_from(number % 1000).unwrap_or(0);
    let temperature = 20.0 + f64::from(hundredths) / 100.0;
    let humidity = 40.0 + f64::from(hundredths) / 50.0;
    format!(
        "{{\"temperature_celsius\":{temperature:.11},\"relative_humidity_percent\":{humidity:.12},\
         \"{LEAF}\":{}}}",
        FIRST + number
    )
}

/// A stream of readings, thing after thing and around.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readings {
    pub(super) things: usize,
    pub(super) messages: usize,
    /// Number of the first message: a later stream has higher ones.
    pub(super) first: usize,
}

impl Readings {
    /// One message for each thing.
    pub(super) fn once(things: usize) -> Self {
        Self { things, messages: things, first: 0 }
    }

    /// So many messages after these.
    pub(super) fn then(self, messages: usize) -> Self {
        Self { messages, first: self.first + self.messages, ..self }
    }

    pub(super) fn burst(&self, qos: Qos) -> Burst {
        Burst::new(qos, self.messages())
    }

    pub(super) fn messages(self) -> impl Iterator<Item = Message> {
        (0..self.messages)
            .map(move |turn| Message::new(&topic(turn % self.things), &object(self.first + turn)))
    }

    /// What each thing's leaf shows in the end, in the order in which it was published.
    pub(super) fn newest(&self) -> Vec<(String, String)> {
        let last_lap = self.messages.saturating_sub(self.things)..self.messages;
        let shown =
            |turn: usize| (topic(turn % self.things), (FIRST + self.first + turn).to_string());
        last_lap.map(shown).collect()
    }
}
