use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Bench;
use crate::Result;
use crate::client::http::Client;
use crate::goal::Goal;
use crate::measure::{Section, Trial, as_f64};
use crate::mosquitto::Mosquitto;
use crate::system::{Source, System};

const START: &str = "ms from start to the first 200";
const IDLE: &str = "idle memory, MiB";
const BINARY: &str = "binary, MiB";
const MEBIBYTE: f64 = 1024.0 * 1024.0;

pub(super) fn run(bench: &Bench<'_>) -> Vec<Section> {
    let goals = vec![
        Goal::at_most(START, 2.0).times(System::Naive),
        Goal::at_most(IDLE, 12.0),
        Goal::at_most(BINARY, 12.0),
    ];
    let systems = [System::Gateway, System::Naive];
    let section = Section::measure("Start", &systems, bench.args.rounds(), goals, |system| {
        trial(bench, system)
    });
    vec![section]
}

/// naive has no binary of its own: it is a part of this one.
fn trial(bench: &Bench<'_>, system: System) -> Result<Trial> {
    let broker = Mosquitto::start(bench.args.inflight)?;
    let path = if system == System::Gateway { "/livez" } else { "/dump" };
    let begun = Instant::now();
    let mut process = system.start(bench.args, Source::Broker(broker.address), &[])?;
    let answer = Client::connect(process.announced("http")?)?.get(path)?;
    let started = begun.elapsed();
    sleep(Duration::from_secs(1));
    let mut trial = Trial::default();
    trial.figure(START, started.as_secs_f64() * 1e3);
    trial.figure(IDLE, as_f64(usize::try_from(process.resident()?)?) / MEBIBYTE);
    trial.none_of("answers other than 200", usize::from(answer.status != 200));
    if system == System::Gateway {
        let size = fs::metadata(&bench.args.gateway)?.len();
        trial.figure(BINARY, as_f64(usize::try_from(size)?) / MEBIBYTE);
    }
    Ok(trial)
}
