//! The JSON Schema (2020-12) of `thingway.toml`, from the types that read it: editors complete and
//! check the file by it.

use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::Config;
use crate::adapters::{ProtocolConfig, ProtocolSchema};

/// The schema as it was made at last, without the protocols that this build does not speak: what
/// makes it anew is large. A test compares the two.
#[must_use]
pub fn promised_schema() -> Value {
    let text = include_str!("../../schemas/config.schema.json");
    let mut schema: Value = serde_json::from_str(text).unwrap_or_default();
    let adapters = schema.pointer_mut("/properties/adapters/items/oneOf");
    if let Some(entries) = adapters.and_then(Value::as_array_mut) {
        let spoken = |title: &str| ProtocolConfig::NAMES.contains(&title);
        entries.retain(|entry| entry["title"].as_str().is_some_and(spoken));
    }
    schema
}

/// The schema as it is promised in `schemas/config.schema.json`, made anew.
#[must_use]
pub fn json_schema() -> Value {
    let protocols = ProtocolConfig::schemas();
    let mut schema = as_json(&Config::schema());
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("thingway.toml");
    schema["additionalProperties"] = json!(false);
    schema["properties"]["adapters"]["items"] = entry_of_any(&protocols);
    schema["$defs"] = definitions(&protocols).into();
    if let Some(root) = schema.as_object_mut() {
        // Every section has defaults.
        root.remove("required");
    }
    point_at_definitions(&mut schema);
    // The order of maps is that of the build; files in git need one that stays.
    schema.sort_all_objects();
    schema
}

fn definitions(protocols: &[ProtocolSchema]) -> Map<String, Value> {
    let mut referred_to = Vec::new();
    Config::schemas(&mut referred_to);
    let by_protocols = protocols.iter().flat_map(|protocol| &protocol.refers_to);
    referred_to
        .iter()
        .chain(by_protocols)
        .map(|(name, schema)| (name.clone(), as_json(schema)))
        .collect()
}

/// An `[[adapters]]` entry: one protocol's options, and beside them its name and the protocol.
fn entry_of_any(protocols: &[ProtocolSchema]) -> Value {
    let entries: Vec<Value> = protocols.iter().map(entry).collect();
    json!({ "oneOf": entries })
}

fn entry(protocol: &ProtocolSchema) -> Value {
    let mut entry = as_json(&protocol.schema);
    entry["title"] = json!(protocol.protocol);
    entry["properties"]["protocol"] = json!({ "const": protocol.protocol });
    entry["properties"]["name"] = json!({
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]{1,128}$",
        "description": "Its name in `/adapters/` and in rules.",
    });
    let options = entry["required"].as_array().cloned().unwrap_or_default();
    let required = [json!("name"), json!("protocol")].into_iter().chain(options);
    entry["required"] = required.collect();
    entry
}

fn as_json(schema: &RefOr<Schema>) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

/// OpenAPI keeps its schemas elsewhere than JSON Schema does.
fn point_at_definitions(schema: &mut Value) {
    match schema {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix("#/components/schemas/") {
                *text = format!("#/$defs/{name}");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(point_at_definitions),
        Value::Object(members) => members.values_mut().for_each(point_at_definitions),
        _ => {}
    }
}
