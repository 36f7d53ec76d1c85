//! Webhooks: changes posted to somebody's URL, as CloudEvents that are signed after Standard
//! Webhooks.
//!
//! A definition ([`WebhookPatch`]) becomes a webhook with a courier, a task of its own. It takes
//! one event after the other from its own cursor in the log (`source`), the `outbox` decides what
//! to send when, the `client` sends it over the courier's own connections. So a receiver that is down delays no other, and nothing
//! piles up for it: what it misses stays in the log, and where the log is outrun the receiver is
//! told of the gap and gets the newest states.

mod backoff;
mod client;
mod config;
mod counters;
mod courier;
mod definition;
mod delivery;
mod error;
mod event;
mod health;
mod link;
mod manage;
mod network;
mod outbox;
mod outcome;
mod patch;
mod reconfigure;
mod request;
mod secret;
mod source;
mod target;
#[cfg(test)]
mod tests;
mod view;
#[expect(clippy::module_inception, reason = "one webhook, among what all webhooks need")]
mod webhook;
mod webhooks;

pub use config::{DeliveryConfig, WebhookConfig};
pub use counters::Counters;
pub(crate) use delivery::REMEMBERED;
pub use delivery::{Delivery, DeliveryOutcome};
pub use error::{CreateError, RedeliverError, StartError};
pub use network::{InvalidNetwork, Network};
pub use patch::{Fault, NewSecret, WebhookPatch};
pub use secret::{InvalidSecret, Secret};
pub use view::{WebhookStatus, WebhookView};
pub use webhooks::Webhooks;
