//! The adapter that is a CoAP server: it serves the gateway's things, and reports the devices that
//! register with its resource directory.

mod config;
mod devices;
mod observer;
mod registered;
mod session;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use thingway_sdk::{Acknowledgement, Adapter, AdapterError, BoxFuture, Command, Exposed, Reports};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use config::{ClientAddresses, ServerConfig};

use self::devices::{Devices, Routes};
use self::session::Session;
use crate::driver::{Driver, Secure, Tally};
use crate::serving::Things;

/// A CoAP server.
pub struct CoapServer {
    name: String,
    config: ServerConfig,
    things: Things,
    routes: Routes,
    bound: Mutex<Bound>,
    tally: Arc<Tally>,
}

/// What has become of its port.
#[derive(Default)]
struct Bound {
    /// Taken, and not used yet.
    socket: Option<UdpSocket>,
    /// Where that is, or was: it comes back to the same port.
    local: Option<SocketAddr>,
}

impl CoapServer {
    /// The server called `name` of these things; it does not listen yet.
    #[must_use]
    pub fn new(name: &str, config: ServerConfig, exposed: Arc<dyn Exposed>) -> Self {
        let things = Things::new(exposed);
        let tally = Arc::new(Tally::new(config.key_file.is_some()));
        Self {
            name: name.to_owned(),
            config,
            things,
            routes: Routes::default(),
            bound: Mutex::default(),
            tally,
        }
    }

    /// Takes its port, unless it has it already, and tells where. Clients are answered as soon as
    /// the adapter runs.
    ///
    /// # Errors
    /// When the address is taken, or not this machine's.
    pub async fn bind(&self) -> Result<SocketAddr, AdapterError> {
        let socket = self.socket().await?;
        let local = socket.local_addr().map_err(|error| self.bind_error(&error))?;
        *self.bound() = Bound { socket: Some(socket), local: Some(local) };
        Ok(local)
    }

    async fn socket(&self) -> Result<UdpSocket, AdapterError> {
        let (taken, address) = {
            let mut bound = self.bound();
            (bound.socket.take(), bound.local.unwrap_or_else(|| self.config.address()))
        };
        match taken {
            Some(socket) => Ok(socket),
            None => UdpSocket::bind(address).await.map_err(|error| self.bind_error(&error)),
        }
    }

    fn bound(&self) -> std::sync::MutexGuard<'_, Bound> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bind_error(&self, error: &std::io::Error) -> AdapterError {
        AdapterError::Link(format!(
            "the CoAP server `{}` can't listen on {}: {error}; stop what listens there, or choose \
             another `listen`",
            self.name,
            self.config.address()
        ))
    }

    /// Read anew each time, so that new keys count after the next start of the link.
    fn secure(&self) -> Result<Option<Secure>, AdapterError> {
        let keys = self.config.keys().map_err(|error| AdapterError::Link(error.to_string()))?;
        Ok(keys.map(|(keys, warning)| {
            if let Some(warning) = warning {
                warn!(adapter = %self.name, "{warning}");
            }
            Secure { keys, identity: None, hint: Some(String::new()) }
        }))
    }

    async fn serve(&self, reports: Reports, stop: CancellationToken) -> Result<(), AdapterError> {
        let secure = self.secure()?;
        let socket = self.socket().await?;
        let (config, tally) = (self.config.endpoint(), self.tally.clone());
        let driver = Driver::start_counting(socket, secure, config, tally, stop.clone())
            .map_err(|error| AdapterError::Link(error.to_string()))?;
        reports.connected();
        info!(server = %self.endpoint(), "Clients and devices can connect");
        let (handle, routes) = (driver.handle, self.routes.clone());
        let devices = Devices::new(handle.clone(), reports.clone(), routes, self.config.manner());
        let session = Session::new(&self.config, self.things.clone(), handle, devices, reports);
        let ended = session.run(driver.incoming, &stop).await;
        // It takes leave of its peers; and the port is free when it has ended.
        if let Err(error) = driver.task.await {
            warn!(adapter = %self.name, %error, "The driver of a CoAP server broke");
        }
        ended
    }
}

impl Adapter for CoapServer {
    fn endpoint(&self) -> String {
        let address = self.bound().local.unwrap_or_else(|| self.config.address());
        format!("{}://{address}", self.config.scheme())
    }

    fn run(
        &self,
        reports: Reports,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<(), AdapterError>> {
        Box::pin(self.serve(reports, stop))
    }

    fn execute(&self, command: Command) -> BoxFuture<'_, Result<Acknowledgement, AdapterError>> {
        Box::pin(self.routes.carry(command))
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        self.tally.counts()
    }
}
