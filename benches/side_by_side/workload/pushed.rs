//! From publishing to subscribers: how late, at what cost, and whether anything is missing.

use std::thread;
use std::time::{Duration, Instant};

use super::Bench;
use crate::Result;
use crate::client::listeners::{BEFORE, END, Heard, Listeners, Push, now};
use crate::client::mqtt::{Message, Publisher, Qos};
use crate::goal::Goal;
use crate::measure::{Section, Trial, as_f64, quantile};
use crate::stage::{Cpu, Stage};
use crate::system::System;

pub(super) const TOPIC: &str = "pushed/one";
pub(super) const NAME: &str = "v";

pub(super) const P50: &str = "p50 ms";
pub(super) const P99: &str = "p99 ms";
pub(super) const CPU: &str = "CPU µs per delivery";
pub(super) const LOST: &str = "deliveries missing untold";

/// The longest that the last subscriber may be behind in the end.
const CATCHING_UP: Duration = Duration::from_secs(30);

/// One thing that changes, and those who follow it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Following {
    pub(super) push: Push,
    pub(super) subscribers: usize,
    /// Changes per second.
    pub(super) rate: u32,
    /// For how long.
    pub(super) duration: Duration,
}

/// A thousand changes a second to ten subscribers.
pub(super) fn freshness(bench: &Bench<'_>) -> Vec<Section> {
    [Push::Events, Push::WebSocket]
        .map(|push| {
            let goals = vec![
                Goal::at_most(P50, 1.1).times(System::Naive),
                Goal::at_most(P99, 1.5).times(System::Naive),
                Goal::at_most(CPU, 0.8).times(System::Naive),
                Goal::at_most(LOST, 0.0),
            ];
            let duration = bench.args.load();
            Following { push, subscribers: 10, rate: 1000, duration }.measure(bench, goals)
        })
        .into()
}

impl Following {
    pub(super) fn measure(self, bench: &Bench<'_>, goals: Vec<Goal>) -> Section {
        let (how, systems): (_, &[System]) = match self.push {
            Push::Events => (
                "event streams",
                &[System::Gateway, System::Naive, System::Limit, System::LimitBatch],
            ),
            Push::WebSocket => {
                ("WebSockets", &[System::Gateway, System::Naive, System::LimitBatch])
            }
        };
        let title = format!("Publish → {} {how}, {} changes/s", self.subscribers, self.rate);
        Section::measure(title, systems, bench.args.rounds(), goals, |system| {
            let stage = Stage::set(bench.args, system)?;
            stage.set_scalar(TOPIC, NAME, &BEFORE.to_string())?;
            bench.runtime.block_on(self.trial(&stage))
        })
    }

    async fn trial(self, stage: &Stage) -> Result<Trial> {
        let listeners = Listeners::open(stage, self.push, TOPIC, NAME, self.subscribers).await?;
        let before = stage.cpu()?;
        let publisher = stage.publisher()?;
        let changes = Changes { rate: self.rate, duration: self.duration };
        let publishing = thread::spawn(move || changes.publish(publisher));
        let heard = listeners.listen(self.duration + CATCHING_UP).await?;
        let cpu = stage.cpu()? - before;
        let published = publishing.join().map_err(|_| "the publisher panicked")??;
        Ok(trial(heard, published, cpu))
    }
}

/// Changes at an even pace.
struct Changes {
    rate: u32,
    duration: Duration,
}

impl Changes {
    /// Publishes moments, then the end; returns how many moments.
    fn publish(&self, mut publisher: Publisher) -> Result<usize> {
        let pause = Duration::from_secs(1) / self.rate;
        let begun = Instant::now();
        let mut published = 0;
        while begun.elapsed() < self.duration {
            publisher.send(&change(now()), Qos::AtMostOnce)?;
            published += 1;
            let next = begun + pause * u32::try_from(published)?;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        // Those who are behind may catch up: the end itself must not be what gets lost.
        thread::sleep(Duration::from_millis(500));
        publisher.send(&change(END), Qos::AtLeastOnce)?;
        Ok(published)
    }
}

fn change(value: u64) -> Message {
    Message::new(&format!("{TOPIC}/{NAME}"), &value.to_string())
}

fn trial(heard: Vec<Heard>, published: usize, cpu: Cpu) -> Trial {
    let missing = |heard: &Heard| published.saturating_sub(heard.micros.len());
    let (told, untold): (Vec<_>, Vec<_>) = heard.iter().partition(|heard| heard.gap);
    let told: usize = told.into_iter().map(missing).sum();
    let untold: usize = untold.into_iter().map(missing).sum();
    let mut micros: Vec<u32> = heard.into_iter().flat_map(|heard| heard.micros).collect();
    micros.sort_unstable();
    let mut trial = Trial::default();
    trial.figure(P50, quantile(&micros, 0.5) / 1e3);
    trial.figure(P99, quantile(&micros, 0.99) / 1e3);
    trial.figure(CPU, cpu.system * 1e6 / as_f64(micros.len()));
    trial.figure("deliveries", as_f64(micros.len()));
    trial.figure("deliveries skipped and told", as_f64(told));
    trial.none_of(LOST, untold);
    trial
}
