//! One system, ready to be measured: it runs, and a message got through to it.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::client::http::Client;
use crate::client::mqtt::{Message, Publisher, Qos};
use crate::mosquitto::Mosquitto;
use crate::process::Process;
use crate::system::{Source, System};
use crate::{Error, Result};

pub(crate) struct Stage {
    pub(crate) system: System,
    pub(crate) process: Process,
    pub(crate) http: SocketAddr,
    /// Where devices publish.
    pub(crate) mqtt: SocketAddr,
    /// None with the gateway's own.
    broker: Option<Mosquitto>,
}

/// Processor time of the system, and of it and the broker together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) system: f64,
    pub(crate) whole: f64,
}

impl std::ops::Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { system: self.system - before.system, whole: self.whole - before.whole }
    }
}

/// The longest that anything may take that is not measured.
const PATIENCE: Duration = Duration::from_secs(20);

impl Stage {
    /// A system behind a broker of its own.
    pub(crate) fn set(args: &Args, system: System) -> Result<Self> {
        Self::set_with(args, system, &[])
    }

    /// The same with more environment variables.
    pub(crate) fn set_with(
        args: &Args,
        system: System,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let broker = Mosquitto::start(args.inflight)?;
        let mut process = system.start(args, Source::Broker(broker.address), environment)?;
        let http = process.announced("http")?;
        let stage = Self { system, process, http, mqtt: broker.address, broker: Some(broker) };
        stage.wait_until_ready()?;
        Ok(stage)
    }

    /// The gateway with its own broker.
    pub(crate) fn set_embedded(args: &Args) -> Result<Self> {
        let mut process = System::Gateway.start(args, Source::Embedded, &[])?;
        let http = process.announced("http")?;
        let mqtt = process.announced("mqtt")?;
        let stage = Self { system: System::Gateway, process, http, mqtt, broker: None };
        stage.wait_until_ready()?;
        Ok(stage)
    }

    /// Publishes until something arrives: only then the subscription stands.
    fn wait_until_ready(&self) -> Result<()> {
        let mut publisher = self.publisher()?;
        let mut client = self.client()?;
        let path = self.system.scalar("probe", "x");
        self.eventually("becomes ready", || {
            publisher.send(&Message::new("probe/x", "1"), Qos::AtMostOnce)?;
            sleep(Duration::from_millis(5));
            match self.system.keeps_values() {
                true => Ok(client.get(&path)?.status == 200),
                false => Ok(self.counted(&mut client)? > 0),
            }
        })?;
        // Further probes may be on their way; none shall fall into what is measured.
        sleep(Duration::from_millis(50));
        Ok(())
    }

    pub(crate) fn publisher(&self) -> Result<Publisher> {
        Publisher::connect(self.mqtt)
    }

    pub(crate) fn client(&self) -> Result<Client> {
        Client::connect(self.http)
    }

    pub(crate) fn cpu(&self) -> Result<Cpu> {
        let system = self.process.cpu()?.as_secs_f64();
        let broker = self.broker.as_ref().map(|broker| broker.process.cpu()).transpose()?;
        Ok(Cpu { system, whole: system + broker.unwrap_or_default().as_secs_f64() })
    }

    /// How many messages a limit has seen.
    pub(crate) fn counted(&self, client: &mut Client) -> Result<usize> {
        Ok(client.get("/count")?.text().trim().parse()?)
    }

    /// Publishes and waits until it can be read.
    pub(crate) fn set_scalar(&self, topic: &str, name: &str, value: &str) -> Result<()> {
        let mut publisher = self.publisher()?;
        let message = Message::new(&format!("{topic}/{name}"), value);
        publisher.send(&message, Qos::AtLeastOnce)?;
        if !self.system.keeps_values() {
            sleep(Duration::from_millis(50));
            return Ok(());
        }
        let mut client = self.client()?;
        let path = self.system.scalar(topic, name);
        self.eventually("shows a value", || Ok(client.get(&path)?.text() == value))
    }

    /// Asks until the answer is yes.
    pub(crate) fn eventually(
        &self,
        what: &str,
        mut asked: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !asked()? {
            if Instant::now() > deadline {
                let late = format!("{} never {what} (after {PATIENCE:?})", self.system);
                return Err(Error::from(late));
            }
            sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}
