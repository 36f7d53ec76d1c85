//! Simulated devices for the demo, the tests and the benches. Each is an ordinary MQTT client with
//! a connection of its own; nothing in here knows of the gateway.
//!
//! [`devices`] holds their physics, which open no socket and look at no clock: the same seed and
//! the same moments give the same messages. [`Fleet`] connects them to a broker.

pub mod device;
pub mod devices;
mod fleet;

pub use device::{Device, Message, Moment};
pub use fleet::{Fleet, Options};
