//! The files in `schemas/` that describe the HTTP interface are promises to its clients; they must
//! say what the handlers say.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

use std::path::Path;

use serde_json::{Value, json};

/// Compares a schema with its file, or writes it with `UPDATE_SCHEMAS=1`.
fn compare(name: &str, schema: &Value) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    let mut sorted = schema.clone();
    sorted.sort_all_objects();
    let expected = format!("{sorted:#}\n");
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&file, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == expected,
        "schemas/{name} differs from the handlers in src/rest; if that is meant, run\n\
         UPDATE_SCHEMAS=1 cargo test --test schemas_match_the_handlers"
    );
}

fn document() -> Value {
    serde_json::to_value(thingway::rest::document()).unwrap()
}

/// One schema of the API description as a JSON Schema of its own.
fn alone(name: &str) -> Value {
    let text = document()["components"]["schemas"].to_string();
    let mut schemas: Value =
        serde_json::from_str(&text.replace("#/components/schemas/", "#/$defs/")).unwrap();
    let mut schema = schemas[name].take();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!(name);
    let referred: serde_json::Map<String, Value> = schemas
        .as_object()
        .unwrap()
        .iter()
        .filter(|(other, _)| refers(&schema, other) || deeper(&schemas, &schema, other))
        .map(|(other, schema)| (other.clone(), schema.clone()))
        .collect();
    if !referred.is_empty() {
        schema["$defs"] = referred.into();
    }
    schema
}

fn refers(schema: &Value, other: &str) -> bool {
    schema.to_string().contains(&format!("\"#/$defs/{other}\""))
}

/// Whether something that the schema refers to refers to the other in turn.
fn deeper(schemas: &Value, schema: &Value, other: &str) -> bool {
    let between = schemas.as_object().unwrap();
    between.iter().any(|(name, between)| refers(schema, name) && refers(between, other))
}

#[test]
fn the_api_description_in_git_is_the_one_of_the_handlers() {
    compare("openapi.json", &document());
}

#[test]
fn the_schema_of_changes_is_the_one_of_the_records() {
    let schema = alone("StateRecord");
    compare("change.schema.json", &schema);
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let record = json!({
        "thing": "urn:thingway:home.lamp", "property": "on", "value": true, "unit": null,
        "time": "2026-01-05T10:02:03.25Z", "received": "2026-01-05T10:02:03.3Z",
        "quality": "good", "source": { "adapter": "mqtt", "address": "home/lamp" },
        "revision": 1_767_607_323_250_001_u64,
    });
    assert!(validator.is_valid(&record));
    let without_quality = json!({ "thing": "urn:thingway:home.lamp", "property": "on" });
    assert!(!validator.is_valid(&without_quality));
}

#[test]
fn the_schema_of_problems_is_the_one_of_the_answers() {
    let schema = alone("Problem");
    compare("problem.schema.json", &schema);
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let problem =
        json!({ "type": "about:blank", "title": "Not Found", "status": 404, "detail": "…" });
    assert!(validator.is_valid(&problem));
    assert!(!validator.is_valid(&json!({ "status": "404" })));
}
