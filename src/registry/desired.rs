use serde::Serialize;
use smol_str::SmolStr;
use thingway_sdk::{Timestamp, Value};

/// What somebody asked a property to become. A write changes this and nothing else: the reported
/// state changes only on evidence from the device.
#[derive(Debug, Clone, Serialize)]
pub struct Desired {
    /// The value asked for.
    pub value: Value,
    /// When it was asked for.
    pub time: Timestamp,
    /// The command that carries it.
    pub command: SmolStr,
    /// How far it got.
    pub status: DesiredStatus,
}

/// How far a command got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DesiredStatus {
    /// On its way: the device has not shown yet that it obeyed.
    Pending,
    /// The device said so, or reported the value.
    Confirmed,
    /// The silo took it over, and this device never answers.
    Accepted,
    /// The device or its silo said no.
    Refused,
    /// The device did not show that it obeyed before the deadline.
    Timeout,
}
