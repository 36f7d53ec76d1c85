//! The shapes of answers that are written piece by piece, for the API description.

use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema, schema};

use crate::registry::DesiredStatus;

/// Any JSON value.
pub(crate) struct AnyValue;

impl utoipa::PartialSchema for AnyValue {
    fn schema() -> RefOr<Schema> {
        any_value().into()
    }
}

pub(crate) fn any_value() -> schema::Object {
    schema::ObjectBuilder::new().schema_type(schema::SchemaType::AnyValue).build()
}

impl ToSchema for AnyValue {}

/// One state with all that belongs to it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its shape is read")]
pub(crate) struct StateRecord {
    /// Id of the thing.
    thing: String,
    /// Name of the property.
    property: String,
    /// The value as the device sent it; bytes as base64.
    #[schema(schema_with = any_value)]
    value: (),
    /// Unit, as a SenML symbol.
    unit: Option<String>,
    /// When it was so: the device's own time, else the time of receipt.
    #[schema(format = DateTime)]
    time: String,
    /// When the gateway received it.
    #[schema(format = DateTime)]
    received: String,
    /// How far it may be trusted.
    quality: thingway_sdk::Quality,
    /// Where it came from.
    source: Source,
    /// Sequence number: greater is later, over all things.
    revision: u64,
    /// What was asked of the property last.
    #[schema(required = false)]
    desired: Option<Desired>,
}

/// Where a state came from.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its shape is read")]
pub(crate) struct Source {
    /// Name of the adapter.
    adapter: String,
    /// Where in its silo: an MQTT topic.
    address: String,
}

/// What was asked of a property.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its shape is read")]
pub(crate) struct Desired {
    /// The value asked for.
    #[schema(schema_with = any_value)]
    value: (),
    /// When it was asked for.
    #[schema(format = DateTime)]
    time: String,
    /// Id of the command that carries it.
    command: String,
    /// How far it got.
    status: DesiredStatus,
}
