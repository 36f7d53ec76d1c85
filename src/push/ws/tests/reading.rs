use serde_json::json;

use super::World;

fn lamp() -> World {
    let world = World::new();
    world.report("lamp", "on", "true");
    world.report("lamp", "level", "9007199254740993.50");
    world
}

#[tokio::test]
async fn one_property_is_read_with_its_time() {
    let mut world = lamp();
    let answer = world.ask("lamp", "readproperty", json!({"name": "on"})).await;
    assert_eq!((&answer["name"], &answer["value"]), (&json!("on"), &json!(true)));
    assert!(answer["timestamp"].as_str().unwrap().ends_with('Z'), "{answer}");
    assert!(answer.get("quality").is_none(), "a good value needs no remark: {answer}");
    let by_full_id = world.ask("urn:thingway:lamp", "readproperty", json!({"name": "on"})).await;
    assert_eq!(by_full_id["value"], true);
}

#[tokio::test]
async fn several_and_all_properties_are_read() {
    let mut world = lamp();
    let several = json!({"names": ["on"]});
    let answer = world.ask("lamp", "readmultipleproperties", several).await;
    assert_eq!(answer["values"], json!({"on": true}));
    let answer = world.ask("lamp", "readallproperties", json!({})).await;
    assert_eq!(answer["values"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn a_stale_value_says_so() {
    let mut world = lamp();
    world.recorder.mark_stale("field", thingway_sdk::Timestamp::now());
    let answer = world.ask("lamp", "readproperty", json!({"name": "on"})).await;
    assert_eq!(answer["quality"], "stale");
}

#[tokio::test]
async fn what_is_wrong_is_an_answer_that_says_what() {
    let mut world = lamp();
    for (thing, operation, members, status) in [
        ("lamp", "readproperty", json!({"name": "none"}), 404),
        ("none", "readproperty", json!({"name": "on"}), 404),
        ("lamp", "observeproperty", json!({"name": "none"}), 404),
        ("lamp", "unobserveproperty", json!({"name": "none"}), 404),
        ("lamp", "subscribeevent", json!({"name": "none"}), 404),
        ("lamp", "readproperty", json!({}), 400),
        ("lamp", "readproperty", json!({"name": 7}), 400),
        ("lamp", "readmultipleproperties", json!({"names": []}), 400),
        ("lamp", "readmultipleproperties", json!({"names": ["on", "none"]}), 400),
        ("lamp", "writeproperty", json!({"name": "on"}), 400),
        ("lamp", "writemultipleproperties", json!({"values": []}), 400),
        ("lamp", "observeproperty", json!({"name": "on", "lastNotificationID": "x"}), 400),
        ("lamp", "dance", json!({}), 400),
        ("lamp", "readproperty", json!({"name": "on", "messageType": "response"}), 400),
    ] {
        let answer = world.ask(thing, operation, members).await;
        let error = &answer["error"];
        assert_eq!(error["status"], status, "{answer}");
        let expected = format!("https://w3c.github.io/web-thing-protocol/errors#{status}");
        assert_eq!(error["type"], expected, "{answer}");
        assert!(!error["detail"].as_str().unwrap().is_empty());
    }
    assert_eq!(world.heard().len(), 0, "nothing was subscribed to");
}

#[tokio::test]
async fn scraps_are_answered_too() {
    let mut world = lamp();
    let long = format!(r#"{{"messageType":"request","correlationID":"{}"}}"#, "x".repeat(200));
    for scrap in ["", "{", "[]", "null", "7", "{}", r#"{"messageType":"response"}"#, "\0", &long] {
        let answer = world.send(scrap).await;
        assert_eq!(answer["error"]["status"], 400, "{scrap:?}: {answer}");
        assert_eq!(answer["messageType"], "response");
    }
}
