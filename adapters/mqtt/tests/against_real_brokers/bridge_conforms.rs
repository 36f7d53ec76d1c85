//! The bridge passes the suite of every adapter, in both versions and at QoS 1 and 2.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{Mosquitto, Network, bridge, config, form, subscribe_at};
use thingway_mqtt::config::{QoS, Version};
use thingway_sdk::conformance::Peer;
use thingway_sdk::{Adapter, Form};
use tokio::time::{sleep, timeout};

struct BrokerWithDevice {
    broker: Mosquitto,
    network: Network,
    version: Version,
    qos: QoS,
    sent: usize,
}

async fn peer(version: Version, qos: QoS) -> BrokerWithDevice {
    let broker = Mosquitto::start().await;
    let network = Network::to(broker.port).await;
    BrokerWithDevice { broker, network, version, qos, sent: 0 }
}

impl Peer for BrokerWithDevice {
    fn adapter(&self) -> Arc<dyn Adapter> {
        let mut config = config(self.network.port);
        config.version = self.version;
        config.qos = self.qos;
        bridge(config)
    }

    async fn start(&mut self) {
        self.broker.start_again().await;
        self.network.lead_to(self.broker.port);
    }

    async fn stop(&mut self) {
        self.broker.kill().await;
    }

    async fn send(&mut self, address: &str, payload: &[u8]) {
        self.sent += 1;
        self.broker.publish(address, payload, &["-q", "2"]).await;
    }

    async fn acknowledged(&mut self, within: Duration) -> bool {
        let all = async {
            while self.network.acknowledgements() < self.sent {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(within, all).await.is_ok()
    }

    fn command(&self) -> Form {
        form("conformance/set", self.qos, true)
    }

    async fn received(&mut self) -> Vec<u8> {
        let lines = subscribe_at(self.broker.port, "conformance/set", 1, &[]).await;
        lines.concat().into_bytes()
    }
}

mod version_3_1_1 {
    use super::*;
    thingway_sdk::conformance_suite!(peer(Version::V3_1_1, QoS::AtLeastOnce));
}

mod version_5 {
    use super::*;
    thingway_sdk::conformance_suite!(peer(Version::V5, QoS::AtLeastOnce));
}

mod exactly_once {
    use super::*;
    thingway_sdk::conformance_suite!(peer(Version::V5, QoS::ExactlyOnce));
}
