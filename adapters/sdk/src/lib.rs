//! All that a Thingway adapter is written against.
//!
//! Read in this order: [`model`] holds the words (value, timestamp, quality, thing id),
//! [`adapter`] the contract between a protocol and the gateway, [`codec`] turns payload bytes
//! into values, and [`expose`] is what an adapter that serves clients shows them. Nothing in here opens a socket or knows of HTTP.

pub mod adapter;
pub mod codec;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod expose;
pub mod model;

pub use adapter::{
    Acknowledgement, Adapter, AdapterError, Address, BoxFuture, Command, CommandId, Form, Intake,
    Observation, Offer, Operation, Payload, Rejection, Report, Reports, Subject,
};
pub use expose::{
    Exposed, ExposedProperty, ExposedThing, Following, Snapshot, WriteFailure, Written,
};
pub use model::{Number, Quality, ThingId, Timestamp, Value};
