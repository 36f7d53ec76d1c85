//! The one table in which protocols plug in.
//!
//! To add one, write its crate against `thingway-sdk`, add a row to `protocols!` below, and say
//! with `impl Protocol` how its adapter is made.

#[macro_use]
mod table;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use thingway_coap::bridge::InvalidDevice;
use thingway_coap::{CoapServer, DeviceConfig, ServerConfig};
use thingway_mqtt::config::{InvalidBridge, InvalidUrl};
use thingway_mqtt::{Bridge, BridgeConfig};
#[cfg(feature = "embedded-broker")]
use thingway_mqtt::{Broker, BrokerConfig};
use thingway_sdk::{Adapter, AdapterError, Exposed};
use utoipa::ToSchema;

protocols! {
    // protocol = "…"      its options
    "mqtt"        => Mqtt(BridgeConfig),
    #[cfg(feature = "embedded-broker")]
    "mqtt-broker" => MqttBroker(BrokerConfig),
    "coap"        => Coap(DeviceConfig),
    "coap-server" => CoapServer(ServerConfig),
}

/// What the gateway must know of a protocol's options, beside how they are written.
trait Protocol: DeserializeOwned + ToSchema {
    /// Makes the adapter; a server takes its port here, so that a taken one is known at once.
    /// One that serves clients shows them what is exposed.
    async fn build(&self, name: &str, exposed: &Arc<dyn Exposed>) -> Result<Built, BuildError>;

    /// What is wrong with options that can each be read.
    fn objection(&self) -> Option<Objection>;

    /// Where it connects to, without credentials; none when devices connect to it instead.
    fn remote(&self) -> Option<String>;
}

impl Protocol for BridgeConfig {
    async fn build(&self, name: &str, _: &Arc<dyn Exposed>) -> Result<Built, BuildError> {
        Ok(Built { adapter: Arc::new(Bridge::new(name, self.clone())?), listens: None })
    }

    fn objection(&self) -> Option<Objection> {
        let reason = self.check().err()?.to_string();
        Some(Objection { key: None, reason, help: "correct these options".into() })
    }

    fn remote(&self) -> Option<String> {
        Some(self.url.to_string())
    }
}

#[cfg(feature = "embedded-broker")]
impl Protocol for BrokerConfig {
    async fn build(&self, name: &str, _: &Arc<dyn Exposed>) -> Result<Built, BuildError> {
        let broker = Broker::new(name, self.clone());
        let address = broker.bind().await.map_err(BuildError::listen("--mqtt-listen"))?;
        let listens = Some(Listening { scheme: "mqtt", address });
        Ok(Built { adapter: Arc::new(broker), listens })
    }

    fn objection(&self) -> Option<Objection> {
        let reason = format!("everybody who reaches {} could publish and subscribe", self.listen);
        let help = "listen on 127.0.0.1, or allow it with --allow-anonymous (allow_anonymous = \
                    true in this adapter)";
        (!self.is_guarded()).then(|| Objection { key: Some("listen"), reason, help: help.into() })
    }

    fn remote(&self) -> Option<String> {
        None
    }
}

impl Protocol for DeviceConfig {
    async fn build(&self, _name: &str, _: &Arc<dyn Exposed>) -> Result<Built, BuildError> {
        let device = thingway_coap::Bridge::new(self.clone())?;
        Ok(Built { adapter: Arc::new(device), listens: None })
    }

    fn objection(&self) -> Option<Objection> {
        let reason = self.check().err()?.to_string();
        Some(Objection { key: None, reason, help: "correct these options".into() })
    }

    fn remote(&self) -> Option<String> {
        Some(self.url.to_string())
    }
}

impl Protocol for ServerConfig {
    async fn build(&self, name: &str, exposed: &Arc<dyn Exposed>) -> Result<Built, BuildError> {
        let server = CoapServer::new(name, self.clone(), exposed.clone());
        let address = server.bind().await.map_err(BuildError::listen("--coap-listen"))?;
        let listens = Some(Listening { scheme: self.scheme(), address });
        Ok(Built { adapter: Arc::new(server), listens })
    }

    fn objection(&self) -> Option<Objection> {
        if !self.is_guarded() {
            let reason = format!("everybody who reaches {} could read and write", self.address());
            let help = "listen on 127.0.0.1, ask for keys (key_file = \"…\"), or allow it with \
                        --allow-anonymous (allow_anonymous = true here)";
            return Some(Objection { key: Some("listen"), reason, help: help.into() });
        }
        let reason = self.keys().err()?.to_string();
        let help = "write one key a line: `identity:key`, the key in hexadecimal or in quotes";
        Some(Objection { key: Some("key_file"), reason, help: help.into() })
    }

    fn remote(&self) -> Option<String> {
        None
    }
}

/// Asks all CoAP devices behind a network interface, and tells of each its URL and what it lists.
pub(crate) async fn discover_coap(
    interface: &str,
    wait: Duration,
    mut found: impl FnMut(String, Vec<String>),
) -> std::io::Result<()> {
    thingway_coap::discovery::discover(interface, wait, |device| {
        found(format!("coap://{}", device.address), device.resources);
    })
    .await
}

/// A bridge that listens to all that a broker has, and leaves no session behind there.
///
/// # Errors
/// What is wrong with the URL or the way to log in.
pub(crate) fn passing_bridge(
    name: &str,
    url: &str,
    password_file: Option<PathBuf>,
) -> Result<Arc<dyn Adapter>, String> {
    let config = BridgeConfig {
        password_file,
        // Another than a gateway's, which the broker would throw out.
        client_id: Some(format!("thingway-init-{}", std::process::id())),
        clean_session: true,
        ..BridgeConfig::new(url.parse().map_err(|error: InvalidUrl| error.to_string())?)
    };
    Ok(Arc::new(Bridge::new(name, config).map_err(|error| error.to_string())?))
}

/// `[coap]`: CoAP beside the adapters.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CoapConfig {
    /// The gateway's things for constrained clients, and a resource directory: an adapter called
    /// `coap-server`. Off when left out.
    pub server: Option<ServerConfig>,
}

impl CoapConfig {
    /// The name of the adapter that `[coap.server]` is.
    pub const SERVER: &str = "coap-server";

    /// The adapter that it is, if there is one.
    #[must_use]
    pub fn entry(&self) -> Option<AdapterEntry> {
        let protocol = ProtocolConfig::CoapServer(self.server.clone()?);
        Some(AdapterEntry { name: Self::SERVER.to_owned(), protocol })
    }
}

/// `[[adapters]]`: one silo that the gateway is connected to.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterEntry {
    /// Its name in `/adapters/` and in rules; letters, digits, `-` and `_`.
    pub name: String,
    /// Its protocol, and what can be set there.
    pub protocol: ProtocolConfig,
}

impl AdapterEntry {
    /// Makes the adapter; a server takes its port here, so that a taken one is known at once.
    ///
    /// # Errors
    /// When the port can't be had, or options contradict each other.
    pub async fn build(&self, exposed: &Arc<dyn Exposed>) -> Result<Built, BuildError> {
        self.protocol.build(&self.name, exposed).await
    }
}

/// An adapter that is ready to run.
pub struct Built {
    /// The adapter.
    pub adapter: Arc<dyn Adapter>,
    /// Where devices connect to it, when it is a server.
    pub listens: Option<Listening>,
}

/// Where a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// The scheme of its URIs.
    pub scheme: &'static str,
    /// The address that it took.
    pub address: SocketAddr,
}

/// Why an adapter can't be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Options contradict each other; a configuration that was loaded has none of that.
    #[error(transparent)]
    Bridge(#[from] InvalidBridge),
    /// The same of a CoAP device.
    #[error(transparent)]
    Device(#[from] InvalidDevice),
    /// The port is taken, or the address is not this machine's.
    #[error("{0} ({1})")]
    Listen(AdapterError, &'static str),
}

impl BuildError {
    /// Names the option with which another port can be had.
    fn listen(option: &'static str) -> impl Fn(AdapterError) -> Self {
        move |error| Self::Listen(error, option)
    }
}

/// Something that is wrong with a protocol's options.
pub(crate) struct Objection {
    /// The key that is to blame, when it is one alone.
    pub(crate) key: Option<&'static str>,
    pub(crate) reason: String,
    /// What to do.
    pub(crate) help: String,
}

/// The JSON Schema of one protocol's options.
pub(crate) struct ProtocolSchema {
    pub(crate) protocol: &'static str,
    pub(crate) schema: SchemaRef,
    pub(crate) refers_to: Vec<(String, SchemaRef)>,
}

type SchemaRef = utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>;

impl ProtocolSchema {
    fn of<T: ToSchema>(protocol: &'static str) -> Self {
        let mut refers_to = Vec::new();
        T::schemas(&mut refers_to);
        Self { protocol, schema: T::schema(), refers_to }
    }
}
