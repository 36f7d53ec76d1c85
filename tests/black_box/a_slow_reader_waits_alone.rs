//! Who does not read loses its own intermediate values, is told so, and holds nobody up.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::{Gateway, Raw, Sse};

const ROUNDS: usize = 20_000;

/// The log holds a tenth of what a sleeper misses: it can't be replayed to it later.
const SHORT_LOG: &str = "[log]\nbytes = 2000000";

/// A value of some length, so that a reader that sleeps soon fills every buffer.
fn value(round: usize) -> String {
    format!("\"{round:06}{}\"", "x".repeat(1000))
}

#[tokio::test]
async fn a_sleeping_reader_is_conflated_and_told_so_and_others_see_everything() {
    let gateway = Gateway::builder().toml(SHORT_LOG).start().await;
    let device = gateway.publisher().await;
    device.publish("s/v", value(0)).await;
    device.publish("s/w", "0").await;
    gateway.value_becomes("s", "w", "0").await;
    let before = gateway.resident_bytes();

    let mut sleeper = Raw::open_narrow(gateway.http()).await;
    let request =
        "GET /things/s/properties HTTP/1.1\r\nHost: gw\r\nAccept: text/event-stream\r\n\r\n";
    sleeper.write(request).await;
    let mut reader = Sse::open(&gateway.url("/things/s/properties/v")).await;
    let reading = tokio::spawn(async move {
        let mut seen = 0;
        loop {
            let event = reader.next().await;
            if event.name == "gap" {
                continue;
            }
            seen += 1;
            if event.data == value(ROUNDS) {
                return seen;
            }
        }
    });
    for round in 1..=ROUNDS {
        device.send("s/v", value(round), false).await;
        if round % 100 == 0 {
            device.flush().await;
        }
    }
    device.flush().await;
    device.publish("s/w", "\"end\"").await;
    gateway.value_becomes("s", "w", "\"end\"").await;
    let seen = reading.await.expect("the reader that reads sees the last value");
    assert!(seen > ROUNDS / 2, "the reader that reads saw {seen} of {ROUNDS}");
    let grown = gateway.resident_bytes().saturating_sub(before) / 1024 / 1024;
    assert!(grown < 120, "{grown} MiB for one sleeper");

    // Now it wakes and reads what there is for it.
    let text = sleeper.read_until_quiet(Duration::from_secs(3)).await;
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains(&value(ROUNDS)), "it ends with the newest state");
    assert!(text.contains("\"end\""), "of every property");
    let values = text.matches("event: v\n").count();
    assert!(values < ROUNDS, "{values} values: nothing was left out, so this test proved nothing");
    assert!(text.contains("event: gap\n"), "it is told that it lost something");
    let mut last = BTreeMap::new();
    let mut order = 0;
    for id in text.lines().filter_map(|line| line.strip_prefix("id: ")) {
        let id: u64 = id.parse().unwrap();
        assert!(id >= order, "{id} after {order}");
        order = id;
        last.insert(id, ());
    }
    gateway.finish().await;
}

#[tokio::test]
async fn many_sleepers_cost_little_each() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    device.publish("s/v", value(0)).await;
    gateway.value_becomes("s", "v", &value(0)).await;
    let mut sleepers = Vec::new();
    for _ in 0..100 {
        let mut sleeper = Raw::open_narrow(gateway.http()).await;
        let request = "GET /properties HTTP/1.1\r\nHost: gw\r\nAccept: text/event-stream\r\n\r\n";
        sleeper.write(request).await;
        sleepers.push(sleeper);
    }
    let before = gateway.resident_bytes();
    for round in 1..=2000 {
        device.send("s/v", value(round), false).await;
    }
    device.flush().await;
    gateway.value_becomes("s", "v", &value(2000)).await;
    let each = gateway.resident_bytes().saturating_sub(before) / 1024 / 100;
    assert!(each < 700, "{each} KiB for each sleeper");
    drop(sleepers);
    gateway.finish().await;
}
