use serde::ser::{Serialize, SerializeStruct, Serializer};
use thingway_sdk::ThingId;

use super::Desired;
use crate::log::{Property, Seq, State};

/// One state with all that belongs to it, as streams, webhooks and `/properties` show it.
pub struct StateRecord<'a> {
    /// The thing.
    pub thing: &'a ThingId,
    /// The property.
    pub property: &'a Property,
    /// Where in its silo the state came from.
    pub address: &'a str,
    /// Its state.
    pub state: &'a State,
    /// The sequence number under which the state was recorded.
    pub revision: Seq,
    /// What was asked of it last, if anything.
    pub desired: Option<&'a Desired>,
}

/// Where states come from.
struct Source<'a> {
    adapter: &'a str,
    address: &'a str,
}

impl StateRecord<'_> {
    fn source(&self) -> Source<'_> {
        Source { adapter: &self.property.adapter, address: self.address }
    }
}

impl Serialize for Source<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut source = serializer.serialize_struct("Source", 2)?;
        source.serialize_field("adapter", self.adapter)?;
        source.serialize_field("address", self.address)?;
        source.end()
    }
}

impl Serialize for StateRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_struct("StateRecord", 10)?;
        record.serialize_field("thing", self.thing)?;
        record.serialize_field("property", &self.property.name)?;
        record.serialize_field("value", &self.state.value)?;
        record.serialize_field("unit", &self.property.unit())?;
        record.serialize_field("time", &self.state.time)?;
        record.serialize_field("received", &self.state.received)?;
        record.serialize_field("quality", &self.state.quality)?;
        record.serialize_field("source", &self.source())?;
        record.serialize_field("revision", &self.revision)?;
        match self.desired {
            Some(desired) => record.serialize_field("desired", desired)?,
            None => record.skip_field("desired")?,
        }
        record.end()
    }
}
