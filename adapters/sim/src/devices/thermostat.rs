use std::time::Duration;

use serde_json::{Value, json};

use super::measured;
use crate::device::{Device, Message, Moment};

/// `demo/livingroom/thermostat`: a room that warms or cools towards what is wanted. It obeys
/// `{"setpoint":21}` on `…/set` and reports the new setpoint at once.
#[derive(Debug)]
pub struct Thermostat {
    temperature: f64,
    setpoint: f64,
    seen: Duration,
}

/// In this time the room comes two thirds of the way to its setpoint, in seconds.
const INERTIA: f64 = 60.0;
const COLDEST: f64 = 5.0;
const WARMEST: f64 = 30.0;

impl Thermostat {
    const TOPIC: &str = "demo/livingroom/thermostat";
    const COMMANDS: &str = "demo/livingroom/thermostat/set";

    /// A cool room in which 21 °C are wanted.
    #[must_use]
    pub fn new() -> Self {
        Self { temperature: 18.5, setpoint: 21.0, seen: Duration::ZERO }
    }

    fn warm_until(&mut self, uptime: Duration) {
        let seconds = uptime.saturating_sub(self.seen).as_secs_f64();
        self.seen = self.seen.max(uptime);
        let reached = 1.0 - (-seconds / INERTIA).exp();
        self.temperature += (self.setpoint - self.temperature) * reached;
    }

    fn state(&self) -> Message {
        let state = json!({
            "temperature": measured(self.temperature, 2),
            "setpoint": measured(self.setpoint, 1),
            "heating": self.setpoint - self.temperature > 0.1,
        });
        Message::live(Self::TOPIC, state.to_string())
    }
}

impl Default for Thermostat {
    fn default() -> Self {
        Self::new()
    }
}

impl Device for Thermostat {
    fn client_id(&self) -> &'static str {
        "demo-thermostat"
    }

    fn command_topic(&self) -> Option<&'static str> {
        Some(Self::COMMANDS)
    }

    fn tick(&mut self, now: Moment) -> Vec<Message> {
        self.warm_until(now.uptime);
        vec![self.state()]
    }

    fn command(&mut self, payload: &[u8], now: Moment) -> Vec<Message> {
        let command: Value = serde_json::from_slice(payload).unwrap_or_default();
        let Some(setpoint) = command["setpoint"].as_f64() else { return Vec::new() };
        self.warm_until(now.uptime);
        self.setpoint = setpoint.clamp(COLDEST, WARMEST);
        vec![self.state()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment { uptime: Duration::from_secs(seconds), epoch_milliseconds: seconds * 1000 }
    }

    fn state(messages: &[Message]) -> Value {
        assert_eq!(messages.len(), 1);
        serde_json::from_slice(&messages[0].payload).unwrap()
    }

    #[test]
    fn the_room_comes_to_its_setpoint_and_stops_heating() {
        let mut thermostat = Thermostat::new();
        let start = state(&thermostat.tick(at(0)));
        assert_eq!(start, json!({"temperature": 18.5, "setpoint": 21, "heating": true}));
        let later = state(&thermostat.tick(at(60)));
        assert!((20.0..20.2).contains(&later["temperature"].as_f64().unwrap()), "{later}");
        let end = state(&thermostat.tick(at(3600)));
        assert_eq!(end, json!({"temperature": 21, "setpoint": 21, "heating": false}));
    }

    #[test]
    fn a_command_is_obeyed_at_once_within_what_the_device_can_do() {
        let mut thermostat = Thermostat::new();
        for (command, setpoint) in [("23.5", json!(23.5)), ("99", json!(30)), ("-3", json!(5))] {
            let command = format!("{{\"setpoint\":{command}}}");
            let answer = state(&thermostat.command(command.as_bytes(), at(1)));
            assert_eq!(answer["setpoint"], setpoint);
        }
    }

    #[test]
    fn what_is_no_command_is_ignored() {
        let mut thermostat = Thermostat::new();
        for payload in ["", "21", "{\"setpoint\":\"warm\"}", "{"] {
            assert_eq!(thermostat.command(payload.as_bytes(), at(1)), []);
        }
    }
}
