use std::thread::sleep;
use std::time::Duration;

use super::Bench;
use super::ingest::pour_readings;
use super::readings::Readings;
use crate::Result;
use crate::client::mqtt::Qos;
use crate::goal::Goal;
use crate::measure::{Section, Trial, as_f64};
use crate::stage::Stage;
use crate::system::System;

const STALE: &str = "things left stale";

/// What the process grows by, for each thing with three numeric properties.
pub(super) fn run(bench: &Bench<'_>) -> Vec<Section> {
    let large = |things: &usize| *things >= bench.args.amount(100_000, 10_000);
    let sizes: Vec<usize> = bench.args.sizes().into_iter().filter(large).collect();
    let mut goals = vec![Goal::at_most(STALE, 0.0)];
    for things in &sizes {
        goals.push(Goal::at_most(figure(*things), 0.5).times(System::Naive));
        goals.push(Goal::at_most(figure(*things), 1000.0));
    }
    // Memory repeats well.
    let rounds = bench.args.rounds().min(3);
    let systems = [System::Gateway, System::Naive];
    let section = Section::measure("Memory", &systems, rounds, goals, |system| {
        let mut trial = Trial::default();
        for things in &sizes {
            weigh(&Stage::set(bench.args, system)?, *things, &mut trial)?;
        }
        Ok(trial)
    });
    vec![section]
}

fn figure(things: usize) -> String {
    format!("bytes per thing, {things} things")
}

fn weigh(stage: &Stage, things: usize, trial: &mut Trial) -> Result<()> {
    let before = stage.process.resident()?;
    let poured = pour_readings(stage, Readings::once(things), Qos::AtLeastOnce)?;
    sleep(Duration::from_millis(500));
    let bytes = stage.process.resident()?.saturating_sub(before);
    trial.figure(figure(things), as_f64(usize::try_from(bytes)?) / as_f64(things));
    trial.none_of(STALE, poured.stale);
    Ok(())
}
