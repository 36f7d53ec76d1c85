//! What the gateway is compared with. Each is a process of its own: this binary, started anew
//! with `--reference`.

mod coap_loop;
mod limit;
mod limit_batch;
mod naive;
mod posts;

use std::net::SocketAddr;

use rumqttc::{AsyncClient, EventLoop, MqttOptions, QoS};

use crate::Result;
use crate::args::Args;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Reference {
    /// What a competent engineer writes in an afternoon.
    Naive,
    /// The same libraries, doing nothing with the data.
    Limit,
    /// A blocking socket that walks over the bytes in batches.
    LimitBatch,
    /// A loop of POST requests.
    Posts,
    /// A blocking socket and a decoder of CoAP.
    CoapLoop,
}

impl Reference {
    pub(crate) fn run(self, args: &Args) -> Result<()> {
        let peer = *args.peers.first().ok_or("a reference needs --peers")?;
        match self {
            Self::LimitBatch => limit_batch::run(peer),
            Self::Naive => runtime()?.block_on(naive::run(peer)),
            Self::Limit => runtime()?.block_on(limit::run(peer)),
            Self::Posts => runtime()?.block_on(posts::run(args)),
            Self::CoapLoop => coap_loop::run(&args.peers),
        }
    }
}

/// As `#[tokio::main]` makes it.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Subscribed to everything, as the gateway is.
async fn subscribed(broker: SocketAddr, name: &str) -> Result<(AsyncClient, EventLoop)> {
    let mut options = MqttOptions::new(name, broker.ip().to_string(), broker.port());
    options.set_max_packet_size(1024 * 1024, 1024 * 1024);
    let (client, events) = AsyncClient::new(options, 100);
    client.subscribe("#", QoS::AtLeastOnce).await?;
    Ok((client, events))
}
