use super::Bench;
use super::ingest::pour_readings;
use super::pour::{Expected, pour};
use super::readings::{LEAF, Readings};
use crate::Result;
use crate::client::mqtt::{Burst, Message, Qos};
use crate::goal::Goal;
use crate::measure::{Section, Trial, as_f64};
use crate::stage::Stage;
use crate::system::System;

/// Things that are known before the flood; the limit lets no more in.
const KNOWN: usize = 10_000;
/// The ready-made probe is a thing, too.
const LIMIT: &str = "10001";
/// Unknown topics for each message of a known thing.
const FLOOD: usize = 5;

const GROWTH: &str = "MiB grown during the flood";
const DURING: &str = "messages/s during the flood ÷ before";
const AFTER: &str = "messages/s after the flood ÷ before";
const STALE: &str = "known things left stale";

/// A million topics that nobody has seen before, between the messages of things that are known.
pub(super) fn run(bench: &Bench<'_>) -> Vec<Section> {
    let unknown = bench.args.messages() * FLOOD;
    let goals = vec![
        Goal::at_most(GROWTH, 64.0),
        Goal::at_least(DURING, 0.8),
        Goal::at_least(AFTER, 0.8),
        Goal::at_most(STALE, 0.0),
    ];
    let title = format!("Topic flood: {unknown} unknown topics, limits.things = {LIMIT}");
    let rounds = bench.args.rounds().min(3);
    let section = Section::measure(title, &[System::Gateway], rounds, goals, |system| {
        let environment = [("THINGWAY__LIMITS__THINGS", LIMIT)];
        trial(bench, &Stage::set_with(bench.args, system, &environment)?)
    });
    vec![section]
}

fn trial(bench: &Bench<'_>, stage: &Stage) -> Result<Trial> {
    let messages = bench.args.messages();
    let once = Readings::once(KNOWN);
    pour_readings(stage, once, Qos::AtLeastOnce)?;
    let calm = once.then(messages);
    let before = pour_readings(stage, calm, Qos::AtMostOnce)?;
    let resident = stage.process.resident()?;

    let flooded = calm.then(messages);
    let burst = Burst::new(Qos::AtMostOnce, among_unknown(flooded));
    let expected = Expected { leaf: LEAF, newest: flooded.newest(), messages };
    let during = pour(stage, &burst, &expected)?;
    let grown = stage.process.resident()?.saturating_sub(resident);

    let after = pour_readings(stage, flooded.then(messages), Qos::AtMostOnce)?;
    let speed = |messages: usize, seconds: f64| as_f64(messages) / seconds;
    let calm_speed = speed(messages, before.seconds);
    let mut trial = Trial::default();
    trial.figure(GROWTH, as_f64(usize::try_from(grown)?) / 1024.0 / 1024.0);
    trial.figure(DURING, speed(messages * (FLOOD + 1), during.seconds) / calm_speed);
    trial.figure(AFTER, speed(messages, after.seconds) / calm_speed);
    trial.none_of(STALE, before.stale + during.stale + after.stale);
    Ok(trial)
}

/// Each message behind some to topics that come only once.
fn among_unknown(readings: Readings) -> impl Iterator<Item = Message> {
    readings.messages().enumerate().flat_map(|(index, message)| {
        let unknown = (0..FLOOD)
            .map(move |one| Message::new(&format!("flood/t{index}-{one}"), "{\"value\":1}"));
        unknown.chain([message])
    })
}
