//! Push: event streams, WebSockets and webhooks, three views of one feed of changes.
//!
//! Each of them is a position in the log ([`cursor::Cursor`]) and holds no queue of its own, so
//! nobody waits for a slow reader, and memory per stream does not grow. Who has a socket to itself
//! is told by a [`herald`] of what is new, the others have a [`feed::Feed`] that wakes them.

pub mod cursor;
pub mod feed;
pub mod filter;
pub mod herald;
pub mod sse;
pub mod streams;
pub mod webhook;
pub mod ws;

pub(crate) mod frames;

mod page;
mod write;
