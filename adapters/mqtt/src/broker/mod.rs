//! The adapter that is a broker.
//!
//! The protocol is mqtt5's. Its listener, though, is ours: so a taken port is known before the
//! gateway says that it runs, and what a device is thrown out for stands in our log with the
//! device's address. What devices publish is taken on its way into the broker, see [`hook`]: a
//! subscription would lose messages when they come fast.

mod arrivals;
mod hook;
mod wills;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mqtt5::broker::auth::AuthProvider;
use mqtt5::broker::client_handler::ClientHandler;
use mqtt5::broker::config::BrokerConfig as Mqtt5Config;
use mqtt5::broker::router::MessageRouter;
use mqtt5::broker::storage::{DynamicStorage, MemoryBackend, QueueLimits, StorageBackend};
use mqtt5::broker::sys_topics::BrokerStats;
use mqtt5::broker::transport::BrokerTransport;
use mqtt5::broker::{BrokerEventHandler, ResourceLimits, ResourceMonitor};
use mqtt5::packet::publish::PublishPacket;
use thingway_sdk::{Acknowledgement, Adapter, AdapterError, BoxFuture, Command, Reports};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use self::arrivals::Intake;
use self::hook::Hook;
use crate::config::{BrokerConfig, QoS};
use crate::form::Publication;

/// How long the broker may take to end: devices are told, and what they sent is applied.
const DRAIN: Duration = Duration::from_secs(1);

/// Sessions of devices that stayed away for a day are forgotten.
const SESSION_EXPIRY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is kept for one device that is away.
const QUEUE: QueueLimits = QueueLimits { max_messages: 1_000, max_bytes: 8 * 1024 * 1024 };

/// Topics that one device may abbreviate (MQTT 5, section 3.3.2.3.4): each is kept in memory.
const TOPIC_ALIASES: u16 = 64;

/// A packet is read, so that it can be reported as rejected, up to this many times the largest
/// that is accepted. Each connection may have one in memory.
const READ_FACTOR: usize = 2;

/// How long to wait after `accept` failed, as it does without free file descriptors, and how often
/// in a row it may fail.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const ACCEPT_TRIES: u32 = 100;

/// The MQTT broker that runs inside the gateway.
pub struct Broker {
    name: String,
    config: BrokerConfig,
    listener: Mutex<Option<Arc<TcpListener>>>,
    engine: Arc<Mqtt5Config>,
    router: Arc<MessageRouter>,
    storage: Arc<DynamicStorage>,
    monitor: Arc<ResourceMonitor>,
    hook: Arc<Hook>,
    intake: tokio::sync::Mutex<Intake>,
}

impl Broker {
    /// The broker called `name`; it does not listen yet. What it keeps for devices, it keeps in
    /// memory for as long as this value lives.
    #[must_use]
    pub fn new(name: &str, config: BrokerConfig) -> Self {
        let storage = Arc::new(DynamicStorage::Memory(MemoryBackend::with_queue_limits(QUEUE)));
        let router = Arc::new(MessageRouter::with_storage(storage.clone()));
        let (arrivals, intake) = arrivals::channel();
        let hook = Arc::new(Hook::new(&config, arrivals, router.clone(), storage.clone()));
        Self {
            name: name.to_owned(),
            listener: Mutex::new(None),
            engine: Arc::new(engine(&config, hook.clone())),
            monitor: Arc::new(ResourceMonitor::new(limits(&config))),
            router,
            storage,
            hook,
            intake: tokio::sync::Mutex::new(intake),
            config,
        }
    }

    /// Begins to listen, unless it does already, and tells where. Devices that connect are
    /// attended to as soon as the adapter runs.
    ///
    /// # Errors
    /// When the address is taken, or not this machine's.
    pub async fn bind(&self) -> Result<SocketAddr, AdapterError> {
        let listener = self.listener().await?;
        listener.local_addr().map_err(|error| self.bind_error(&error))
    }

    async fn listener(&self) -> Result<Arc<TcpListener>, AdapterError> {
        let bound = self.bound();
        if let Some(listener) = bound {
            return Ok(listener);
        }
        let listener = TcpListener::bind(self.config.listen).await;
        let listener = Arc::new(listener.map_err(|error| self.bind_error(&error))?);
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener.clone());
        Ok(listener)
    }

    fn bound(&self) -> Option<Arc<TcpListener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn bind_error(&self, error: &std::io::Error) -> AdapterError {
        AdapterError::Link(format!(
            "the MQTT broker `{}` can't listen on {}: {error}; stop what listens there, perhaps \
             another broker, or choose another `listen`",
            self.name, self.config.listen
        ))
    }

    async fn serve(&self, reports: Reports, stop: CancellationToken) -> Result<(), AdapterError> {
        let listener = self.listener().await?;
        let mut intake = self.intake.lock().await;
        let (closing, _) = broadcast::channel(1);
        let mut devices = JoinSet::new();
        self.hook.open();
        reports.connected();
        info!(broker = %self.endpoint(), "Devices can connect");
        let mut applying = pin!(intake.apply(&reports));
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            error = self.accept(&listener, &mut devices, &closing) => Err(error),
            never = self.keep_house() => match never {},
            never = &mut applying => match never {},
        };
        self.hook.close();
        drop(closing);
        tokio::select! {
            () = self.dismiss(devices) => {}
            never = &mut applying => match never {},
            () = sleep(DRAIN) => warn!("Stopped before all that devices sent was applied"),
        }
        if ended.is_ok() {
            self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        ended
    }

    /// Lets devices in, for as long as that works.
    async fn accept(
        &self,
        listener: &TcpListener,
        devices: &mut JoinSet<()>,
        closing: &broadcast::Sender<()>,
    ) -> AdapterError {
        let mut failures = 0;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = devices.join_next() => continue,
            };
            match accepted {
                Ok((stream, device)) => {
                    failures = 0;
                    self.admit(stream, device, devices, closing).await;
                }
                Err(error) if failures < ACCEPT_TRIES => {
                    failures += 1;
                    warn!(%error, "A device could not connect");
                    sleep(ACCEPT_PAUSE).await;
                }
                Err(error) => return self.bind_error(&error),
            }
        }
    }

    async fn admit(
        &self,
        stream: TcpStream,
        device: SocketAddr,
        devices: &mut JoinSet<()>,
        closing: &broadcast::Sender<()>,
    ) {
        if !self.monitor.can_accept_connection(device.ip()).await {
            let most = self.config.max_clients;
            warn!(%device, "Refused a connection: {most} are open (`max_clients`)");
            return;
        }
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%device, %error, "Small packets to this device may be delayed");
        }
        let handler = ClientHandler::new(
            BrokerTransport::tcp(stream),
            device,
            self.engine.clone(),
            self.router.clone(),
            self.hook.clone() as Arc<dyn AuthProvider>,
            Some(self.storage.clone()),
            Arc::new(BrokerStats::new()),
            self.monitor.clone(),
            closing.subscribe(),
        );
        devices.spawn(async move {
            match handler.run().await {
                Err(error) if !error.is_normal_disconnect() => {
                    warn!(%device, %error, "Closed the connection of a device");
                }
                _ => debug!(%device, "A device left"),
            }
        });
    }

    /// Forgets sessions that have expired.
    async fn keep_house(&self) -> Infallible {
        let mut minutes = interval(Duration::from_secs(60));
        minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            minutes.tick().await;
            if let Err(error) = self.storage.cleanup_expired().await {
                warn!(%error, "Expired sessions could not be forgotten");
            }
            self.router.sweep_sessions().await;
            self.monitor.cleanup_expired_windows().await;
        }
    }

    /// Until every device has left and what they sent is applied.
    async fn dismiss(&self, mut devices: JoinSet<()>) {
        while devices.join_next().await.is_some() {}
        self.hook.settled().await;
    }

    async fn publish(&self, command: Command) -> Result<Acknowledgement, AdapterError> {
        let deadline = command.deadline;
        let Publication { topic, payload, qos, retain } = command.try_into()?;
        let mut packet = PublishPacket::new(topic.as_str(), payload.bytes, wire(qos));
        packet.retain = retain;
        if let Some(content_type) = payload.content_type {
            packet.properties.set_content_type(content_type.into());
        }
        // Straight to the subscribers: the hook is in the devices' way only, so that what we
        // publish does not come back as an observation.
        self.router.route_message_with_deadline(&packet, None, deadline).await;
        Ok(Acknowledgement::Accepted)
    }
}

impl Adapter for Broker {
    fn endpoint(&self) -> String {
        let address = self.bound().and_then(|listener| listener.local_addr().ok());
        format!("mqtt://{}", address.unwrap_or(self.config.listen))
    }

    fn run(
        &self,
        reports: Reports,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<(), AdapterError>> {
        Box::pin(self.serve(reports, stop))
    }

    fn execute(&self, command: Command) -> BoxFuture<'_, Result<Acknowledgement, AdapterError>> {
        Box::pin(self.publish(command))
    }
}

fn engine(config: &BrokerConfig, hook: Arc<Hook>) -> Mqtt5Config {
    Mqtt5Config {
        // At least what a CONNECT packet may need.
        max_packet_size: config.max_packet_bytes.get().saturating_mul(READ_FACTOR).max(64 * 1024),
        session_expiry_interval: SESSION_EXPIRY,
        topic_alias_maximum: TOPIC_ALIASES,
        sys_topics_enabled: false,
        event_handler: Some(hook as Arc<dyn BrokerEventHandler>),
        ..Mqtt5Config::default()
    }
}

fn limits(config: &BrokerConfig) -> ResourceLimits {
    ResourceLimits {
        max_connections: config.max_clients.get(),
        max_connections_per_ip: usize::MAX,
        max_message_rate_per_client: 0,
        max_bandwidth_per_client: 0,
        max_connection_rate: u32::MAX,
        rate_limit_window: Duration::from_secs(1),
    }
}

fn wire(qos: QoS) -> mqtt5::QoS {
    match qos {
        QoS::AtMostOnce => mqtt5::QoS::AtMostOnce,
        QoS::AtLeastOnce => mqtt5::QoS::AtLeastOnce,
        QoS::ExactlyOnce => mqtt5::QoS::ExactlyOnce,
    }
}
