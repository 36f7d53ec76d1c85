//! The one table in which protocols plug in.
//!
//! To add one, write its crate against `thingway-sdk`, then add a row to [`protocols!`] below and
//! the function that its last column names.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use thingway_mqtt::{Bridge, BridgeConfig};
#[cfg(feature = "embedded-broker")]
use thingway_mqtt::{Broker, BrokerConfig};
use thingway_sdk::Adapter;
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

impl AdapterEntry {
    /// Makes the adapter; a server takes its port here, so that a taken one is known at once.
    ///
    /// # Errors
    /// When the port can't be had.
    pub async fn build(&self) -> io::Result<Built> {
        self.protocol.build(&self.name).await
    }
}

macro_rules! protocols {
    ($($(#[$attribute:meta])* $name:literal => $variant:ident($config:ty) by $build:path;)*) => {
        /// What can be set for an adapter, by protocol.
        #[derive(Debug, Clone)]
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

            async fn build(&self, name: &str) -> io::Result<Built> {
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

async fn bridge(name: &str, config: &BridgeConfig) -> io::Result<Built> {
    Ok(Built { adapter: Arc::new(Bridge::new(name, config.clone())), listens: None })
}

#[cfg(feature = "embedded-broker")]
async fn broker(name: &str, config: &BrokerConfig) -> io::Result<Built> {
    let broker = Broker::new(name, config.clone());
    let listens = Some(broker.bind().await?);
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
