//! Stands where the broker tells what happens in it, and takes every message that a device
//! publishes. The broker waits for the hook before it acknowledges and before it tells
//! subscribers, so QoS 1 and 2 are acknowledged after the gateway has applied them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mqtt5::broker::auth::{AuthProvider, AuthResult};
use mqtt5::broker::router::MessageRouter;
use mqtt5::broker::storage::{DynamicStorage, StorageBackend};
use mqtt5::broker::{
    BrokerEventHandler, ClientConnectEvent, ClientDisconnectEvent, ClientPublishEvent,
    PublishAction,
};
use mqtt5::packet::connect::ConnectPacket;
use mqtt5::packet::publish::PublishPacket;
use smol_str::SmolStr;
use thingway_sdk::{Address, BoxFuture, Observation, Payload, Rejection, Report, Timestamp};
use tracing::{trace, warn};

use super::arrivals::Arrivals;
use super::wills::{Will, Wills};
use crate::config::BrokerConfig;

pub(super) struct Hook {
    max_payload_bytes: usize,
    max_retained: usize,
    arrivals: Arrivals,
    router: Arc<MessageRouter>,
    storage: Arc<DynamicStorage>,
    /// Locked for the length of plain calls only, never across an await.
    wills: Mutex<Wills>,
    /// Devices that are dismissed because the gateway ends are not lost: their wills say nothing.
    closing: AtomicBool,
}

impl Hook {
    pub(super) fn new(
        config: &BrokerConfig,
        arrivals: Arrivals,
        router: Arc<MessageRouter>,
        storage: Arc<DynamicStorage>,
    ) -> Self {
        Self {
            max_payload_bytes: config.max_packet_bytes.get(),
            max_retained: config.max_retained.get(),
            arrivals,
            router,
            storage,
            wills: Mutex::default(),
            closing: AtomicBool::new(false),
        }
    }

    /// The broker begins to let devices in.
    pub(super) fn open(&self) {
        *self.wills() = Wills::default();
        self.closing.store(false, Ordering::Relaxed);
    }

    /// The broker begins to dismiss its devices.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Returns when all that came is applied.
    pub(super) async fn settled(&self) {
        self.arrivals.settled().await;
    }

    fn wills(&self) -> MutexGuard<'_, Wills> {
        // Every call leaves the wills whole, or it would not return.
        self.wills.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn published(&self, event: ClientPublishEvent) -> PublishAction {
        if event.payload.len() > self.max_payload_bytes {
            return self.reject(event).await;
        }
        // Topics with `$` are the broker's own: no subscription to `#` gets them either.
        if event.topic.starts_with('$') {
            trace!(topic = %event.topic, "Dropped a message to a topic of the broker's own");
        } else {
            let payload = Payload { bytes: event.payload.clone(), content_type: None };
            let report = observed(Address::from(&*event.topic), payload);
            self.submit(report, event.qos).await;
        }
        if event.retain && self.is_retained_store_full(&event).await {
            return deliver_without_retaining(event);
        }
        PublishAction::Continue
    }

    /// QoS 0 only has to stand in line: nobody waits for an acknowledgement.
    async fn submit(&self, report: Report, qos: mqtt5::QoS) {
        match qos {
            mqtt5::QoS::AtMostOnce => self.arrivals.put(report).await,
            mqtt5::QoS::AtLeastOnce | mqtt5::QoS::ExactlyOnce => self.arrivals.apply(report).await,
        }
    }

    async fn reject(&self, event: ClientPublishEvent) -> PublishAction {
        let size = event.payload.len();
        let most = self.max_payload_bytes;
        let rejection = Rejection {
            address: Address::from(&*event.topic),
            size,
            reason: format!(
                "the payload has {size} bytes, more than `max_packet_bytes` = {most} lets in; \
                 raise it, or send less at once"
            ),
            received: Timestamp::now(),
        };
        warn!(
            device = %event.client_id, topic = %event.topic, size,
            "Rejected a message that is larger than `max_packet_bytes`"
        );
        self.submit(Report::Rejected(rejection), event.qos).await;
        PublishAction::Handled
    }

    /// The broker's own limit would refuse such a message before the hook sees it.
    async fn is_retained_store_full(&self, event: &ClientPublishEvent) -> bool {
        !event.payload.is_empty()
            && self.router.retained_count().await >= self.max_retained
            && !self.router.has_retained_message(&event.topic).await
    }

    async fn connected(&self, event: ClientConnectEvent) {
        let will = match (event.will_topic, event.will_payload) {
            (Some(topic), Some(payload)) => {
                Some(self.will(&event.client_id, &topic, payload).await)
            }
            _ => None,
        };
        self.wills().connected(event.client_id, will);
    }

    /// The event has a will's content only; its delay and media type stand in the session, unless
    /// that belongs to a newer connection already.
    async fn will(&self, device: &str, topic: &str, bytes: Bytes) -> Will {
        let session = self.storage.get_session(device).await.ok().flatten();
        let delayed = session.as_ref().and_then(|session| session.will_publish_delay());
        let content_type = session
            .and_then(|session| session.will_message)
            .filter(|will| will.topic == topic && will.payload == bytes)
            .and_then(|will| will.properties.content_type)
            .map(SmolStr::from);
        Will {
            address: Address::from(topic),
            payload: Payload { bytes, content_type },
            delayed: delayed.is_some_and(|seconds| seconds > 0),
        }
    }

    async fn disconnected(&self, event: ClientDisconnectEvent) {
        let will = self.wills().disconnected(&event.client_id, event.unexpected);
        self.execute(will).await;
    }

    async fn execute(&self, will: Option<Will>) {
        let Some(will) = will else { return };
        if self.closing.load(Ordering::Relaxed) {
            trace!(topic = %will.address, "A will is not reported while the gateway stops");
            return;
        }
        self.arrivals.put(observed(will.address, will.payload)).await;
    }
}

/// Nothing of this is retained in the sense of a report: it happened just now.
fn observed(address: Address, payload: Payload) -> Report {
    Report::Observed(Observation {
        address,
        about: None,
        payload,
        received: Timestamp::now(),
        retained: false,
        redelivered: false,
    })
}

fn deliver_without_retaining(event: ClientPublishEvent) -> PublishAction {
    warn!(
        device = %event.client_id, topic = %event.topic,
        "Delivered a message without retaining it: `max_retained` messages are kept already"
    );
    let mut packet = PublishPacket::new(&*event.topic, event.payload, event.qos);
    packet.packet_id = event.packet_id;
    PublishAction::Transform(packet)
}

impl BrokerEventHandler for Hook {
    fn on_client_connect(&self, event: ClientConnectEvent) -> BoxFuture<'_, ()> {
        Box::pin(self.connected(event))
    }

    fn on_client_publish(&self, event: ClientPublishEvent) -> BoxFuture<'_, PublishAction> {
        Box::pin(self.published(event))
    }

    fn on_client_disconnect(&self, event: ClientDisconnectEvent) -> BoxFuture<'_, ()> {
        Box::pin(self.disconnected(event))
    }
}

/// Lets everybody in: who reaches the broker is the operator's choice, with `listen`. It is here
/// because the broker asks it before it publishes a will.
impl AuthProvider for Hook {
    fn authenticate<'a>(
        &'a self,
        _connect: &'a ConnectPacket,
        _device: SocketAddr,
    ) -> BoxFuture<'a, mqtt5::Result<AuthResult>> {
        Box::pin(async { Ok(AuthResult::success()) })
    }

    fn authorize_publish<'a>(
        &'a self,
        device: &str,
        _user: Option<&'a str>,
        _topic: &'a str,
    ) -> BoxFuture<'a, bool> {
        let will = self.wills().publishing(device);
        Box::pin(async {
            self.execute(will).await;
            true
        })
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _device: &str,
        _user: Option<&'a str>,
        _filter: &'a str,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async { true })
    }
}
