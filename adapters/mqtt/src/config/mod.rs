//! What can be set. The doc comments are the reference that users read.

mod bridge;
mod broker;
mod secret;
mod url;

pub use bridge::{BridgeConfig, InvalidBridge, QoS, Version};
pub use broker::BrokerConfig;
pub use secret::Secret;
pub use url::{BrokerUrl, InvalidUrl};
