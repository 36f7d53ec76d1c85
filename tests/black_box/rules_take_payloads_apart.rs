//! Rules say how payloads are read and what their values mean, inward and on writes.

use serde_json::json;

use crate::support::{Gateway, Subscriber, eventually};

const RULES: &str = r#"
[[rules]]
topic = "plant/{line}/{machine}/tele"
thing = "plant.{line}.{machine}"
title = "Machine"
time = "/meta/at"
[rules.properties.temperature]
from = "/values/0/t"
unit = "Cel"
unit_in_payload = "degF"
type = "number"
write = { topic = "plant/{line}/{machine}/set", payload = '{"t":{value}}' }
[rules.properties.running]
from = "/run"
on = "yes"
off = "no"
write = { topic = "plant/{line}/{machine}/set", payload = "{text}" }
[rules.properties.total]
from = "$sum(values.n)"
[rules.properties.secret]
ignore = true
[rules.properties.alarm]
event = true

[[rules]]
topic = "meter/{id}"
format = "text"
decimal = ","
[rules.properties.m1]
unit = "kWh"

[[rules]]
topic = "line/{id}"
format = "csv"
decimal = ","
columns = ["temperature", "", "state"]

[[rules]]
topic = "lora/{id}"
format = "bytes"
layout = [
  { name = "battery", offset = 0, type = "u8", scale = 0.01 },
  { name = "temperature", offset = 1, type = "i16", endian = "little", scale = 0.1 },
  { name = "open", offset = 3, type = "bool", bit = 7 },
]

[[rules]]
topic = "nested/{id}"
transform = '{ "level": $number($substringBefore(payload.level, " ")) }'

[[rules]]
topic = "strict/{id}"
[rules.properties.level]
type = "number"

[[rules]]
topic = "brief/{id}"
ttl_seconds = 1

[[joins]]
thing = "kitchen.lamp"
of = ["zigbee.0x01", "wifi.lamp"]
"#;

async fn gateway() -> Gateway {
    Gateway::builder().toml(RULES).start().await
}

#[tokio::test]
async fn a_rule_finds_converts_and_writes_back() {
    let gateway = gateway().await;
    let device = gateway.publisher().await;
    let mut commands = Subscriber::connect(gateway.broker(), "plant/+/+/set").await;
    let payload = r#"{"meta":{"at":1700000000},"values":[{"t":70.7,"n":1},{"n":2}],"run":"yes","secret":1,"alarm":"hot","left":true}"#;
    device.publish("plant/a/press/tele", payload).await;
    gateway.value_becomes("plant.a.press", "temperature", "21.5").await;
    let values = gateway.json("/things/plant.a.press/properties").await;
    assert_eq!(values, json!({ "temperature": 21.5, "running": true, "total": 3, "left": true }));
    let record = gateway.record("plant.a.press", "temperature").await.unwrap();
    assert_eq!((&record["unit"], &record["time"]), (&json!("Cel"), &json!("2023-11-14T22:13:20Z")));
    let td = gateway.json("/things/plant.a.press").await;
    assert_eq!(td["properties"]["running"]["type"], "boolean");
    assert!(td["events"]["alarm"].is_object(), "{td}");

    let write = |property: &str, body: &str| {
        let path = format!("/things/plant.a.press/properties/{property}");
        let headers = [("content-type", "application/json"), ("prefer", "wait=0")];
        let body = body.to_owned();
        let gateway = &gateway;
        async move { gateway.send("PUT", &path, &headers, body).await }
    };
    write("temperature", "100").await.must(202);
    assert_eq!(&commands.next().await.payload[..], br#"{"t":212}"#);
    write("running", "false").await.must(202);
    assert_eq!(&commands.next().await.payload[..], b"no");
    write("running", "\"no\"").await.must(422);
    gateway.finish().await;
}

#[tokio::test]
async fn every_format_becomes_properties() {
    let gateway = gateway().await;
    let device = gateway.publisher().await;
    device.publish("meter/m1", " 1234,50\n").await;
    gateway.value_becomes("meter", "m1", "1234.50").await;
    device.publish("line/1", "21,5;x;ok\r\n").await;
    gateway.value_becomes("line.1", "state", "\"ok\"").await;
    assert_eq!(
        gateway.json("/things/line.1/properties").await,
        json!({ "temperature": 21.5, "state": "ok" })
    );
    device.publish("lora/1", [250, 0x29, 0xff, 0x80]).await;
    gateway.value_becomes("lora.1", "open", "true").await;
    assert_eq!(
        gateway.json("/things/lora.1/properties").await,
        json!({ "battery": 2.5, "temperature": -21.5, "open": true })
    );
    device.publish("nested/1", r#"{"payload":{"level":"12.5 cm"},"noise":1}"#).await;
    gateway.value_becomes("nested.1", "level", "12.5").await;
    assert_eq!(gateway.json("/things/nested.1/properties").await, json!({ "level": 12.5 }));
    gateway.finish().await;
}

#[tokio::test]
async fn what_does_not_fit_its_rule_says_what_to_change() {
    let gateway = gateway().await;
    let reason = async |address: &str, sample: serde_json::Value| {
        let mut body = json!({ "address": address });
        body.as_object_mut().unwrap().extend(sample.as_object().unwrap().clone());
        let trial = gateway.send_json("POST", "/mapping/try", &body).await.must(200).json();
        assert_eq!(trial["outcome"], "failed", "{trial}");
        trial["reason"].as_str().unwrap().to_owned()
    };
    let comma = reason("strict/1", json!({ "payload": r#"{"level":"21,5"}"# })).await;
    assert!(comma.contains("is not a number; decimal comma?"), "{comma}");
    let short = reason("lora/1", json!({ "payload_base64": "+g==" })).await;
    assert!(short.contains("`temperature` stands behind them"), "{short}");
    let typed = reason("nested/1", json!({ "payload": r#"{"payload":{"level":5}}"# })).await;
    assert!(typed.starts_with("`transform`: T0410"), "{typed}");
    gateway.finish().await;
}

#[tokio::test]
async fn a_state_that_is_not_renewed_in_time_is_stale() {
    let gateway = gateway().await;
    let device = gateway.publisher().await;
    device.publish("brief/1", r#"{"level":1}"#).await;
    gateway.value_becomes("brief.1", "level", "1").await;
    gateway.quality_becomes("brief.1", "level", "stale").await;
    device.publish("brief/1", r#"{"level":2}"#).await;
    gateway.quality_becomes("brief.1", "level", "good").await;
    gateway.finish().await;
}

#[tokio::test]
async fn two_ways_to_one_device_are_one_thing() {
    let gateway = gateway().await;
    let device = gateway.publisher().await;
    device.publish("zigbee/0x01", r#"{"brightness":5}"#).await;
    device.publish("wifi/lamp", r#"{"rssi":-60}"#).await;
    eventually("both are one", async || {
        let values = gateway.get("/things/kitchen.lamp/properties").await.expect_status(200)?;
        match values.json() == json!({ "brightness": 5, "rssi": -60 }) {
            true => Ok(()),
            false => Err(values.to_string()),
        }
    })
    .await;
    gateway.finish().await;
}
