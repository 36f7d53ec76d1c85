//! Devices: MQTT clients that publish and listen.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, Publish, QoS};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::PATIENCE;

static CLIENTS: AtomicU64 = AtomicU64::new(0);

fn client(broker: SocketAddr, role: &str) -> (AsyncClient, EventLoop) {
    let number = CLIENTS.fetch_add(1, Ordering::Relaxed);
    let id = format!("test-{role}-{}-{number}", std::process::id());
    let mut options = MqttOptions::new(id, broker.ip().to_string(), broker.port());
    options.set_keep_alive(Duration::from_secs(60));
    options.set_max_packet_size(64 << 20, 64 << 20);
    options.set_inflight(1000);
    AsyncClient::new(options, 1000)
}

/// A device that publishes at QoS 1, so that it knows what the broker has.
pub(crate) struct Publisher {
    client: AsyncClient,
    sent: AtomicU64,
    acknowledged: watch::Receiver<u64>,
    link: JoinHandle<()>,
}

impl Publisher {
    pub(crate) async fn connect(broker: SocketAddr) -> Self {
        let (client, mut events) = client(broker, "publisher");
        let (count, acknowledged) = watch::channel(0);
        let link = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::PubAck(_))) => count.send_modify(|n| *n += 1),
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        Self { client, sent: AtomicU64::new(0), acknowledged, link }
    }

    /// Publishes and waits until the broker has it.
    pub(crate) async fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.send(topic, payload, false).await;
        self.flush().await;
    }

    /// The same, retained.
    pub(crate) async fn retain(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.send(topic, payload, true).await;
        self.flush().await;
    }

    /// Publishes without waiting; [`Self::flush`] waits for all.
    pub(crate) async fn send(&self, topic: &str, payload: impl Into<Vec<u8>>, retain: bool) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.client.publish(topic, QoS::AtLeastOnce, retain, payload).await.unwrap();
    }

    /// Waits until the broker has everything.
    pub(crate) async fn flush(&self) {
        let sent = self.sent.load(Ordering::Relaxed);
        let mut acknowledged = self.acknowledged.clone();
        let all = acknowledged.wait_for(|n| *n >= sent);
        let all = timeout(3 * PATIENCE, all).await;
        assert!(all.is_ok(), "the broker acknowledged {} of {sent}", *self.acknowledged.borrow());
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.link.abort();
    }
}

/// A device that listens, and may answer.
pub(crate) struct Subscriber {
    client: AsyncClient,
    messages: mpsc::UnboundedReceiver<Publish>,
    link: JoinHandle<()>,
}

impl Subscriber {
    /// Connects and is subscribed.
    pub(crate) async fn connect(broker: SocketAddr, filter: &str) -> Self {
        let (client, mut events) = client(broker, "subscriber");
        let (sender, messages) = mpsc::unbounded_channel();
        let (ready, mut subscribed) = mpsc::unbounded_channel();
        client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        let link = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(message))) => drop(sender.send(message)),
                    Ok(Event::Incoming(Packet::SubAck(_))) => drop(ready.send(())),
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        timeout(PATIENCE, subscribed.recv()).await.expect("the broker takes the subscription");
        Self { client, messages, link }
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Publish {
        timeout(PATIENCE, self.messages.recv()).await.expect("a message comes").unwrap()
    }

    /// Whether a message comes within that time.
    pub(crate) async fn hears_within(&mut self, time: Duration) -> Option<Publish> {
        timeout(time, self.messages.recv()).await.ok().flatten()
    }

    pub(crate) async fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.client.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.link.abort();
    }
}
