//! The one table in which protocols plug in.
//!
//! To add one, write its crate against `thingway-sdk`, then add a row to [`protocols!`] below and
//! the function that its last column names.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use thingway_mqtt::config::InvalidBridge;
use thingway_mqtt::{Bridge, BridgeConfig};
#[cfg(feature = "embedded-broker")]
use thingway_mqtt::{Broker, BrokerConfig};
use thingway_sdk::{Adapter, AdapterError};
use utoipa::ToSchema;

/// `[[adapters]]`: one silo that the gateway is connected to.
#[derive(Debug, Clone)]
pub struct AdapterEntry {
    /// Its name in `/adapters/` and in rules; letters, digits, `-` and `_`.
    pub name: String,
    /// Its protocol, and what can be set there.
    pub protocol: ProtocolConfig,
}

/// An adapter that is ready to run.
pub struct Built {
    /// The adapter.
    pub adapter: Arc<dyn Adapter>,
    /// Where devices connect to it, when it is a server.
    pub listens: Option<SocketAddr>,
}

/// Why an adapter can't be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Options contradict each other; a configuration that was loaded has none of that.
    #[error(transparent)]
    Bridge(#[from] InvalidBridge),
    /// The port is taken, or the address is not this machine's.
    #[error("{0} (--mqtt-listen)")]
    Listen(AdapterError),
}

impl AdapterEntry {
    /// Makes the adapter; a server takes its port here, so that a taken one is known at once.
    ///
    /// # Errors
    /// When the port can't be had, or options contradict each other.
    pub async fn build(&self) -> Result<Built, BuildError> {
        self.protocol.build(&self.name).await
    }
}

macro_rules! protocols {
    ($($(#[$attribute:meta])* $name:literal => $variant:ident($config:ty) by $build:path;)*) => {
        /// What can be set for an adapter, by protocol.
        #[derive(Debug, Clone)]
        #[allow(clippy::large_enum_variant, reason = "there is a handful of them, made once")]
        pub enum ProtocolConfig {
            $($(#[$attribute])* #[doc = concat!("`protocol = \"", $name, "\"`")] $variant($config),)*
        }

        impl ProtocolConfig {
            /// Every protocol that this build speaks.
            pub const NAMES: &[&str] = &[$($(#[$attribute])* $name,)*];

            /// The word in `protocol = "…"`.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $($(#[$attribute])* Self::$variant(_) => $name,)* }
            }

            /// Reads the options of one protocol.
            pub(crate) fn read<'de, D: Deserializer<'de>>(
                protocol: &str,
                options: D,
            ) -> Result<Self, D::Error> {
                match protocol {
                    $($(#[$attribute])* $name => <$config>::deserialize(options).map(Self::$variant),)*
                    other => Err(D::Error::unknown_variant(other, Self::NAMES)),
                }
            }

            /// The schema of the options of each protocol, and all that those refer to.
            pub(crate) fn schemas() -> Vec<ProtocolSchema> {
                vec![$($(#[$attribute])* ProtocolSchema::of::<$config>($name),)*]
            }

            async fn build(&self, name: &str) -> Result<Built, BuildError> {
                match self { $($(#[$attribute])* Self::$variant(config) => $build(name, config).await,)* }
            }
        }
    };
}

protocols! {
    // protocol          its options            made by
    "mqtt"        => Mqtt(BridgeConfig)       by bridge;
    #[cfg(feature = "embedded-broker")]
    "mqtt-broker" => MqttBroker(BrokerConfig) by broker;
}

impl ProtocolConfig {
    /// Where it connects to, without credentials; none when devices connect to it instead.
    #[must_use]
    pub fn remote(&self) -> Option<String> {
        match self {
            Self::Mqtt(bridge) => Some(bridge.url.to_string()),
            #[cfg(feature = "embedded-broker")]
            Self::MqttBroker(_) => None,
        }
    }
}

async fn bridge(name: &str, config: &BridgeConfig) -> Result<Built, BuildError> {
    Ok(Built { adapter: Arc::new(Bridge::new(name, config.clone())?), listens: None })
}

#[cfg(feature = "embedded-broker")]
async fn broker(name: &str, config: &BrokerConfig) -> Result<Built, BuildError> {
    let broker = Broker::new(name, config.clone());
    let listens = Some(broker.bind().await.map_err(BuildError::Listen)?);
    Ok(Built { adapter: Arc::new(broker), listens })
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
