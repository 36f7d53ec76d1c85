#![doc = include_str!("../README.md")]
//!
//! # For readers of the code
//!
//! Bytes come in through `link` and become packets in `transport`, which alone knows rumqttc;
//! `session` makes reports of them and keeps what the protocol owes the broker; `bridge` drives the
//! three as an [`Adapter`], in a flood on a thread of its own. Commands go back through `form` and
//! `outbox`, and `echoes` knows them again when the broker sends them to us. `broker` is the other
//! adapter of this crate: a broker of our own instead of a connection to one.
//!
//! [`Adapter`]: thingway_sdk::Adapter

mod batch;
mod bridge;
#[cfg(feature = "embedded-broker")]
mod broker;
pub mod config;
mod echoes;
mod form;
mod link;
mod outbox;
mod session;
mod socket;
mod tls;
pub mod topic;
mod transport;

pub use bridge::Bridge;
#[cfg(feature = "embedded-broker")]
pub use broker::Broker;
pub use config::{BridgeConfig, BrokerConfig};
