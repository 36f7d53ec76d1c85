//! How much the gateway takes in before it refuses, says so and counts it.

use serde::Deserialize;
use thingway_sdk::codec;

/// `[limits]`: what arrives beyond these is refused, counted and logged; nothing is cut silently.
#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest payload of one message that is taken apart, in bytes.
    pub payload_bytes: usize,
    /// How deep JSON objects and arrays may nest.
    pub json_depth: usize,
    /// Leaves of one JSON object, that is, properties set by one message.
    pub leaves_per_message: usize,
    /// Length of a property name, in bytes, dots included.
    pub name_bytes: usize,
    /// Things in all.
    pub things: usize,
    /// Properties of one thing.
    pub properties_per_thing: usize,
    /// Properties of all things together.
    pub properties: usize,
    /// Memory for texts, arrays and bytes among the states and for registered descriptions, in
    /// bytes; numbers and short texts take none of it.
    pub state_bytes: usize,
    /// Messages that `/adapters/{name}/messages` remembers, for each adapter.
    pub messages_remembered: usize,
    /// Commands that wait for their device at the same time.
    pub commands_waiting: usize,
    /// Open event streams and WebSockets together.
    pub streams: usize,
    /// Registered webhooks.
    pub webhooks: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Some bridges tell of all their devices in one message: Zigbee2MQTT takes 1 MiB for
            // about 150.
            payload_bytes: 8 * 1024 * 1024,
            json_depth: 32,
            leaves_per_message: 1000,
            name_bytes: 256,
            things: 100_000,
            properties_per_thing: 1000,
            properties: 1_000_000,
            state_bytes: 128 * 1024 * 1024,
            messages_remembered: 1000,
            commands_waiting: 1000,
            streams: 20_000,
            webhooks: 1000,
        }
    }
}

impl Limits {
    /// The part that the payload codecs keep to.
    #[must_use]
    pub fn codec(&self) -> codec::Limits {
        codec::Limits {
            depth: self.json_depth,
            leaves: self.leaves_per_message,
            name_bytes: self.name_bytes,
        }
    }
}
