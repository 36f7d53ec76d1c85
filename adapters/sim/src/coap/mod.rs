//! A device that speaks CoAP: a server at a socket of its own, to which the gateway comes.

mod greenhouse;

use std::io;
use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use thingway_coap::driver::{Driver, DriverError, Handle, Incoming};
use thingway_coap::{Config, ObserverId};

use crate::devices::rng;
use crate::fleet::Options;
pub use greenhouse::Greenhouse;
use greenhouse::{HEATER, TEMPERATURE};

/// Observers that the device has memory for. Beyond, they get the state alone.
const OBSERVERS: usize = 64;

/// A CoAP device that is switched on.
#[derive(Debug)]
pub struct CoapDevice {
    address: SocketAddr,
    stop: CancellationToken,
    driving: JoinHandle<()>,
    living: JoinHandle<()>,
}

impl CoapDevice {
    /// Switches on a greenhouse that listens there. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the address can't be had.
    pub async fn start(address: SocketAddr, options: Options) -> io::Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        let stop = CancellationToken::new();
        let driver = Driver::start(socket, None, Config::default(), stop.clone());
        let Driver { handle, incoming, task, local, .. } = driver.map_err(|error| match error {
            DriverError::Socket(error) => error,
            DriverError::Dtls(refusal) => io::Error::other(refusal),
        })?;
        let greenhouse = Greenhouse::new(rng(options.seed, 4));
        let life = Life { greenhouse, handle, observers: Vec::new() };
        let living = tokio::spawn(life.live(incoming, options));
        Ok(Self { address: local, stop, driving: task, living })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Switches it off.
    pub async fn stop(self) {
        self.stop.cancel();
        // They end by themselves; one that panicked has said so.
        let _ = self.driving.await;
        let _ = self.living.await;
    }
}

struct Life {
    greenhouse: Greenhouse,
    handle: Handle,
    observers: Vec<(&'static str, ObserverId)>,
}

impl Life {
    /// Goes on until the driver is no more.
    async fn live(mut self, mut incoming: tokio::sync::mpsc::Receiver<Incoming>, options: Options) {
        let switched_on = Instant::now();
        let mut ticks = interval(options.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                came = incoming.recv() => match came {
                    Some(incoming) => self.take(incoming).await,
                    None => break,
                },
                _ = ticks.tick() => {
                    self.greenhouse.tick(switched_on.elapsed());
                    self.notify(TEMPERATURE).await;
                }
            }
        }
        debug!("A simulated CoAP device ended");
    }

    async fn take(&mut self, incoming: Incoming) {
        let (id, request, observe) = match incoming {
            Incoming::Request { id, request, observe, .. } => (id, request, observe),
            Incoming::ObserverGone(gone) => {
                return self.observers.retain(|(_, observer)| *observer != gone);
            }
            Incoming::NoAssociation { .. } => return,
        };
        let (response, switched) = self.greenhouse.answer(&request);
        let path = [TEMPERATURE, HEATER].into_iter().find(|path| *path == request.path());
        match path.filter(|_| observe && self.observers.len() < OBSERVERS) {
            Some(path) => {
                if let Some(observer) = self.handle.respond_and_observe(id, response).await {
                    self.observers.retain(|(_, other)| *other != observer);
                    self.observers.push((path, observer));
                }
            }
            None => self.handle.respond(id, response).await,
        }
        if switched {
            self.notify(HEATER).await;
        }
    }

    async fn notify(&mut self, path: &'static str) {
        let state = self.greenhouse.state(path);
        let mut gone = Vec::new();
        for (_, observer) in self.observers.iter().filter(|(observed, _)| *observed == path) {
            if self.handle.notify(*observer, state.clone(), false).await.is_err() {
                gone.push(*observer);
            }
        }
        self.observers.retain(|(_, observer)| !gone.contains(observer));
    }
}
