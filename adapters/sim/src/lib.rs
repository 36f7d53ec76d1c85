//! Simulated devices for the demo, the tests and the benches. Each is an ordinary MQTT client with
//! a connection of its own, or a CoAP server; nothing in here knows of the gateway.
//!
//! [`devices`] holds their physics, which open no socket and look at no clock: the same seed and
//! the same moments give the same messages. [`Fleet`] connects them to a broker; [`CoapDevice`] listens.

pub mod coap;
pub mod device;
pub mod devices;
mod fleet;

pub use coap::CoapDevice;
pub use device::{Device, Message, Moment};
pub use fleet::{Fleet, Options};
