use serde_json::json;
use thingway_sdk::{Acknowledgement, AdapterError};

use super::World;

fn valve() -> World {
    let world = World::new();
    let rule = json!({"type": "number", "maximum": 100.0, "write": {"topic": "a/b/set"}});
    world.report_to("valve", "opening", "0", &rule);
    world.report_to("valve", "target", "0", &rule);
    world.report("valve", "flow", "0");
    world
}

#[tokio::test]
async fn a_confirmed_write_has_the_value() {
    let mut world = valve();
    let members = json!({"name": "opening", "value": 55});
    let answer = world.ask("valve", "writeproperty", members).await;
    assert_eq!((&answer["name"], &answer["value"]), (&json!("opening"), &json!(55)));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_only_sent_has_none() {
    let mut world = valve();
    world.device.answers(|| Some(Ok(Acknowledgement::Accepted)));
    let members = json!({"name": "opening", "value": 55});
    let answer = world.ask("valve", "writeproperty", members).await;
    assert_eq!(answer["name"], "opening");
    assert!(answer.get("value").is_none() && answer.get("error").is_none(), "{answer}");
}

#[tokio::test]
async fn what_can_not_be_written_says_why() {
    let mut world = valve();
    let mut status = async |members| {
        let answer = world.ask("valve", "writeproperty", members).await;
        answer["error"]["status"].as_u64()
    };
    assert_eq!(status(json!({"name": "flow", "value": 1})).await, Some(403));
    assert_eq!(status(json!({"name": "opening", "value": 101})).await, Some(400));
    assert_eq!(status(json!({"name": "opening", "value": "wide"})).await, Some(400));
    assert_eq!(status(json!({"name": "none", "value": 1})).await, Some(404));
    assert_eq!(status(json!({"name": "opening", "value": null})).await, Some(400));
}

#[tokio::test]
async fn the_devices_no_is_told() {
    let mut world = valve();
    let members = json!({"name": "opening", "value": 55});
    for (answer, status) in [
        ((|| Some(Err(AdapterError::Refused("stuck".into())))) as super::Answer, 502),
        (|| Some(Err(AdapterError::TimedOut("no answer".into()))), 504),
    ] {
        world.device.answers(answer);
        let answer = world.ask("valve", "writeproperty", members.clone()).await;
        assert_eq!(answer["error"]["status"], status, "{answer}");
        assert_eq!(answer["name"], "opening");
    }
}

#[tokio::test]
async fn several_are_written_and_all_or_none_are_tried() {
    let mut world = valve();
    let members = json!({"values": {"opening": 1, "target": 2.50}});
    let answer = world.ask("valve", "writemultipleproperties", members).await;
    assert_eq!(answer["values"], json!({"opening": 1, "target": 2.5}));
    for wrong in [
        json!({"values": {"opening": 3, "flow": 1}}),
        json!({"values": {"opening": 3, "target": 101}}),
        json!({"values": {"opening": 3, "none": 1}}),
        json!({"values": {}}),
    ] {
        let answer = world.ask("valve", "writemultipleproperties", wrong).await;
        assert_eq!(answer["error"]["status"], 400, "{answer}");
    }
    let desired = world.thing("valve").slot("opening").unwrap().desired.unwrap();
    assert_eq!(desired.value.to_json(), "1", "a request with an error in it changed nothing");
}

#[tokio::test]
async fn a_partial_failure_says_what_was_done() {
    let mut world = valve();
    world.device.answers(|| Some(Err(AdapterError::Link("down".into()))));
    let members = json!({"values": {"opening": 1, "target": 2}});
    let answer = world.ask("valve", "writeallproperties", members).await;
    assert!(answer["error"]["status"].as_u64().unwrap() >= 500, "{answer}");
    assert_eq!(answer["values"], json!({}));
}
