#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::Zigbee2Mqtt;
use crate::mapping::convention::fixture::{play, take};
use crate::mapping::convention::{Convention, Step, Taken};

#[test]
fn a_fleet_is_announced_renamed_and_removed() {
    play(&mut Zigbee2Mqtt::default(), "zigbee2mqtt/fleet");
}

#[test]
fn a_list_that_says_nothing_new_has_no_steps() {
    let mut convention = Zigbee2Mqtt::default();
    let list = r#"[{"ieee_address":"0x1","friendly_name":"lamp","type":"Router"}]"#;
    let mut devices = || take(&mut convention, "z/bridge/devices", list, true, 0);
    assert!(!devices().1.steps.is_empty());
    let (taken, meaning) = devices();
    assert_eq!(taken, Taken::Understood);
    assert!(meaning.steps.is_empty(), "{:?}", meaning.steps);
}

#[test]
fn names_that_are_swapped_are_two_new_things() {
    let mut convention = Zigbee2Mqtt::default();
    let list = |a: &str, b: &str| {
        format!(
            r#"[{{"ieee_address":"{a}","friendly_name":"one"}},{{"ieee_address":"{b}","friendly_name":"two"}}]"#
        )
    };
    take(&mut convention, "z/bridge/devices", &list("0x1", "0x2"), true, 0);
    let (_, meaning) = take(&mut convention, "z/bridge/devices", &list("0x2", "0x1"), true, 0);
    let gone = meaning.steps.iter().rposition(|step| matches!(step, Step::Gone(_))).unwrap();
    let routed = meaning.steps.iter().position(|step| matches!(step, Step::Route(..))).unwrap();
    assert!(gone < routed, "{:?}", meaning.steps);
    assert_eq!(meaning.steps.iter().filter(|step| matches!(step, Step::Gone(_))).count(), 2);
}

#[test]
fn a_name_that_is_no_topic_is_left_out() {
    let mut convention = Zigbee2Mqtt::default();
    for name in ["", "a/#", "+", "a\\u0000b"] {
        let list = format!(r#"[{{"ieee_address":"0x1","friendly_name":"{name}"}}]"#);
        let (taken, meaning) = take(&mut convention, "z/bridge/devices", &list, true, 0);
        assert!(matches!(taken, Taken::Malformed(_)), "{name}: {taken:?}");
        assert!(meaning.steps.is_empty());
    }
}

fn exposes() -> impl Strategy<Value = String> {
    let text = prop_oneof![Just("state".to_owned()), Just("{value}".to_owned()), ".{0,12}"];
    let number = prop_oneof![Just("0".to_owned()), Just("-1e300".to_owned()), Just("null".into())];
    let leaf =
        (text.clone(), text.clone(), 0_u64..9, number).prop_map(|(kind, name, access, n)| {
            serde_json::json!({
                "type": kind, "name": name, "property": name, "access": access,
                "value_min": serde_json::from_str::<serde_json::Value>(&n).unwrap(),
                "value_step": 0, "values": [name], "value_toggle": [1],
            })
        });
    let kinds = ["composite", "light", "binary", "numeric", "enum", "list", "text"];
    let tree = leaf.prop_recursive(8, 40, 4, move |inner| {
        (prop::sample::select(kinds.to_vec()), text.clone(), prop::collection::vec(inner, 0..4))
            .prop_map(|(kind, name, features)| {
                serde_json::json!({
                    "type": kind, "property": name, "name": name, "access": 7,
                    "features": features, "value_on": "ON", "value_off": true,
                })
            })
    });
    prop::collection::vec(tree, 0..5).prop_map(|list| serde_json::Value::from(list).to_string())
}

proptest! {
    #[test]
    fn no_payload_panics(
        topic in prop_oneof![
            Just("z/bridge/devices".to_owned()), Just("z/bridge/groups".to_owned()),
            Just("z/bridge/state".to_owned()), Just("z/bridge/event".to_owned()),
            Just("z/lamp/availability".to_owned()), Just("/bridge/devices".to_owned()),
            "[a-z/]{0,20}(/set|/availability|/bridge/[a-z]{0,8})?",
        ],
        payload in prop_oneof![
            ".{0,60}",
            exposes().prop_map(|it| format!(
                r#"[{{"ieee_address":"0x1","friendly_name":"lamp","definition":{{"exposes":{it}}}}}]"#
            )),
            Just(r#"[{"id":4294967295,"friendly_name":"all","members":[{"ieee_address":"0x1"}]}]"#.to_owned()),
            Just(r#"{"type":"device_leave","data":{"ieee_address":"0x1"}}"#.to_owned()),
        ],
        retained: bool,
    ) {
        let mut convention = Zigbee2Mqtt::default();
        for _ in 0..2 {
            take(&mut convention, &topic, &payload, retained, 0);
            take(&mut convention, "z/bridge/devices", &payload, retained, 0);
            take(&mut convention, "z/bridge/groups", &payload, retained, 0);
        }
        convention.duplicate().concerns(&topic);
    }
}
