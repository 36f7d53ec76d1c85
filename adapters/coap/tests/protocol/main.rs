//! The endpoint by its bytes, on a clock of the test's own. One binary for all; each file says what
//! it proves.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod a_lossy_network_converges;
mod any_datagram_is_survived;
mod blocks_make_bodies;
mod bodies_survive_a_lossy_network;
mod hostile_peers_change_nothing;
mod messages_are_sent_until_acknowledged;
mod observing_goes_on;
mod requests_are_answered_once;
mod support;
mod unverified_addresses_get_little;
