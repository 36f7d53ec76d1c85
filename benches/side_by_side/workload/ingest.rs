use super::Bench;
use super::pour::{Expected, Poured, pour};
use super::readings::{LEAF, Readings};
use crate::Result;
use crate::client::mqtt::Qos;
use crate::goal::Goal;
use crate::measure::{Section, Trial, as_f64};
use crate::stage::Stage;
use crate::system::System;

const THINGS: usize = 1000;

const CPU: &str = "CPU s per 1M messages";
pub(super) const WITH_BROKER: &str = "– with the broker's";
const SPEED: &str = "visible messages/s";
const STALE: &str = "things left stale";

pub(super) fn run(bench: &Bench<'_>) -> Vec<Section> {
    [(Qos::AtMostOnce, 0.35), (Qos::AtLeastOnce, 0.30)]
        .map(|(qos, cpu)| {
            let systems = [System::Gateway, System::Naive, System::Limit, System::LimitBatch];
            let goals = vec![
                Goal::at_most(CPU, cpu).times(System::Naive),
                Goal::at_most(CPU, 4.0).times(System::LimitBatch),
                Goal::at_least(SPEED, 1.15).times(System::Naive),
                Goal::at_most(STALE, 0.0),
            ];
            let title = format!(
                "Ingest, QoS {}: {} messages over {THINGS} things",
                qos.level(),
                bench.args.messages()
            );
            Section::measure(title, &systems, bench.args.rounds(), goals, |system| {
                trial(bench, &Stage::set(bench.args, system)?, qos)
            })
        })
        .into()
}

/// The things are there when the clock starts: what is measured is the steady state.
pub(super) fn trial(bench: &Bench<'_>, stage: &Stage, qos: Qos) -> Result<Trial> {
    let once = Readings::once(THINGS);
    pour_readings(stage, once, Qos::AtLeastOnce)?;
    let before = applied(stage)?;
    let messages = bench.args.messages();
    let poured = pour_readings(stage, once.then(messages), qos)?;
    let mut trial = Trial::default();
    let millions = as_f64(messages) / 1e6;
    trial.figure(CPU, poured.cpu.system / millions);
    trial.figure(WITH_BROKER, poured.cpu.whole / millions);
    trial.figure(SPEED, as_f64(messages) / poured.seconds);
    trial.none_of(STALE, poured.stale);
    if let (Some(before), Some(after)) = (before, applied(stage)?) {
        trial.none_of("messages not applied", (before + messages).saturating_sub(after));
    }
    Ok(trial)
}

pub(super) fn pour_readings(stage: &Stage, readings: Readings, qos: Qos) -> Result<Poured> {
    let expected = Expected { leaf: LEAF, newest: readings.newest(), messages: readings.messages };
    pour(stage, &readings.burst(qos), &expected)
}

/// How many messages were applied, by the gateway's own books; the others keep none.
fn applied(stage: &Stage) -> Result<Option<usize>> {
    if stage.system != System::Gateway {
        return Ok(None);
    }
    let adapters = stage.client()?.get("/adapters")?;
    let adapters: serde_json::Value = serde_json::from_slice(&adapters.body)?;
    let applied = adapters[0]["messages"]["applied"].as_u64().ok_or("no count of messages")?;
    Ok(Some(usize::try_from(applied)?))
}
