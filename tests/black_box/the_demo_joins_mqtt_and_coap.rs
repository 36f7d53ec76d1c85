//! `thingway demo` shows things of two protocols side by side, and both obey.

use serde_json::json;

use crate::support::{Gateway, Sse};

const THERMOSTAT: &str = "/things/demo.livingroom.thermostat/properties/setpoint";
const HEATER: &str = "/things/demo.greenhouse/properties/heater";
const TEMPERATURE: &str = "/things/demo.greenhouse/properties/sensors.temperature";

async fn put(gateway: &Gateway, path: &str, body: &str) {
    let json = [("content-type", "application/json")];
    gateway.send("PUT", path, &json, body).await.must(204);
}

#[tokio::test]
async fn a_thing_of_each_is_listed_moves_and_is_written() {
    let gateway = Gateway::demo().await;
    gateway.quality_becomes("demo.livingroom.thermostat", "setpoint", "good").await;
    gateway.value_becomes("demo.greenhouse", "heater", "\"off\"").await;
    let things = gateway.json("/things?limit=100").await;
    let ids: Vec<&str> =
        things.as_array().unwrap().iter().map(|thing| thing["id"].as_str().unwrap()).collect();
    for thing in ["demo.livingroom.thermostat", "demo.greenhouse"] {
        assert!(ids.contains(&&*format!("urn:thingway:{thing}")), "{thing} in {ids:?}");
    }
    let adapters = gateway.json("/adapters").await;
    let protocol = |name: &str| {
        let all = adapters.as_array().unwrap();
        all.iter()
            .find(|adapter| adapter["name"] == name)
            .map(|adapter| adapter["protocol"].clone())
    };
    assert_eq!(protocol("broker"), Some(json!("mqtt-broker")));
    assert_eq!(protocol("greenhouse"), Some(json!("coap")));

    put(&gateway, THERMOSTAT, "23.5").await;
    gateway.value_becomes("demo.livingroom.thermostat", "setpoint", "23.5").await;

    let mut temperatures = Sse::open(&gateway.url(TEMPERATURE)).await;
    let mut heater = Sse::open(&gateway.url(HEATER)).await;
    put(&gateway, HEATER, "\"on\"").await;
    heater.until(|event| event.data == "\"on\"").await;
    let first = temperatures.next().await.data;
    temperatures.until(|event| event.data != first).await;

    let restart = "/things/demo.greenhouse/actions/restart";
    let done = gateway.send("POST", restart, &[], "").await.must(200);
    assert_eq!(done.json(), json!("restarted"));
    heater.until(|event| event.data == "\"off\"").await;
    gateway.finish().await;
}
