//! The devices themselves.

mod attic;
mod door;
mod humidity;
mod meter;
mod thermostat;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;

pub use attic::FaultySensor;
pub use door::DoorContact;
pub use humidity::HumiditySensor;
pub use meter::PowerMeter;
pub use thermostat::Thermostat;

use crate::device::Device;

/// One of each kind.
#[must_use]
pub fn all(seed: u64) -> Vec<Box<dyn Device>> {
    vec![
        Box::new(Thermostat::new()),
        Box::new(PowerMeter::new(rng(seed, 1))),
        Box::new(DoorContact::new(rng(seed, 2))),
        Box::new(FaultySensor::new()),
        Box::new(HumiditySensor::new(rng(seed, 3))),
    ]
}

/// Devices draw from streams of their own: one more device changes no other.
pub(crate) fn rng(seed: u64, device: u64) -> StdRng {
    StdRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(device))
}

/// A measurement with so many decimals; a whole number is written without a point.
pub(crate) fn measured(value: f64, decimals: i32) -> Value {
    let scale = 10_f64.powi(decimals);
    let rounded = (value * scale).round() / scale;
    if rounded.fract() == 0.0 && rounded.abs() < 1e15 {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
        let whole = rounded as i64;
        return Value::from(whole);
    }
    Value::from(rounded)
}
