//! What the gateway is compared with, where libraries make it: a project of its own, as an engineer
//! would begin one.

mod limit;
mod naive;
mod posts;

use std::env::args;
use std::net::SocketAddr;

use axum::Router;
use rumqttc::{AsyncClient, EventLoop, MqttOptions, QoS};
use tokio::net::TcpListener;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

const USAGE: &str = "usage: references naive BROKER
       references limit BROKER
       references posts RECEIVER[,RECEIVER...] REQUESTS PER_SECOND CONCURRENCY

Addresses have the form HOST:PORT; the numbers are for each receiver.";

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["naive", broker] => naive::run(broker.parse()?).await,
        ["limit", broker] => limit::run(broker.parse()?).await,
        ["posts", receivers, requests, per_second, concurrency] => {
            let receivers: std::result::Result<_, _> =
                receivers.split(',').map(str::parse).collect();
            let (requests, per_second) = (requests.parse()?, per_second.parse()?);
            posts::run(receivers?, requests, per_second, concurrency.parse()?).await
        }
        _ => Err(USAGE.into()),
    }
}

/// Serves at an address of its own, which it prints.
async fn serve(router: Router) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("HTTP http://{}", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, router).await });
    Ok(())
}

/// Subscribed to everything, as the gateway is.
async fn subscribed(broker: SocketAddr, name: &str) -> Result<(AsyncClient, EventLoop)> {
    let mut options = MqttOptions::new(name, broker.ip().to_string(), broker.port());
    options.set_max_packet_size(1024 * 1024, 1024 * 1024);
    let (client, events) = AsyncClient::new(options, 100);
    client.subscribe("#", QoS::AtLeastOnce).await?;
    Ok((client, events))
}
