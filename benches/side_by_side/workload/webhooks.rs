use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use super::Bench;
use crate::Result;
use crate::client::mqtt::{Message, Publisher, Qos};
use crate::client::receiver::Receiver;
use crate::goal::Goal;
use crate::measure::{Section, Trial, as_f64};
use crate::process::Process;
use crate::references;
use crate::stage::Stage;
use crate::system::System;

const CPU: &str = "CPU µs per POST";
const LOST: &str = "changes never delivered";
/// Changes go around these, so that order has to be kept within each only.
const THINGS: usize = 100;
const TICK: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(60);

/// Changes, and those who are told of them.
#[derive(Debug, Clone, Copy)]
struct Hooks {
    title: &'static str,
    receivers: usize,
    /// Changes per second.
    rate: usize,
    /// Requests under way to each receiver.
    concurrency: usize,
    /// How long a receiver takes.
    delay: Duration,
}

pub(super) fn run(bench: &Bench<'_>) -> Vec<Section> {
    let quick = Duration::ZERO;
    let slow = Duration::from_millis(20);
    [
        ("Webhooks: one receiver, 10,000 changes/s", 1, 10_000, 16, quick),
        ("Webhooks: 100 receivers, 50 changes/s", 100, 50, 1, quick),
        ("Webhooks: a receiver that takes 20 ms, 500 changes/s", 1, 500, 16, slow),
    ]
    .map(|(title, receivers, rate, concurrency, delay)| {
        Hooks { title, receivers, rate, concurrency, delay }.measure(bench)
    })
    .into()
}

impl Hooks {
    fn measure(self, bench: &Bench<'_>) -> Section {
        let goals = vec![Goal::at_most(CPU, 1.0).times(System::Posts), Goal::at_most(LOST, 0.0)];
        let systems = [System::Gateway, System::Posts];
        let changes = self.rate * usize::try_from(bench.args.load().as_secs()).unwrap_or(1).max(1);
        Section::measure(self.title, &systems, bench.args.rounds(), goals, |system| {
            bench.runtime.block_on(async {
                let receivers = self.receivers(changes).await?;
                match system {
                    System::Gateway => self.gateway(bench, &receivers, changes).await,
                    _ => self.posts(&receivers, changes).await,
                }
            })
        })
    }

    async fn receivers(&self, changes: usize) -> Result<Vec<Receiver>> {
        let mut receivers = Vec::new();
        for _ in 0..self.receivers {
            receivers.push(Receiver::start(changes, self.delay).await?);
        }
        Ok(receivers)
    }

    async fn gateway(
        &self,
        bench: &Bench<'_>,
        receivers: &[Receiver],
        changes: usize,
    ) -> Result<Trial> {
        let concurrency = self.concurrency.to_string();
        let environment = [("THINGWAY__DELIVERY__CONCURRENCY", concurrency.as_str())];
        let stage = Stage::set_with(bench.args, System::Gateway, &environment)?;
        for receiver in receivers {
            register(&stage, receiver)?;
        }
        let (publisher, rate) = (stage.publisher()?, self.rate);
        let before = stage.cpu()?;
        let begun = Instant::now();
        let publishing = thread::spawn(move || publish(publisher, changes, rate));
        wait(receivers, changes).await;
        let (cpu, seconds) = (stage.cpu()? - before, begun.elapsed().as_secs_f64());
        publishing.join().map_err(|_| "the publisher panicked")??;
        Ok(trial(receivers, changes, cpu.system, seconds))
    }

    async fn posts(&self, receivers: &[Receiver], changes: usize) -> Result<Trial> {
        let peers: Vec<String> =
            receivers.iter().map(|receiver| receiver.address.to_string()).collect();
        let (changes_each, rate) = (changes.to_string(), self.rate.to_string());
        let concurrency = self.concurrency.to_string();
        let arguments = ["posts", &peers.join(","), &changes_each, &rate, &concurrency];
        let mut process = Process::start(&mut references::command(&arguments)?)?;
        process.line()?;
        let before = process.cpu()?;
        let begun = Instant::now();
        process.tell("begin")?;
        wait(receivers, changes).await;
        let cpu = process.cpu()?.saturating_sub(before).as_secs_f64();
        Ok(trial(receivers, changes, cpu, begun.elapsed().as_secs_f64()))
    }
}

fn register(stage: &Stage, receiver: &Receiver) -> Result<()> {
    let url = format!("http://{}/hook", receiver.address);
    let webhook = json!({ "url": url, "things": ["hooks.*"] });
    let answer = stage.client()?.post("/webhooks", &webhook.to_string())?;
    if answer.status != 201 {
        return Err(answer.text().into());
    }
    Ok(())
}

/// Publishes the numbers from 1 on, at an even pace.
fn publish(mut publisher: Publisher, changes: usize, rate: usize) -> Result<()> {
    let begun = Instant::now();
    for number in 1..=changes {
        let due = begun + Duration::from_secs_f64(as_f64(number) / as_f64(rate));
        let ahead = due.saturating_duration_since(Instant::now());
        // Shorter sleeps would come too late anyway; the changes of a tick go out together.
        if ahead > TICK {
            thread::sleep(ahead);
        }
        let topic = format!("hooks/t{}/v", number % THINGS);
        publisher.send(&Message::new(&topic, &number.to_string()), Qos::AtMostOnce)?;
    }
    Ok(())
}

/// Until every receiver has everything, or it takes too long.
async fn wait(receivers: &[Receiver], changes: usize) {
    let deadline = Instant::now() + PATIENCE;
    let complete = |receiver: &Receiver| receiver.values() >= changes;
    while !receivers.iter().all(complete) && Instant::now() < deadline {
        sleep(Duration::from_millis(5)).await;
    }
}

fn trial(receivers: &[Receiver], changes: usize, cpu: f64, seconds: f64) -> Trial {
    let posts: usize = receivers.iter().map(Receiver::posts).sum();
    let missing = receivers.iter().map(|receiver| changes - receiver.values());
    let told = receivers.iter().filter(|receiver| receiver.gap()).count();
    let mut trial = Trial::default();
    trial.figure(CPU, cpu * 1e6 / as_f64(posts));
    trial.figure("POSTs/s", as_f64(posts) / seconds);
    trial.figure("POSTs beyond one per change", as_f64(posts) - as_f64(changes * receivers.len()));
    trial.figure("receivers told of a gap", as_f64(told));
    trial.none_of(LOST, missing.sum());
    trial
}
