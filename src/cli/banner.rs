//! What a gateway says when it is up: where it is and what to try next.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use serde::Serialize;

use super::failure::Failure;
use super::output::Output;
use crate::adapters::Listening;
use crate::config::Config;
use crate::gateway::Addresses;

const MQTT: &[&str] = &["mqtt", "mqtts"];
const COAP: &[&str] = &["coap", "coaps"];

/// The facts.
#[derive(Debug, Serialize)]
pub(super) struct Banner {
    http: String,
    /// Embedded brokers, where devices connect.
    brokers: Vec<String>,
    /// CoAP servers, where clients and devices connect.
    coap_servers: Vec<String>,
    /// Brokers and devices that the gateway connects to.
    bridged: Vec<String>,
    config: Option<PathBuf>,
    /// What is otherwise than expected.
    notes: Vec<String>,
    #[serde(skip)]
    broker_address: Option<SocketAddr>,
}

/// What is worth trying.
#[derive(Debug, Clone, Copy)]
pub(super) enum Steps {
    /// There are no devices yet, or unknown ones.
    FirstMessage,
    /// The simulated devices are there.
    Demo,
}

impl Banner {
    /// The brokers and devices that a configuration connects to, without their passwords.
    pub(super) fn bridged(config: &Config) -> Vec<String> {
        config.all_adapters().filter_map(|entry| entry.protocol.remote()).collect()
    }

    pub(super) fn new(
        addresses: &Addresses,
        bridged: Vec<String>,
        config: Option<PathBuf>,
    ) -> Self {
        let url = |server: Listening| format!("{}://{}", server.scheme, reachable(server.address));
        Self {
            http: format!("http://{}", reachable(addresses.http)),
            brokers: addresses.of(MQTT).map(url).collect(),
            coap_servers: addresses.of(COAP).map(url).collect(),
            bridged,
            config,
            notes: Vec::new(),
            broker_address: addresses.of(MQTT).next().map(|broker| reachable(broker.address)),
        }
    }

    /// Tells of ports that were taken, each with the address that is used instead.
    pub(super) fn with_moved(mut self, ports: &[(u16, SocketAddr)]) -> Self {
        let moved = ports.iter().filter(|(usual, actual)| *usual != actual.port());
        self.notes.extend(moved.map(|(usual, actual)| {
            format!("Note    port {usual} is taken; {} is used instead", actual.port())
        }));
        self
    }

    pub(super) fn show(&self, steps: Steps, output: Output) -> Result<(), Failure> {
        if output.json {
            return output.json(self);
        }
        output.line(self.facts().join("\n"))?;
        output.line(format!("\nTry:\n  {}", self.steps(steps).join("\n  ")))
    }

    fn facts(&self) -> Vec<String> {
        let mut facts = vec![format!("HTTP    {}", self.http)];
        facts.extend(self.brokers.iter().map(|url| format!("MQTT    {url}  (embedded broker)")));
        facts.extend(self.bridged_to(MQTT).map(|url| format!("MQTT    {url}  (bridged)")));
        facts.extend(self.bridged_to(COAP).map(|url| format!("CoAP    {url}  (bridged)")));
        facts.extend(self.coap_servers.iter().map(|url| format!("CoAP    {url}  (server)")));
        facts.extend(self.config.iter().map(|file| format!("Config  {}", file.display())));
        facts.extend(self.notes.iter().cloned());
        facts
    }

    fn bridged_to(&self, schemes: &'static [&str]) -> impl Iterator<Item = &String> {
        let speaks =
            |url: &&String| url.split_once("://").is_some_and(|(s, _)| schemes.contains(&s));
        self.bridged.iter().filter(speaks)
    }

    fn steps(&self, steps: Steps) -> Vec<String> {
        match steps {
            Steps::FirstMessage => self.first_message(),
            Steps::Demo => self.demo(),
        }
    }

    fn first_message(&self) -> Vec<String> {
        let http = &self.http;
        let mut steps: Vec<String> = self.publish().into_iter().collect();
        steps.push(format!("curl {http}/things/home.kitchen/properties"));
        steps.push(self.follow());
        steps
    }

    fn demo(&self) -> Vec<String> {
        let http = &self.http;
        vec![
            format!("curl {http}/properties"),
            self.follow(),
            format!(
                "curl -X PUT -H 'Content-Type: application/json' -d 23 \
                 {http}/things/demo.livingroom.thermostat/properties/setpoint"
            ),
            format!(
                "curl -X PUT -H 'Content-Type: application/json' -d '\"on\"' \
                 {http}/things/demo.greenhouse/properties/heater"
            ),
            format!("thingway things ls --url {http}"),
            format!("thingway explain demo/attic/sensor --url {http}"),
        ]
    }

    fn follow(&self) -> String {
        format!("curl -N -H 'Accept: text/event-stream' {}/properties", self.http)
    }

    /// A first message of a device that does not exist yet.
    fn publish(&self) -> Option<String> {
        let to = match (&self.broker_address, self.bridged_to(MQTT).next()) {
            (Some(address), _) => {
                format!("-h {} -p {} -t home/kitchen", address.ip(), address.port())
            }
            (None, Some(url)) => format!("-L {url}/home/kitchen"),
            (None, None) => return None,
        };
        Some(format!("mosquitto_pub {to} -m '{{\"temperature\":21.5}}'"))
    }
}

/// An address that a client on this machine can connect to.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_name_ports_that_can_be_connected_to() {
        let addresses = Addresses {
            http: ([0, 0, 0, 0], 8081).into(),
            servers: vec![
                (
                    "broker".into(),
                    Listening { scheme: "mqtt", address: ([127, 0, 0, 1], 1884).into() },
                ),
                ("c".into(), Listening { scheme: "coaps", address: ([0, 0, 0, 0], 5684).into() }),
            ],
        };
        let banner = Banner::new(
            &addresses,
            vec!["mqtt://far:1883".into(), "coap://lamp:5683".into()],
            None,
        );
        assert_eq!(
            banner.facts(),
            [
                "HTTP    http://127.0.0.1:8081",
                "MQTT    mqtt://127.0.0.1:1884  (embedded broker)",
                "MQTT    mqtt://far:1883  (bridged)",
                "CoAP    coap://lamp:5683  (bridged)",
                "CoAP    coaps://127.0.0.1:5684  (server)",
            ]
        );
        assert!(banner.first_message()[0].contains("-h 127.0.0.1 -p 1884 -t home/kitchen"));
    }
}
