//! The bridge passes the suite of every adapter.

use std::sync::Arc;
use std::time::Duration;

use thingway_coap::Bridge;
use thingway_sdk::conformance::Peer;
use thingway_sdk::{Adapter, Form, Operation};

use crate::support::{Device, config, form, resource};

async fn peer() -> Device {
    Device::start(&[
        ("/conformance/bad", resource(";obs", "0")),
        ("/conformance/reading", resource(";obs", "0")),
        ("/conformance/set", resource("", "off")),
    ])
    .await
}

impl Peer for Device {
    fn adapter(&self) -> Arc<dyn Adapter> {
        Arc::new(Bridge::new(config(self.address)).unwrap())
    }

    async fn start(&mut self) {
        self.start_again().await;
    }

    async fn stop(&mut self) {
        Device::stop(self).await;
    }

    async fn send(&mut self, address: &str, payload: &[u8]) {
        let path = ["/conformance/bad", "/conformance/reading"];
        let path = path.into_iter().find(|path| path.ends_with(address)).unwrap();
        self.put(path, payload).await;
    }

    /// A device keeps no readings for anybody: it tells how it is.
    fn keeps_readings(&self) -> bool {
        false
    }

    async fn acknowledged(&mut self, _within: Duration) -> bool {
        true
    }

    fn command(&self) -> Form {
        form("conformance/set", Operation::WriteProperty, "text/plain")
    }

    async fn received(&mut self) -> Vec<u8> {
        self.written.recv().await.unwrap().1.payload.to_vec()
    }
}

thingway_sdk::conformance_suite!(peer());
