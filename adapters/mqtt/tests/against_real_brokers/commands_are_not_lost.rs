//! A command reaches the broker, once, whatever happens to the link; or its sender is told.

use std::sync::Arc;
use std::time::Duration;

use thingway_mqtt::config::{BridgeConfig, QoS, Version};
use thingway_sdk::conformance::{DOUBT, PATIENCE, Recorder, Supervised};
use thingway_sdk::{Acknowledgement, AdapterError};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::{
    Mosquitto, Network, VERSIONS, bridge, config, connected, filters, form, subscribe_at, until,
};

const QUALITIES: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// Listens elsewhere, so that commands do not come back to it.
fn sender(port: u16, version: Version) -> BridgeConfig {
    BridgeConfig { version, include: filters(&["elsewhere/#"]), ..config(port) }
}

#[tokio::test]
async fn every_quality_of_service_arrives_with_its_retain_flag() {
    for version in VERSIONS {
        let broker = Mosquitto::start().await;
        let (running, _) = connected(bridge(sender(broker.port, version))).await;
        for qos in QUALITIES {
            let accepted = running.execute(form("lamp/set", qos, true), b"on", PATIENCE).await;
            assert!(matches!(accepted, Ok(Acknowledgement::Accepted)), "{qos:?}: {accepted:?}");
        }
        let options = ["-F", "%r %q %p", "-q", "2"];
        let lines = subscribe_at(broker.port, "lamp/set", 1, &options).await;
        assert_eq!(lines, ["1 2 on"], "{version:?}");
        running.stop().await;
    }
}

/// Fifty commands under way when the broker dies: it has read none, some or all of them.
async fn fifty_in_flight(version: Version, qos: QoS) {
    let mut broker = Mosquitto::start().await;
    let network = Network::to(broker.port).await;
    let (running, recorder) = connected(bridge(sender(network.port, version))).await;
    let running = Arc::new(running);
    broker.freeze().await;
    let mut commands = JoinSet::new();
    for number in 0..50 {
        let running = running.clone();
        commands.spawn(async move {
            // Retained, each on a topic of its own, so that they can be counted afterwards.
            let form = form(&format!("lamp/{number}/set"), qos, true);
            running.execute(form, b"on", PATIENCE).await
        });
    }
    until("many on the wire", || network.publishes() >= 10).await;
    broker.kill().await;
    broker.start_again().await;
    network.lead_to(broker.port);
    recorder.until("the new connection", |seen| seen.connected >= 2).await;
    while let Some(outcome) = commands.join_next().await {
        let outcome = outcome.unwrap();
        assert!(matches!(outcome, Ok(Acknowledgement::Accepted)), "{outcome:?}");
    }
    let lines = subscribe_at(broker.port, "lamp/+/set", 50, &["-v"]).await;
    assert_eq!(lines.len(), 50, "{version:?} {qos:?}");
    Arc::into_inner(running).unwrap().stop().await;
}

#[tokio::test]
async fn fifty_in_flight_at_qos_1_reach_the_broker_that_forgot_the_session() {
    for version in VERSIONS {
        fifty_in_flight(version, QoS::AtLeastOnce).await;
    }
}

#[tokio::test]
async fn fifty_in_flight_at_qos_2_reach_the_broker_that_forgot_the_session() {
    for version in VERSIONS {
        fifty_in_flight(version, QoS::ExactlyOnce).await;
    }
}

#[tokio::test]
async fn a_session_that_survived_gets_no_command_twice_at_qos_2() {
    for version in VERSIONS {
        let broker = Mosquitto::start().await;
        let network = Network::to(broker.port).await;
        let (running, _) = connected(bridge(sender(network.port, version))).await;
        let counting = BridgeConfig {
            client_id: Some("counting".into()),
            qos: QoS::ExactlyOnce,
            ..config(broker.port)
        };
        let (counting, counted) = connected(bridge(counting)).await;
        let running = Arc::new(running);
        let mut commands = JoinSet::new();
        for number in 0..200 {
            let running = running.clone();
            commands.spawn(async move {
                let form = form("lamp/set", QoS::ExactlyOnce, false);
                running.execute(form, number.to_string().as_bytes(), PATIENCE).await
            });
        }
        for cut in 1..=3 {
            until("some on the wire", || network.publishes() >= 20 * cut).await;
            network.cut();
        }
        while let Some(outcome) = commands.join_next().await {
            outcome.unwrap().unwrap();
        }
        counted.until("all", |seen| seen.observed("lamp/set").len() >= 200).await;
        sleep(DOUBT).await;
        let seen = counted.seen();
        let mut payloads: Vec<_> =
            seen.observed("lamp/set").iter().map(|o| o.payload.bytes.clone()).collect();
        payloads.sort();
        let count = payloads.len();
        payloads.dedup();
        assert_eq!((count, payloads.len()), (200, 200), "{version:?}: all, and none twice");
        counting.stop().await;
        Arc::into_inner(running).unwrap().stop().await;
    }
}

#[tokio::test]
async fn a_command_waits_for_a_broker_that_comes_later() {
    let mut broker = Mosquitto::start().await;
    let network = Network::to(broker.port).await;
    broker.kill().await;
    for qos in QUALITIES {
        let bridge = bridge(sender(network.port, Version::V3_1_1));
        let recorder = Recorder::new();
        let running = Supervised::start(bridge, &recorder);
        let form = form("lamp/set", qos, true);
        let (outcome, ()) = tokio::join!(running.execute(form, b"on", PATIENCE), async {
            sleep(DOUBT).await;
            broker.start_again().await;
            network.lead_to(broker.port);
        });
        assert!(matches!(outcome, Ok(Acknowledgement::Accepted)), "{qos:?}: {outcome:?}");
        assert_eq!(subscribe_at(broker.port, "lamp/set", 1, &[]).await, ["on"]);
        running.stop().await;
        broker.kill().await;
    }
}

#[tokio::test]
async fn a_command_whose_time_is_up_is_never_sent() {
    let mut broker = Mosquitto::start().await;
    let network = Network::to(broker.port).await;
    broker.kill().await;
    let running = Supervised::start(bridge(sender(network.port, Version::V5)), &Recorder::new());
    let late = form("lamp/set", QoS::AtLeastOnce, true);
    let outcome = running.execute(late, b"late", Duration::from_millis(50)).await;
    assert!(matches!(outcome, Err(AdapterError::TimedOut(_))), "{outcome:?}");
    broker.start_again().await;
    network.lead_to(broker.port);
    let timely = form("lamp/other", QoS::AtLeastOnce, true);
    running.execute(timely, b"timely", PATIENCE).await.unwrap();
    assert_eq!(subscribe_at(broker.port, "lamp/#", 1, &["-v"]).await, ["lamp/other timely"]);
    running.stop().await;
}

#[tokio::test]
async fn a_full_outbox_says_so_and_empties_itself() {
    let port = crate::support::free_port().await;
    let mut config = sender(port, Version::V3_1_1);
    config.max_waiting_commands = 2.try_into().unwrap();
    let running = Supervised::start(bridge(config), &Recorder::new());
    let form = || form("lamp/set", QoS::AtLeastOnce, false);
    let (first, second, third) = tokio::join!(
        running.execute(form(), b"1", DOUBT),
        running.execute(form(), b"2", DOUBT),
        running.execute(form(), b"3", DOUBT),
    );
    assert!(matches!(first, Err(AdapterError::TimedOut(_))), "{first:?}");
    assert!(matches!(second, Err(AdapterError::TimedOut(_))), "{second:?}");
    assert!(
        matches!(&third, Err(AdapterError::Busy(why)) if why.contains("max_waiting")),
        "{third:?}"
    );
    let fourth = running.execute(form(), b"4", Duration::from_millis(10)).await;
    assert!(matches!(fourth, Err(AdapterError::TimedOut(_))), "there is room again: {fourth:?}");
    running.stop().await;
}

#[tokio::test]
async fn what_the_broker_forbids_is_refused_with_its_reason() {
    let options = "allow_anonymous true\nacl_file {dir}/acl\nmax_packet_size 2000";
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("acl"), "topic readwrite kitchen/#\n").unwrap();
    let broker = Mosquitto::prepared(directory, options).await;
    let (running, _) = connected(bridge(sender(broker.port, Version::V5))).await;
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let outcome = running.execute(form("cellar/set", qos, false), b"on", PATIENCE).await;
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains("not authorized") && text.contains("cellar/set"), "{text}");
    }
    let large =
        running.execute(form("kitchen/set", QoS::AtLeastOnce, false), &[b'x'; 3000], PATIENCE);
    let text = large.await.unwrap_err().to_string();
    assert!(text.contains("2000 bytes"), "{text}");
    running.execute(form("kitchen/set", QoS::AtLeastOnce, false), b"on", PATIENCE).await.unwrap();
    assert!(running.stop().await.is_empty(), "and the link held");
}

#[tokio::test]
async fn what_was_accepted_is_written_before_it_stops() {
    let broker = Mosquitto::start().await;
    let (running, _) = connected(bridge(sender(broker.port, Version::V5))).await;
    running.execute(form("lamp/set", QoS::AtMostOnce, true), b"on", PATIENCE).await.unwrap();
    running.stop().await;
    assert_eq!(subscribe_at(broker.port, "lamp/set", 1, &[]).await, ["on"]);
}

#[tokio::test]
async fn commands_do_not_come_back_but_what_a_device_says_does() {
    for version in VERSIONS {
        for qos in QUALITIES {
            let broker = Mosquitto::start().await;
            let config = BridgeConfig { version, qos, ..config(broker.port) };
            let (running, recorder) = connected(bridge(config)).await;
            for _ in 0..3 {
                running.execute(form("lamp", qos, true), b"on", PATIENCE).await.unwrap();
            }
            // The device says the same as the commands, and where they went.
            broker.publish("lamp", b"on", &["-q", "1"]).await;
            broker.publish("done", b"", &["-q", "1"]).await;
            recorder.until("the end", |seen| seen.has("done", b"")).await;
            assert_eq!(recorder.seen().observed("lamp").len(), 1, "{version:?} {qos:?}");
            running.stop().await;
        }
    }
}

#[tokio::test]
async fn two_gateways_see_each_others_commands_once() {
    let broker = Mosquitto::start().await;
    let other = BridgeConfig { client_id: Some("other".into()), ..config(broker.port) };
    let both = [connected(bridge(config(broker.port))).await, connected(bridge(other)).await];
    for (running, _) in &both {
        running.execute(form("lamp", QoS::AtLeastOnce, false), b"on", PATIENCE).await.unwrap();
    }
    broker.publish("done", b"", &["-q", "1"]).await;
    for (running, recorder) in both {
        recorder.until("the end", |seen| seen.has("done", b"")).await;
        assert_eq!(recorder.seen().observed("lamp").len(), 1);
        running.stop().await;
    }
}
