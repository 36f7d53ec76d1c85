#![allow(clippy::unwrap_used, reason = "tests")]

use thingway_sdk::{Payload, Timestamp};

use super::*;
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
        let message = Incoming { address: &topic, payload: &payload, received, replayed: true };
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
            Incoming { address, payload: &payload, received: Timestamp::EPOCH, replayed: true };
        it.take(&message, &mut meaning);
        assert_eq!(meaning.steps.is_empty(), expected);
    }
}
