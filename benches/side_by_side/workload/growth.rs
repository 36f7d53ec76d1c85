use super::Bench;
use super::get::ask;
use super::ingest::pour_readings;
use super::readings::{LEAF, Readings, topic};
use crate::client::load::Question;
use crate::client::mqtt::Qos;
use crate::goal::Goal;
use crate::measure::{Section, Trial, as_f64};
use crate::plot::{Curve, svg};
use crate::stage::Stage;
use crate::system::System;
use crate::{Result, record};

const INGEST_GROWTH: &str = "ingest, dearest size ÷ fewest things";
const GET_GROWTH: &str = "GET, dearest size ÷ fewest things";
const STALE: &str = "things left stale";
/// Paths that a load goes around; more would only fill the client's memory.
const ASKED: usize = 10_000;
const CONNECTIONS: usize = 32;

/// What a message and a request cost with more and more things.
pub(super) fn run(bench: &Bench<'_>) -> Result<Vec<Section>> {
    let sizes = bench.args.sizes();
    let goals = vec![
        Goal::at_most(INGEST_GROWTH, 1.5),
        Goal::at_most(GET_GROWTH, 1.5),
        Goal::at_most(STALE, 0.0),
    ];
    let systems = [System::Gateway, System::Naive];
    let rounds = bench.args.rounds().min(3);
    let section = Section::measure("Cost of growth", &systems, rounds, goals, |system| {
        trial(bench, system, &sizes)
    });
    if bench.args.record {
        record::write_plot(&plot(&section, &sizes))?;
    }
    Ok(vec![section])
}

fn ingest(things: usize) -> String {
    format!("CPU µs per message, {things} things")
}

fn get(things: usize) -> String {
    format!("CPU µs per GET, {things} things")
}

fn trial(bench: &Bench<'_>, system: System, sizes: &[usize]) -> Result<Trial> {
    let mut trial = Trial::default();
    let (mut ingests, mut gets, mut stale) = (Vec::new(), Vec::new(), 0);
    for things in sizes {
        let stage = Stage::set(bench.args, system)?;
        let once = Readings::once(*things);
        pour_readings(&stage, once, Qos::AtLeastOnce)?;
        let messages = bench.args.messages();
        let poured = pour_readings(&stage, once.then(messages), Qos::AtMostOnce)?;
        stale += poured.stale;
        ingests.push(poured.cpu.system * 1e6 / as_f64(messages));
        let asked = ask(bench, &stage, questions(system, *things), CONNECTIONS)?;
        gets.push(asked.cpu.system * 1e6 / as_f64(asked.outcome.requests));
    }
    for (index, things) in sizes.iter().enumerate() {
        trial.figure(ingest(*things), ingests[index]);
        trial.figure(get(*things), gets[index]);
    }
    trial.figure(INGEST_GROWTH, growth(&ingests));
    trial.figure(GET_GROWTH, growth(&gets));
    trial.none_of(STALE, stale);
    Ok(trial)
}

fn questions(system: System, things: usize) -> Vec<Question> {
    let step = (things / ASKED).max(1);
    let asked = (0..things).step_by(step);
    asked.map(|thing| Question::new(&system.leaf(&topic(thing), LEAF), None)).collect()
}

/// The highest cost against that with the fewest things.
fn growth(costs: &[f64]) -> f64 {
    let highest = costs.iter().copied().fold(f64::MIN, f64::max);
    costs.first().map_or(f64::NAN, |first| highest / first)
}

fn plot(section: &Section, sizes: &[usize]) -> String {
    let curve = |name: &str, colour, system, figure: fn(usize) -> String| Curve {
        name: name.to_owned(),
        colour,
        points: sizes
            .iter()
            .filter_map(|things| Some((*things, section.median(system, &figure(*things))?)))
            .collect(),
    };
    let curves = [
        curve("gateway, message in", "#0b6", System::Gateway, ingest),
        curve("gateway, GET", "#07c", System::Gateway, get),
        curve("naive, message in", "#c60", System::Naive, ingest),
        curve("naive, GET", "#a3a", System::Naive, get),
    ];
    svg("What more things cost", "CPU µs", &curves)
}
