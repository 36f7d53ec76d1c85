#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::mapping::convention::fixtures::{self, Stage};

#[test]
fn fixtures_mean_what_they_say() {
    fixtures::check::<Homie>("homie");
}

#[test]
fn no_payload_makes_it_panic() {
    fixtures::survive::<Homie>("homie");
}

const SWITCH: &str = r#"{"homie":"5.0","version":1,"name":"Switch","nodes":
    {"relay":{"properties":{"on":{"datatype":"boolean","settable":true}}}}}"#;

#[test]
fn a_value_that_is_not_of_its_datatype_is_refused() {
    let mut stage = Stage::new(Homie::default());
    stage.retained("homie/5/a/$description", SWITCH);
    assert_eq!(stage.publish("homie/5/a/relay/on", "true"), Taken::Understood);
    let refused = stage.publish("homie/5/a/relay/on", "ON");
    assert!(matches!(refused, Taken::Malformed(reason) if reason.contains("`ON` is no boolean")));
    assert_eq!(stage.value("homie/a", "relay.on"), "true");
    let binary = stage.play("homie/5/a/relay/on", &[0xff], None, false);
    assert!(matches!(binary, Taken::Malformed(_)));
}

#[test]
fn a_new_description_adds_and_takes_away() {
    let mut stage = Stage::new(Homie::default());
    stage.retained("homie/5/a/$description", SWITCH);
    stage.retained("homie/5/a/relay/on", "true");
    stage.publish("homie/5/a/$description", &SWITCH.replace("on", "power"));
    assert_eq!(stage.publish("homie/5/a/relay/on", "false"), Taken::NotMine);
    assert_eq!(stage.publish("homie/5/a/relay/power", "false"), Taken::Understood);
    assert_eq!(stage.value("homie/a", "relay.power"), "false");
}

#[test]
fn a_reach_that_the_broker_retained_is_told_again() {
    let mut stage = Stage::new(Homie::default());
    stage.retained("homie/4/$homie", "4.0.0");
    stage.retained("homie/5/a/$description", SWITCH);
    let behind = SWITCH.replace("\"name\"", "\"root\":\"a\",\"name\"");
    stage.retained("homie/5/b/$description", &behind);
    for (topic, things) in [("homie/4", &["homie/4"][..]), ("homie/5/a", &["homie/a", "homie/b"])] {
        for state in ["lost", "lost", "ready", "ready"] {
            stage.retained("homie/5/b/$state", "ready");
            stage.things.clear();
            stage.retained(&format!("{topic}/$state"), state);
            for thing in things {
                assert_eq!(stage.things[*thing]["online"], state == "ready", "{thing}");
            }
        }
    }
}

#[test]
fn a_command_of_somebody_else_is_no_thing() {
    let is_command =
        |taken| matches!(taken, Taken::Nothing(reason) if reason.contains("a command"));
    let mut stage = Stage::new(Homie::default());
    assert_eq!(stage.publish("homie/5/a/relay/on/set", "true"), Taken::NotMine);
    stage.retained("homie/5/a/$description", SWITCH);
    assert!(is_command(stage.publish("homie/5/a/relay/on/set", "true")));
    assert_eq!(stage.publish("homie/5/a/relay/off/set", "true"), Taken::NotMine);
    for (topic, text) in [
        ("$homie", "4.0"),
        ("$nodes", "n"),
        ("n/$properties", "set,p"),
        ("n/set/$datatype", "integer"),
        ("n/p/$settable", "true"),
    ] {
        stage.retained(&format!("homie/b/{topic}"), text);
    }
    assert!(is_command(stage.publish("homie/b/n/p/set", "1")));
    assert_eq!(stage.publish("homie/b/n/set", "1"), Taken::Understood, "a property of this name");
    stage.retained("homie/b/n/p/$settable", "false");
    assert_eq!(stage.publish("homie/b/n/p/set", "1"), Taken::NotMine);
}

#[test]
fn a_property_that_is_no_longer_described_is_dropped() {
    let mut stage = Stage::new(Homie::default());
    stage.retained("homie/5/a/$description", SWITCH);
    stage.retained("homie/5/a/relay/on", "true");
    stage.publish("homie/5/a/$description", &SWITCH.replace("Switch", "Relay"));
    assert_eq!(stage.things["homie/a"].get("dropped"), None);
    stage.publish("homie/5/a/$description", &SWITCH.replace("on", "power"));
    assert_eq!(stage.things["homie/a"]["dropped"], serde_json::json!(["relay.on"]));
}

#[test]
fn what_is_no_description_says_where() {
    let mut stage = Stage::new(Homie::default());
    let taken = stage.publish("homie/5/a/$description", r#"{"nodes":[]}"#);
    assert!(matches!(taken, Taken::Malformed(reason) if reason.contains("line 1 column")));
    assert!(stage.things.is_empty());
}

#[test]
fn attributes_of_something_else_are_not_mine() {
    let mut stage = Stage::new(Homie::default());
    for topic in ["$SYS/broker/$load", "a/$unknown", "a/b/$description", "a/$target"] {
        assert_eq!(stage.publish(topic, "x"), Taken::NotMine, "{topic}");
    }
}

#[test]
fn a_unit_that_comes_after_the_value_is_told_with_it() {
    let mut stage = Stage::new(Homie::default());
    for (topic, text) in [
        ("$homie", "4.0"),
        ("$nodes", "n"),
        ("n/$properties", "p"),
        ("n/p", "21"),
        ("n/p/$datatype", "integer"),
        ("n/p/$unit", "°C"),
    ] {
        stage.retained(&format!("homie/a/{topic}"), text);
    }
    let property = &stage.things["homie/a"]["properties"]["n.p"];
    assert_eq!(property["value"], 21);
    assert_eq!(property["unit"], "Cel");
}

#[test]
fn a_device_that_is_cleared_leaves_nothing() {
    let mut homie = Homie::default();
    let mut play = |topic: &str, text: &str| {
        let payload = thingway_sdk::Payload { bytes: text.to_owned().into(), content_type: None };
        let received = thingway_sdk::Timestamp::now();
        let message = Incoming { address: topic, payload: &payload, received, retained: true };
        homie.take(&message, &mut Meaning::default())
    };
    play("homie/5/a/$description", &SWITCH.replace("\"name\"", "\"root\":\"b\",\"name\""));
    play("homie/4/$homie", "4.0.0");
    play("homie/4/$nodes", "n");
    play("homie/4/n/$properties", "p,q");
    play("homie/5/a/$state", "");
    play("homie/4/$homie", "");
    assert!(homie.devices.is_empty() && homie.behind.is_empty());
    assert_eq!((homie.properties, homie.bytes), (0, 0));
    assert_eq!(homie.attributes.get("homie/4/n", "$properties"), None);
}

#[test]
fn a_device_with_too_many_properties_is_refused() {
    let mut stage = Stage::new(Homie::default());
    let many: Vec<String> = (0..=MOST_PROPERTIES_OF_ONE).map(|n| format!("p{n}")).collect();
    stage.retained("homie/a/$homie", "4.0.0");
    stage.retained("homie/a/$nodes", "n");
    let taken = stage.retained("homie/a/n/$properties", &many.join(","));
    assert!(matches!(taken, Taken::Malformed(reason) if reason.contains("1001 properties")));
}
