use std::sync::Arc;

use smol_str::SmolStr;
use thingway_sdk::{ThingId, Timestamp, Value};

use crate::registry::{DesiredStatus, Thing};

/// One command and how far it got.
#[derive(Debug, Clone)]
pub struct CommandRecord {
    /// Its id under `/commands/`.
    pub id: SmolStr,
    /// The thing.
    pub thing: ThingId,
    /// What is asked of it.
    pub request: Request,
    /// How far it got.
    pub status: DesiredStatus,
    /// Whether the device's silo took it over; the device may have answered nothing yet.
    pub sent: bool,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Why it was refused or timed out.
    pub error: Option<String>,
}

/// What a command asks of its thing.
#[derive(Debug, Clone)]
pub enum Request {
    /// That a property becomes something.
    Write {
        /// The property.
        property: SmolStr,
        /// What it is to become.
        value: Value,
    },
    /// That an action is done.
    Invoke {
        /// The action.
        action: SmolStr,
        /// What came of it, where the device said so.
        output: Option<Value>,
    },
}

/// Why a request did not even become a command.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Neither a rule nor the device says how to write it.
    #[error(
        "the property can only be read; a rule in thingway.toml that names its command topic makes it writable"
    )]
    ReadOnly,
    /// The value does not fit the property's schema, or the device's format can't say it.
    #[error("{0}")]
    BadValue(String),
    /// Too many commands wait for their devices.
    #[error("{0} commands wait for their devices already; try again later")]
    Busy(usize),
    /// The adapter that the property or action came from is gone.
    #[error("the adapter `{0}` does not run")]
    NoAdapter(Arc<str>),
}

impl CommandRecord {
    pub(super) fn new(thing: &Thing, request: Request) -> Self {
        Self {
            id: new_id(),
            thing: thing.id().clone(),
            request,
            status: DesiredStatus::Pending,
            sent: false,
            created: Timestamp::now(),
            ended: None,
            error: None,
        }
    }
}

/// 96 random bits: nobody guesses the id of another's command.
fn new_id() -> SmolStr {
    let random: u128 = rand::random();
    smol_str::format_smolstr!("{:024x}", random >> 32)
}
