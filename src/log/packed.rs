use std::sync::Arc;

use thingway_sdk::{Quality, Timestamp, Value};

use super::State;
use super::literal::Literal;

/// A [`State`] in 32 bytes instead of 56: for the registry and the ring, which keep millions.
#[derive(Debug, Clone)]
pub struct PackedState(Form);

#[derive(Debug, Clone)]
enum Form {
    Short(Short),
    /// A long value, or a time that is long before the receipt.
    Whole(Arc<State>),
}

/// What nearly all states are.
#[derive(Debug, Clone)]
struct Short {
    received: Timestamp,
    /// How long before the receipt it was so, in microseconds: at most half an hour.
    lag: i32,
    literal: Literal,
    quality: Quality,
    replayed: bool,
}

impl PackedState {
    /// Packs a state.
    #[must_use]
    pub fn new(state: State) -> Self {
        let State { ref value, time, received, quality, replayed } = state;
        let lag = i32::try_from(received.as_micros() - time.as_micros());
        Self(match (Literal::of(value), lag) {
            (Some(literal), Ok(lag)) => {
                Form::Short(Short { received, lag, literal, quality, replayed })
            }
            _ => Form::Whole(Arc::new(state)),
        })
    }

    /// The state as it was.
    #[must_use]
    pub fn unpack(&self) -> State {
        match &self.0 {
            Form::Short(short) => State {
                value: short.literal.value(),
                time: self.time(),
                received: short.received,
                quality: short.quality,
                replayed: short.replayed,
            },
            Form::Whole(state) => (**state).clone(),
        }
    }

    /// The same state, trusted differently.
    #[must_use]
    pub fn with_quality(&self, quality: Quality) -> Self {
        Self(match &self.0 {
            Form::Short(short) => Form::Short(Short { quality, ..short.clone() }),
            Form::Whole(state) => Form::Whole(Arc::new(State { quality, ..(**state).clone() })),
        })
    }

    /// See [`State::time`].
    #[must_use]
    pub fn time(&self) -> Timestamp {
        match &self.0 {
            Form::Short(short) => {
                Timestamp::from_micros(short.received.as_micros() - i64::from(short.lag))
            }
            Form::Whole(state) => state.time,
        }
    }

    /// See [`State::quality`].
    #[must_use]
    pub fn quality(&self) -> Quality {
        match &self.0 {
            Form::Short(short) => short.quality,
            Form::Whole(state) => state.quality,
        }
    }

    /// Whether its value is this one, to the letter.
    #[must_use]
    pub fn has_value(&self, value: &Value) -> bool {
        match &self.0 {
            Form::Short(short) => Literal::of(value) == Some(short.literal),
            Form::Whole(state) => state.value == *value,
        }
    }

    /// Appends its value as JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Form::Short(short) => short.literal.write_json(out),
            Form::Whole(state) => state.value.write_json(out),
        }
    }

    /// See [`Value::heap_bytes`].
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Short(_) => 0,
            Form::Whole(state) => state.value.heap_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(json: &str, lag: i64) -> State {
        let received = 1_767_607_323_250_001;
        State {
            value: Value::from_json(json).unwrap(),
            time: Timestamp::from_micros(received - lag),
            received: Timestamp::from_micros(received),
            quality: Quality::Uncertain,
            replayed: true,
        }
    }

    #[test]
    fn a_packed_state_is_small() {
        assert_eq!(size_of::<PackedState>(), 32);
    }

    #[test]
    fn a_state_comes_out_as_it_went_in() {
        for json in ["21.50", "\"a text that is longer than others\"", "null"] {
            for lag in [0, 1, -1, i64::from(i32::MAX), i64::from(i32::MIN), 1 << 31, 1 << 50] {
                let state = state(json, lag);
                let packed = PackedState::new(state.clone());
                assert_eq!(packed.unpack(), state, "{json}, {lag} µs");
                assert_eq!((packed.time(), packed.quality()), (state.time, state.quality));
                assert!(packed.has_value(&state.value) && !packed.has_value(&Value::Boolean(true)));
                let stale = packed.with_quality(Quality::Stale).unpack();
                assert_eq!(stale, State { quality: Quality::Stale, ..state });
            }
        }
    }
}
