//! Connects devices to a broker: each has a client, a task that keeps its link and a task that
//! lives its life.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rumqttc::{AsyncClient, ClientError, Event, EventLoop, MqttOptions, Packet, QoS};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::device::{Device, Message, Moment};
use crate::devices;

/// How the devices live.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Pause between two ticks of a device.
    pub interval: Duration,
    /// The same seed gives the same readings.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { interval: Duration::from_secs(2), seed: 1 }
    }
}

/// Devices that are switched on.
#[derive(Debug)]
pub struct Fleet {
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Messages and commands of one device that may wait.
const QUEUE: usize = 64;
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
const FAREWELL: Duration = Duration::from_secs(1);

impl Fleet {
    /// Switches on one device of each kind.
    #[must_use]
    pub fn start(broker: SocketAddr, options: Options) -> Self {
        Self::of(devices::all(options.seed), broker, options)
    }

    /// Switches on these devices. Must be called within a tokio runtime.
    #[must_use]
    pub fn of(devices: Vec<Box<dyn Device>>, broker: SocketAddr, options: Options) -> Self {
        let fleet = Self { stop: CancellationToken::new(), tasks: TaskTracker::new() };
        for device in devices {
            fleet.switch_on(device, broker, options);
        }
        fleet.tasks.close();
        fleet
    }

    /// Switches all devices off; each says goodbye to the broker, if that is still there.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    fn switch_on(&self, device: Box<dyn Device>, broker: SocketAddr, options: Options) {
        let mut settings =
            MqttOptions::new(device.client_id(), broker.ip().to_string(), broker.port());
        settings.set_keep_alive(Duration::from_secs(10));
        let (client, events) = AsyncClient::new(settings, QUEUE);
        let (commands, inbox) = mpsc::channel(QUEUE);
        let connected = Arc::new(Notify::new());
        let link = Link { client: client.clone(), events, commands, connected: connected.clone() };
        let life = Life { device, client, inbox, connected, interval: options.interval };
        self.tasks.spawn(link.keep(self.stop.clone()));
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled(life.live()).await });
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Link {
    client: AsyncClient,
    events: EventLoop,
    commands: mpsc::Sender<Bytes>,
    connected: Arc<Notify>,
}

impl Link {
    async fn keep(mut self, stop: CancellationToken) {
        // Cut off only between two events: what is under way is not torn apart.
        while stop.run_until_cancelled(self.next()).await.is_some() {}
        // Refused when the queue is full; then the broker finds out by itself.
        if self.client.try_disconnect().is_ok() {
            let _ = timeout(FAREWELL, async { while self.events.poll().await.is_ok() {} }).await;
        }
    }

    async fn next(&mut self) {
        match self.events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => self.connected.notify_one(),
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                // Waiting here would stop the link, which the device may be waiting for.
                if self.commands.try_send(publish.payload).is_err() {
                    warn!(topic = publish.topic, "A simulated device dropped a command");
                }
            }
            Ok(_) => {}
            Err(error) => {
                debug!(%error, "A simulated device lost its broker");
                sleep(RECONNECT_PAUSE).await;
            }
        }
    }
}

struct Life {
    device: Box<dyn Device>,
    client: AsyncClient,
    inbox: mpsc::Receiver<Bytes>,
    connected: Arc<Notify>,
    interval: Duration,
}

impl Life {
    /// Goes on until the link is no more.
    async fn live(mut self) {
        let switched_on = Instant::now();
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let lived = loop {
            let done = tokio::select! {
                () = self.connected.notified() => self.subscribe().await,
                Some(command) = self.inbox.recv() => {
                    let messages = self.device.command(&command, moment(switched_on));
                    self.publish(messages).await
                }
                _ = ticks.tick() => {
                    let messages = self.device.tick(moment(switched_on));
                    self.publish(messages).await
                }
            };
            if let Err(error) = done {
                break error;
            }
        };
        debug!(error = %lived, "A simulated device ended");
    }

    async fn subscribe(&mut self) -> Result<(), ClientError> {
        match self.device.command_topic() {
            Some(topic) => self.client.subscribe(topic, QoS::AtLeastOnce).await,
            None => Ok(()),
        }
    }

    async fn publish(&mut self, messages: Vec<Message>) -> Result<(), ClientError> {
        for Message { topic, payload, retain } in messages {
            self.client.publish_bytes(topic, QoS::AtLeastOnce, retain, payload).await?;
        }
        Ok(())
    }
}

fn moment(switched_on: Instant) -> Moment {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment {
        uptime: switched_on.elapsed(),
        epoch_milliseconds: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
    }
}
