//! libcoap's example server as a device, plain and with DTLS.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use thingway_coap::DeviceConfig;
use thingway_sdk::conformance::PATIENCE;
use thingway_sdk::{Acknowledgement, Operation};
use tokio::net::UdpSocket;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::support::{bridge, config, form};

/// Where nothing listens, with the next port free as well: that of coaps.
async fn free() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut address = socket.local_addr().unwrap();
    address.set_port(address.port().min(65_000));
    address
}

async fn server(program: &str, address: SocketAddr, more: &[&str]) -> Child {
    let mut server = Command::new(program);
    server.args(["-A", "127.0.0.1", "-p", &address.port().to_string(), "-d", "10"]).args(more);
    server.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let server = server.spawn().expect("libcoap3-bin is installed");
    sleep(Duration::from_millis(300)).await;
    server
}

async fn is_read_observed_and_written(config: DeviceConfig) {
    let (supervised, recorder) = bridge(config).await;
    // It tells the time once a second.
    recorder.until("three times", |seen| seen.observed("time").len() >= 3).await;
    // 1.5 kB, in blocks.
    let whole = |bytes: usize| bytes > 1024;
    recorder
        .until("a long body", |seen| {
            seen.observed("example_data").iter().any(|o| whole(o.payload.bytes.len()))
        })
        .await;
    let data = form("example_data", Operation::WriteProperty, "text/plain");
    let done = supervised.execute(data.clone(), b"short", PATIENCE).await.unwrap();
    assert_eq!(done, Acknowledgement::Confirmed(None));
    recorder.until("what was written", |seen| seen.has("example_data", b"short")).await;
    let long = vec![b'x'; 3000];
    supervised.execute(data, &long, PATIENCE).await.unwrap();
    recorder.until("what was written in blocks", |seen| seen.has("example_data", &long)).await;
    // Its answer takes five seconds, and comes in a message of its own.
    recorder.until("a separate response", |seen| !seen.observed("async").is_empty()).await;
    assert!(supervised.stop().await.is_empty());
}

#[tokio::test]
async fn over_plain_udp() {
    let address = free().await;
    let _server = server("coap-server-notls", address, &[]).await;
    is_read_observed_and_written(config(address)).await;
}

#[tokio::test]
async fn over_dtls() {
    for library in ["gnutls", "openssl"] {
        let address = free().await;
        let program = format!("coap-server-{library}");
        let _server = server(&program, address, &["-k", "secret", "-h", "hint"]).await;
        let mut keys = tempfile::NamedTempFile::new().unwrap();
        writeln!(keys, "me:\"secret\"").unwrap();
        let url = format!("coaps://127.0.0.1:{}", address.port() + 1);
        let mut config = DeviceConfig::new(url.parse().unwrap());
        config.identity = Some("me".into());
        config.key_file = Some(keys.path().into());
        is_read_observed_and_written(config).await;
    }
}
