//! Reads one `[[adapters]]` entry: its name, and by its protocol that protocol's own options.

use serde::Deserialize;
use serde::de::Error;

use super::fault::{Fault, Kind};
use super::reader::Reader;
use super::sections::Sections;
use super::tree::{Step, Value};
use crate::adapters::{AdapterEntry, ProtocolConfig};

/// The keys of an entry that are not its protocol's.
const OWN_KEYS: [&str; 2] = ["name", "protocol"];

pub(super) fn read(sections: &mut Sections<'_>, path: &[Step]) -> Option<AdapterEntry> {
    let name = sections.read(path, |entry| text(entry, "name"));
    let protocol = sections.read(path, |entry| {
        let protocol = text(entry, "protocol")?;
        ProtocolConfig::read(&protocol, Reader(&options(entry))).map_err(|fault| match fault.kind {
            Kind::UnknownWord { .. } if fault.path.is_empty() => fault.inside("protocol"),
            _ => fault.knowing(&OWN_KEYS),
        })
    });
    Some(AdapterEntry { name: name?, protocol: protocol? })
}

fn text(entry: &Value, key: &'static str) -> Result<String, Fault> {
    match entry {
        Value::Table(entries) => match entries.get(key) {
            Some(node) => String::deserialize(Reader(&node.value)).map_err(|f| f.inside(key)),
            None => Err(Fault::missing_field(key)),
        },
        other => String::deserialize(Reader(other)),
    }
}

fn options(entry: &Value) -> Value {
    let mut options = entry.clone();
    if let Value::Table(entries) = &mut options {
        entries.retain(|key, _| !OWN_KEYS.contains(&key.as_str()));
    }
    options
}
