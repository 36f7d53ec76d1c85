#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::{MOST_DEVICES, Tasmota};
use crate::mapping::convention::Taken;
use crate::mapping::convention::fixtures::{Stage, check, survive};

#[test]
fn fixtures_become_things() {
    check::<Tasmota>("tasmota");
}

#[test]
fn no_message_makes_it_panic() {
    survive::<Tasmota>("tasmota");
}

fn nothing(taken: &Taken) -> bool {
    matches!(taken, Taken::Nothing(_))
}

#[test]
fn a_state_that_is_told_twice_counts_once() {
    let mut stage = Stage::new(Tasmota::default());
    let json = r#"{"POWER":"ON"}"#;
    assert_eq!(stage.publish("stat/plug/RESULT", json), Taken::Understood);
    assert!(nothing(&stage.publish("stat/plug/POWER", "ON")));
    assert_eq!(stage.publish("stat/plug/POWER", "ON"), Taken::Understood, "once");
    assert_eq!(stage.publish("stat/plug/RESULT", json), Taken::Understood);
    assert_eq!(stage.publish("stat/plug/POWER", "OFF"), Taken::Understood, "another state");
    assert_eq!(stage.publish("stat/plug/RESULT", json), Taken::Understood);
    for _ in 0..6 {
        stage.publish("tele/plug/STATE", r#"{"Time":"2026-01-05T12:00:00","Uptime":"0T00:00:09"}"#);
    }
    assert_eq!(stage.publish("stat/plug/POWER", "ON"), Taken::Understood, "long after");
}

#[test]
fn a_plug_that_was_there_before_is_asked_for_its_state_once() {
    let mut stage = Stage::new(Tasmota::default());
    stage.publish("tele/new/LWT", "Online");
    assert!(stage.asked.is_empty(), "it tells its state by itself");
    stage.retained("tele/plug/LWT", "Online");
    stage.retained("tele/plug/LWT", "Online");
    let asked: Vec<_> =
        stage.asked.iter().map(|(topic, part)| (topic.as_str(), part.as_str())).collect();
    assert_eq!(asked, [("cmnd/plug/STATUS", "10"), ("cmnd/plug/STATUS", "11")]);
}

#[test]
fn a_reach_that_the_broker_retained_is_told_again() {
    let mut stage = Stage::new(Tasmota::default());
    for state in ["Offline", "Offline", "Online", "Online"] {
        stage.things.clear();
        stage.retained("tele/plug/LWT", state);
        assert_eq!(stage.things["plug"]["online"], state == "Online");
    }
}

#[test]
fn what_is_no_state_is_accounted_for() {
    let mut stage = Stage::new(Tasmota::default());
    stage.publish("tele/plug/LWT", "Online");
    for (topic, payload) in [
        ("cmnd/plug/POWER", "TOGGLE"),
        ("stat/plug/RESULT", r#"{"Command":"Unknown"}"#),
        ("stat/plug/RESULT", "Done"),
        ("stat/plug/STATUS", r#"{"Status":{"Module":1}}"#),
        ("tele/plug/INFO1", r#"{"Info1":{"Version":"12.4.0"}}"#),
        ("tele/plug/LWT", ""),
    ] {
        let taken = stage.publish(topic, payload);
        assert!(nothing(&taken), "{topic}: {taken:?}");
    }
    let taken = stage.publish("tasmota/discovery/DC4F22000003/config", r#"{"mac":"DC4F22000003"}"#);
    assert!(matches!(taken, Taken::Malformed(_)), "{taken:?}");
    assert!(matches!(stage.publish("tele/plug/LWT", "perhaps"), Taken::Malformed(_)));
}

fn announce(stage: &mut Stage, mac: &str) -> Taken {
    let announcement = format!(
        r#"{{"mac":"{mac}","t":"plug","ft":"%prefix%/%topic%/","tp":["cmnd","stat","tele"]}}"#
    );
    stage.retained(&format!("tasmota/discovery/{mac}/config"), &announcement)
}

#[test]
fn those_that_announce_themselves_are_bounded() {
    let mut stage = Stage::new(Tasmota::default());
    for mac in ["A", "DC4F2200000G", "DC4F220000011", "DC-4F-22-000"] {
        assert!(matches!(announce(&mut stage, mac), Taken::Malformed(_)), "{mac}");
    }
    for number in 0..MOST_DEVICES {
        assert_eq!(announce(&mut stage, &format!("{number:012X}")), Taken::Understood);
    }
    let one_more = announce(&mut stage, &format!("{MOST_DEVICES:012X}"));
    assert!(matches!(one_more, Taken::Malformed(why) if why.contains("more than")));
    assert_eq!(announce(&mut stage, &format!("{:012X}", 7)), Taken::Understood, "known before");
}

#[test]
fn a_shutter_that_is_announced_can_be_moved() {
    let mut stage = Stage::new(Tasmota::default());
    announce(&mut stage, "DC4F22000001");
    let sensors = "tasmota/discovery/DC4F22000001/sensors";
    let taken = stage.retained(sensors, r#"{"sn":{"AM2301":{"Temperature":21.5}}}"#);
    assert!(nothing(&taken), "{taken:?}");
    let taken = stage.retained(sensors, r#"{"sn":{"Shutter1":{"Position":0}}}"#);
    assert_eq!(taken, Taken::Understood);
    assert_eq!(stage.things["plug"]["actions"].as_object().unwrap().len(), 3);
}

#[test]
fn another_scheme_is_not_swallowed() {
    let mut stage = Stage::new(Tasmota::default());
    for (topic, payload) in [
        ("stat/x", "1"),
        ("stat/x/POWER", "12.5"),
        ("stat/x/RESULT", r#"{"POWER":12}"#),
        ("stat/x/STATUS", "ok"),
        ("stat/x/STATUS", "{}"),
        ("tele/x/LWT", "alive"),
        ("tele/x/STATE", r#"{"Time":"2026-01-05T12:00:00"}"#),
        ("tele/x/STATE", r#"{"Time":"noon","a":1}"#),
        ("tele/x/SENSOR", r#"{"time":"2026-01-05T12:00:00","a":1}"#),
        ("cmnd/x/POWER", "ON"),
        ("home/tele/x/STATE", r#"{"Time":"2026-01-05T12:00:00","a":1}"#),
    ] {
        assert_eq!(stage.publish(topic, payload), Taken::NotMine, "{topic}");
    }
    assert!(stage.things.is_empty());
}

proptest! {
    #[test]
    fn no_announcement_makes_it_panic(
        pattern in "[é%a-z/]{0,10}", mac in ".{0,8}", time in ".{0,20}", relays in any::<Vec<u8>>(),
    ) {
        let mut stage = Stage::new(Tasmota::default());
        let announcement = serde_json::json!({
            "mac": mac, "t": "x", "ft": format!("{pattern}%prefix%/%topic%/%id%"),
            "tp": ["cmnd", "stat", "tele"], "rl": relays, "fn": [null, "x"],
        });
        stage.publish("tasmota/discovery/DC4F22000001/config", &announcement.to_string());
        stage.publish("tele/x/LWT", "Online");
        let sensor = serde_json::json!({
            "Time": format!("2026-01-05T12:00:00{time}"), "a": 1, "TempUnit": time,
        });
        stage.publish("tele/x/SENSOR", &sensor.to_string());
    }
}
