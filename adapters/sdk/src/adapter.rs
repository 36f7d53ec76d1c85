//! The contract between one protocol and the gateway.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use smol_str::SmolStr;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::model::{Timestamp, Value};

/// A boxed future, so that adapters of different protocols stand in one table.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One protocol, connected to one silo.
pub trait Adapter: Send + Sync + 'static {
    /// Where the silo is, as a URI without credentials: `mqtt://broker:1883`.
    fn endpoint(&self) -> String;

    /// Connects, says [`Reports::connected`], then reports until `stop` is cancelled (`Ok`) or
    /// the link is lost (`Err` says why). One call is one life of the link: the supervisor backs
    /// off and calls again, so this never waits for a second chance on its own. After `stop` it
    /// returns within a second or two.
    fn run(
        &self,
        reports: Reports,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<(), AdapterError>>;

    /// Carries one command and tells what is known of the answer: it answers for the device,
    /// where the protocol lets it, never for a broker in between. May be called at any time, also
    /// while the link is down, and ends by the command's deadline.
    fn execute(&self, command: Command) -> BoxFuture<'_, Result<Acknowledgement, AdapterError>>;

    /// What the protocol has counted since the adapter was made, beside the messages that it
    /// reported: each with its name in `snake_case`, such as `retransmitted`. The names are always
    /// the same ones, and no count falls.
    fn counts(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// Where something is within its silo: an MQTT topic, a CoAP path, a Modbus register.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(SmolStr);

impl Address {
    /// An address of up to so many bytes takes no memory of its own: it costs no more to make one
    /// than to clone it.
    pub const INLINE_BYTES: usize = 23;

    /// The address as its protocol writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Address {
    fn from(text: &str) -> Self {
        Self(SmolStr::new(text))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The bytes of one message and what the protocol says of them.
#[derive(Debug, Clone, Default)]
pub struct Payload {
    /// As they came, shared with the adapter's read buffer.
    pub bytes: Bytes,
    /// The media type, where the protocol carries one.
    pub content_type: Option<SmolStr>,
}

/// What an adapter knows of the resource behind an address, where its protocol tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Name of the device as the protocol has it (host, endpoint name); levels separated by `/`.
    pub thing: SmolStr,
    /// Name of the property or action: `sensors.temp` for `/sensors/temp`.
    pub name: SmolStr,
    /// Human-readable title of the property or action.
    pub title: Option<SmolStr>,
    /// Semantic type (CoRE `rt`, RFC 6690, section 3.1), as TD `@type` of the affordance.
    pub semantic_type: Option<SmolStr>,
    /// How it is written or invoked, when it can be.
    pub form: Option<Form>,
}

/// One message that arrived for one address of one silo.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Where it came from.
    pub address: Address,
    /// What is there, where the protocol tells: all observations of an address say so then, and
    /// what is new in it takes the place of what was told before. Otherwise the address says it all.
    pub about: Option<Arc<Subject>>,
    /// What it said.
    pub payload: Payload,
    /// When the adapter read it.
    pub received: Timestamp,
    /// The silo kept it for newcomers: it tells the present state, not that something happened
    /// just now (MQTT retain flag).
    pub retained: bool,
    /// The silo says that it may have sent this before (MQTT DUP flag).
    pub redelivered: bool,
}

impl Observation {
    /// Whether it tells of the present rather than of something that happened just now: kept by
    /// the silo for newcomers, or sent once more.
    #[must_use]
    pub const fn is_replayed(&self) -> bool {
        self.retained || self.redelivered
    }
}

/// A message that arrived but can't be handed on: too large, or its address is not well formed.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// Where it came from, as far as that could be read.
    pub address: Address,
    /// Size of its payload, in bytes.
    pub size: usize,
    /// Why, and what to change.
    pub reason: String,
    /// When the adapter read it.
    pub received: Timestamp,
}

/// An action that a device offers.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Where the action is.
    pub address: Address,
    /// What it is called, and how it is invoked.
    pub subject: Arc<Subject>,
    /// When the adapter learned of it.
    pub received: Timestamp,
}

/// Device to gateway. Only what was observed or rejected is a message, and counted as one.
#[derive(Debug, Clone)]
pub enum Report {
    /// A message arrived.
    Observed(Observation),
    /// A message arrived, and the adapter could not take it.
    Rejected(Rejection),
    /// The device has an action. Saying so again changes nothing.
    Offered(Offer),
    /// The device no longer has what was at this address: its states become stale, its action
    /// goes.
    Withdrawn(Address),
    /// Nobody vouches any more for the states of this address (CoAP Max-Age has passed): they are
    /// stale until it is observed again.
    Stale(Address),
}

impl Report {
    /// Where it came from.
    #[must_use]
    pub fn address(&self) -> &Address {
        match self {
            Self::Observed(observation) => &observation.address,
            Self::Rejected(rejection) => &rejection.address,
            Self::Offered(offer) => &offer.address,
            Self::Withdrawn(address) | Self::Stale(address) => address,
        }
    }

    /// Whether it is a message, or something that the adapter knows without one.
    #[must_use]
    pub fn is_message(&self) -> bool {
        matches!(self, Self::Observed(_) | Self::Rejected(_))
    }
}

/// Where an adapter puts its reports. Cheap to clone.
#[derive(Clone)]
pub struct Reports(Arc<dyn Intake>);

/// The gateway's side of [`Reports`]: implemented once by the gateway and once by the conformance
/// suite.
pub trait Intake: Send + Sync + 'static {
    /// See [`Reports::connected`].
    fn connected(&self);

    /// See [`Reports::troubled`].
    fn troubled(&self, reason: String);

    /// See [`Reports::submit`].
    fn submit<'a>(&'a self, batch: &'a mut Vec<Report>) -> BoxFuture<'a, ()>;
}

impl Reports {
    /// Reports go to this intake.
    #[must_use]
    pub fn new(intake: Arc<dyn Intake>) -> Self {
        Self(intake)
    }

    /// Tells that the link is up and the subscriptions are asked for: what was stale may become
    /// good again.
    pub fn connected(&self) {
        self.0.connected();
    }

    /// Tells of something that an operator should know and that leaves the link up, such as a
    /// peer with a wrong key.
    pub fn troubled(&self, reason: String) {
        self.0.troubled(reason);
    }

    /// Hands over a batch and leaves `batch` empty, its allocation ready for the next. Returns
    /// when every report in it was applied or counted as failed: only then may the adapter
    /// acknowledge the messages to its silo.
    pub async fn submit(&self, batch: &mut Vec<Report>) {
        self.0.submit(batch).await;
        batch.clear();
    }
}

/// What a command does (TD 1.1, section 5.3.4.2 `op`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `writeproperty`
    WriteProperty,
    /// `invokeaction`
    InvokeAction,
}

/// How one operation is done over the adapter's protocol (TD 1.1, section 5.3.4.2 `Form`).
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// Where the command goes.
    pub address: Address,
    /// The operation.
    pub operation: Operation,
    /// The media type that the gateway encodes the command's payload in; JSON when left out.
    pub content_type: Option<SmolStr>,
    /// The protocol's own terms with their prefix: `mqv:qos`, `mqv:retain`, `cov:method`.
    pub terms: BTreeMap<SmolStr, Value>,
}

/// Identifies one command for as long as its record is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CommandId(pub SmolStr);

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gateway to device.
#[derive(Debug, Clone)]
pub struct Command {
    /// Names the command in logs.
    pub id: CommandId,
    /// Where and how.
    pub form: Form,
    /// What is sent, already in the device's own format; empty for an action without input.
    pub payload: Payload,
    /// The command must have ended by then; what was not sent yet is dropped.
    pub deadline: Instant,
}

/// What is known of a device's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acknowledgement {
    /// The device itself said that it did it, perhaps with a result.
    Confirmed(Option<Value>),
    /// The silo took it over; the device has not answered.
    Accepted,
}

/// Why a link was lost or a command failed.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// The link could not be made or was lost; worth another try.
    #[error("{0}")]
    Link(String),
    /// The device or its broker said no.
    #[error("refused: {0}")]
    Refused(String),
    /// No answer came by the deadline.
    #[error("no answer in time: {0}")]
    TimedOut(String),
    /// The protocol or this device can't do that.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// Too many commands wait already; try again later.
    #[error("too many commands wait: {0}")]
    Busy(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_longer_addresses_take_memory() {
        let takes_memory = |bytes| Address::from("x".repeat(bytes).as_str()).0.is_heap_allocated();
        assert!(!takes_memory(Address::INLINE_BYTES));
        assert!(takes_memory(Address::INLINE_BYTES + 1));
    }
}
