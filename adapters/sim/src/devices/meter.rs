use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;

use super::measured;
use crate::device::{Device, Message, Moment};

/// `demo/meter`: a three-phase electricity meter. Nested JSON, integers beside decimals, and the
/// time as milliseconds since 1970.
#[derive(Debug)]
pub struct PowerMeter {
    rng: StdRng,
    energy_kwh: f64,
    seen: Duration,
}

impl PowerMeter {
    /// A meter that has counted before.
    #[must_use]
    pub fn new(rng: StdRng) -> Self {
        Self { rng, energy_kwh: 10_234.5, seen: Duration::ZERO }
    }
}

impl Device for PowerMeter {
    fn client_id(&self) -> &'static str {
        "demo-meter"
    }

    fn tick(&mut self, now: Moment) -> Vec<Message> {
        let voltage: [f64; 3] = std::array::from_fn(|_| self.rng.random_range(228.0..232.0));
        let current: [f64; 3] = std::array::from_fn(|_| self.rng.random_range(0.2..6.0));
        let power: f64 = voltage.iter().zip(&current).map(|(volt, ampere)| volt * ampere).sum();
        let hours = now.uptime.saturating_sub(self.seen).as_secs_f64() / 3600.0;
        self.seen = self.seen.max(now.uptime);
        self.energy_kwh += power / 1000.0 * hours;
        let phases = |values: [f64; 3], decimals| {
            let [l1, l2, l3] = values.map(|value| measured(value, decimals));
            json!({ "l1": l1, "l2": l2, "l3": l3 })
        };
        let reading = json!({
            "ts": now.epoch_milliseconds,
            "voltage": phases(voltage, 1),
            "current": phases(current, 2),
            "power": measured(power, 0),
            "energy": measured(self.energy_kwh, 3),
        });
        vec![Message::live("demo/meter", reading.to_string())]
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng;
    use super::*;
    use serde_json::Value;

    fn readings(seed: u64) -> Vec<Value> {
        let mut meter = PowerMeter::new(rng(seed, 1));
        let moment = |hour: u64| Moment {
            uptime: Duration::from_secs(hour * 3600),
            epoch_milliseconds: 1_767_607_323_250 + hour,
        };
        let tick = |hour: u64| meter.tick(moment(hour)).remove(0).payload;
        (0..5).map(tick).map(|payload| serde_json::from_slice(&payload).unwrap()).collect()
    }

    #[test]
    fn energy_only_rises_and_by_what_the_power_says() {
        let readings = readings(7);
        for pair in readings.windows(2) {
            let risen = pair[1]["energy"].as_f64().unwrap() - pair[0]["energy"].as_f64().unwrap();
            let power = pair[1]["power"].as_f64().unwrap() / 1000.0;
            assert!((risen - power).abs() < 0.01, "{pair:?}");
        }
        assert!(readings[0]["power"].is_i64() && readings[0]["ts"].is_u64());
    }

    #[test]
    fn the_same_seed_gives_the_same_readings() {
        assert_eq!(readings(7), readings(7));
        assert_ne!(readings(7), readings(8));
    }
}
