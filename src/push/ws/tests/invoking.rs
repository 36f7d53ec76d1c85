use std::sync::Arc;

use serde_json::json;
use thingway_sdk::{Acknowledgement, AdapterError, Offer, Subject, ThingId, Timestamp, Value};

use super::World;

/// A thing with an action and nothing else.
fn door() -> World {
    let world = World::new();
    let now = Timestamp::now();
    let subject = Subject {
        thing: "door".into(),
        name: "open".into(),
        title: None,
        semantic_type: None,
        form: None,
    };
    let offer = Offer { address: "open".into(), subject: Arc::new(subject), received: now };
    let mut writing = world.recorder.write();
    let thing = writing.thing(&ThingId::from_name("door"), None, now).unwrap();
    writing.offer(&thing, &"field".into(), &offer, None).unwrap();
    writing.settle(now);
    drop(writing);
    world
}

#[tokio::test]
async fn what_was_done_has_its_output() {
    let mut world = door();
    world.device.answers(|| Some(Ok(Acknowledgement::Confirmed(Some(Value::Boolean(true))))));
    let members = json!({"name": "open", "input": {"wide": 3}});
    let answer = world.ask("door", "invokeaction", members).await;
    assert_eq!((&answer["name"], &answer["output"]), (&json!("open"), &json!(true)));
    assert!(answer["timestamp"].is_string() && answer.get("status").is_none(), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn what_takes_its_time_has_a_status() {
    let mut world = door();
    world.device.answers(|| None);
    let answer = world.ask("door", "invokeaction", json!({"name": "open"})).await;
    let status = &answer["status"];
    assert_eq!(status["state"], "pending");
    assert!(status["timeRequested"].is_string() && answer.get("output").is_none(), "{answer}");
    assert!(world.commands.get(status["actionID"].as_str().unwrap()).is_some());
}

#[tokio::test]
async fn what_was_not_done_says_why() {
    let mut world = door();
    world.device.answers(|| Some(Err(AdapterError::Refused("locked".into()))));
    let answer = world.ask("door", "invokeaction", json!({"name": "open"})).await;
    assert_eq!(answer["error"]["status"], 502, "{answer}");
    let answer = world.ask("door", "invokeaction", json!({"name": "close"})).await;
    assert_eq!(answer["error"]["status"], 404, "{answer}");
    let answer = world.ask("door", "invokeaction", json!({})).await;
    assert_eq!(answer["error"]["status"], 400, "{answer}");
}
