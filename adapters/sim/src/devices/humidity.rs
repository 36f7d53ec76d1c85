use rand::RngExt;
use rand::rngs::StdRng;

use super::measured;
use crate::device::{Device, Message, Moment};

/// `demo/cellar/humidity`: as plain as can be, one number a message.
#[derive(Debug)]
pub struct HumiditySensor {
    rng: StdRng,
    percent: f64,
}

impl HumiditySensor {
    /// A damp cellar.
    #[must_use]
    pub fn new(rng: StdRng) -> Self {
        Self { rng, percent: 71.0 }
    }
}

impl Device for HumiditySensor {
    fn client_id(&self) -> &'static str {
        "demo-humidity"
    }

    fn tick(&mut self, _: Moment) -> Vec<Message> {
        let drift = self.rng.random_range(-0.4..0.4);
        self.percent = (self.percent + drift).clamp(40.0, 95.0);
        vec![Message::live("demo/cellar/humidity", measured(self.percent, 1).to_string())]
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng;
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_message_is_one_number_within_bounds() {
        let mut sensor = HumiditySensor::new(rng(1, 3));
        let now = Moment { uptime: Duration::ZERO, epoch_milliseconds: 0 };
        for _ in 0..1000 {
            let payload = sensor.tick(now).remove(0).payload;
            let percent: f64 = String::from_utf8_lossy(&payload).parse().unwrap();
            assert!((40.0..=95.0).contains(&percent));
        }
    }
}
