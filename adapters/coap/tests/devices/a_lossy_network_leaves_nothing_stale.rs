//! Through a network that loses 30 % of all datagrams, doubles some and lets some overtake others,
//! all states arrive in the end.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use thingway_coap::{Bridge, Config, Transmission};
use thingway_sdk::conformance::{Recorder, Supervised};
use thingway_sdk::{Adapter, Report};
use tokio::net::UdpSocket;
use tokio::time::sleep;

use crate::support::{Device, Resource, config, resource};

const DEVICES: u64 = 50;
/// Of each device.
const RESOURCES: usize = 20;
const ROUNDS: usize = 5;
/// Changes without a pause, so that the network lets some overtake others.
const IN_A_ROW: usize = 2;

/// A bad network between one client and a device; the same seed loses the same.
async fn network(device: SocketAddr, seed: u64) -> SocketAddr {
    let outside = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let inside = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
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
                let pause = Duration::from_millis(rng.random_range(0..20));
                tokio::spawn(async move {
                    sleep(pause).await;
                    let _ = socket.send_to(&datagram, to).await;
                });
            }
        }
    });
    address
}

fn number(report: &Report) -> Option<usize> {
    let Report::Observed(observation) = report else { return None };
    std::str::from_utf8(&observation.payload.bytes).unwrap().parse().ok()
}

/// Whether the newest report of each resource is this state.
fn all_tell(reports: &[Report], state: usize) -> bool {
    let newest: HashMap<&str, &Report> =
        reports.iter().map(|report| (report.address().as_str(), report)).collect();
    newest.len() == RESOURCES && newest.values().all(|report| number(report) == Some(state))
}

/// Each state of a resource was reported after all that are older.
fn assert_no_older_after_a_newer(reports: &[Report]) {
    let mut newest = HashMap::new();
    for report in reports {
        let Some(state) = number(report) else { continue };
        let before = newest.insert(report.address().as_str(), state);
        assert!(before <= Some(state), "{} told {state} after {before:?}", report.address());
    }
}

async fn converge(recorder: &Recorder, seed: u64, state: usize) {
    let mut waited = 0;
    while !all_tell(&recorder.seen().applied, state) {
        waited += 1;
        assert!(waited < 300, "seed {seed}, after {waited} fifths of a second");
        sleep(Duration::from_millis(200)).await;
    }
}

/// What the client has counted.
async fn a_device_converges(seed: u64) -> HashMap<&'static str, u64> {
    let paths: Vec<&'static str> =
        (0..RESOURCES).map(|number| &*format!("/r/{number}").leak()).collect();
    // Who does not acknowledge a notification in five transmissions is no observer any more, and
    // learns that when the state has outlived its Max-Age.
    let resource = Resource { max_age: 6, ..resource(";obs", "0") };
    let resources: Vec<_> = paths.iter().map(|path| (*path, resource.clone())).collect();
    // Datagrams take up to 40 ms there and back; two seconds are for the Internet.
    let transmission =
        Transmission { ack_timeout: Duration::from_millis(50), ..Transmission::default() };
    let quick = Config { transmission, ..Config::default() };
    let device = Device::start_with(&resources, quick).await;
    let mut config = config(network(device.address, seed).await);
    config.ack_timeout_seconds = 0.05.try_into().unwrap();
    config.heartbeat_seconds = 1;
    let recorder = Recorder::new();
    let bridge = Arc::new(Bridge::new(config).unwrap());
    let supervised = Supervised::start(bridge.clone(), &recorder);
    let mut state = 0;
    converge(&recorder, seed, state).await;
    for _ in 0..ROUNDS {
        for _ in 0..IN_A_ROW {
            state += 1;
            for path in &paths {
                device.mention(path, state.to_string()).await;
            }
        }
        sleep(Duration::from_millis(500)).await;
    }
    for path in &paths {
        device.put(path, state.to_string()).await;
    }
    converge(&recorder, seed, state).await;
    assert_no_older_after_a_newer(&recorder.seen().applied);
    supervised.stop().await;
    bridge.counts().into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_resources_converge() {
    // One message at a time goes to a device, so many devices are quicker than many resources.
    let devices = (0..DEVICES).map(|seed| tokio::spawn(a_device_converges(seed)));
    let mut counted: HashMap<&str, u64> = HashMap::new();
    for device in devices.collect::<Vec<_>>() {
        for (event, count) in device.await.unwrap() {
            *counted.entry(event).or_default() += count;
        }
    }
    // The network was as bad as it should be.
    for event in ["retransmitted", "duplicate", "overtaken"] {
        assert!(counted[event] > 0, "no {event} in {counted:?}");
    }
}
