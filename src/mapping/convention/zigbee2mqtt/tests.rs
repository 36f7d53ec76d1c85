#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use proptest::prelude::*;
use thingway_sdk::{Payload, Timestamp};

use super::{MOST_STRANGERS, MOST_UNLISTED, Zigbee2Mqtt};
use crate::mapping::convention::fixtures::{Stage, check, survive};
use crate::mapping::convention::{Convention, Incoming, Meaning, Step, Taken};

#[test]
fn fixtures_become_things() {
    check::<Zigbee2Mqtt>("zigbee2mqtt");
}

#[test]
fn no_message_makes_it_panic() {
    survive::<Zigbee2Mqtt>("zigbee2mqtt");
}

const LAMP: &str = r#"[{"ieee_address":"0x1","friendly_name":"kitchen/lamp","type":"Router"}]"#;

fn nothing(taken: &Taken) -> bool {
    matches!(taken, Taken::Nothing(_))
}

fn stage() -> Stage {
    let mut stage = Stage::new(Zigbee2Mqtt::default());
    assert_eq!(stage.retained("zigbee2mqtt/bridge/devices", LAMP), Taken::Understood);
    stage
}

fn online(stage: &Stage) -> &serde_json::Value {
    &stage.things["zigbee2mqtt/kitchen/lamp"]["online"]
}

#[test]
fn both_forms_of_availability_are_understood() {
    let mut stage = stage();
    for (payload, expected) in [
        ("offline", false),
        ("online", true),
        (r#"{"state":"offline"}"#, false),
        (r#"{"state":"online"}"#, true),
    ] {
        stage.publish("zigbee2mqtt/kitchen/lamp/availability", payload);
        assert_eq!(online(&stage), expected, "{payload}");
    }
    let taken = stage.publish("zigbee2mqtt/kitchen/lamp/availability", "perhaps");
    assert!(matches!(taken, Taken::Malformed(_)));
}

#[test]
fn a_device_is_within_reach_when_it_and_the_bridge_are() {
    let mut stage = stage();
    stage.publish("zigbee2mqtt/bridge/state", r#"{"state":"offline"}"#);
    assert_eq!(online(&stage), false);
    stage.publish("zigbee2mqtt/kitchen/lamp/availability", "online");
    assert_eq!(online(&stage), false);
    stage.publish("zigbee2mqtt/bridge/state", "online");
    assert_eq!(online(&stage), true);
    stage.publish("zigbee2mqtt/kitchen/lamp/availability", "offline");
    stage.publish("zigbee2mqtt/bridge/state", "offline");
    stage.publish("zigbee2mqtt/bridge/state", "online");
    assert_eq!(online(&stage), false);
}

#[test]
fn a_reach_that_the_broker_retained_is_told_again() {
    for topic in ["zigbee2mqtt/bridge/state", "zigbee2mqtt/kitchen/lamp/availability"] {
        let mut stage = stage();
        for state in ["offline", "offline", "online", "online"] {
            stage.things.clear();
            stage.retained(topic, state);
            assert_eq!(online(&stage), state == "online", "{topic}");
        }
    }
}

#[test]
fn availability_before_the_list_is_remembered() {
    let mut stage = Stage::new(Zigbee2Mqtt::default());
    let before = stage.retained("zigbee2mqtt/kitchen/lamp/availability", "offline");
    assert!(nothing(&before), "{before:?}");
    stage.retained("zigbee2mqtt/bridge/devices", LAMP);
    assert_eq!(online(&stage), false);
}

#[test]
fn what_others_say_to_devices_and_bridges_is_no_state() {
    let mut stage = stage();
    for topic in [
        "zigbee2mqtt/kitchen/lamp/set",
        "zigbee2mqtt/kitchen/lamp/set/brightness",
        "zigbee2mqtt/kitchen/lamp/get",
        "zigbee2mqtt/bridge/request/permit_join",
        "zigbee2mqtt/bridge/response/device/rename",
        "zigbee2mqtt/bridge/logging",
        "zigbee2mqtt/bridge/info",
        "zigbee2mqtt/bridge/definitions",
    ] {
        let taken = stage.publish(topic, "{}");
        assert!(nothing(&taken), "{topic}: {taken:?}");
    }
}

#[test]
fn another_scheme_is_not_swallowed() {
    let mut stage = Stage::new(Zigbee2Mqtt::default());
    for (topic, payload) in [
        ("home/lamp/set", "ON"),
        ("home/lamp/availability", "online"),
        ("home/bridge/info", r#"{"version":1}"#),
        ("home/bridge/devices", "[1,2]"),
        ("home/bridge/devices", "{}"),
        ("home/bridge/state", "open"),
        ("home/bridge/state", "online"),
        ("home/bridge/event", r#"{"type":"opened","data":{}}"#),
        ("home/bridge/groups", ""),
    ] {
        assert_eq!(stage.publish(topic, payload), Taken::NotMine, "{topic}");
    }
}

#[test]
fn a_bridge_that_publishes_what_it_is_before_its_list_is_recognised() {
    let mut stage = Stage::new(Zigbee2Mqtt::default());
    let info = r#"{"version":"2.1.0","coordinator":{},"permit_join":false}"#;
    assert!(nothing(&stage.retained("house/bridge/info", info)));
}

#[test]
fn a_state_makes_no_bridge_until_there_is_a_list() {
    let mut stage = Stage::new(Zigbee2Mqtt::default());
    assert_eq!(stage.retained("house/bridge/state", "offline"), Taken::NotMine);
    for number in 0..2 * MOST_UNLISTED {
        assert_eq!(stage.retained(&format!("{number}/bridge/state"), "online"), Taken::NotMine);
    }
    assert!(stage.things.is_empty());
    stage.retained("house/bridge/devices", LAMP);
    assert_eq!(stage.value("house/bridge", "state"), "\"offline\"");
    assert_eq!(stage.things["house/kitchen/lamp"]["online"], false);
    assert_eq!(stage.publish("house/bridge/state", "online"), Taken::Understood);
    assert_eq!(stage.things["house/kitchen/lamp"]["online"], true);
}

#[test]
fn what_waits_for_a_list_is_bounded() {
    let mut convention = Zigbee2Mqtt::default();
    let long = "x".repeat(500);
    for name in (0..2 * MOST_STRANGERS).map(|number| number.to_string()).chain([long.clone()]) {
        let (taken, _) = take(&mut convention, &format!("home/{name}/availability"), "online");
        assert_eq!(taken, Taken::NotMine);
        take(&mut convention, &format!("{long}{name}/bridge/state"), "online");
    }
    assert_eq!((convention.waiting.len(), convention.unlisted.len()), (MOST_STRANGERS, 0));
    take(&mut convention, "zigbee2mqtt/lamp/availability", "online");
    assert!(convention.waiting.contains_key("zigbee2mqtt/lamp"), "strangers leave room");
}

#[test]
fn what_happens_on_the_bridge_is_an_event_and_who_leaves_is_gone() {
    let mut stage = stage();
    let left = r#"{"type":"device_leave","data":{"ieee_address":"0x1"}}"#;
    assert!(nothing(&stage.retained("zigbee2mqtt/bridge/event", left)));
    assert!(stage.things.contains_key("zigbee2mqtt/kitchen/lamp"));
    stage.publish("zigbee2mqtt/bridge/event", left);
    assert!(!stage.things.contains_key("zigbee2mqtt/kitchen/lamp"));
    let occurred = &stage.things["zigbee2mqtt/bridge"]["occurred"][0];
    assert_eq!(occurred["event"], "device_leave");
}

/// What one message means to a convention.
fn take(convention: &mut Zigbee2Mqtt, topic: &str, payload: &str) -> (Taken, Meaning) {
    let bytes = payload.as_bytes().to_vec().into();
    let payload = Payload { bytes, content_type: None };
    let received = Timestamp::EPOCH;
    let message = Incoming { address: topic, payload: &payload, received, retained: true };
    let mut meaning = Meaning::default();
    (convention.take(&message, &mut meaning), meaning)
}

#[test]
fn a_list_that_says_nothing_new_has_no_steps() {
    let mut convention = Zigbee2Mqtt::default();
    assert!(!take(&mut convention, "z/bridge/devices", LAMP).1.steps.is_empty());
    let (taken, meaning) = take(&mut convention, "z/bridge/devices", LAMP);
    assert_eq!(taken, Taken::Understood);
    assert!(meaning.steps.is_empty(), "{:?}", meaning.steps);
}

#[test]
fn what_a_device_no_longer_exposes_is_dropped() {
    let list = |names: &[&str]| {
        let exposes = names.iter().map(|name| {
            serde_json::json!({ "type": "numeric", "name": name, "property": name, "access": 1 })
        });
        let exposes: Vec<_> = exposes.collect();
        serde_json::json!([{
            "ieee_address": "0x1", "friendly_name": "lamp", "definition": { "exposes": exposes },
        }])
        .to_string()
    };
    let mut stage = Stage::new(Zigbee2Mqtt::default());
    stage.retained("z/bridge/devices", &list(&["brightness", "power"]));
    stage.publish("z/bridge/devices", &list(&["power", "brightness", "energy"]));
    assert_eq!(stage.things["z/lamp"].get("dropped"), None);
    stage.publish("z/bridge/devices", &list(&["brightness"]));
    assert_eq!(stage.things["z/lamp"]["dropped"], serde_json::json!(["energy", "power"]));
}

#[test]
fn names_that_are_swapped_are_two_new_things() {
    let mut convention = Zigbee2Mqtt::default();
    let list = |a: &str, b: &str| {
        format!(
            r#"[{{"ieee_address":"{a}","friendly_name":"one"}},{{"ieee_address":"{b}","friendly_name":"two"}}]"#
        )
    };
    take(&mut convention, "z/bridge/devices", &list("0x1", "0x2"));
    let (_, meaning) = take(&mut convention, "z/bridge/devices", &list("0x2", "0x1"));
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
        let (taken, meaning) = take(&mut convention, "z/bridge/devices", &list);
        assert!(matches!(taken, Taken::Malformed(_)), "{name}: {taken:?}");
        assert!(meaning.steps.is_empty());
    }
}

#[test]
fn devices_of_a_kind_share_what_is_said_of_them() {
    let mut convention = Zigbee2Mqtt::default();
    let device = |name: &str| {
        format!(
            r#"{{"ieee_address":"{name}","friendly_name":"{name}","definition":{{"exposes":[
                {{"type":"numeric","name":"temperature","property":"temperature","access":1,"unit":"°C"}}]}}}}"#
        )
    };
    let list = format!("[{},{}]", device("one"), device("two"));
    let (_, meaning) = take(&mut convention, "z/bridge/devices", &list);
    let rules = meaning.steps.iter().filter_map(|step| match step {
        Step::Route(_, rule) => Some(rule.properties["temperature"].clone()),
        _ => None,
    });
    let rules: Vec<_> = rules.collect();
    assert!(Arc::ptr_eq(&rules[0], &rules[1]));
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
    fn no_exposes_make_it_panic(exposes in exposes(), groups: bool) {
        let mut convention = Zigbee2Mqtt::default();
        let list = format!(
            r#"[{{"ieee_address":"0x1","friendly_name":"lamp","definition":{{"exposes":{exposes}}}}}]"#
        );
        if groups {
            let groups = r#"[{"id":1,"friendly_name":"all","members":[{"ieee_address":"0x1"}]}]"#;
            take(&mut convention, "z/bridge/groups", groups);
        }
        take(&mut convention, "z/bridge/devices", &list);
        take(&mut convention, "z/bridge/devices", "[]");
    }
}
