//! The embedded broker passes the suite of every adapter. Here the far side is a device, played by
//! mosquitto's clients.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{form, free_port, subscribe_at};
use thingway_mqtt::Broker;
use thingway_mqtt::config::{BrokerConfig, QoS};
use thingway_sdk::conformance::Peer;
use thingway_sdk::{Adapter, Form};
use tokio::task::JoinSet;
use tokio::time::timeout;

struct Device {
    port: u16,
    version: &'static str,
    sending: JoinSet<()>,
}

async fn device(version: &'static str) -> Device {
    Device { port: free_port().await, version, sending: JoinSet::new() }
}

impl Peer for Device {
    fn adapter(&self) -> Arc<dyn Adapter> {
        let listen = ([127, 0, 0, 1], self.port).into();
        Arc::new(Broker::new("test", BrokerConfig { listen, ..BrokerConfig::default() }))
    }

    async fn start(&mut self) {}

    async fn stop(&mut self) {
        self.sending.abort_all();
    }

    async fn send(&mut self, address: &str, payload: &[u8]) {
        let (port, version) = (self.port, self.version);
        let (address, payload) = (address.to_owned(), payload.to_owned());
        self.sending.spawn(async move {
            crate::support::publish_to(port, &address, &payload, &["-q", "1", "-V", version]).await;
        });
    }

    async fn acknowledged(&mut self, within: Duration) -> bool {
        let all = async {
            while let Some(sent) = self.sending.join_next().await {
                sent.unwrap();
            }
        };
        timeout(within, all).await.is_ok()
    }

    fn command(&self) -> Form {
        form("conformance/set", QoS::AtLeastOnce, true)
    }

    async fn received(&mut self) -> Vec<u8> {
        let options = ["-q", "1", "-V", self.version];
        let lines = subscribe_at(self.port, "conformance/set", 1, &options).await;
        lines.concat().into_bytes()
    }
}

mod device_with_version_3_1_1 {
    use super::*;
    thingway_sdk::conformance_suite!(device("mqttv311"));
}

mod device_with_version_5 {
    use super::*;
    thingway_sdk::conformance_suite!(device("mqttv5"));
}
