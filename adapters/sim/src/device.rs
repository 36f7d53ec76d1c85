//! What every device can do, without a socket.

use std::time::Duration;

use bytes::Bytes;

/// A moment in the life of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Since the device was switched on.
    pub uptime: Duration,
    /// Milliseconds since 1970, as the device's clock has it.
    pub epoch_milliseconds: u64,
}

/// One message that a device publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub topic: &'static str,
    /// What.
    pub payload: Bytes,
    /// Whether the broker keeps it for newcomers.
    pub retain: bool,
}

impl Message {
    /// Something that happens now.
    #[must_use]
    pub fn live(topic: &'static str, payload: impl Into<Bytes>) -> Self {
        Self { topic, payload: payload.into(), retain: false }
    }

    /// A state that newcomers are told, too.
    #[must_use]
    pub fn retained(topic: &'static str, payload: impl Into<Bytes>) -> Self {
        Self { topic, payload: payload.into(), retain: true }
    }
}

/// A device: it changes with time and with commands, and says so.
pub trait Device: Send + 'static {
    /// Its MQTT client id.
    fn client_id(&self) -> &'static str;

    /// The topic on which it takes commands, if it takes any.
    fn command_topic(&self) -> Option<&'static str> {
        None
    }

    /// Time has gone on. Called again and again, with moments that only rise.
    fn tick(&mut self, now: Moment) -> Vec<Message>;

    /// A command came; what it can't understand, a device ignores.
    fn command(&mut self, _payload: &[u8], _now: Moment) -> Vec<Message> {
        Vec::new()
    }
}
