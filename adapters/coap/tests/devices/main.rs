//! The bridge to a device, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod a_lossy_network_leaves_nothing_stale;
mod bridge_conforms;
mod libcoap_is_understood;
mod support;
mod the_device_is_followed;
