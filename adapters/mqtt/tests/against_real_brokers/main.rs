//! The adapters against what they have to work with: mosquitto, and mosquitto's clients. One
//! binary for all, because linking takes longer than testing; each file says what it proves.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bridge_conforms;
mod bridge_says_what_is_wrong;
#[cfg(feature = "embedded-broker")]
mod broker_conforms;
#[cfg(feature = "embedded-broker")]
mod broker_misses_nothing;
mod commands_are_not_lost;
mod floods_are_taken_in;
mod logins;
mod messages_are_accounted_for;
mod sessions_survive;
mod support;
