//! `thingway demo`: a gateway, a broker and simulated devices in one process, nothing on disk.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use thingway_sim::{CoapDevice, Fleet, Options};

use super::banner::{Banner, Steps};
use super::failure::{Exit, Failure};
use super::output::Output;
use super::serve::{LogArgs, serve};
use crate::config::{Config, FileChoice, Loaded, Overrides, Sources};

#[derive(Debug, clap::Args)]
pub(super) struct DemoArgs {
    #[command(flatten)]
    log: LogArgs,
}

/// What the devices of the demo do not say of themselves; an example to copy from, too.
const RULES: &str = include_str!("demo.toml");

/// Where the greenhouse of these rules is.
const GREENHOUSE: &str = "THINGWAY__ADAPTERS__GREENHOUSE__URL";

const HTTP_PORT: u16 = 8080;
const MQTT_PORT: u16 = 1883;
const COAP_PORT: u16 = 5683;

pub(super) async fn run(args: DemoArgs, output: Output) -> Result<(), Failure> {
    args.log.start()?;
    let (http, mqtt) = (free_port(HTTP_PORT)?, free_port(MQTT_PORT)?);
    let greenhouse = CoapDevice::start(free_udp_port(COAP_PORT)?, Options::default()).await;
    let greenhouse = greenhouse.map_err(|e| Failure::new(Exit::Failed, format!("CoAP: {e}")))?;
    let coap = greenhouse.address();
    let sources = sources(http, mqtt, coap);
    let Loaded { config, .. } = Config::load(&sources)?;
    let bridged = Banner::bridged(&config);
    let mut fleet = None;
    let served = serve(config, sources, async |gateway| {
        let addresses = gateway.addresses();
        let broker = addresses.of(&["mqtt"]).next().map(|broker| broker.address);
        fleet = broker.map(|broker| Fleet::start(broker, Options::default()));
        Banner::new(addresses, bridged, None)
            .with_moved(&[(HTTP_PORT, http), (MQTT_PORT, mqtt), (COAP_PORT, coap)])
            .show(Steps::Demo, output)
    })
    .await;
    if let Some(fleet) = fleet {
        fleet.stop().await;
    }
    greenhouse.stop().await;
    served
}

fn sources(http: SocketAddr, mqtt: SocketAddr, coap: SocketAddr) -> Sources {
    Sources {
        file: FileChoice::BuiltIn { name: "demo.toml", text: RULES },
        // The demo is the same everywhere, whatever this machine's own gateway is told to do.
        environment: vec![(GREENHOUSE.into(), format!("coap://{coap}").into())],
        overrides: Overrides { http: Some(http), mqtt_listen: Some(mqtt), ..Overrides::default() },
    }
}

/// The usual port, or else the next one that nobody listens on.
fn free_port(usual: u16) -> Result<SocketAddr, Failure> {
    first_free(usual, |candidate| TcpListener::bind(candidate).is_ok())
}

fn free_udp_port(usual: u16) -> Result<SocketAddr, Failure> {
    first_free(usual, |candidate| UdpSocket::bind(candidate).is_ok())
}

fn first_free(usual: u16, is_free: impl Fn(&SocketAddr) -> bool) -> Result<SocketAddr, Failure> {
    (usual..usual.saturating_add(100))
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .find(is_free)
        .ok_or_else(|| Failure::new(Exit::Failed, format!("no port from {usual} on is free")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_the_demo_are_in_order() {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let sources = sources(loopback(1), loopback(2), loopback(3));
        let Loaded { config, .. } = Config::load(&sources).unwrap();
        assert_eq!(config.adapters.len(), 2);
        assert!(config.rules.len() >= 3);
    }

    #[test]
    fn a_taken_port_is_passed_over() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free_port(port).unwrap().port(), port);
    }
}
