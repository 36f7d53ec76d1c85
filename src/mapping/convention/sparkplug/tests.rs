#![allow(clippy::unwrap_used, reason = "tests")]

use super::payload::Metric;
use super::*;
use crate::mapping::convention::fixtures::{self, Stage};

#[test]
fn fixtures_mean_what_they_say() {
    fixtures::check::<Sparkplug>("sparkplug");
}

#[test]
fn no_payload_makes_it_panic() {
    fixtures::survive::<Sparkplug>("sparkplug");
}

const BIRTH: &str = "spBv1.0/G/NBIRTH/N";
const DATA: &str = "spBv1.0/G/NDATA/N";
const ASK: &str = "spBv1.0/G/NCMD/N";

fn metric(name: Option<&str>, alias: Option<u64>, number: f64) -> Metric {
    Metric {
        name: name.map(Into::into),
        alias,
        datatype: Some(10),
        value: Some(MetricValue::Double(number)),
        ..Metric::default()
    }
}

fn play(stage: &mut Stage, topic: &str, seq: u64, metrics: Vec<Metric>) -> Taken {
    let payload = Payload { timestamp: Some(1_767_607_200_000), metrics, seq: Some(seq) };
    stage.play(topic, &payload.encode_to_vec(), None, false)
}

fn born(stage: &mut Stage) {
    play(stage, BIRTH, 0, vec![metric(Some("a"), Some(1), 1.0)]);
}

#[test]
fn data_before_a_birth_asks_for_one_but_not_again_and_again() {
    let mut stage = Stage::new(Sparkplug::default());
    let data = || vec![metric(None, Some(1), 2.0)];
    assert_eq!(play(&mut stage, DATA, 1, data()), Taken::Understood);
    assert!(matches!(play(&mut stage, DATA, 2, data()), Taken::Nothing(_)));
    assert_eq!(stage.asked.len(), 1);
    assert_eq!(stage.asked[0].0, ASK);
    for seq in 3..15 {
        play(&mut stage, DATA, seq, data());
    }
    assert_eq!(stage.asked.len(), 2, "after ten seconds it is asked again");
    assert!(stage.things.is_empty());
    born(&mut stage);
    assert_eq!(stage.value("G/N", "a"), "1.0");
}

#[test]
fn a_gap_asks_for_a_rebirth_and_loses_nothing_that_came() {
    let mut stage = Stage::new(Sparkplug::default());
    born(&mut stage);
    play(&mut stage, DATA, 1, vec![metric(None, Some(1), 2.0)]);
    assert!(stage.asked.is_empty());
    play(&mut stage, DATA, 3, vec![metric(None, Some(1), 3.0)]);
    assert_eq!(stage.asked.len(), 1);
    assert_eq!(stage.value("G/N", "a"), "3.0");
}

#[test]
fn counting_goes_on_after_255() {
    let mut stage = Stage::new(Sparkplug::default());
    play(&mut stage, BIRTH, 255, vec![metric(Some("a"), None, 1.0)]);
    play(&mut stage, DATA, 0, vec![metric(Some("a"), None, 2.0)]);
    assert!(stage.asked.is_empty());
}

#[test]
fn an_unknown_alias_asks_for_a_rebirth() {
    let mut stage = Stage::new(Sparkplug::default());
    born(&mut stage);
    let metrics = vec![metric(None, Some(9), 5.0), metric(None, Some(1), 4.0)];
    assert_eq!(play(&mut stage, DATA, 1, metrics), Taken::Understood);
    assert_eq!(stage.asked.len(), 1);
    assert_eq!(stage.value("G/N", "a"), "4.0");
}

#[test]
fn history_keeps_its_own_time() {
    let mut stage = Stage::new(Sparkplug::default());
    born(&mut stage);
    let old = Metric {
        timestamp: Some(1_700_000_000_000),
        is_historical: Some(true),
        ..metric(None, Some(1), 7.0)
    };
    play(&mut stage, DATA, 1, vec![old]);
    let property = &stage.things["G/N"]["properties"]["a"];
    assert_eq!(property["time"], "2023-11-14T22:13:20Z");
}

#[test]
fn what_is_no_sparkplug_is_said() {
    let mut stage = Stage::new(Sparkplug::default());
    assert!(matches!(stage.publish(BIRTH, "hello"), Taken::Malformed(_)));
    assert!(matches!(stage.publish("spBv1.0/STATE/host", "{}"), Taken::Nothing(_)));
    assert_eq!(stage.publish("spBv1.0/G/NBIRTH/N/D", ""), Taken::NotMine);
    assert_eq!(stage.publish("spBv1.0/G/OTHER/N", ""), Taken::NotMine);
}

#[test]
fn a_device_that_is_not_known_is_asked_for_and_not_kept() {
    let mut it = Sparkplug::default();
    for kind in ["DDATA", "DDEATH"] {
        let topic = format!("spBv1.0/G/{kind}/N/D");
        let payload = Payload { timestamp: None, metrics: vec![], seq: None };
        let bytes = payload.encode_to_vec().into();
        let payload = thingway_sdk::Payload { bytes, content_type: None };
        let received = Timestamp::EPOCH;
        let message = Incoming { address: &topic, payload: &payload, received, retained: false };
        it.take(&message, &mut Meaning::default());
    }
    let node = &it.nodes["G/N"];
    assert!(node.devices.is_empty() && node.asked.is_some());
    assert_eq!(it.room.devices, DEVICES);
}

#[test]
fn metrics_of_all_nodes_together_are_bounded() {
    let mut room = 3;
    let birth = |count: u8| {
        let named = (0..count).map(|number| metric(Some(&format!("m{number}")), None, 1.0));
        Payload { timestamp: None, metrics: named.collect(), seq: None }
    };
    let mut sources = ["one", "two"].map(|name| Source::new(name, "c".into()));
    let mut born = |at: usize, count: u8, room: &mut usize| {
        sources[at].born(birth(count), room, &mut Meaning::default()).problem
    };
    assert_eq!((born(0, 2, &mut room), room), (None, 1));
    assert!(born(1, 2, &mut room).unwrap().contains("200000"));
    assert_eq!((born(0, 1, &mut room), room), (None, 1));
    assert_eq!((born(1, 2, &mut room), room), (None, 0));
}

#[test]
fn what_a_new_birth_does_not_have_is_given_up() {
    let mut stage = Stage::new(Sparkplug::default());
    let order = |name: &str| Metric {
        name: Some(name.into()),
        datatype: Some(11),
        value: Some(MetricValue::Boolean(false)),
        ..Metric::default()
    };
    let (a, b) = (metric(Some("a"), None, 1.0), metric(Some("b"), None, 2.0));
    let (rebirth, reboot) = (order("Node Control/Rebirth"), order("Node Control/Reboot"));
    play(&mut stage, BIRTH, 0, vec![a.clone(), b, rebirth.clone(), reboot]);
    play(&mut stage, BIRTH, 0, vec![a, rebirth]);
    let node = &stage.things["G/N"];
    assert_eq!(node["dropped"], serde_json::json!(["b"]));
    let actions: Vec<_> = node["actions"].as_object().unwrap().keys().collect();
    assert_eq!(actions, ["rebirth"]);
}
