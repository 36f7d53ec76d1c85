#![allow(clippy::unwrap_used, reason = "tests")]

use thingway_sdk::{Payload, Timestamp};

use super::*;
use crate::mapping::convention::Step;
use crate::mapping::convention::fixtures::{self, Stage};

#[test]
fn fixtures_mean_what_they_say() {
    fixtures::check::<HomeAssistant>("home_assistant");
}

#[test]
fn no_payload_makes_it_panic() {
    fixtures::survive::<HomeAssistant>("home_assistant");
}

fn announce(stage: &mut Stage, entity: &str, config: &str) -> Taken {
    stage.retained(&format!("homeassistant/{entity}/config"), config)
}

#[test]
fn what_is_not_understood_says_why() {
    let mut stage = Stage::new(HomeAssistant::default());
    for (entity, config, expected) in [
        ("sensor/a", "[]", "no JSON object"),
        ("sensor/a", r#"{"name":"A"}"#, "names no topic"),
        ("sensor/a", r#"{"stat_t":"a","val_tpl":"{{ states('x') }}"}"#, "`states`"),
        ("device/a", "{}", "`components`"),
    ] {
        let taken = announce(&mut stage, entity, config);
        assert!(matches!(&taken, Taken::Malformed(why) if why.contains(expected)), "{taken:?}");
    }
    let taken = announce(&mut stage, "camera/a", r#"{"topic":"a"}"#);
    assert!(matches!(taken, Taken::Nothing(why) if why.contains("`camera`")));
    assert_eq!(stage.publish("homeassistant/sensor/a/state", "1"), Taken::NotMine);
    announce(&mut stage, "sensor/b", r#"{"stat_t":"b","val_tpl":"{{ value | float }}"}"#);
    assert!(matches!(stage.publish("b", "warm"), Taken::Malformed(_)));
    assert!(matches!(stage.publish("b", ""), Taken::Malformed(_)));
    assert_eq!(stage.publish("b", "1.5"), Taken::Understood);
}

#[test]
fn commands_are_what_the_device_asked_for() {
    let sent = |entity: &str, config: &str, said: &str| {
        let mut it = HomeAssistant::default();
        let topic = format!("homeassistant/{entity}/config");
        let payload = Payload { bytes: config.to_owned().into(), content_type: None };
        let received = Timestamp::EPOCH;
        let message = Incoming { address: &topic, payload: &payload, received, retained: true };
        assert_eq!(it.take(&message, &mut Meaning::default()), Taken::Understood);
        let device = it.devices.values().next().unwrap();
        let write = device.rule.properties.values().next().unwrap().write.clone().unwrap();
        write
            .payload
            .fill(&Value::from_json(said).unwrap())
            .map(|it| String::from_utf8(it).unwrap())
    };
    let lock = r#"{"stat_t":"l","cmd_t":"l/set","pl_lock":"lock!","stat_locked":"is locked"}"#;
    assert_eq!(sent("lock/l", lock, r#""is locked""#).as_deref(), Ok("lock!"));
    assert!(sent("lock/l", lock, r#""JAMMED""#).is_err());
    let switch = r#"{"stat_t":"s","cmd_t":"s/set","cmd_tpl":"{\"on\":\"{{ value }}\"}"}"#;
    assert_eq!(sent("switch/s", switch, r#""OFF""#).as_deref(), Ok(r#"{"on":"OFF"}"#));
    let number = r#"{"stat_t":"n","cmd_t":"n/set","cmd_tpl":"{{ (value * 10) | int }}"}"#;
    assert_eq!(sent("number/n", number, "2.5").as_deref(), Ok("25"));
    let light = r#"{"schema":"json","stat_t":"l","cmd_t":"l/set"}"#;
    assert_eq!(sent("light/l", light, r#""ON""#).as_deref(), Ok(r#"{"state":"ON"}"#));
}

#[test]
fn entities_of_the_same_name_keep_apart() {
    let mut stage = Stage::new(HomeAssistant::default());
    let device = r#""device":{"identifiers":["d"],"name":"D"}"#;
    for (object, topic) in [("one", "a"), ("two", "b"), ("three", "c")] {
        let config = format!(r#"{{"name":"Temperature","stat_t":"{topic}",{device}}}"#);
        announce(&mut stage, &format!("sensor/{object}"), &config);
        stage.publish(topic, "1");
    }
    let properties = stage.things["d"]["properties"].as_object().unwrap();
    assert!(["temperature", "two", "three"].iter().all(|name| properties.contains_key(*name)));
    let other = r#"{"stat_t":"e","name":"X","device":{"identifiers":["d-2"],"name":"D"}}"#;
    announce(&mut stage, "sensor/other", other);
    stage.publish("e", "1");
    assert!(stage.things.contains_key("d_d_2"));
}

#[test]
fn an_announcement_that_is_repeated_changes_nothing() {
    let mut it = HomeAssistant::default();
    let config = r#"{"name":"A","stat_t":"a","cmd_t":"b"}"#;
    let payload = Payload { bytes: config.to_owned().into(), content_type: None };
    for expected in [false, true] {
        let mut meaning = Meaning::default();
        let address = "homeassistant/switch/a/config";
        let message =
            Incoming { address, payload: &payload, received: Timestamp::EPOCH, retained: true };
        it.take(&message, &mut meaning);
        assert_eq!(meaning.steps.is_empty(), expected);
    }
}

/// What an announcement, or another message, means to a convention that is looked into afterwards.
fn told(it: &mut HomeAssistant, address: &str, said: &str) -> (Taken, Meaning) {
    let payload = Payload { bytes: said.to_owned().into(), content_type: None };
    let received = Timestamp::EPOCH;
    let mut meaning = Meaning::default();
    let message = Incoming { address, payload: &payload, received, retained: true };
    let taken = it.take(&message, &mut meaning);
    (taken, meaning)
}

fn is_empty(it: &HomeAssistant) -> bool {
    let held = [it.devices.len(), it.identifiers.len(), it.names.len(), it.announcements.len()];
    held == [0; 4] && it.listeners.is_empty() && it.entities == 0 && it.bytes == 0
}

#[test]
fn nothing_is_kept_of_what_is_not_taken() {
    let mut it = HomeAssistant::default();
    let many: Vec<String> = (0..17).map(|number| number.to_string()).collect();
    let sources: Vec<_> = many.iter().map(|topic| serde_json::json!({ "topic": topic })).collect();
    let long = "x".repeat(2000);
    for (config, expected) in [
        ("{}".to_owned(), ""),
        (r#"{"name":"A"}"#.to_owned(), "names no topic"),
        (serde_json::json!({"stat_t":"a","dev":{"ids":many}}).to_string(), "16 identifiers"),
        (serde_json::json!({"stat_t":"a","dev":{"ids":[long]}}).to_string(), "1024 bytes"),
        (serde_json::json!({"stat_t":"a","avty":sources}).to_string(), "16 topics"),
    ] {
        let (taken, _) = told(&mut it, "homeassistant/sensor/a/config", &config);
        let why = if let Taken::Malformed(why) = taken { why } else { String::new() };
        assert!(why.contains(expected), "{config}: {why}");
        assert!(is_empty(&it), "{config}");
    }
    told(&mut it, "homeassistant/sensor/a/config", r#"{"stat_t":"a","cmd_t":"b"}"#);
    assert!(!is_empty(&it));
    told(&mut it, "homeassistant/sensor/a/config", "");
    assert!(is_empty(&it));
}

#[test]
fn identifiers_do_not_add_up() {
    let mut it = HomeAssistant::default();
    let announced = |it: &mut HomeAssistant, number: usize| {
        let config = format!(r#"{{"stat_t":"a","dev":{{"ids":["d","{number}"]}}}}"#);
        told(it, "homeassistant/sensor/a/config", &config).0
    };
    for number in 0..15 {
        assert_eq!(announced(&mut it, number), Taken::Understood);
    }
    assert_eq!(it.identifiers.len(), 16);
    announced(&mut it, 99);
    assert!(it.identifiers.len() <= 16);
}

#[test]
fn all_announcements_together_are_bounded() {
    let mut it = HomeAssistant::default();
    let options = "x".repeat(255 << 10);
    let config = format!(r#"{{"stat_t":"a","options":["{options}"]}}"#);
    let refused = (0..200).find_map(|number| {
        match told(&mut it, &format!("homeassistant/sensor/{number}/config"), &config).0 {
            Taken::Malformed(why) => Some((number, why)),
            _ => None,
        }
    });
    let (number, why) = refused.unwrap();
    assert!((120..140).contains(&number) && why.contains("33554432 bytes"), "{number}: {why}");
    told(&mut it, "homeassistant/sensor/0/config", "");
    let (taken, _) = told(&mut it, "homeassistant/sensor/new/config", &config);
    assert_eq!(taken, Taken::Understood);
    let many: serde_json::Map<_, _> =
        (0..100).map(|key| (key.to_string(), serde_json::json!({ "p": "sensor" }))).collect();
    let shared = "x".repeat(100 << 10);
    let device = serde_json::json!({ "cmps": many, "options": [shared], "stat_t": "a" });
    let (taken, _) = told(&mut it, "homeassistant/device/d/config", &device.to_string());
    assert!(matches!(taken, Taken::Malformed(why) if why.contains("all entities")));
}

#[test]
fn what_is_said_again_of_the_reach_is_told_again() {
    let mut it = HomeAssistant::default();
    told(&mut it, "homeassistant/sensor/a/config", r#"{"stat_t":"a","avty_t":"lwt"}"#);
    for _ in 0..2 {
        let (_, meaning) = told(&mut it, "lwt", "offline");
        assert!(matches!(meaning.steps[..], [Step::Offline(_)]), "{meaning:?}");
    }
    let (_, meaning) = told(&mut it, "a", "1");
    assert!(matches!(meaning.steps[..], [Step::Found(..)]), "{meaning:?}");
}

#[test]
fn what_a_device_no_longer_has_is_dropped() {
    let mut stage = Stage::new(HomeAssistant::default());
    let device = r#""dev":{"ids":"d","name":"D"}"#;
    announce(&mut stage, "sensor/a", &format!(r#"{{"name":"A","stat_t":"a",{device}}}"#));
    announce(&mut stage, "sensor/b", &format!(r#"{{"name":"B","stat_t":"b",{device}}}"#));
    assert!(!stage.things.get("d").is_some_and(|it| it.contains_key("dropped")));
    announce(&mut stage, "sensor/a", &format!(r#"{{"name":"C","stat_t":"a",{device}}}"#));
    assert_eq!(stage.things["d"]["dropped"], serde_json::json!(["a"]));
    announce(&mut stage, "sensor/b", "");
    assert_eq!(stage.things["d"]["dropped"], serde_json::json!(["a", "b"]));
}

#[test]
fn commands_of_others_are_no_things() {
    let mut stage = Stage::new(HomeAssistant::default());
    assert_eq!(stage.publish("b/set", "ON"), Taken::NotMine);
    announce(&mut stage, "switch/b", r#"{"stat_t":"b","cmd_t":"b/set"}"#);
    announce(&mut stage, "switch/c", r#"{"stat_t":"c","cmd_t":"c"}"#);
    let command = Taken::Nothing("a command to the device".into());
    assert_eq!(stage.publish("b/set", "ON"), command);
    assert_eq!(stage.play("b/set", &[0xff], None, false), command);
    assert_eq!(stage.publish("c", "ON"), Taken::Understood);
    announce(&mut stage, "switch/b", "");
    assert_eq!(stage.publish("b/set", "ON"), Taken::NotMine);
}
