//! Many messages at once, and how long it takes until the last of them can be read.

use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::http::Client;
use crate::client::mqtt::Burst;
use crate::stage::{Cpu, Stage};

/// What it took.
pub(super) struct Poured {
    pub(super) seconds: f64,
    pub(super) cpu: Cpu,
    /// Things that do not show their newest value.
    pub(super) stale: usize,
}

/// What has to be seen in the end.
pub(super) struct Expected<'a> {
    /// The leaf in which numbers are looked for.
    pub(super) leaf: &'a str,
    /// Topics and their newest numbers, in the order of publishing.
    pub(super) newest: Vec<(String, String)>,
    /// Messages in all, for systems that only count.
    pub(super) messages: usize,
}

/// The longest between the end of publishing and the last value.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks: often enough for the clock, too seldom to cost anything.
const LOOK: Duration = Duration::from_millis(3);

/// Connections over which things are looked at in the end: there may be a million.
const LOOKING: usize = 8;

/// Publishes and waits until everything is there.
pub(super) fn pour(stage: &Stage, burst: &Burst, expected: &Expected<'_>) -> Result<Poured> {
    let mut client = stage.client()?;
    let mut publisher = stage.publisher()?;
    let already = if stage.system.keeps_values() { 0 } else { stage.counted(&mut client)? };
    let before = stage.cpu()?;
    let begun = Instant::now();
    thread::scope(|scope| -> Result<()> {
        let publishing = scope.spawn(|| publisher.send_all(burst));
        let mut deadline = None;
        while !arrived(stage, &mut client, expected, already)? {
            if publishing.is_finished() && deadline.is_none() {
                deadline = Some(Instant::now() + PATIENCE);
            }
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                break;
            }
            thread::sleep(LOOK);
        }
        publishing.join().map_err(|_| "the publisher panicked")?
    })?;
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), stage.cpu()? - before);
    Ok(Poured { seconds, cpu, stale: stale(stage, &mut client, expected, already)? })
}

/// Whether the last message can be seen; those before it were published before it.
fn arrived(
    stage: &Stage,
    client: &mut Client,
    expected: &Expected<'_>,
    already: usize,
) -> Result<bool> {
    match expected.newest.last().filter(|_| stage.system.keeps_values()) {
        Some(newest) => shows(stage, client, expected.leaf, newest),
        None => Ok(stage.counted(client)? >= already + expected.messages),
    }
}

fn stale(
    stage: &Stage,
    client: &mut Client,
    expected: &Expected<'_>,
    already: usize,
) -> Result<usize> {
    if !stage.system.keeps_values() {
        return Ok(usize::from(!arrived(stage, client, expected, already)?));
    }
    let share = expected.newest.len().div_ceil(LOOKING).max(1);
    thread::scope(|scope| {
        let look = |newest| scope.spawn(move || stale_among(stage, expected.leaf, newest));
        let looking: Vec<_> = expected.newest.chunks(share).map(look).collect();
        let stale = looking.into_iter().map(|it| it.join().map_err(|_| "a look panicked")?);
        stale.sum()
    })
}

fn stale_among(stage: &Stage, leaf: &str, newest: &[(String, String)]) -> Result<usize> {
    let mut client = stage.client()?;
    let mut stale = 0;
    for newest in newest {
        stale += usize::from(!shows(stage, &mut client, leaf, newest)?);
    }
    Ok(stale)
}

fn shows(
    stage: &Stage,
    client: &mut Client,
    leaf: &str,
    (topic, number): &(String, String),
) -> Result<bool> {
    Ok(client.get(&stage.system.leaf(topic, leaf))?.shows(number))
}
