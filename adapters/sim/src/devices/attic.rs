use serde_json::json;

use crate::device::{Device, Message, Moment};

/// `demo/attic/sensor`: faulty on purpose. It goes through the mistakes that real devices make,
/// one a tick, with a sound reading in between.
#[derive(Debug, Default)]
pub struct FaultySensor {
    ticks: usize,
}

/// Objects in objects, deeper than anybody wants to follow.
const DEPTH: usize = 40;

impl FaultySensor {
    const TOPIC: &str = "demo/attic/sensor";
    const FAULTS: [fn(Moment) -> String; 6] =
        [cut_off, not_a_number, words, nothing, from_the_past, too_deep];

    /// A sensor that begins with a sound reading.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Device for FaultySensor {
    fn client_id(&self) -> &'static str {
        "demo-attic"
    }

    fn tick(&mut self, now: Moment) -> Vec<Message> {
        let payload = match self.ticks % 2 {
            0 => reading(now.epoch_milliseconds),
            _ => Self::FAULTS[self.ticks / 2 % Self::FAULTS.len()](now),
        };
        self.ticks += 1;
        vec![Message::live(Self::TOPIC, payload)]
    }
}

fn reading(epoch_milliseconds: u64) -> String {
    json!({ "ts": epoch_milliseconds, "temperature": 12.5 }).to_string()
}

/// The battery died while it was sending.
fn cut_off(now: Moment) -> String {
    let whole = reading(now.epoch_milliseconds);
    whole[..whole.len() / 2].to_owned()
}

/// What C prints for a sensor that is not plugged in.
fn not_a_number(now: Moment) -> String {
    format!("{{\"ts\":{},\"temperature\":NaN}}", now.epoch_milliseconds)
}

fn words(_: Moment) -> String {
    "sensor error 7".to_owned()
}

/// Also how a retained message is cleared.
fn nothing(_: Moment) -> String {
    String::new()
}

/// A reading that was kept back while the link was down, sent after newer ones.
fn from_the_past(now: Moment) -> String {
    let earlier = now.epoch_milliseconds.saturating_sub(3_600_000);
    json!({ "ts": earlier, "temperature": -40 }).to_string()
}

fn too_deep(_: Moment) -> String {
    format!("{}1{}", "{\"a\":".repeat(DEPTH), "}".repeat(DEPTH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::time::Duration;

    #[test]
    fn every_fault_comes_in_turn_and_sound_readings_in_between() {
        let now = Moment { uptime: Duration::ZERO, epoch_milliseconds: 1_767_607_323_250 };
        let mut sensor = FaultySensor::new();
        let payloads: Vec<String> = (0..12)
            .map(|_| String::from_utf8_lossy(&sensor.tick(now)[0].payload).into_owned())
            .collect();
        let parsed: Vec<Option<Value>> =
            payloads.iter().map(|payload| serde_json::from_str(payload).ok()).collect();
        let sound = parsed.iter().step_by(2).flatten().count();
        assert_eq!(sound, 6);
        let broken = [1, 3, 5, 7].iter().filter(|at| parsed[**at].is_none()).count();
        assert_eq!(broken, 4);
        assert!(parsed[9].as_ref().unwrap()["ts"].as_u64().unwrap() < now.epoch_milliseconds);
        assert_eq!(payloads[11].matches('{').count(), DEPTH);
    }
}
