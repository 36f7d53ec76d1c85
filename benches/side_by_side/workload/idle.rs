use std::time::Duration;

use tokio::time::sleep;

use super::Bench;
use super::pushed::{NAME, TOPIC};
use crate::Result;
use crate::client::listeners::{BEFORE, END, Listeners, Push, now};
use crate::client::mqtt::{Message, Qos};
use crate::goal::Goal;
use crate::host;
use crate::measure::{Section, Trial, as_f64};
use crate::stage::Stage;
use crate::system::System;

const MEMORY: &str = "KiB per WebSocket";
const DEAF: &str = "subscribers that no longer hear";
/// Files that processes have open beside the sockets.
const OTHER_FILES: usize = 500;

/// Ten thousand subscribers to a thing that does not change.
pub(super) fn run(bench: &Bench<'_>) -> Vec<Section> {
    let goals = vec![Goal::at_most(MEMORY, 16.0), Goal::at_most(DEAF, 0.0)];
    let systems = [System::Gateway, System::Naive];
    let count = subscribers(bench);
    let title = format!("{count} idle WebSockets");
    // Memory repeats well; so many handshakes take a while.
    let rounds = bench.args.rounds().min(3);
    let section = Section::measure(title, &systems, rounds, goals, |system| {
        let stage = Stage::set(bench.args, system)?;
        stage.set_scalar(TOPIC, NAME, &BEFORE.to_string())?;
        bench.runtime.block_on(trial(&stage, count))
    });
    vec![section]
}

/// As many as the open files allow, which is said when it is fewer than wanted.
fn subscribers(bench: &Bench<'_>) -> usize {
    let wanted = bench.args.amount(10_000, 500);
    let allowed = host::open_files().unwrap_or(1024).saturating_sub(OTHER_FILES);
    if allowed < wanted {
        eprintln!("only {allowed} WebSockets: allow more open files with `ulimit -n 20000`");
    }
    wanted.min(allowed)
}

async fn trial(stage: &Stage, count: usize) -> Result<Trial> {
    let before = stage.process.resident()?;
    let listeners = Listeners::open(stage, Push::WebSocket, TOPIC, NAME, count).await?;
    sleep(Duration::from_secs(1)).await;
    let bytes = stage.process.resident()?.saturating_sub(before);
    // Sockets that are dead would be cheap.
    let mut publisher = stage.publisher()?;
    for value in [now(), END] {
        let message = Message::new(&format!("{TOPIC}/{NAME}"), &value.to_string());
        publisher.send(&message, Qos::AtLeastOnce)?;
    }
    let heard = listeners.listen(Duration::from_secs(20)).await?;
    let mut trial = Trial::default();
    trial.figure(MEMORY, as_f64(usize::try_from(bytes)?) / 1024.0 / as_f64(count));
    trial.none_of(DEAF, heard.iter().filter(|heard| heard.micros.is_empty()).count());
    Ok(trial)
}
