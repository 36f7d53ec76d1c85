//! What the gateway shows to the clients of another protocol's server: an adapter that listens
//! (CoAP's, later OPC UA's or Modbus') is given an [`Exposed`] and serves the gateway's things
//! through it, whatever silo they come from.

use smol_str::SmolStr;
use tokio::time::Instant;

use crate::adapter::BoxFuture;
use crate::model::{Quality, ThingId, Timestamp, Value};

/// All things of the gateway. Calls that are not async return at once, from memory.
pub trait Exposed: Send + Sync + 'static {
    /// All things, in code point order of their ids.
    fn things(&self) -> Vec<ExposedThing>;

    /// One thing, by its id or its bare name.
    fn thing(&self, id: &str) -> Option<ExposedThing>;

    /// The present state of a property; none when there is no such thing or property.
    fn read(&self, thing: &str, property: &str) -> Option<Snapshot>;

    /// Asks the device to take a value, and waits for its answer until the deadline. The command
    /// goes on after that, until its own deadline.
    fn write<'a>(
        &'a self,
        thing: &'a str,
        property: &'a str,
        value: Value,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Written, WriteFailure>>;

    /// Follows a property from now on; none when there is no such thing or property. Who needs the
    /// present state, too, reads it afterwards and passes over what is not newer.
    fn follow(&self, thing: &str, property: &str) -> Option<Box<dyn Following>>;
}

/// Follows one property: a position in the gateway's log, which costs nothing while it waits.
pub trait Following: Send {
    /// Waits for the next state and returns the newest there is: what it was overtaken by is not
    /// told. None when the thing is gone. May be cancelled and called again.
    fn next(&mut self) -> BoxFuture<'_, Option<Snapshot>>;
}

/// One thing as clients of any protocol see it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExposedThing {
    /// Its id.
    pub id: ThingId,
    /// What people call it.
    pub title: Option<SmolStr>,
    /// Its semantic type, as TD `@type`.
    pub semantic_type: Option<SmolStr>,
    /// Its properties, in the order in which they were first seen.
    pub properties: Vec<ExposedProperty>,
}

/// One property without its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExposedProperty {
    /// Its name.
    pub name: SmolStr,
    /// What people call it.
    pub title: Option<SmolStr>,
    /// Its semantic type, as TD `@type`.
    pub semantic_type: Option<SmolStr>,
    /// Its unit, as a SenML symbol (RFC 8428, section 12.1).
    pub unit: Option<SmolStr>,
    /// Whether it can be written.
    pub writable: bool,
}

/// The state of a property at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// As the device sent it.
    pub value: Value,
    /// Its unit, as a SenML symbol.
    pub unit: Option<SmolStr>,
    /// When it was so: the device's own time, else the time of receipt.
    pub time: Timestamp,
    /// How far it may be trusted.
    pub quality: Quality,
    /// Rises with each state of any property of the gateway: an entity tag.
    pub revision: u64,
}

/// What became of a write that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The device said so, or reports the value.
    Confirmed,
    /// It is on its way: the device had not shown by the deadline that it obeyed.
    Sent,
}

/// Why a write failed. The texts say what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteFailure {
    /// There is no such thing or property.
    #[error("there is no such property")]
    Unknown,
    /// Nobody has said how it is written.
    #[error("{0}")]
    ReadOnly(String),
    /// The value does not fit the property.
    #[error("the value does not fit the property: {0}")]
    BadValue(String),
    /// It can't be sent now; a later try may succeed.
    #[error("{0}")]
    Busy(String),
    /// The device or its silo said no.
    #[error("{0}")]
    Refused(String),
    /// The device did not answer.
    #[error("{0}")]
    TimedOut(String),
}
