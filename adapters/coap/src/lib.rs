#![doc = include_str!("../README.md")]
//!
//! # For readers of the code
//!
//! A datagram becomes a [`message`]; `wire` acts on each message once and sends Confirmable ones
//! until they are acknowledged; `client` and `server` know requests and responses, and [`Endpoint`]
//! joins the three. None of them has a socket or a clock: whoever drives them has. [`block`] and
//! [`observe`] hold the rules of the two extensions that can be told without any state around them.

pub mod block;
pub mod bridge;
mod client;
pub mod config;
pub mod content_format;
mod device;
pub mod directory;
pub mod discovery;
pub mod driver;
pub mod dtls;
mod endpoint;
mod event;
mod exchange;
pub mod link_format;
mod listener;
pub mod message;
pub mod observe;
mod server;
mod serving;
mod time;
mod transmission;
mod wire;

pub use bridge::{Bridge, DeviceConfig};
pub use config::Config;
pub use endpoint::Endpoint;
pub use event::{
    Counters, Event, Failure, IncomingId, ObservationId, ObserverId, RequestId, Trouble,
};
pub use exchange::{Request, Response};
pub use listener::{ClientAddresses, CoapServer, ServerConfig};
pub use server::UnknownObserver;
pub use time::Time;
pub use transmission::{AckTimeout, MaxRetransmit, Transmission};
