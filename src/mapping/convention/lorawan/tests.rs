#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::mapping::convention::fixtures::{self, Stage};

#[test]
fn fixtures_mean_what_they_say() {
    fixtures::check::<TheThingsStack>("the-things-stack");
    fixtures::check::<ChirpStack>("chirpstack");
}

#[test]
fn no_payload_makes_it_panic() {
    fixtures::survive::<TheThingsStack>("the-things-stack");
    fixtures::survive::<ChirpStack>("chirpstack");
}

#[test]
fn protobuf_is_refused_with_what_to_change() {
    let mut stage = Stage::new(ChirpStack::default());
    let topic = "application/1/device/0102030405060708/event/up";
    let taken = stage.play(topic, &[0x0a, 0x24, 0xff], None, false);
    assert!(matches!(taken, Taken::Malformed(reason) if reason.contains("json = true")));
}

#[test]
fn a_message_to_a_device_is_no_thing() {
    let is_down = |taken| matches!(taken, Taken::Nothing(reason) if reason.contains("on its way"));
    let mut things_stack = Stage::new(TheThingsStack::default());
    for kind in ["push", "replace"] {
        let topic = format!("v3/a@t/devices/d/down/{kind}");
        assert!(is_down(things_stack.publish(&topic, r#"{"downlinks":[]}"#)), "{topic}");
    }
    let mut chirpstack = Stage::new(ChirpStack::default());
    let topic = "application/1/device/0102030405060708/command/down";
    assert!(is_down(chirpstack.publish(topic, r#"{"devEui":"0102030405060708"}"#)));
    assert!(things_stack.things.is_empty() && chirpstack.things.is_empty());
}

#[test]
fn other_topics_are_not_mine() {
    let mut things_stack = Stage::new(TheThingsStack::default());
    for topic in ["v3/a/devices/b", "v3/a/b/devices/c/up", "v3//devices/b/up", "v2/a/devices/b/up"]
    {
        assert_eq!(things_stack.publish(topic, "{}"), Taken::NotMine, "{topic}");
    }
    let mut chirpstack = Stage::new(ChirpStack::default());
    for topic in [
        "application/1/device/2/event",
        "application/1/device/2/event/up/x",
        "application/1/device/\"/event/up",
        "eu868/gateway/2/event/up",
    ] {
        assert_eq!(chirpstack.publish(topic, "{}"), Taken::NotMine, "{topic}");
    }
}

#[test]
fn an_object_without_the_device_is_told_apart() {
    let mut stage = Stage::new(TheThingsStack::default());
    let taken = stage.publish("v3/a@t/devices/d/up", "{}");
    assert!(matches!(taken, Taken::Malformed(reason) if reason.contains("end_device_ids")));
    let taken = stage.publish("v3/a@t/devices/d/join", r#"{"end_device_ids":{}}"#);
    assert!(matches!(taken, Taken::Malformed(reason) if reason.contains("nothing for `join`")));
    // As version 3 of ChirpStack writes it.
    let mut stage = Stage::new(ChirpStack::default());
    let topic = "application/1/device/0102030405060708/event/up";
    assert_eq!(stage.publish(topic, r#"{"applicationID":"1"}"#), Taken::NotMine);
}
