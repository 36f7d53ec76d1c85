//! What the tests are played with: a real mosquitto, a network that can be cut, and short words
//! for both.

mod mosquitto;
mod network;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use thingway_mqtt::config::{BridgeConfig, QoS, Version};
use thingway_mqtt::{Bridge, topic::TopicFilter};
use thingway_sdk::conformance::{PATIENCE, Recorder, Supervised};
use thingway_sdk::{Adapter, Form, Operation, Value};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

pub(crate) use mosquitto::{Mosquitto, publish_to, subscribe_at};
pub(crate) use network::Network;

/// A port that was free a moment ago.
pub(crate) async fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

pub(crate) fn config(port: u16) -> BridgeConfig {
    let mut config = BridgeConfig::new(format!("mqtt://127.0.0.1:{port}").parse().unwrap());
    config.client_id = Some("under-test".into());
    config
}

pub(crate) fn bridge(config: BridgeConfig) -> Arc<Bridge> {
    Arc::new(Bridge::new("test", config).unwrap())
}

pub(crate) fn filters(filters: &[&str]) -> Vec<TopicFilter> {
    filters.iter().map(|&filter| TopicFilter::try_from(filter).unwrap()).collect()
}

/// Runs `adapter` and waits until it is connected.
pub(crate) async fn connected(adapter: Arc<dyn Adapter>) -> (Supervised, Arc<Recorder>) {
    let recorder = Recorder::new();
    let supervised = Supervised::start(adapter, &recorder);
    recorder.until("the connection", |seen| seen.connected > 0).await;
    (supervised, recorder)
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(timeout(PATIENCE, waiting).await.is_ok(), "did not come: {what}");
}

/// A form that publishes to `topic`.
pub(crate) fn form(topic: &str, qos: QoS, retain: bool) -> Form {
    let terms = BTreeMap::from([
        ("mqv:qos".into(), Value::Text(qos.level().to_string().into())),
        ("mqv:retain".into(), Value::Boolean(retain)),
    ]);
    let operation = Operation::WriteProperty;
    Form { address: topic.into(), operation, content_type: None, terms }
}

pub(crate) const VERSIONS: [Version; 2] = [Version::V3_1_1, Version::V5];
