//! `thingway discover`: the devices of a network, ready to be written into `thingway.toml`.

use std::io::{self, IsTerminal};
use std::time::Duration;

use serde::Serialize;

use super::failure::{Exit, Failure};
use super::output::{Cell, Output};
use crate::adapters::discover_coap;

#[derive(Debug, clap::Args)]
pub(super) struct DiscoverArgs {
    #[command(subcommand)]
    protocol: Protocol,
}

#[derive(Debug, clap::Subcommand)]
enum Protocol {
    /// Ask all CoAP devices of a network, by multicast (224.0.1.187 and ff02::fd)
    Coap(CoapArgs),
}

#[derive(Debug, clap::Args)]
struct CoapArgs {
    /// The network interface to ask on, such as eth0
    #[arg(long, value_name = "NAME")]
    interface: String,
    /// How long to wait for answers, in seconds; devices take up to five to answer a multicast
    #[arg(long, value_name = "SECONDS", default_value_t = 8,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

/// A device that answered.
#[derive(Debug, Serialize)]
struct Device {
    url: String,
    resources: Vec<String>,
}

pub(super) async fn run(args: DiscoverArgs, output: Output) -> Result<(), Failure> {
    let Protocol::Coap(args) = args.protocol;
    let talks = !output.json && io::stderr().is_terminal();
    if talks {
        eprintln!("Asking on {} for {} s …", args.interface, args.timeout);
    }
    let mut devices = Vec::new();
    let asked =
        discover_coap(&args.interface, Duration::from_secs(args.timeout), |url, resources| {
            if talks {
                eprintln!("{url} answered");
            }
            devices.push(Device { url, resources });
        });
    asked.await.map_err(|error| {
        let message = format!("can't ask on the interface `{}`: {error}", args.interface);
        Failure::new(Exit::Failed, message)
    })?;
    devices.sort_by(|a, b| a.url.cmp(&b.url));
    if output.json {
        return output.json(&devices);
    }
    if devices.is_empty() {
        let message = format!("nobody answered on {} within {} s", args.interface, args.timeout);
        return Err(Failure::new(Exit::NotFound, message));
    }
    let rows: Vec<Vec<Cell>> = devices.iter().map(Device::row).collect();
    output.table(&["DEVICE", "RESOURCES"], &rows)?;
    if output.terminal {
        output.line("\nFor thingway.toml:")?;
        devices.iter().enumerate().try_for_each(|(n, device)| output.line(device.entry(n + 1)))?;
    }
    Ok(())
}

impl Device {
    fn row(&self) -> Vec<Cell> {
        vec![Cell::plain(&self.url), Cell::plain(self.resources.join(" "))]
    }

    fn entry(&self, number: usize) -> String {
        let url = &self.url;
        format!("\n[[adapters]]\nname = \"coap-{number}\"\nprotocol = \"coap\"\nurl = \"{url}\"")
    }
}
