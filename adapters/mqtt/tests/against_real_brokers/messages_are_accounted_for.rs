//! Every message that arrives ends as one report, and is acknowledged after it.

use std::sync::Arc;
use std::time::Duration;

use thingway_mqtt::config::{BridgeConfig, QoS, Version};
use thingway_sdk::conformance::{DOUBT, Recorder};
use tokio::time::sleep;

use crate::support::{
    Mosquitto, Network, VERSIONS, bridge, config, connected, filters, publish_to, until,
};

async fn saw(recorder: &Arc<Recorder>, topic: &'static str, payload: &'static [u8]) {
    let what = format!("{topic} {}", String::from_utf8_lossy(payload));
    recorder.until(&what, |seen| seen.has(topic, payload)).await;
}

#[tokio::test]
async fn a_large_message_is_rejected_once_and_the_link_lives() {
    for version in VERSIONS {
        let broker = Mosquitto::start().await;
        let network = Network::to(broker.port).await;
        let config = BridgeConfig {
            version,
            max_packet_bytes: 10_000.try_into().unwrap(),
            ..config(network.port)
        };
        let (running, recorder) = connected(bridge(config)).await;
        broker.publish("camera", &vec![b'x'; 3_000_000], &["-q", "1"]).await;
        broker.publish("camera", &vec![b'x'; 10_000], &["-q", "0"]).await;
        broker.publish("camera", &vec![b'y'; 9_000], &["-q", "1"]).await;
        recorder.until("all three", |seen| seen.applied.len() >= 3).await;
        until("two acknowledgements", || network.acknowledgements() == 2).await;
        // It was acknowledged, so it does not come again.
        network.cut();
        recorder.until("a second connection", |seen| seen.connected >= 2).await;
        broker.publish("meter", b"1", &["-q", "1"]).await;
        saw(&recorder, "meter", b"1").await;

        let seen = recorder.seen();
        let rejected: Vec<_> =
            seen.rejected().iter().map(|r| (r.address.as_str(), r.size)).collect();
        assert_eq!(rejected, [("camera", 3_000_000), ("camera", 10_000)], "{version:?}");
        assert!(seen.rejected()[0].reason.contains("max_packet_bytes"));
        assert_eq!(seen.observed("camera").len(), 1);
        assert_eq!(running.stop().await.len(), 1, "one cut, one loss");
    }
}

#[tokio::test]
async fn what_was_not_applied_when_the_link_broke_comes_again() {
    for version in VERSIONS {
        let broker = Mosquitto::start().await;
        let network = Network::to(broker.port).await;
        let (running, recorder) =
            connected(bridge(BridgeConfig { version, ..config(network.port) })).await;
        recorder.stall();
        broker.publish("meter", b"1", &["-q", "1"]).await;
        recorder.until("the submission", |seen| seen.submitted == 1).await;
        network.cut();
        sleep(DOUBT).await;
        assert_eq!(network.acknowledgements(), 0);
        recorder.release();
        recorder.until("it again", |seen| seen.observed("meter").len() >= 2).await;
        let seen = recorder.seen();
        let redelivered: Vec<_> = seen.observed("meter").iter().map(|o| o.redelivered).collect();
        assert_eq!(redelivered, [false, true], "{version:?}");
        running.stop().await;
    }
}

#[tokio::test]
async fn at_qos_2_it_does_not_come_again_once_it_was_applied() {
    for version in VERSIONS {
        let broker = Mosquitto::start().await;
        let network = Network::to(broker.port).await;
        let config = BridgeConfig { version, qos: QoS::ExactlyOnce, ..config(network.port) };
        let (running, recorder) = connected(bridge(config)).await;
        recorder.stall();
        broker.publish("meter", b"1", &["-q", "2"]).await;
        recorder.until("the submission", |seen| seen.submitted == 1).await;
        network.cut();
        recorder.release();
        recorder.until("a second connection", |seen| seen.connected >= 2).await;
        broker.publish("meter", b"2", &["-q", "2"]).await;
        saw(&recorder, "meter", b"2").await;
        assert_eq!(recorder.seen().observed("meter").len(), 2, "{version:?}");
        running.stop().await;
    }
}

#[tokio::test]
async fn it_stops_though_the_gateway_stalls_and_the_message_comes_again() {
    let broker = Mosquitto::start().await;
    let (running, recorder) = connected(bridge(config(broker.port))).await;
    recorder.stall();
    broker.publish("meter", b"1", &["-q", "1"]).await;
    recorder.until("the submission", |seen| seen.submitted == 1).await;
    running.stop().await;
    let (running, recorder) = connected(bridge(config(broker.port))).await;
    saw(&recorder, "meter", b"1").await;
    running.stop().await;
}

#[tokio::test]
async fn the_link_lives_while_the_gateway_is_slow() {
    let broker = Mosquitto::start().await;
    let config = BridgeConfig { keep_alive_seconds: 1.try_into().unwrap(), ..config(broker.port) };
    let (running, recorder) = connected(bridge(config)).await;
    recorder.stall();
    broker.publish("meter", b"1", &["-q", "1"]).await;
    // Three times the keep-alive: the broker would have thrown out a client that does not ping.
    sleep(Duration::from_secs(3)).await;
    recorder.release();
    saw(&recorder, "meter", b"1").await;
    assert!(running.stop().await.is_empty());
}

#[tokio::test]
async fn a_broker_that_falls_silent_is_given_up() {
    let broker = Mosquitto::start().await;
    let config = BridgeConfig { keep_alive_seconds: 1.try_into().unwrap(), ..config(broker.port) };
    let (running, recorder) = connected(bridge(config)).await;
    broker.freeze().await;
    sleep(Duration::from_secs(3)).await;
    broker.thaw().await;
    recorder.until("a second connection", |seen| seen.connected >= 2).await;
    let losses = running.stop().await;
    assert!(losses[0].contains("silent"), "{losses:?}");
}

#[tokio::test]
async fn excluded_topics_are_never_reported() {
    let broker = Mosquitto::with("allow_anonymous true\nsys_interval 1").await;
    let (running, recorder) = connected(bridge(BridgeConfig {
        include: filters(&["#", "$SYS/#"]),
        exclude: filters(&["$SYS/#", "+/debug/#"]),
        ..config(broker.port)
    }))
    .await;
    broker.publish("lamp/debug/heap", b"1", &["-q", "1"]).await;
    broker.publish("lamp/state", b"on", &["-q", "1"]).await;
    saw(&recorder, "lamp/state", b"on").await;
    assert_eq!(recorder.seen().applied.len(), 1, "{:?}", recorder.seen());
    running.stop().await;
}

#[tokio::test]
async fn version_5_tells_the_media_type() {
    let broker = Mosquitto::start().await;
    let version = Version::V5;
    let (running, recorder) =
        connected(bridge(BridgeConfig { version, ..config(broker.port) })).await;
    let options = [
        "-V",
        "5",
        "-q",
        "1",
        "-D",
        "PUBLISH",
        "content-type",
        "application/json",
        "-D",
        "PUBLISH",
        "user-property",
        "a",
        "b",
        "-D",
        "PUBLISH",
        "message-expiry-interval",
        "60",
    ];
    broker.publish("meter", b"{}", &options).await;
    saw(&recorder, "meter", b"{}").await;
    let seen = recorder.seen();
    let content_type = seen.observed("meter")[0].payload.content_type.as_deref();
    assert_eq!(content_type, Some("application/json"));
    running.stop().await;
}

#[tokio::test]
async fn a_flood_arrives_whole_and_in_order() {
    const MESSAGES: usize = 20_000;
    // By default mosquitto keeps no more than a thousand for a reader.
    let broker = Mosquitto::with("allow_anonymous true\nmax_queued_messages 0").await;
    let (running, recorder) = connected(bridge(config(broker.port))).await;
    let lines: String = (0..MESSAGES).map(|number| format!("{number}\n")).collect();
    flood(broker.port, "1", &lines).await;
    recorder.until("all", |seen| seen.applied.len() >= MESSAGES).await;
    let seen = recorder.seen();
    let numbers: Vec<usize> = seen
        .observed("meter")
        .iter()
        .map(|observation| str::from_utf8(&observation.payload.bytes).unwrap().parse().unwrap())
        .collect();
    assert!(numbers.iter().copied().eq(0..MESSAGES), "{} came", numbers.len());
    assert!(running.stop().await.is_empty());
}

/// Publishes each line as one message.
pub(crate) async fn flood(port: u16, qos: &str, lines: &str) {
    use tokio::io::AsyncWriteExt;
    let mut publishing = tokio::process::Command::new("mosquitto_pub")
        .args(["-p", &port.to_string(), "-t", "meter", "-q", qos, "-l"])
        .stdin(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = publishing.stdin.take().unwrap();
    input.write_all(lines.as_bytes()).await.unwrap();
    drop(input);
    assert!(publishing.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_shared_subscription_shares() {
    for version in VERSIONS {
        let broker = Mosquitto::start().await;
        let member = |name: &str| {
            bridge(BridgeConfig {
                version,
                client_id: Some(name.into()),
                include: filters(&["$share/gateways/meter/+"]),
                ..config(broker.port)
            })
        };
        let (one, at_one) = connected(member("one")).await;
        let (two, at_two) = connected(member("two")).await;
        for number in 0..10 {
            publish_to(broker.port, &format!("meter/{number}"), b"1", &["-q", "1"]).await;
        }
        let both = || at_one.seen().applied.len() + at_two.seen().applied.len();
        until("all at one or the other", || both() >= 10).await;
        assert_eq!(both(), 10, "{version:?}");
        one.stop().await;
        two.stop().await;
    }
}
