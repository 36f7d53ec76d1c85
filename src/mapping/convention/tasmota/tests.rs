#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::Tasmota;
use crate::mapping::convention::fixture::{play, take};
use crate::mapping::convention::{Convention, Taken};

#[test]
fn devices_are_recognised_announced_and_removed() {
    play(&mut Tasmota::default(), "tasmota/devices");
}

#[test]
fn the_plain_form_counts_when_the_state_was_told_long_before() {
    let mut convention = Tasmota::default();
    let mut said = |topic: &str, payload: &str, second: i64| {
        take(&mut convention, topic, payload, false, second * 1_000_000).0
    };
    assert_eq!(said("stat/plug/RESULT", r#"{"POWER":"ON"}"#, 0), Taken::Understood);
    assert_eq!(said("stat/plug/POWER", "ON", 60), Taken::Understood);
    assert_eq!(said("stat/plug/RESULT", r#"{"POWER":"ON"}"#, 61), Taken::Understood);
    assert_eq!(said("stat/plug/POWER", "OFF", 62), Taken::Understood);
    assert_eq!(said("stat/plug/RESULT", r#"{"POWER":"ON"}"#, 63), Taken::Understood);
    assert!(matches!(said("stat/plug/POWER", "ON", 63), Taken::Nothing(_)));
}

#[test]
fn another_scheme_is_not_swallowed() {
    let mut convention = Tasmota::default();
    for (topic, payload) in [
        ("stat/x", "1"),
        ("stat/x/POWER", "12.5"),
        ("stat/x/RESULT", r#"{"POWER":12}"#),
        ("stat/x/STATUS", "ok"),
        ("stat/x/STATUS", "{}"),
        ("tele/x/STATE", r#"{"Time":"2026-01-05T12:00:00"}"#),
        ("tele/x/STATE", r#"{"Time":"noon","a":1}"#),
        ("tele/x/SENSOR", r#"{"time":"2026-01-05T12:00:00","a":1}"#),
        ("cmnd/x/POWER", "ON"),
        ("home/tele/x/STATE", r#"{"Time":"2026-01-05T12:00:00","a":1}"#),
    ] {
        let (taken, meaning) = take(&mut convention, topic, payload, false, 0);
        assert_eq!(taken, Taken::NotMine, "{topic}");
        assert!(meaning.steps.is_empty());
    }
}

proptest! {
    #[test]
    fn no_payload_panics(
        topics in prop::collection::vec(prop_oneof![
            Just("tele/x/STATE".to_owned()), Just("tele/x/SENSOR".to_owned()),
            Just("tele/x/LWT".to_owned()), Just("stat/x/RESULT".to_owned()),
            Just("stat/x/POWER1".to_owned()), Just("stat/x/STATUS11".to_owned()),
            Just("tasmota/discovery/A/config".to_owned()),
            Just("tasmota/discovery/A/sensors".to_owned()),
            "(tele|stat|cmnd)?[a-zA-Z/]{0,12}",
        ], 1..6),
        payloads in prop::collection::vec(prop_oneof![
            ".{0,40}", Just("Online".to_owned()), Just("ON".to_owned()),
            Just(r#"{"POWER":"ON","Timezone":"+01:00"}"#.to_owned()),
            ".{0,20}".prop_map(|it| serde_json::json!({"Time": it, "a": {"b": it}, "TempUnit": it}).to_string()),
            ".{0,20}".prop_map(|it| serde_json::json!({"Time": format!("2026-01-05T12:00:00{it}"), "b": 1}).to_string()),
            ("[é%a-z/]{0,10}", ".{0,8}").prop_map(|(ft, mac)| serde_json::json!({
                "mac": mac, "t": "x", "ft": format!("{ft}%prefix%/%topic%/%id%"),
                "tp": ["cmnd", "stat", "tele"], "rl": [1, 2, 3],
            }).to_string()),
        ], 1..6),
        retained: bool,
    ) {
        let mut convention = Tasmota::default();
        for topic in &topics {
            for payload in &payloads {
                take(&mut convention, topic, payload, retained, 0);
            }
            convention.concerns(topic);
        }
    }
}
