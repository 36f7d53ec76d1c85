use std::time::Duration;

use super::Bench;
use crate::Result;
use crate::client::load::{self, Outcome, Question};
use crate::client::mqtt::{Burst, Message, Qos};
use crate::goal::Goal;
use crate::measure::{Section, Trial, as_f64, quantile};
use crate::stage::{Cpu, Stage};
use crate::system::System;

const CONNECTIONS: usize = 32;
const NAME: &str = "temperature";
/// The larger number of things against the smaller one.
const DECLINE: &str = "requests/s, most things ÷ fewest";
const WRONG: &str = "wrong answers";

pub(super) fn run(bench: &Bench<'_>) -> Vec<Section> {
    let sizes = [1000, bench.args.amount(100_000, 10_000)];
    let systems = [System::Gateway, System::Naive, System::Limit];
    let mut goals = vec![Goal::at_least(DECLINE, 0.9), Goal::at_most(WRONG, 0.0)];
    for things in sizes {
        goals.push(Goal::at_most(cpu(things), 0.9).times(System::Naive));
        goals.push(Goal::at_least(speed(things), 1.1).times(System::Naive));
    }
    let title = format!("GET of one property, {CONNECTIONS} connections");
    let section = Section::measure(title, &systems, bench.args.rounds(), goals, |system| {
        trial(bench, &Stage::set(bench.args, system)?, sizes)
    });
    vec![section]
}

fn cpu(things: usize) -> String {
    format!("CPU µs per request, {things} things")
}

fn speed(things: usize) -> String {
    format!("requests/s, {things} things")
}

fn trial(bench: &Bench<'_>, stage: &Stage, sizes: [usize; 2]) -> Result<Trial> {
    let mut trial = Trial::default();
    let mut speeds = Vec::new();
    let mut wrong = 0;
    for things in sizes {
        publish_scalars(stage, things)?;
        let asked = ask(bench, stage, questions(stage.system, things), CONNECTIONS)?;
        let speed_now = as_f64(asked.outcome.requests) / asked.outcome.elapsed.as_secs_f64();
        trial.figure(cpu(things), asked.cpu.system * 1e6 / as_f64(asked.outcome.requests));
        trial.figure(speed(things), speed_now);
        trial.figure(format!("p50 µs, {things} things"), quantile(&asked.outcome.micros, 0.5));
        trial.figure(format!("p99 µs, {things} things"), quantile(&asked.outcome.micros, 0.99));
        speeds.push(speed_now);
        wrong += asked.outcome.wrong;
    }
    trial.figure(DECLINE, speeds[1] / speeds[0]);
    trial.none_of(WRONG, wrong);
    Ok(trial)
}

pub(super) struct Asked {
    pub(super) outcome: Outcome,
    pub(super) cpu: Cpu,
}

/// Loads a system with questions for as long as a load lasts.
pub(super) fn ask(
    bench: &Bench<'_>,
    stage: &Stage,
    questions: Vec<Question>,
    connections: usize,
) -> Result<Asked> {
    // Connections, threads and memory are made by the first requests.
    let warm = Duration::from_millis(200);
    bench.runtime.block_on(load::run(stage.http, questions.clone(), connections, warm))?;
    let before = stage.cpu()?;
    let load = load::run(stage.http, questions, connections, bench.args.load());
    let outcome = bench.runtime.block_on(load)?;
    Ok(Asked { outcome, cpu: stage.cpu()? - before })
}

fn topic(thing: usize) -> String {
    format!("get/t{thing:07}")
}

/// Different from thing to thing, so that an answer from another one is noticed.
fn value(thing: usize) -> String {
    (10_000_000 + thing).to_string()
}

/// Publishes a number for each thing, and waits until the last is there.
fn publish_scalars(stage: &Stage, things: usize) -> Result<()> {
    let message = |thing| Message::new(&format!("{}/{NAME}", topic(thing)), &value(thing));
    stage.publisher()?.send_all(&Burst::new(Qos::AtLeastOnce, (0..things).map(message)))?;
    let (last, expected) = (topic(things - 1), value(things - 1));
    stage.set_scalar(&last, NAME, &expected)
}

fn questions(system: System, things: usize) -> Vec<Question> {
    let question = |thing| {
        let answer = system.keeps_values().then(|| value(thing));
        Question::new(&system.scalar(&topic(thing), NAME), answer)
    };
    (0..things).map(question).collect()
}
