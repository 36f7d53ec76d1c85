//! `/ws` speaks the Web Thing Protocol (W3C community group draft): many things, one socket.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Gateway, Publisher, Ws};

async fn two_things() -> (Gateway, Publisher, Ws) {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    device.publish("one/v", "1").await;
    device.publish("one/w", "\"x\"").await;
    device.publish("two/v", "2.50").await;
    gateway.value_becomes("two", "v", "2.50").await;
    let ws = Ws::open(gateway.http()).await;
    (gateway, device, ws)
}

#[tokio::test]
async fn properties_are_read_one_several_and_all() {
    let (gateway, _device, mut ws) = two_things().await;
    let one = ws.request("one", "readproperty", json!({"name": "v"})).await;
    assert_eq!((&one["name"], &one["value"]), (&json!("v"), &json!(1)));
    let two = ws.request("two", "readproperty", json!({"name": "v"})).await;
    assert_eq!(two["value"], 2.5);
    let several = ws.request("one", "readmultipleproperties", json!({"names": ["v", "w"]})).await;
    assert_eq!(several["values"], json!({"v": 1, "w": "x"}));
    let all = ws.request("one", "readallproperties", json!({})).await;
    assert_eq!(all["values"], json!({"v": 1, "w": "x"}));
    gateway.finish().await;
}

#[tokio::test]
async fn several_things_are_observed_on_one_socket() {
    let (gateway, device, mut ws) = two_things().await;
    let uuids = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"];
    for (thing, uuid) in ["one", "two"].iter().zip(uuids) {
        let answer = ws.request_as(thing, "observeproperty", json!({"name": "v"}), uuid).await;
        assert_eq!(answer["name"], "v");
        assert!(answer.get("value").is_none() && answer.get("error").is_none(), "{answer}");
    }
    for (topic, payload, thing, uuid) in [
        ("one/v", "10", "urn:thingway:one", uuids[0]),
        ("two/v", "20", "urn:thingway:two", uuids[1]),
        ("one/v", "11", "urn:thingway:one", uuids[0]),
    ] {
        device.publish("one/w", "\"not observed\"").await;
        device.publish(topic, payload).await;
        let notification = fresh(&mut ws, payload).await;
        assert_eq!(notification["thingID"], thing);
        assert_eq!(notification["operation"], "observeproperty");
        assert_eq!(notification["name"], "v");
        assert_eq!(notification["correlationID"], uuid);
    }
    gateway.finish().await;
}

/// The notification with that value; those with the values from before the observation, which a
/// gateway may send first, are passed over.
async fn fresh(ws: &mut Ws, value: &str) -> Value {
    loop {
        let notification = ws.notification().await;
        let got = notification["value"].to_string();
        if got == value {
            return notification;
        }
        let old = ["1", "2.5", "\"x\""].contains(&got.as_str());
        assert!(old, "neither old nor {value}: {notification}");
    }
}

#[tokio::test]
async fn the_last_observation_wins_and_ends_when_told() {
    let (gateway, device, mut ws) = two_things().await;
    let first = "11111111-1111-4111-8111-111111111111";
    let second = "22222222-2222-4222-8222-222222222222";
    ws.request_as("one", "observeproperty", json!({"name": "v"}), first).await;
    ws.request_as("one", "observeproperty", json!({"name": "v"}), second).await;
    device.publish("one/v", "10").await;
    assert_eq!(fresh(&mut ws, "10").await["correlationID"], second);
    let twice = ws.hears_within(Duration::from_millis(500)).await;
    assert!(twice.is_none(), "one change, one notification: {twice:?}");
    let ended = ws.request("one", "unobserveproperty", json!({"name": "v"})).await;
    assert_eq!(ended["name"], "v");
    device.publish("one/v", "11").await;
    gateway.value_becomes("one", "v", "11").await;
    let after = ws.hears_within(Duration::from_millis(500)).await;
    assert!(after.is_none(), "{after:?}");
    // It has the intended outcome a second time, too.
    let again = ws.request("one", "unobserveproperty", json!({"name": "v"})).await;
    assert!(again.get("error").is_none(), "{again}");
    gateway.finish().await;
}

#[tokio::test]
async fn all_properties_of_a_thing_are_observed_with_those_that_come_later() {
    let (gateway, device, mut ws) = two_things().await;
    let uuid = "33333333-3333-4333-8333-333333333333";
    ws.request_as("one", "observeallproperties", json!({}), uuid).await;
    for (topic, name, payload) in
        [("one/v", "v", "10"), ("one/w", "w", "\"y\""), ("one/new", "new", "true")]
    {
        device.publish(topic, payload).await;
        let notification = fresh(&mut ws, payload).await;
        assert_eq!(notification["operation"], "observeallproperties");
        assert_eq!(
            (notification["name"].as_str(), &notification["correlationID"]),
            (Some(name), &json!(uuid))
        );
    }
    ws.request("one", "unobserveproperty", json!({"name": "w"})).await;
    device.publish("one/w", "\"z\"").await;
    device.publish("one/v", "12").await;
    assert_eq!(fresh(&mut ws, "12").await["name"], "v", "only the one was ended");
    ws.request("one", "unobserveallproperties", json!({})).await;
    device.publish("one/v", "13").await;
    gateway.value_becomes("one", "v", "13").await;
    assert!(ws.hears_within(Duration::from_millis(500)).await.is_none());
    gateway.finish().await;
}

#[tokio::test]
async fn an_observation_resumes_where_the_last_one_ended() {
    let (gateway, device, mut ws) = two_things().await;
    ws.request("one", "observeproperty", json!({"name": "v"})).await;
    device.publish("one/v", "10").await;
    fresh(&mut ws, "10").await;
    let position = gateway.record("one", "v").await.unwrap()["revision"].to_string();
    drop(ws);
    for value in 11..=20 {
        device.publish("one/v", value.to_string()).await;
    }
    gateway.value_becomes("one", "v", "20").await;
    let mut ws = Ws::open(gateway.http()).await;
    ws.request("one", "observeproperty", json!({"name": "v", "lastNotificationID": position}))
        .await;
    for value in 11..=20 {
        let notification = ws.notification().await;
        assert_eq!(notification["value"], value, "{notification}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn errors_are_answers_and_the_socket_stays_open() {
    let (gateway, _device, mut ws) = two_things().await;
    for (thing, operation, members, status) in [
        ("one", "readproperty", json!({"name": "none"}), 404),
        ("none", "readproperty", json!({"name": "v"}), 404),
        ("one", "observeproperty", json!({"name": "none"}), 404),
        ("one", "readproperty", json!({}), 400),
        ("one", "readproperty", json!({"name": 7}), 400),
        ("one", "readmultipleproperties", json!({"names": []}), 400),
        ("one", "readmultipleproperties", json!({"names": ["v", "none"]}), 400),
        ("one", "dance", json!({}), 400),
    ] {
        let answer = ws.request(thing, operation, members).await;
        let error = &answer["error"];
        assert_eq!(error["status"], status, "{operation}: {answer}");
        assert!(error["title"].is_string() && error["type"].is_string(), "{answer}");
    }
    let write = ws.request("one", "writeproperty", json!({"name": "v", "value": 5})).await;
    let status =
        write["error"]["status"].as_u64().unwrap_or_else(|| panic!("it is read-only: {write}"));
    assert!((400..500).contains(&status), "{write}");
    for scrap in ["", "{", "[]", "null", "7", "{}", r#"{"messageType":"response"}"#, "\u{0}"] {
        ws.send(scrap).await;
        let answer = ws.response().await;
        assert_eq!(answer["error"]["status"], 400, "{scrap:?}: {answer}");
    }
    let alive = ws.request("one", "readproperty", json!({"name": "v"})).await;
    assert_eq!(alive["value"], 1);
    gateway.finish().await;
}

#[tokio::test]
async fn a_request_without_the_upgrade_is_a_problem() {
    let gateway = Gateway::start().await;
    let answer = gateway.get("/ws").await;
    assert!([400, 426].contains(&answer.status), "{answer}");
    assert_eq!(answer.media_type(), "application/problem+json");
    gateway.finish().await;
}

#[tokio::test]
async fn a_socket_that_does_not_read_is_conflated_and_holds_nobody_up() {
    // The log holds a fraction of what the sleeper misses: it can't be replayed to it later.
    let gateway = Gateway::builder().toml("[log]\nbytes = 1000000").start().await;
    let device = gateway.publisher().await;
    device.publish("one/v", "1").await;
    gateway.value_becomes("one", "v", "1").await;
    let mut ws = Ws::open(gateway.http()).await;
    ws.request("one", "observeproperty", json!({"name": "v"})).await;
    let long = "x".repeat(4000);
    for round in 0..6000 {
        device.send("one/v", format!("\"{round:05}{long}\""), false).await;
    }
    device.flush().await;
    device.publish("one/v", "\"end\"").await;
    gateway.value_becomes("one", "v", "\"end\"").await;
    let mut seen = 0;
    while ws.notification().await["value"] != "end" {
        seen += 1;
    }
    assert!(seen < 6000, "nothing was left out, so this test proved nothing");
    // The socket goes on as before.
    device.publish("one/v", "\"live\"").await;
    assert_eq!(ws.notification().await["value"], "live");
    gateway.finish().await;
}
