//! Through a network that loses 30 % of all datagrams, doubles some and lets some overtake others,
//! all states arrive in the end.

use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use thingway_sdk::Report;
use tokio::net::UdpSocket;
use tokio::time::sleep;

use crate::support::{Device, bridge, config, resource};

const DEVICES: u64 = 5;
const PATHS: [&str; 3] = ["/r/0", "/r/1", "/r/2"];
const ROUNDS: usize = 5;

/// A bad network between one client and a device; the same seed loses the same.
async fn network(device: SocketAddr, seed: u64) -> SocketAddr {
    let outside = std::sync::Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let inside = std::sync::Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let address = outside.local_addr().unwrap();
    let mut rng = StdRng::seed_from_u64(seed);
    tokio::spawn(async move {
        let (mut up, mut down) = ([0; 2048], [0; 2048]);
        let mut client = None;
        loop {
            let (datagram, socket, to) = tokio::select! {
                came = outside.recv_from(&mut up) => {
                    let Ok((length, from)) = came else { continue };
                    client = Some(from);
                    (up[..length].to_vec(), &inside, device)
                }
                came = inside.recv_from(&mut down) => {
                    let (Ok((length, _)), Some(client)) = (came, client) else { continue };
                    (down[..length].to_vec(), &outside, client)
                }
            };
            let times = match rng.random_range(0..100) {
                0..30 => 0,
                30..40 => 2,
                _ => 1,
            };
            for _ in 0..times {
                let (datagram, socket) = (datagram.clone(), socket.clone());
                let pause = Duration::from_millis(rng.random_range(0..40));
                tokio::spawn(async move {
                    sleep(pause).await;
                    let _ = socket.send_to(&datagram, to).await;
                });
            }
        }
    });
    address
}

/// Whether the newest report of each resource is this state.
fn all_tell(reports: &[Report], paths: &[&'static str], state: &str) -> bool {
    paths.iter().all(|path| {
        let mut of_it = reports.iter().rev().filter(|r| r.address().as_str() == &path[1..]);
        matches!(of_it.next(), Some(Report::Observed(o)) if o.payload.bytes == state.as_bytes())
    })
}

async fn a_device_converges(seed: u64) {
    let resources = PATHS.map(|path| (path, resource(";obs", "0")));
    let device = Device::start(&resources).await;
    let mut config = config(network(device.address, seed).await);
    config.heartbeat_seconds = 5;
    let (supervised, recorder) = bridge(config).await;
    for round in 1..=ROUNDS {
        for path in PATHS {
            device.put(path, round.to_string()).await;
        }
        sleep(Duration::from_millis(500)).await;
    }
    let last = ROUNDS.to_string();
    let mut waited = 0;
    while !all_tell(&recorder.seen().applied, &PATHS, &last) {
        waited += 1;
        assert!(waited < 3000, "seed {seed}, after {waited} tenths of a second");
        sleep(Duration::from_millis(100)).await;
    }
    supervised.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_resources_converge() {
    // One message at a time goes to a device, so many devices are quicker than many resources.
    let devices = (0..DEVICES).map(|seed| tokio::spawn(a_device_converges(seed)));
    for device in devices.collect::<Vec<_>>() {
        device.await.unwrap();
    }
}
