//! Limits refuse, count and say so; memory stays where it was.

use crate::support::{Gateway, eventually};

#[tokio::test]
async fn a_flood_of_topics_cannot_eat_the_memory() {
    let gateway = Gateway::builder().toml("[limits]\nthings = 50").start().await;
    let device = gateway.publisher().await;
    for at in 0..50 {
        device.publish(&format!("kept/n{at}/v"), "1").await;
    }
    gateway.received(50).await;
    gateway.assert_conserved().await;
    // Warm up on the flood's own kind, so that what is measured is growth.
    for at in 0..5_000 {
        device.send(&format!("flood/warm/n{at}/with/a/rather/long/topic/v"), "1", false).await;
    }
    device.flush().await;
    gateway.received(5_050).await;
    let before = gateway.resident_bytes();
    for at in 0..60_000 {
        device.send(&format!("flood/hot/n{at}/with/a/rather/long/topic/v"), "1", false).await;
    }
    device.flush().await;
    gateway.received(65_050).await;
    gateway.assert_conserved().await;
    assert_eq!(gateway.ended_as("failed").await, 65_000);
    let grown = gateway.resident_bytes().saturating_sub(before) / 1024;
    assert!(grown < 20 * 1024, "{grown} KiB grown over 60000 refused topics");
    assert_eq!(gateway.json("/things?limit=1000").await.as_array().unwrap().len(), 50);
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("thingway_things", &[]), 50);
    // Who is in stays in.
    device.publish("kept/n0/v", "2").await;
    gateway.value_becomes("kept.n0", "v", "2").await;
    let adapter = gateway.adapters().await.remove(0);
    let messages = gateway.messages(&adapter).await;
    let refused = messages.iter().find(|m| m["outcome"] == "failed").unwrap();
    assert!(refused["reason"].as_str().unwrap().contains("limits.things"), "{refused}");
    let lines = gateway.output().lines().count();
    assert!(lines < 5_000, "{lines} lines in the log: a flood must not fill the disk either");
    assert!(gateway.output().contains("limits.things"), "it is logged, though");
    gateway.finish().await;
}

#[tokio::test]
async fn room_that_is_made_can_be_used() {
    let gateway = Gateway::builder().toml("[limits]\nthings = 2").start().await;
    let device = gateway.publisher().await;
    device.publish("a/v", "1").await;
    device.publish("b/v", "1").await;
    gateway.value_becomes("b", "v", "1").await;
    device.publish("c/v", "1").await;
    gateway.received(3).await;
    gateway.assert_conserved().await;
    gateway.get("/things/c").await.must(404);
    gateway.send("DELETE", "/things/a", &[], "").await.must(204);
    device.publish("c/v", "2").await;
    gateway.value_becomes("c", "v", "2").await;
    gateway.finish().await;
}

#[tokio::test]
async fn properties_and_leaves_and_bytes_have_limits_of_their_own() {
    let limits = "[limits]\nproperties_per_thing = 3\npayload_bytes = 100\njson_depth = 4\nleaves_per_message = 5\nname_bytes = 10";
    let gateway = Gateway::builder().toml(limits).start().await;
    let device = gateway.publisher().await;
    for property in ["p1", "p2", "p3", "p4"] {
        device.publish(&format!("t/{property}"), "1").await;
    }
    for (topic, payload) in [
        ("bytes", format!("\"{}\"", "x".repeat(99))),
        ("depth", r#"{"a":{"b":{"c":{"d":{"e":1}}}}}"#.to_owned()),
        ("leaves", r#"{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}"#.to_owned()),
        ("name", r#"{"abcdefghijk":1}"#.to_owned()),
    ] {
        device.publish(&format!("over/{topic}"), payload).await;
    }
    gateway.received(8).await;
    gateway.assert_conserved().await;
    assert_eq!(gateway.ended_as("failed").await, 5);
    let adapter = gateway.adapters().await.remove(0);
    let messages = gateway.messages(&adapter).await;
    for (address, option) in [
        ("t/p4", "properties_per_thing"),
        ("over/bytes", "payload_bytes"),
        ("over/depth", "json_depth"),
        ("over/leaves", "leaves_per_message"),
        ("over/name", "name"),
    ] {
        let message = messages.iter().find(|m| m["address"] == address).unwrap();
        assert!(message["reason"].as_str().is_some_and(|r| r.contains(option)), "{message}");
    }
    let properties = gateway.json("/things/t/properties").await;
    assert_eq!(properties.as_object().unwrap().len(), 3);
    gateway.finish().await;
}

#[tokio::test]
async fn what_is_left_out_of_a_message_is_said() {
    let gateway = Gateway::builder().toml("[limits]\nproperties_per_thing = 2").start().await;
    let device = gateway.publisher().await;
    device.publish("part/s", r#"{"a":1,"b":2,"c":3}"#).await;
    let adapter = gateway.adapters().await.remove(0);
    eventually("the message tells what was left out", async || {
        let messages = gateway.messages(&adapter).await;
        let text = serde_json::json!(messages).to_string();
        if text.contains("properties_per_thing") { Ok(()) } else { Err(text) }
    })
    .await;
    gateway.finish().await;
}

#[tokio::test]
async fn streams_and_bodies_are_limited_too() {
    let toml = "[limits]\nstreams = 3\n[http]\nmax_body_bytes = 1000";
    let gateway = Gateway::builder().toml(toml).start().await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(crate::support::Sse::open(&gateway.url("/properties")).await);
    }
    let over = gateway.get_as("/properties", "text/event-stream").await.must(503);
    assert_eq!(over.media_type(), "application/problem+json");
    open.pop();
    eventually("a place is free again", async || {
        let raw = gateway.url("/properties");
        let request = tokio::time::timeout(
            std::time::Duration::from_secs(2),
            gateway.get_as("/properties", "text/event-stream"),
        );
        match request.await {
            // It streams, so the answer does not end.
            Err(_) => Ok(()),
            Ok(answer) => Err(format!("{raw}: {answer}")),
        }
    })
    .await;
    let headers = [("content-type", "application/td+json")];
    let body = format!("{{\"title\":\"{}\"}}", "x".repeat(2000));
    let answer = gateway.send("POST", "/things", &headers, body).await.must(413);
    assert_eq!(answer.media_type(), "application/problem+json");
    gateway.finish().await;
}
