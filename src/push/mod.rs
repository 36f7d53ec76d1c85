//! Push: event streams, WebSockets and webhooks, three views of one feed of changes.
//!
//! Each of them is a position in the log ([`feed::Feed`]) and holds no queue of its own, so
//! nobody waits for a slow reader, and memory per stream does not grow.

pub mod feed;
pub mod filter;
pub mod sse;
pub mod streams;
pub mod webhook;
pub mod ws;

pub(crate) mod frames;
