//! Two endpoints over a network that loses, doubles, delays and reorders: every state arrives in
//! the end, and no older one after a newer.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use thingway_coap::message::Code;
use thingway_coap::{Config, Endpoint, Event, ObservationId, ObserverId, Request, Response, Time};

use crate::support::SECOND;

const RESOURCES: usize = 1000;

/// A state of a resource: which resource, its version, and enough to need several blocks for some.
fn state(resource: usize, version: u32) -> Bytes {
    let long = if resource.is_multiple_of(10) { 1500 } else { 0 };
    format!("{resource} {version} {}", "x".repeat(long)).into()
}

fn version(resource: usize, payload: &Bytes) -> u32 {
    let text = std::str::from_utf8(payload).unwrap();
    let version = text.split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(*payload, state(resource, version), "a body of two states");
    version
}

/// Datagrams on their way, by when they arrive.
struct Network {
    rng: StdRng,
    loss: f64,
    /// Nothing is lost, doubled or late.
    calm: bool,
    on_the_way: BTreeMap<(Time, u64), (SocketAddr, SocketAddr, Bytes)>,
    serial: u64,
}

impl Network {
    fn carry(&mut self, now: Time, from: SocketAddr, to: SocketAddr, datagram: Bytes) {
        let copies = if !self.calm && self.rng.random_bool(0.1) { 2 } else { 1 };
        for _ in 0..copies {
            if !self.calm && self.rng.random_bool(self.loss) {
                continue;
            }
            // Mostly quick, and sometimes so late that others overtake it.
            let late = if !self.calm && self.rng.random_bool(0.05) { 20_000 } else { 100 };
            let delay = Duration::from_millis(self.rng.random_range(5..late));
            self.serial += 1;
            self.on_the_way.insert((now + delay, self.serial), (from, to, datagram.clone()));
        }
    }
}

/// A server of resources, and what its observers are owed.
struct Device {
    address: SocketAddr,
    endpoint: Endpoint,
    max_age: u32,
    versions: HashMap<usize, u32>,
    observers: BTreeMap<ObserverId, usize>,
}

impl Device {
    fn change(&mut self, now: Time, resource: usize, confirmable: bool) {
        let version = self.versions.entry(resource).or_default();
        *version += 1;
        let response =
            Response::with_body(Code::CONTENT, 0, state(resource, *version)).max_age(self.max_age);
        for (observer, _) in self.observers.iter().filter(|(_, observed)| **observed == resource) {
            self.endpoint.notify(now, *observer, response.clone(), confirmable).unwrap();
        }
        self.work(now);
    }

    fn work(&mut self, now: Time) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Request { id, request, .. } => {
                    let resource = request.path().trim_start_matches('/').parse().unwrap();
                    if let Some(observer) = self.endpoint.accept_observer(now, id) {
                        self.observers.insert(observer, resource);
                    }
                    let version = self.versions.get(&resource).copied().unwrap_or(0);
                    let response = Response::with_body(Code::CONTENT, 0, state(resource, version))
                        .max_age(self.max_age);
                    self.endpoint.respond(now, id, response);
                }
                Event::ObserverGone { observer } => {
                    self.observers.remove(&observer);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Switched off and on: it keeps its resources, and forgets who observed them.
    fn restart(&mut self, seed: u8) {
        self.endpoint = Endpoint::new(config(), [seed; 32]);
        self.observers.clear();
    }
}

struct Client {
    address: SocketAddr,
    endpoint: Endpoint,
    resources: HashMap<ObservationId, usize>,
    versions: HashMap<usize, u32>,
    stale: HashMap<usize, bool>,
}

impl Client {
    fn work(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Notified { observation, response, .. } => {
                    let resource = self.resources[&observation];
                    let new = version(resource, &response.payload);
                    let old = self.versions.insert(resource, new);
                    assert!(old.is_none_or(|old| old <= new), "{old:?}, then {new}");
                    self.stale.insert(resource, false);
                }
                Event::Stale { observation } => {
                    self.stale.insert(self.resources[&observation], true);
                }
                Event::Interrupted { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn config() -> Config {
    let mut config = Config::default();
    config.limits.observers_per_address = 2 * RESOURCES;
    config
}

struct World {
    now: Time,
    network: Network,
    devices: Vec<Device>,
    client: Client,
}

impl World {
    fn new(seed: u64, devices: u8, loss: f64, max_age: u32) -> Self {
        let device = |nth: u8| Device {
            address: SocketAddr::new([192, 0, 2, nth].into(), 5683),
            endpoint: Endpoint::new(config(), [nth; 32]),
            max_age,
            versions: HashMap::new(),
            observers: BTreeMap::new(),
        };
        let client = Client {
            address: "198.51.100.1:40000".parse().unwrap(),
            endpoint: Endpoint::new(config(), [99; 32]),
            resources: HashMap::new(),
            versions: HashMap::new(),
            stale: HashMap::new(),
        };
        let rng = StdRng::seed_from_u64(seed);
        let network = Network { rng, loss, calm: false, on_the_way: BTreeMap::new(), serial: 0 };
        Self { now: 10 * SECOND, network, devices: (1..=devices).map(device).collect(), client }
    }

    fn observe_all(&mut self) {
        for resource in 0..RESOURCES {
            let device = self.devices[resource % self.devices.len()].address;
            let request = Request::get(&format!("/{resource}"));
            let id = self.client.endpoint.observe(self.now, device, request).unwrap();
            self.client.resources.insert(id, resource);
        }
    }

    /// Lets time pass until then, from one thing that is due to the next.
    fn run_until(&mut self, end: Time) {
        loop {
            self.collect();
            let deadlines = self.devices.iter().map(|device| &device.endpoint);
            let next = (deadlines.chain([&self.client.endpoint]))
                .filter_map(Endpoint::next_deadline)
                .chain(self.network.on_the_way.keys().next().map(|(at, _)| *at))
                .min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.deliver();
            for device in &mut self.devices {
                device.endpoint.handle_timeout(self.now);
                device.work(self.now);
            }
            self.client.endpoint.handle_timeout(self.now);
            self.client.work();
        }
        self.now = end;
    }

    fn collect(&mut self) {
        let network = &mut self.network;
        for device in &mut self.devices {
            while let Some((to, datagram)) = device.endpoint.poll_transmit() {
                network.carry(self.now, device.address, to, datagram);
            }
        }
        while let Some((to, datagram)) = self.client.endpoint.poll_transmit() {
            network.carry(self.now, self.client.address, to, datagram);
        }
    }

    fn deliver(&mut self) {
        while let Some(entry) = self.network.on_the_way.first_entry()
            && entry.key().0 <= self.now
        {
            let (from, to, datagram) = entry.remove();
            if to == self.client.address {
                self.client.endpoint.handle_datagram(self.now, from, &datagram);
                self.client.work();
            } else if let Some(device) = self.devices.iter_mut().find(|device| device.address == to)
            {
                device.endpoint.handle_datagram(self.now, from, &datagram);
                device.work(self.now);
            }
        }
    }

    fn change_some(&mut self, times: usize, pause: Duration) {
        for _ in 0..times {
            let resource = self.network.rng.random_range(0..RESOURCES);
            let confirmable = self.network.rng.random_bool(0.3);
            let at = resource % self.devices.len();
            self.devices[at].change(self.now, resource, confirmable);
            self.run_until(self.now + pause);
        }
    }

    fn assert_converged(&self) {
        for resource in 0..RESOURCES {
            let device = &self.devices[resource % self.devices.len()];
            let (is, seen) = (
                device.versions.get(&resource).copied().unwrap_or(0),
                self.client.versions.get(&resource),
            );
            assert_eq!(seen, Some(&is), "resource {resource}");
            assert_eq!(self.client.stale.get(&resource), Some(&false), "resource {resource}");
        }
    }
}

#[test]
fn a_thousand_resources_of_fifty_devices_converge() {
    let mut world = World::new(1, 50, 0.3, 60);
    world.observe_all();
    world.run_until(300 * SECOND);
    world.change_some(1500, Duration::from_millis(200));
    // Some devices are switched off and on; nobody is told.
    for nth in 0..10 {
        world.devices[nth].restart(200 + nth as u8);
    }
    world.change_some(1500, Duration::from_millis(200));
    assert!(world.client.endpoint.counters().overtaken > 0, "nothing was reordered");
    assert!(world.client.endpoint.counters().duplicates > 0, "nothing was doubled");
    // When nothing changes and nothing is lost any more, all is known soon.
    world.network.calm = true;
    world.run_until(world.now + 600 * SECOND);
    world.assert_converged();
}

#[test]
fn a_thousand_resources_of_one_device_converge() {
    let mut world = World::new(2, 1, 0.1, 1800);
    world.observe_all();
    world.run_until(1500 * SECOND);
    world.change_some(1000, SECOND);
    world.network.calm = true;
    world.run_until(world.now + 3600 * SECOND);
    world.assert_converged();
}
