//! Thingway, the IoT interoperability gateway, as a library.
//!
//! Data travels through the modules in this order: an adapter ([`adapters`]) reports to its
//! [`silo`], which maps the message ([`mapping`]) and has it recorded ([`recorder`]): appended to
//! the [`log`], folded into the [`registry`]. [`rest`] reads the registry, [`push`] follows the
//! log, and [`command`] is the way back; [`exposed`] is the three for adapters that serve clients
//! themselves. [`supervisor`] keeps the adapters running, and
//! [`gateway`] puts all of it together.

pub mod adapters;
pub mod cli;
pub mod command;
pub mod config;
pub mod exposed;
pub mod gateway;
pub mod limits;
pub mod log;
pub mod mapping;
pub mod push;
pub mod recorder;
pub mod registry;
pub mod rest;
pub mod silo;
pub mod supervisor;
pub mod telemetry;
