#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::Shelly;
use crate::mapping::convention::Taken;
use crate::mapping::convention::fixtures::{Stage, check, survive};

#[test]
fn fixtures_become_things() {
    check::<Shelly>("shelly");
}

#[test]
fn no_message_makes_it_panic() {
    survive::<Shelly>("shelly");
}

fn nothing(taken: &Taken) -> bool {
    matches!(taken, Taken::Nothing(_))
}

const PLUS: &str = "shellyplus1pm-a8032abe54dc";

#[test]
fn an_event_is_told_once_however_often_it_is_repeated() {
    let mut stage = Stage::new(Shelly::default());
    let mut said = |id: &str, count: u64| {
        let event = format!(r#"{{"event":"S","event_cnt":{count}}}"#);
        stage.publish(&format!("shellies/{id}/input_event/0"), &event)
    };
    assert!(nothing(&said("shellyix3-AABBCC", 4)), "it may be old");
    assert_eq!(said("shellyix3-AABBCC", 5), Taken::Understood);
    assert!(nothing(&said("shellyix3-AABBCC", 5)));
    assert_eq!(said("shellybutton1-AABBCC", 4), Taken::Understood, "it only speaks when pushed");
}

#[test]
fn a_device_that_sleeps_stays_within_reach() {
    let mut stage = Stage::new(Shelly::default());
    let online = |stage: &Stage, thing: &str| stage.things[thing].get("online").cloned();
    stage.retained("shellies/shellyht-AABBCC/sensor/temperature", "19.5");
    assert!(nothing(&stage.retained("shellies/shellyht-AABBCC/online", "false")));
    assert_eq!(online(&stage, "shellies/shellyht-AABBCC"), None);

    stage.retained(&format!("{PLUS}/online"), "false");
    assert_eq!(online(&stage, PLUS), Some(false.into()), "nothing tells yet that it sleeps");
    let woken = format!(
        r#"{{"src":"{PLUS}","method":"NotifyFullStatus","params":{{"sys":{{"wakeup_period":7200}}}}}}"#
    );
    stage.publish(&format!("{PLUS}/events/rpc"), &woken);
    assert_eq!(online(&stage, PLUS), Some(true.into()));
    assert!(nothing(&stage.publish(&format!("{PLUS}/online"), "false")));
}

#[test]
fn a_reach_that_the_broker_retained_is_told_again() {
    for prefix in ["shellies/shelly1-AABBCC", PLUS] {
        let mut stage = Stage::new(Shelly::default());
        for state in ["false", "false", "true", "true"] {
            stage.things.clear();
            stage.retained(&format!("{prefix}/online"), state);
            assert_eq!(stage.things[prefix]["online"], state == "true", "{prefix}");
        }
    }
}

#[test]
fn requests_and_answers_are_no_states() {
    let mut stage = Stage::new(Shelly::default());
    stage.publish(&format!("{PLUS}/online"), "true");
    let refused = format!(r#"{{"id":1,"src":"{PLUS}","error":{{"message":"no such id"}}}}"#);
    for (topic, payload) in [
        (format!("{PLUS}/rpc"), r#"{"id":7,"src":"a","method":"Switch.Toggle"}"#.to_owned()),
        (format!("{PLUS}/command/switch:0"), "on".to_owned()),
        ("thingway/rpc".to_owned(), refused),
        ("shellies/command".to_owned(), "announce".to_owned()),
        ("shellies/shelly1-AABBCC/relay/0/command".to_owned(), "on".to_owned()),
        ("shellies/shelly1-AABBCC/info".to_owned(), "{}".to_owned()),
    ] {
        let taken = stage.publish(&topic, &payload);
        assert!(nothing(&taken), "{topic}: {taken:?}");
    }
}

#[test]
fn a_command_is_no_thing_before_the_device_has_spoken() {
    let mut stage = Stage::new(Shelly::default());
    for (topic, payload) in [
        (format!("{PLUS}/rpc"), r#"{"id":7,"src":"a","method":"Switch.Toggle"}"#),
        (format!("{PLUS}/command"), "status_update"),
        (format!("{PLUS}/command/switch:0"), "on"),
        ("shellies/shelly1-AABBCC/command".to_owned(), "announce"),
        ("shellies/shellydimmer-AABBCC/light/0/set".to_owned(), r#"{"turn":"on"}"#),
        ("shellies/shellyswitch25-AABBCC/roller/0/command/pos".to_owned(), "30"),
    ] {
        let taken = stage.publish(&topic, payload);
        assert!(nothing(&taken), "{topic}: {taken:?}");
    }
    assert!(stage.things.is_empty());
    let below = format!("shellies/{PLUS}");
    stage.publish(&format!("{below}/status/switch:0"), r#"{"id":0,"output":true}"#);
    let taken = stage.publish(&format!("{below}/command"), "announce");
    assert!(nothing(&taken), "{taken:?}");
}

#[test]
fn another_scheme_is_not_swallowed() {
    let mut stage = Stage::new(Shelly::default());
    for (topic, payload) in [
        ("home/online", "true"),
        ("home/status/switch:0", r#"{"output":true}"#),
        ("home/status/door", r#"{"id":0}"#),
        ("home/events/rpc", r#"{"src":"a","method":"Other","params":{}}"#),
        ("home/rpc", r#"{"id":1,"src":"a","result":1}"#),
        ("home/command/switch:0", "on"),
        ("home/command", "on"),
        ("shellies/lamp/colour", "red"),
        ("shellies/lamp/online", "perhaps"),
    ] {
        assert_eq!(stage.publish(topic, payload), Taken::NotMine, "{topic}");
    }
    assert!(stage.things.is_empty());
}

proptest! {
    #[test]
    fn no_notification_makes_it_panic(component in ".{0,10}", leaf in ".{0,10}", ts: f64) {
        let mut stage = Stage::new(Shelly::default());
        for (method, params) in [
            ("NotifyStatus", serde_json::json!({"ts": ts, component.as_str(): {leaf: 1}})),
            ("NotifyEvent", serde_json::json!({
                "events": [{"component": component, "event": component, "ts": ts}],
            })),
        ] {
            let frame = serde_json::json!({"src": component, "method": method, "params": params});
            stage.publish("a/events/rpc", &frame.to_string());
        }
        stage.publish("a/status/switch:0", &serde_json::json!({ component: ts }).to_string());
    }
}
