//! The adapters against what they have to work with: mosquitto, and mosquitto's clients. One
//! binary for all, because linking takes longer than testing; each file says what it proves.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bridge_conforms;
#[cfg(feature = "embedded-broker")]
mod broker_conforms;
mod support;
