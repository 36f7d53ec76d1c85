//! Every Thing Description that is served keeps TD 1.1: the published JSON schema, the rules that
//! no schema can say, and the checks of another implementation.

use serde_json::{Value, json};

use crate::support::{Gateway, npm, schema_of_things};

const RULES: &str = r#"
[[rules]]
topic = "home/{room}/thermostat"
title = "Thermostat"
type = "saref:Thermostat"
[rules.properties.setpoint]
title = "Set point"
description = "What it heats to"
type = "number"
unit = "Cel"
minimum = 5
maximum = 30
write = { topic = "home/{room}/thermostat/set" }
[rules.properties.temperature]
unit = "Cel"
[[rules]]
topic = "door/{id}/ring"
thing = "door.{id}"
event = "ring"
"#;

/// A gateway with a thing of every kind.
async fn zoo() -> Gateway {
    let gateway = Gateway::builder().toml(RULES).start().await;
    let device = gateway.publisher().await;
    device
        .publish("home/hall/thermostat", r#"{"setpoint":20,"temperature":19.5,"mode":"eco"}"#)
        .await;
    device.publish("door/front/ring", r#"{"button":1}"#).await;
    device.publish("door/back/ring", "1").await;
    device.publish("all/kinds", r#"{"a":1,"b":1.5,"c":"x","d":true,"e":null,"f":[1,"x"],"g":{},"h":{"i":1},"":2,"p q/r?":3,"ä":4}"#).await;
    device.publish("all/bytes", [0xff, 0x00]).await;
    device.publish("all/mixed", "1").await;
    device.publish("all/mixed", "\"x\"").await;
    device.publish("all/mixed", "null").await;
    device.publish("all/mixed", [0xff]).await;
    device.publish("x", "1").await;
    device.publish("odd name/ü//v", "1").await;
    let td = json!({
        "@context": ["https://www.w3.org/2022/wot/td/v1.1", {"ex": "https://example.org/"}],
        "title": "Registered",
        "securityDefinitions": {"basic_sc": {"scheme": "basic", "in": "header"}},
        "security": ["basic_sc"],
        "properties": {"level": {"type": "integer", "observable": true, "forms": [{"href": "https://device.example/level"}]}},
        "actions": {"reset": {"forms": [{"href": "https://device.example/reset"}]}},
        "events": {"full": {"data": {"type": "null"}, "forms": [{"href": "https://device.example/full"}]}},
    });
    gateway
        .send("POST", "/things", &[("content-type", "application/td+json")], td.to_string())
        .await
        .must(201);
    gateway.value_becomes("x", "x", "1").await;
    gateway.value_becomes("home.hall.thermostat", "setpoint", "20").await;
    gateway.received(11).await;
    gateway.assert_conserved().await;
    gateway
}

/// All that are listed, each as fetched alone, and the directory's own.
async fn all(gateway: &Gateway) -> Vec<Value> {
    let listed = gateway.json("/things?limit=1000").await;
    let mut tds = vec![gateway.json("/.well-known/wot").await];
    for listed in listed.as_array().unwrap() {
        let id = listed["id"].as_str().unwrap();
        let alone = gateway.get(&format!("/things/{id}")).await.must(200);
        assert_eq!(alone.media_type(), "application/td+json");
        assert_eq!(&alone.json(), listed, "listed and alone it is the same");
        tds.push(listed.clone());
    }
    assert!(tds.len() >= 9, "{} descriptions", tds.len());
    tds
}

#[tokio::test]
async fn by_the_published_schema() {
    let gateway = zoo().await;
    let schema = schema_of_things().await;
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(!validator.is_valid(&json!({"title": "nothing else"})), "the schema can say no");
    for td in all(&gateway).await {
        let errors: Vec<String> =
            validator.iter_errors(&td).map(|e| format!("{} at {}", e, e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?} in {td:#}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn by_the_checks_of_the_td_playground() {
    let gateway = zoo().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!(all(&gateway).await).to_string()).unwrap();
    let report = npm("check-things.mjs", &[file.path().to_str().unwrap()]).await;
    assert!(report.contains("descriptions are valid"), "{report}");
    gateway.finish().await;
}

#[tokio::test]
async fn by_the_rules_that_no_schema_can_say() {
    let gateway = zoo().await;
    for td in all(&gateway).await {
        let contexts = strings(&td["@context"]);
        assert!(contexts.iter().any(|c| c == "https://www.w3.org/2022/wot/td/v1.1"), "{td}");
        let definitions = td["securityDefinitions"].as_object().unwrap();
        for name in strings(&td["security"]) {
            assert!(definitions.contains_key(&name), "{name} is not defined: {td}");
        }
        // What a device of another maker offers is its own affair, and the directory is no device.
        let foreign =
            td["title"] == "Registered" || td["@type"].to_string().contains("ThingDirectory");
        for (kind, ops) in [
            (
                "properties",
                &["readproperty", "writeproperty", "observeproperty", "unobserveproperty"][..],
            ),
            ("actions", &["invokeaction", "queryaction", "cancelaction"]),
            ("events", &["subscribeevent", "unsubscribeevent"]),
        ] {
            for (name, affordance) in td[kind].as_object().into_iter().flatten() {
                let what = format!("{kind}/{name} of {td}");
                assert!(
                    !(affordance["readOnly"] == true && affordance["writeOnly"] == true),
                    "{what}"
                );
                let forms = affordance["forms"].as_array().unwrap();
                assert!(!forms.is_empty(), "{what}");
                let mut offered = Vec::new();
                for form in forms {
                    let href = form["href"].as_str().unwrap();
                    assert!(href.contains("://"), "absolute, or clients guess: {href} in {what}");
                    let of = strings(&form["op"]);
                    assert!(of.iter().all(|op| ops.contains(&op.as_str())), "{form} in {what}");
                    assert!(
                        of.len() < 2 || form.get("htv:methodName").is_none(),
                        "{form} in {what}"
                    );
                    offered.extend(of);
                }
                if foreign || kind != "properties" {
                    continue;
                }
                assert!(offered.contains(&"readproperty".to_owned()), "{what}");
                assert!(offered.contains(&"observeproperty".to_owned()), "{what}");
                assert_eq!(affordance["observable"], true, "{what}");
                let writable = offered.contains(&"writeproperty".to_owned());
                assert_eq!(writable, affordance["readOnly"] != true, "{what}");
                let typed = ["type", "oneOf", "enum", "const"]
                    .iter()
                    .any(|key| affordance.get(*key).is_some());
                assert!(typed || name == "e", "no schema: {what}");
            }
        }
    }
    gateway.finish().await;
}

#[tokio::test]
async fn what_lwm2m_calls_a_property_is_said_with_the_prefix_declared() {
    let gateway = zoo().await;
    for td in all(&gateway).await {
        let is_thermostat = td["title"] == "Thermostat";
        let contexts = td["@context"].as_array().unwrap();
        let declared = contexts.iter().any(|context| context["lwm2m"].is_string());
        assert_eq!(declared, is_thermostat, "{td:#}");
        if is_thermostat {
            for (name, object, resource) in [
                ("temperature", json!(3303), json!(5700)),
                ("setpoint", json!(3308), json!(5900)),
                ("mode", Value::Null, Value::Null),
            ] {
                let property = &td["properties"][name];
                assert_eq!(property["lwm2m:object"], object, "{name}");
                assert_eq!(property["lwm2m:resource"], resource, "{name}");
            }
        }
    }
    gateway.finish().await;
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn forms_lead_back_here_and_every_one_of_them_works() {
    let gateway = zoo().await;
    let base = gateway.url("");
    for td in all(&gateway).await {
        if td["title"] == "Registered" || td["@type"].to_string().contains("ThingDirectory") {
            continue;
        }
        for (name, property) in td["properties"].as_object().into_iter().flatten() {
            for form in property["forms"].as_array().unwrap() {
                let href = form["href"].as_str().unwrap();
                if href.starts_with("ws://") {
                    assert_eq!(form["subprotocol"], "webthingprotocol", "{form}");
                    assert_eq!(href, base.replace("http://", "ws://") + "/ws");
                    continue;
                }
                let path =
                    href.strip_prefix(&base).unwrap_or_else(|| panic!("{name}: {href} leads away"));
                if strings(&form["op"]).iter().any(|op| op == "readproperty") {
                    let accept = form["contentType"].as_str().unwrap_or("application/json");
                    let answer = gateway.get_as(path, accept).await.must(200);
                    assert_eq!(answer.media_type(), accept, "{form}");
                } else if form["subprotocol"] == "sse" {
                    crate::support::Sse::open(href).await;
                }
            }
        }
    }
    gateway.finish().await;
}

#[tokio::test]
async fn forms_name_the_host_that_was_asked_and_the_proxy_when_it_is_trusted() {
    let gateway = zoo().await;
    let forwarded = [
        ("host", "gw.example:8443"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "iot.example"),
        ("x-forwarded-prefix", "/edge"),
    ];
    let own = gateway.send("GET", "/things/x", &forwarded, "").await.must(200).json();
    let href = own["properties"]["x"]["forms"][0]["href"].as_str().unwrap();
    assert!(href.starts_with("http://gw.example:8443/things/"), "{href}");
    gateway.finish().await;
    let behind = Gateway::builder().toml("[http]\ntrust_forwarded = true").start().await;
    behind.publisher().await.publish("x", "1").await;
    behind.value_becomes("x", "x", "1").await;
    let own = behind.send("GET", "/things/x", &forwarded, "").await.must(200).json();
    let forms = own["properties"]["x"]["forms"].as_array().unwrap();
    for form in forms {
        let href = form["href"].as_str().unwrap();
        let scheme = if href.starts_with("ws") { "wss" } else { "https" };
        assert!(href.starts_with(&format!("{scheme}://iot.example/edge/")), "{href}");
    }
    behind.finish().await;
}
