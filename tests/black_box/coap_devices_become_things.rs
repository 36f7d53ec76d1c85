//! CoAP devices of other makers are things like any other: read, followed, written and invoked.

use std::io::Write;

use serde_json::json;

use crate::support::{CoapDevice, Gateway, Sse, eventually};

async fn bridging(device: &CoapDevice) -> Gateway {
    Gateway::builder().arg("--coap").arg(&device.url()).start().await
}

async fn put(gateway: &Gateway, path: &str, body: &str) -> crate::support::Answer {
    gateway.send("PUT", path, &[("content-type", "application/json")], body).await
}

#[tokio::test]
async fn a_device_of_libcoap_is_read_followed_and_written() {
    let device = CoapDevice::of_libcoap().await;
    let gateway = bridging(&device).await;
    let thing = device.thing();
    let property = |name: &str| format!("/things/{thing}/properties/{name}");
    eventually("the time is there", async || {
        gateway.get(&property("time")).await.expect_status(200).map(|_| ())
    })
    .await;
    let td = gateway.json(&format!("/things/{thing}")).await;
    assert_eq!(td["properties"]["time"]["title"], "Internal Clock");
    assert_eq!(td["properties"]["time"]["@type"], "ticks");

    // Its clock ticks once a second: what moves here was notified.
    let mut events = Sse::open(&gateway.url(&property("time"))).await;
    let first = events.next().await.data;
    events.until(|event| event.data != first).await;

    // Longer than a block, in both directions.
    eventually("the whole body is there", async || {
        let answer = gateway.get(&property("example_data")).await.expect_status(200)?;
        if answer.text().len() > 1024 { Ok(()) } else { Err(answer.to_string()) }
    })
    .await;
    let long = json!("x".repeat(3000)).to_string();
    put(&gateway, &property("example_data"), &long).await.must(204);
    gateway.value_becomes(&thing, "example_data", &long).await;

    // What it calls text is text, but for numbers.
    for (text, value) in
        [("\"null\"", "\"null\""), ("\"true\"", "\"true\""), ("\"21.50\"", "21.50")]
    {
        put(&gateway, &property("example_data"), text).await.must(204);
        gateway.value_becomes(&thing, "example_data", value).await;
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_device_with_a_pre_shared_key_is_read_followed_and_written() {
    let device = CoapDevice::of_libcoap_with_key("secret").await;
    let mut keys = tempfile::NamedTempFile::new().unwrap();
    keys.write_all(b"me:\"secret\"\n").unwrap();
    let toml = format!(
        "[[adapters]]\nname = \"meter\"\nprotocol = \"coap\"\nurl = \"{}\"\nidentity = \"me\"\n\
         key_file = \"{}\"\n",
        device.url(),
        keys.path().display()
    );
    let gateway = Gateway::builder().toml(&toml).start().await;
    let thing = device.thing();
    let data = format!("/things/{thing}/properties/example_data");
    let time = format!("/things/{thing}/properties/time");
    eventually("the time is there", async || {
        gateway.get(&time).await.expect_status(200).map(|_| ())
    })
    .await;
    let mut events = Sse::open(&gateway.url(&time)).await;
    let first = events.next().await.data;
    events.until(|event| event.data != first).await;
    eventually("the data is there", async || {
        gateway.get(&data).await.expect_status(200).map(|_| ())
    })
    .await;
    // Longer than a block, under DTLS.
    let long = json!("y".repeat(3000)).to_string();
    put(&gateway, &data, &long).await.must(204);
    gateway.value_becomes(&thing, "example_data", &long).await;
    let meter = gateway.json("/adapters/meter").await;
    assert_eq!(meter["protocol_events"]["handshake"], 1, "{meter}");
    assert_eq!(meter["protocol_events"]["wrong_key"], 0, "{meter}");
    gateway.finish().await;
}

#[tokio::test]
async fn a_device_of_aiocoap_is_read_written_and_invoked() {
    let device = CoapDevice::of_aiocoap().await;
    let gateway = bridging(&device).await;
    let thing = device.thing();
    let property = |name: &str| format!("/things/{thing}/properties/{name}");
    gateway.value_becomes(&thing, "relay", "\"off\"").await;
    put(&gateway, &property("relay"), "\"on\"").await.must(204);
    gateway.value_becomes(&thing, "relay", "\"on\"").await;

    // The device's own words reach the client.
    let refused = put(&gateway, &property("relay"), "\"warm\"").await.must(502);
    assert!(refused.text().contains("4.00 Bad Request: on or off"), "{refused}");
    let refused = put(&gateway, &property("ticks"), "0").await.must(502);
    assert!(refused.text().contains("4.05 Method Not Allowed"), "{refused}");

    // What refuses GET is an action.
    let action = format!("/things/{thing}/actions/restart");
    eventually("the action is there", async || {
        let td = gateway.json(&format!("/things/{thing}")).await;
        if td["actions"]["restart"].is_object() { Ok(()) } else { Err(td.to_string()) }
    })
    .await;
    let done = gateway.send("POST", &action, &[], "").await.must(200);
    assert_eq!(done.json(), json!({ "restarts": 1 }));

    // A SenML pack comes apart, with units.
    eventually("the pack is there", async || {
        let temp = gateway.record(&thing, "temp").await;
        match temp {
            Ok(record) if record["value"] == json!(21.5) && record["unit"] == "Cel" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(gateway.get(&property("long")).await.must(200).json().as_str().unwrap().len(), 3000);
    gateway.finish().await;
}

#[tokio::test]
async fn a_device_that_is_gone_answers_504_and_comes_back_by_itself() {
    let mut device = CoapDevice::of_aiocoap().await;
    let rules = "[http]\nwrite_wait_seconds = 1\ncommand_deadline_seconds = 8";
    let gateway = Gateway::builder().toml(rules).arg("--coap").arg(&device.url()).start().await;
    let thing = device.thing();
    gateway.value_becomes(&thing, "relay", "\"off\"").await;
    device.kill().await;
    let relay = format!("/things/{thing}/properties/relay");
    put(&gateway, &relay, "\"on\"").await.must(504);
    gateway.quality_becomes(&thing, "ticks", "stale").await;
    device.restart().await;
    gateway.quality_becomes(&thing, "ticks", "good").await;
    let mut events = Sse::open(&gateway.url(&format!("/things/{thing}/properties/ticks"))).await;
    let first = events.next().await.data;
    events.until(|event| event.data != first).await;
    put(&gateway, &relay, "\"on\"").await.must(204);
    gateway.finish().await;
}
