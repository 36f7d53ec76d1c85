//! What is published while the gateway or the broker is away arrives when both are back.

use std::sync::Arc;

use thingway_mqtt::config::{BridgeConfig, QoS, Version};
use thingway_sdk::conformance::Recorder;

use crate::support::{Mosquitto, Network, VERSIONS, bridge, config, connected, filters, until};

fn with_version(port: u16, version: Version) -> BridgeConfig {
    BridgeConfig { version, ..config(port) }
}

async fn saw(recorder: &Arc<Recorder>, topic: &'static str, payload: &'static [u8]) {
    let what = format!("{topic} {}", String::from_utf8_lossy(payload));
    recorder.until(&what, |seen| seen.has(topic, payload)).await;
}

#[tokio::test]
async fn the_broker_keeps_messages_while_the_gateway_is_away() {
    for version in VERSIONS {
        let broker = Mosquitto::start().await;
        let (running, _) = connected(bridge(with_version(broker.port, version))).await;
        running.stop().await;
        for number in ["1", "2", "3"] {
            broker.publish("meter", number.as_bytes(), &["-q", "1"]).await;
        }
        // Another process, after a restart: nothing but the client id connects the two.
        let (running, recorder) = connected(bridge(with_version(broker.port, version))).await;
        saw(&recorder, "meter", b"3").await;
        let seen = recorder.seen();
        let numbers: Vec<_> = seen.observed("meter").iter().map(|o| &o.payload.bytes[..]).collect();
        assert_eq!(numbers, [b"1", b"2", b"3"], "{version:?}");
        running.stop().await;
    }
}

#[tokio::test]
async fn a_clean_session_keeps_nothing() {
    for version in VERSIONS {
        let broker = Mosquitto::start().await;
        let clean =
            || bridge(BridgeConfig { clean_session: true, ..with_version(broker.port, version) });
        let (running, _) = connected(clean()).await;
        running.stop().await;
        broker.publish("meter", b"1", &["-q", "1"]).await;
        let (running, recorder) = connected(clean()).await;
        broker.publish("meter", b"2", &["-q", "1"]).await;
        saw(&recorder, "meter", b"2").await;
        assert!(!recorder.seen().has("meter", b"1"), "{version:?}");
        running.stop().await;
    }
}

#[tokio::test]
async fn a_broker_that_saves_its_sessions_goes_on_where_it_was() {
    let mut broker = Mosquitto::persistent().await;
    let network = Network::to(broker.port).await;
    let (running, recorder) = connected(bridge(config(network.port))).await;
    broker.end().await;
    broker.start_again().await;
    // The gateway does not find it yet: the message waits in the session that was saved.
    broker.publish("meter", b"1", &["-q", "1"]).await;
    assert!(!recorder.seen().has("meter", b"1"));
    network.lead_to(broker.port);
    saw(&recorder, "meter", b"1").await;
    assert!(!running.stop().await.is_empty());
}

#[tokio::test]
async fn a_broker_that_forgot_everything_is_subscribed_to_anew() {
    for version in VERSIONS {
        let mut broker = Mosquitto::start().await;
        let network = Network::to(broker.port).await;
        let (running, recorder) = connected(bridge(with_version(network.port, version))).await;
        broker.kill().await;
        broker.start_again().await;
        network.lead_to(broker.port);
        recorder.until("a second connection", |seen| seen.connected >= 2).await;
        broker.publish("meter", b"1", &["-q", "1"]).await;
        saw(&recorder, "meter", b"1").await;
        running.stop().await;
    }
}

#[tokio::test]
async fn retained_state_comes_again_with_each_connection_and_says_so() {
    let broker = Mosquitto::start().await;
    let network = Network::to(broker.port).await;
    broker.publish("meter", b"1", &["-q", "1", "-r"]).await;
    let (running, recorder) = connected(bridge(config(network.port))).await;
    saw(&recorder, "meter", b"1").await;
    network.cut();
    recorder.until("the state again", |seen| seen.observed("meter").len() == 2).await;
    assert!(recorder.seen().observed("meter").iter().all(|observation| observation.retained));
    broker.publish("meter", b"2", &["-q", "1", "-r"]).await;
    saw(&recorder, "meter", b"2").await;
    let seen = recorder.seen();
    let last = seen.observed("meter").into_iter().find(|o| &o.payload.bytes[..] == b"2").unwrap();
    assert!(!last.retained, "this one happened just now");
    running.stop().await;
}

#[tokio::test]
async fn a_subscription_that_is_no_longer_configured_is_silent() {
    let broker = Mosquitto::start().await;
    let including = |include: &[&str]| {
        bridge(BridgeConfig { include: filters(include), ..config(broker.port) })
    };
    let (running, _) = connected(including(&["kitchen/#", "cellar/#"])).await;
    running.stop().await;
    let (running, recorder) = connected(including(&["kitchen/#"])).await;
    broker.publish("cellar/meter", b"1", &["-q", "1"]).await;
    broker.publish("kitchen/meter", b"2", &["-q", "1"]).await;
    saw(&recorder, "kitchen/meter", b"2").await;
    assert!(recorder.seen().observed("cellar/meter").is_empty());
    running.stop().await;
}

#[tokio::test]
async fn qos_2_goes_on_when_the_broker_waits_for_the_second_half() {
    // The gateway is restarted after PUBREC and before PUBREL: it must answer the broker, which
    // begins the new connection with the PUBREL of an exchange that the gateway knows nothing of.
    let broker = Mosquitto::start().await;
    let exactly_once = || bridge(BridgeConfig { qos: QoS::ExactlyOnce, ..config(broker.port) });
    let (running, recorder) = connected(exactly_once()).await;
    recorder.stall();
    for number in 0..20 {
        broker.publish("meter", number.to_string().as_bytes(), &["-q", "2"]).await;
    }
    recorder.until("submissions", |seen| seen.submitted > 0).await;
    recorder.release();
    recorder.until("the first", |seen| seen.has("meter", b"0")).await;
    broker.freeze().await;
    running.stop().await;
    broker.thaw().await;
    let (running, recorder) = connected(exactly_once()).await;
    broker.publish("meter", b"last", &["-q", "2"]).await;
    saw(&recorder, "meter", b"last").await;
    assert!(running.stop().await.is_empty(), "the link must hold");
}

#[tokio::test]
async fn it_takes_leave_so_that_the_broker_knows() {
    let broker = Mosquitto::start().await;
    let network = Network::to(broker.port).await;
    let (running, _) = connected(bridge(config(network.port))).await;
    running.stop().await;
    until("DISCONNECT", || network.disconnects() == 1).await;
}

#[tokio::test]
async fn two_gateways_with_one_client_id_are_told_apart_in_the_error() {
    let broker = Mosquitto::start().await;
    for version in VERSIONS {
        let (first, _) = connected(bridge(with_version(broker.port, version))).await;
        let (second, recorder) = connected(bridge(with_version(broker.port, version))).await;
        recorder.until("the second to be thrown out too", |seen| seen.connected >= 2).await;
        let losses = first.stop().await;
        assert!(losses.iter().any(|loss| loss.contains("under-test")), "{version:?}: {losses:?}");
        second.stop().await;
    }
}
