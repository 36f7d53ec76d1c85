//! `schemas/config.schema.json` is a promise to editors; it must say what the types say.

use std::path::Path;

use serde_json::{Value, json};
use thingway::config::{json_schema, promised_schema};

fn golden() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/config.schema.json")
}

#[test]
fn the_schema_in_git_is_the_one_of_the_types() {
    let expected = format!("{:#}\n", json_schema());
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(golden(), &expected).unwrap();
    }
    let found = std::fs::read_to_string(golden()).unwrap_or_default();
    assert!(
        found == expected,
        "schemas/config.schema.json differs from the types in src; if that is meant, run\n\
         UPDATE_SCHEMAS=1 cargo test --test config_schema_matches_the_types"
    );
    assert_eq!(promised_schema(), json_schema(), "what is printed is what is promised");
}

#[test]
fn the_schema_takes_what_the_gateway_takes_and_refuses_what_it_refuses() {
    let validator = jsonschema::draft202012::new(&json_schema()).unwrap();
    for good in [
        json!({}),
        json!({"http": {"listen": "127.0.0.1:0"}, "limits": {"things": 5}}),
        json!({"adapters": [
            {"name": "a", "protocol": "mqtt", "url": "mqtt://b", "version": "5", "qos": 2},
            {"name": "b", "protocol": "mqtt-broker"},
        ]}),
        json!({"rules": [{"topic": "a/{b}", "properties": {"x": {"write": {"topic": "a"}}}}]}),
        json!({"webhooks": [{"name": "w", "url": "https://x"}]}),
        json!({"coap": {"server": {"listen": "[::]:5684", "key_file": "/keys"}}}),
    ] {
        let errors: Vec<String> = validator.iter_errors(&good).map(|e| e.to_string()).collect();
        assert_eq!(errors, [""; 0], "{good}");
    }
    for bad in [
        json!({"htp": {}}),
        json!({"http": {"lisen": "127.0.0.1:0"}}),
        json!({"limits": {"things": "many"}}),
        json!({"adapters": [{"name": "a/b", "protocol": "mqtt", "url": "mqtt://b"}]}),
        json!({"adapters": [{"name": "a", "protocol": "mqtt"}]}),
        json!({"adapters": [{"name": "a", "protocol": "mqtt-broker", "url": "mqtt://b"}]}),
        json!({"rules": [{}]}),
        json!({"coap": {"server": {"addresses": "known"}}}),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let schema = json_schema();
    let mut references = Vec::new();
    collect(&schema, &mut references);
    for reference in references {
        assert!(schema.pointer(&reference[1..]).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}
