//! SIGTERM and SIGINT: it stops taking in, says goodbye to every stream, and is gone in time.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::support::{Gateway, Mosquitto, Publisher, Raw, Receiver, Reply, Sse, Ws};

#[tokio::test]
async fn under_load_within_ten_seconds_with_every_stream_closed_for_a_reason() {
    let broker = Mosquitto::start().await;
    let mut gateway = Gateway::bridging(&broker).await;
    let device = Publisher::connect(broker.addr()).await;
    device.publish("end/v", "0").await;
    gateway.value_becomes("end", "v", "0").await;
    let hanging = Receiver::start().await;
    hanging.otherwise(Reply::Hang);
    let body = json!({"url": hanging.url("/hook")});
    gateway.send_json("POST", "/webhooks", &body).await.must(201);

    let mut streams = Vec::new();
    for path in ["/things/end/properties/v", "/things/end/properties", "/properties", "/events"] {
        for _ in 0..10 {
            let mut stream = Sse::open(&gateway.url(path)).await;
            streams.push(tokio::spawn(async move { stream.last().await }));
        }
    }
    let mut ws = Ws::open(gateway.http()).await;
    ws.request("end", "observeproperty", json!({"name": "v"})).await;
    let mut sleeper = Raw::open_narrow(gateway.http()).await;
    sleeper
        .write("GET /properties HTTP/1.1\r\nHost: gw\r\nAccept: text/event-stream\r\n\r\n")
        .await;
    let mut idle = Raw::open(gateway.http()).await;
    idle.write("GET /li").await;
    let load = tokio::spawn(async move {
        let mut round = 0_u64;
        loop {
            round += 1;
            let value = format!("\"{round}{}\"", "x".repeat(500));
            device.send(&format!("end/v{}", round % 20), value, false).await;
        }
    });
    hanging.wait_for(1).await;
    gateway.received(500).await;

    gateway.signal("TERM");
    let start = Instant::now();
    let status = gateway.ended(Duration::from_secs(12)).await;
    let took = start.elapsed();
    load.abort();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(10), "it took {took:?}");

    for (at, stream) in streams.into_iter().enumerate() {
        let last = stream.await.unwrap();
        let last = last.unwrap_or_else(|| panic!("stream {at} says nothing at its end"));
        let said = last.name == "shutdown" || last.name == "close" || last.data.contains("shut");
        assert!(said, "stream {at} ends without a reason: {last:?}");
    }
    let frame = ws.closed().await.expect("a close frame");
    assert_eq!(u16::from(frame.code), 1001, "going away: {frame:?}");
    assert!(!frame.reason.is_empty(), "{frame:?}");
    let output = gateway.output();
    assert!(!output.contains("panicked at"));
    let last: String = output.lines().rev().take(10).collect::<Vec<_>>().join("\n");
    let undone = last.contains("deliver") || last.contains("webhook");
    assert!(undone, "it says what was left undone:\n{last}");
}

#[tokio::test]
async fn an_interrupt_ends_it_as_well() {
    let mut gateway = Gateway::start().await;
    gateway.publisher().await.publish("end/v", "1").await;
    gateway.value_becomes("end", "v", "1").await;
    gateway.signal("INT");
    let status = gateway.ended(Duration::from_secs(10)).await;
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn idle_it_ends_at_once() {
    let mut gateway = Gateway::start().await;
    gateway.signal("TERM");
    let start = Instant::now();
    gateway.ended(Duration::from_secs(10)).await;
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_second_signal_ends_it_without_waiting() {
    let broker = Mosquitto::start().await;
    let mut gateway = Gateway::bridging(&broker).await;
    gateway.signal("TERM");
    gateway.signal("TERM");
    gateway.ended(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn what_it_took_from_the_broker_it_passed_on_and_the_rest_waits_there() {
    const MESSAGES: usize = 600;
    let broker = Mosquitto::start().await;
    let witness = Receiver::start().await;
    let mut gateway = Gateway::bridging(&broker).await;
    let body = json!({"url": witness.url("/hook"), "properties": ["*"]});
    gateway.send_json("POST", "/webhooks", &body).await.must(201);
    let device = Publisher::connect(broker.addr()).await;
    let sending = async {
        for at in 0..MESSAGES {
            device.publish(&format!("count/p{at}"), at.to_string()).await;
        }
    };
    let ending = async {
        witness.wait_for(50).await;
        gateway.signal("TERM");
        gateway.ended(Duration::from_secs(12)).await;
    };
    tokio::join!(sending, ending);
    let deliveries = witness.deliveries();
    let told: HashSet<String> =
        deliveries.iter().map(|d| d.json()["data"]["property"].to_string()).collect();
    assert!(told.len() < MESSAGES, "it ended too late to prove anything");

    // A message is acknowledged after it was applied: the broker has the others for the next.
    let gateway = Gateway::bridging(&broker).await;
    device.publish("count/end", "1").await;
    gateway.value_becomes("count", "end", "1").await;
    let waited = gateway.json("/things/count/properties").await;
    let lost: Vec<String> = (0..MESSAGES)
        .map(|at| format!("p{at}"))
        .filter(|name| !told.contains(&format!("\"{name}\"")) && waited.get(name).is_none())
        .collect();
    assert!(lost.is_empty(), "{} of {MESSAGES} are nowhere: {lost:?}", lost.len());
    gateway.finish().await;
}
