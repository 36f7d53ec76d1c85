//! Clients and checkers that know nothing of this gateway get along with it.

use serde_json::json;

use crate::support::{Gateway, npm};

#[tokio::test]
async fn node_wot_reads_observes_and_writes_by_the_description_alone() {
    let rules = r#"
[http]
write_wait_seconds = 10
[[rules]]
topic = "lab/{bench}/heater"
[rules.properties.setpoint]
type = "number"
write = { topic = "lab/{bench}/heater/set", payload = '{"setpoint":{value}}' }
"#;
    let gateway = Gateway::builder().toml(rules).start().await;
    let device = gateway.publisher().await;
    device.publish("lab/one/heater", r#"{"temperature":21.5,"setpoint":20,"mode":"eco"}"#).await;
    device.publish("lab/one/heater/mixed", "1").await;
    device.publish("lab/one/heater/mixed", "\"x\"").await;
    gateway.value_becomes("lab.one.heater", "setpoint", "20").await;
    gateway.value_becomes("lab.one.heater", "mixed", "\"x\"").await;
    let echo = tokio::spawn({
        let mut commands =
            crate::support::Subscriber::connect(gateway.broker(), "lab/one/heater/set").await;
        async move {
            let command = commands.next().await;
            commands.publish("lab/one/heater", command.payload.to_vec()).await;
            // The device goes on reporting while it is observed.
            for step in 0..1000 {
                let state = json!({ "temperature": 30 + step });
                commands.publish("lab/one/heater", state.to_string()).await;
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    });
    let report = npm("client.mjs", &[&gateway.url("/things/lab.one.heater")]).await;
    echo.abort();
    for step in [
        "read temperature 21.5",
        "read mode eco",
        "read mixed x",
        "wrote setpoint 22.5",
        "observed temperature 5 times",
    ] {
        assert!(report.contains(step), "{step:?} is missing:\n{report}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn the_description_of_the_interface_passes_a_linter_and_is_the_one_in_the_repository() {
    let gateway = Gateway::start().await;
    let served = gateway.get("/openapi.json").await.must(200);
    let document = served.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    std::fs::write(file.path(), &served.body).unwrap();
    let report = npm("lint-openapi.mjs", &[file.path().to_str().unwrap()]).await;
    assert!(report.contains("no problems"), "{report}");
    let promised = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/openapi.json");
    let promised: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(promised).unwrap()).unwrap();
    assert_eq!(promised["paths"], document["paths"], "what is served is what is promised");
    gateway.finish().await;
}

#[tokio::test]
async fn every_route_that_the_design_names_is_described() {
    let gateway = Gateway::start().await;
    let document = gateway.json("/openapi.json").await;
    for (path, methods) in [
        ("/things", &["get", "post"][..]),
        ("/things/{id}", &["get", "put", "patch", "delete"]),
        ("/things/{id}/properties", &["get"]),
        ("/things/{id}/properties/{name}", &["get", "put"]),
        ("/things/{id}/events/{name}", &["get"]),
        ("/properties", &["get"]),
        ("/events", &["get"]),
        ("/ws", &["get"]),
        ("/webhooks", &["get", "post"]),
        ("/webhooks/{id}", &["get", "patch", "delete"]),
        ("/webhooks/{id}/deliveries", &["get"]),
        ("/webhooks/{id}/test", &["post"]),
        ("/webhooks/{id}/replay", &["post"]),
        ("/commands/{id}", &["get"]),
        ("/adapters", &["get"]),
        ("/adapters/{name}/messages", &["get"]),
        ("/mapping/try", &["post"]),
        ("/.well-known/wot", &["get"]),
        ("/livez", &["get"]),
        ("/readyz", &["get"]),
        ("/metrics", &["get"]),
        ("/openapi.json", &["get"]),
    ] {
        for method in methods {
            let operation = &document["paths"][path][method];
            assert!(operation.is_object(), "{method} {path} is not described");
            let problems = operation["responses"].as_object().unwrap();
            let described =
                problems.iter().filter(|(code, _)| code.starts_with('4') || *code == "default");
            for (code, response) in described {
                let text = response.to_string();
                assert!(
                    text.contains("application/problem+json") || text.contains("$ref"),
                    "{method} {path} {code}: {text}"
                );
            }
        }
    }
    gateway.finish().await;
}
