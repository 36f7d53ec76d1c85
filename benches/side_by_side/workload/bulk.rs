use super::Bench;
use super::get::{Asked, ask};
use super::ingest::pour_readings;
use super::readings::{Readings, topic};
use crate::client::load::Question;
use crate::client::mqtt::Qos;
use crate::goal::Goal;
use crate::measure::{Section, Trial, as_f64};
use crate::stage::Stage;
use crate::system::System;

const THINGS: usize = 1000;
const CONNECTIONS: usize = 8;
const BYTES: &str = "body MB per CPU s";
const CPU: &str = "CPU µs per request";
const WRONG: &str = "wrong answers";

/// naive answers the object of one topic, and a dump of all topics.
pub(super) fn run(bench: &Bench<'_>) -> Vec<Section> {
    let one = |system: System| -> Vec<Question> {
        (0..THINGS).map(|thing| Question::new(&system.object(&topic(thing)), None)).collect()
    };
    let many = |system: System| vec![Question::new(system.many(), None)];
    vec![
        measure(bench, "GET of the properties of a thing", one),
        measure(bench, "GET of /properties?limit=1000 (naive: a dump of 1,000 objects)", many),
    ]
}

fn measure(bench: &Bench<'_>, title: &str, questions: impl Fn(System) -> Vec<Question>) -> Section {
    // Bytes, not requests: the gateway's records say much more about each value than naive does.
    let goals = vec![Goal::at_least(BYTES, 1.0).times(System::Naive), Goal::at_most(WRONG, 0.0)];
    let systems = [System::Gateway, System::Naive];
    Section::measure(title, &systems, bench.args.rounds(), goals, |system| {
        let stage = Stage::set(bench.args, system)?;
        pour_readings(&stage, Readings::once(THINGS), Qos::AtLeastOnce)?;
        Ok(trial(&ask(bench, &stage, questions(system), CONNECTIONS)?))
    })
}

fn trial(asked: &Asked) -> Trial {
    let requests = as_f64(asked.outcome.requests);
    let mut trial = Trial::default();
    trial.figure(BYTES, as_f64(asked.outcome.bytes) / 1e6 / asked.cpu.system);
    trial.figure(CPU, asked.cpu.system * 1e6 / requests);
    trial.figure("bytes per body", as_f64(asked.outcome.bytes) / requests);
    trial.figure("requests/s", requests / asked.outcome.elapsed.as_secs_f64());
    trial.none_of(WRONG, asked.outcome.wrong);
    trial
}
