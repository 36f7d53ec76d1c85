//! Webhooks: changes posted to somebody's URL.

mod config;

pub use config::{DeliveryConfig, WebhookConfig};
