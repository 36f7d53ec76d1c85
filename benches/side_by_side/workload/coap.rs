use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Bench;
use crate::client::coap::{Device, MOST, RESOURCES};
use crate::client::http::Client;
use crate::measure::{Section, Trial, as_f64};
use crate::process::Process;
use crate::system::{Source, System};
use crate::{Error, Result};

const DEVICES: usize = 16;
/// A pace that both can keep.
const PACE: usize = 20_000;

const CPU: &str = "CPU µs per notification";
const SPEED: &str = "notifications/s taken";
const LOST: &str = "% lost in the socket's buffer";
const RECORDED: &str = "% of those taken recorded one by one";
const STALE: &str = "resources left stale";

/// The longest that anything may take that is not measured.
const PATIENCE: Duration = Duration::from_secs(20);
/// No datagram waits longer than this to be counted.
const QUIET: Duration = Duration::from_millis(50);

/// Notifications of CoAP devices, one device after the other: so that as much fits into the buffers
/// of a system with a socket for each as of one with a socket for all.
pub(super) fn run(bench: &Bench<'_>) -> Vec<Section> {
    let flood = bench.args.messages().min(DEVICES * MOST);
    let seconds = usize::try_from(bench.args.load().as_secs()).unwrap_or(1).max(1);
    let paced = (PACE * seconds).min(DEVICES * MOST);
    [
        (format!("CoAP notifications, {PACE}/s"), paced, Some(PACE)),
        (format!("CoAP notifications, {flood} as fast as they can be sent"), flood, None),
    ]
    .map(|(title, count, rate)| {
        let systems = [System::Gateway, System::CoapLoop];
        Section::measure(title, &systems, bench.args.rounds(), Vec::new(), |system| {
            Stage::set(bench, system)?.trial(count / DEVICES, rate)
        })
    })
    .into()
}

struct Stage {
    system: System,
    devices: Vec<Device>,
    process: Process,
    http: SocketAddr,
}

/// What a system has counted.
#[derive(Clone, Copy)]
struct Count {
    taken: usize,
    recorded: usize,
}

impl Stage {
    fn set(bench: &Bench<'_>, system: System) -> Result<Self> {
        let devices = (0..DEVICES).map(|_| Device::start()).collect::<Result<Vec<_>>>()?;
        let addresses: Vec<SocketAddr> = devices.iter().map(|device| device.address).collect();
        let mut process = system.start(bench.args, Source::Devices(&addresses), &[])?;
        let http = process.announced("http")?;
        let stage = Self { system, devices, process, http };
        let deadline = Instant::now() + PATIENCE;
        while !stage.devices.iter().all(Device::is_observed) {
            if Instant::now() > deadline {
                return Err(Error::from(format!("{system} never observes everything")));
            }
            sleep(Duration::from_millis(2));
        }
        // The answers to the registrations shall not fall into what is measured.
        sleep(QUIET);
        Ok(stage)
    }

    fn trial(mut self, each: usize, rate: Option<usize>) -> Result<Trial> {
        let floods: Vec<_> = self
            .devices
            .iter_mut()
            .map(|device| device.notifications(each))
            .collect::<Result<_>>()?;
        let before = self.count()?;
        let (cpu, begun) = (self.process.cpu()?, Instant::now());
        for (device, flood) in self.devices.iter().zip(&floods) {
            device.send(flood, rate)?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        sleep(QUIET);
        let cpu = (self.process.cpu()? - cpu).as_secs_f64();
        let after = self.count()?;
        let (sent, taken) = (each * DEVICES, after.taken - before.taken);
        let mut trial = Trial::default();
        trial.figure(CPU, cpu * 1e6 / as_f64(taken));
        trial.figure(SPEED, as_f64(taken) / seconds);
        trial.figure(LOST, 100.0 * (1.0 - as_f64(taken) / as_f64(sent)));
        if self.system == System::Gateway {
            let recorded = after.recorded - before.recorded;
            trial.figure(RECORDED, 100.0 * as_f64(recorded) / as_f64(taken));
            trial.none_of(STALE, self.stale()?);
        }
        Ok(trial)
    }

    fn count(&self) -> Result<Count> {
        let mut client = Client::connect(self.http)?;
        if self.system != System::Gateway {
            let taken = client.get("/count")?.text().trim().parse()?;
            return Ok(Count { taken, recorded: taken });
        }
        let adapters: Vec<Value> = serde_json::from_slice(&client.get("/adapters")?.body)?;
        let sum = |group: &str, name: &str| -> Result<usize> {
            let of = adapters.iter().filter_map(|adapter| adapter[group][name].as_u64());
            Ok(usize::try_from(of.sum::<u64>())?)
        };
        Ok(Count {
            taken: sum("protocol_events", "received")?,
            recorded: sum("messages", "applied")?,
        })
    }

    /// Each device tells once more how it is, at a pace at which nothing is lost; how many
    /// resources do not show it.
    fn stale(&mut self) -> Result<usize> {
        for device in &mut self.devices {
            let last = device.notifications(RESOURCES)?;
            device.send(&last, Some(1_000))?;
        }
        sleep(QUIET);
        let mut client = Client::connect(self.http)?;
        let mut stale = 0;
        for device in &self.devices {
            let thing = format!("127_0_0_1-{}", device.address.port());
            for (resource, number) in device.newest().into_iter().enumerate() {
                let path = format!("/things/{thing}/properties/r.{resource}");
                let answer = client.get(&path)?;
                stale += usize::from(answer.status != 200 || answer.text() != number.to_string());
            }
        }
        Ok(stale)
    }
}
