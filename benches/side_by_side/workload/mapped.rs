use super::Bench;
use super::pour::{Expected, Poured, pour};
use crate::Result;
use crate::client::mqtt::{Burst, Message, Qos};
use crate::goal::Goal;
use crate::measure::{Section, Trial, as_f64};
use crate::stage::Stage;
use crate::system::System;

const DEVICES: usize = 1000;
/// The base topic of the bridge that announces its devices.
const MAPPED: &str = "fleet";
/// The base topic of a bridge that announces nothing.
const UNMAPPED: &str = "plain";
/// The leaf that only rises.
const LEAF: &str = "readings";
/// The first number: all have eight digits.
const FIRST: usize = 10_000_000;

const CPU_MAPPED: &str = "CPU s per 1M messages, mapped";
const CPU_UNMAPPED: &str = "CPU s per 1M messages, unmapped";
const CPU: &str = "messages per CPU s, mapped ÷ unmapped";
const SPEED: &str = "visible messages/s, mapped ÷ unmapped";
const STALE: &str = "things left stale";

/// A fleet of Zigbee2MQTT, once announced by its bridge and once not: the same gateway, the same
/// messages, at two base topics.
pub(super) fn run(bench: &Bench<'_>) -> Vec<Section> {
    let goals =
        vec![Goal::at_least(CPU, 0.8), Goal::at_least(SPEED, 0.8), Goal::at_most(STALE, 0.0)];
    let title = format!(
        "Mapped ingest: {} messages of {DEVICES} Zigbee2MQTT devices",
        bench.args.messages()
    );
    let rounds = bench.args.rounds();
    let section = Section::measure(title, &[System::Gateway], rounds, goals, |system| {
        trial(bench, &Stage::set(bench.args, system)?)
    });
    vec![section]
}

fn trial(bench: &Bench<'_>, stage: &Stage) -> Result<Trial> {
    let list = format!("[{}]", (0..DEVICES).map(announced).collect::<Vec<_>>().join(","));
    let list = Message::new(&format!("{MAPPED}/bridge/devices"), &list);
    stage.publisher()?.send(&list, Qos::AtLeastOnce)?;
    let mut client = stage.client()?;
    let path = format!("/things/{MAPPED}.lamp0000");
    // Both are there, and the one is described, when the clock starts.
    for base in [UNMAPPED, MAPPED] {
        said(stage, base, 0, DEVICES)?;
    }
    stage.eventually("describes the devices", || {
        Ok(client.get(&path)?.text().contains("Brightness of this light"))
    })?;

    let messages = bench.args.messages() / 2;
    let mut mapped = Sum::default();
    let mut unmapped = Sum::default();
    for (turn, base) in [UNMAPPED, MAPPED, MAPPED, UNMAPPED].into_iter().enumerate() {
        let poured = said(stage, base, DEVICES + turn * messages, messages)?;
        let sum = if base == MAPPED { &mut mapped } else { &mut unmapped };
        sum.add(&poured);
    }
    let millions = as_f64(2 * messages) / 1e6;
    let mut trial = Trial::default();
    trial.figure(CPU_MAPPED, mapped.cpu / millions);
    trial.figure(CPU_UNMAPPED, unmapped.cpu / millions);
    trial.figure(CPU, unmapped.cpu / mapped.cpu);
    trial.figure(SPEED, unmapped.seconds / mapped.seconds);
    trial.none_of(STALE, mapped.stale + unmapped.stale);
    Ok(trial)
}

#[derive(Default)]
struct Sum {
    cpu: f64,
    seconds: f64,
    stale: usize,
}

impl Sum {
    fn add(&mut self, poured: &Poured) {
        self.cpu += poured.cpu.system;
        self.seconds += poured.seconds;
        self.stale += poured.stale;
    }
}

/// So many states, device after device and around.
fn said(stage: &Stage, base: &str, first: usize, messages: usize) -> Result<Poured> {
    let topic = |turn: usize| format!("{base}/lamp{:04}", turn % DEVICES);
    let states = (first..first + messages).map(|turn| Message::new(&topic(turn), &state(turn)));
    let last_lap = (first + messages).saturating_sub(DEVICES).max(first)..first + messages;
    let newest = last_lap.map(|turn| (topic(turn), (FIRST + turn).to_string())).collect();
    let expected = Expected { leaf: LEAF, newest, messages };
    pour(stage, &Burst::new(Qos::AtMostOnce, states), &expected)
}

fn state(turn: usize) -> String {
    let on = if turn.is_multiple_of(2) { "ON" } else { "OFF" };
    format!(
        "{{\"brightness\":{},\"color_mode\":\"color_temp\",\"color_temp\":{},\"linkquality\":{},\
         \"{LEAF}\":{},\"state\":\"{on}\"}}",
        turn % 255,
        153 + turn % 347,
        turn % 256,
        FIRST + turn
    )
}

/// A light as its bridge lists it.
fn announced(device: usize) -> String {
    let number = |name: &str, rest: &str| {
        format!(
            "{{\"type\":\"numeric\",\"name\":\"{name}\",\"label\":\"{name}\",\
             \"property\":\"{name}\",{rest}}}"
        )
    };
    let light = [
        "{\"type\":\"binary\",\"name\":\"state\",\"label\":\"State\",\"property\":\"state\",\
          \"access\":7,\"value_on\":\"ON\",\"value_off\":\"OFF\",\"value_toggle\":\"TOGGLE\"}"
            .to_owned(),
        number(
            "brightness",
            "\"access\":7,\"value_min\":0,\"value_max\":254,\
             \"description\":\"Brightness of this light\"",
        ),
        number("color_temp", "\"access\":7,\"unit\":\"mired\""),
    ];
    format!(
        "{{\"ieee_address\":\"0x{device:016x}\",\"type\":\"Router\",\
          \"friendly_name\":\"lamp{device:04}\",\"definition\":{{\"exposes\":[\
          {{\"type\":\"light\",\"features\":[{}]}},{},{}]}}}}",
        light.join(","),
        number("linkquality", "\"access\":1,\"unit\":\"lqi\""),
        number(LEAF, "\"access\":1")
    )
}
