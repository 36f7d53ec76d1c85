use serde_json::json;

use super::{CORRELATION, World};

#[tokio::test]
async fn a_change_is_told_with_all_that_belongs_to_it() {
    let mut world = World::new();
    world.report("lamp", "level", "1");
    world.report("lamp", "on", "true");
    let answer = world.ask("lamp", "observeproperty", json!({"name": "level"})).await;
    assert_eq!(answer["name"], "level");
    assert!(answer.get("value").is_none() && answer.get("error").is_none(), "{answer}");
    world.report("lamp", "on", "false");
    let revision = world.report("lamp", "level", "2.50");
    let heard = world.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let told = &heard[0];
    assert_eq!(told["thingID"], "urn:thingway:lamp");
    assert_eq!(told["operation"], "observeproperty");
    assert_eq!((&told["name"], &told["value"]), (&json!("level"), &json!(2.5)));
    assert_eq!(told["correlationID"], CORRELATION);
    assert_eq!(told["notificationID"], revision);
    assert!(told["timestamp"].is_string());
}

#[tokio::test]
async fn the_last_observation_wins() {
    let mut world = World::new();
    world.report("lamp", "level", "1");
    for correlation in ["first", "second"] {
        let members = json!({"name": "level", "correlationID": correlation});
        world.ask("lamp", "observeproperty", members).await;
    }
    world.report("lamp", "level", "2");
    let heard = world.heard();
    assert_eq!(heard.len(), 1, "one change, one notification: {heard:?}");
    assert_eq!(heard[0]["correlationID"], "second");
}

#[tokio::test]
async fn all_are_observed_with_those_that_come_later_and_without_those_taken_out() {
    let mut world = World::new();
    world.report("lamp", "level", "1");
    world.report("lamp", "on", "true");
    world.ask("lamp", "observeproperty", json!({"name": "on", "correlationID": "old"})).await;
    world.ask("lamp", "observeallproperties", json!({})).await;
    world.report("lamp", "colour", "\"red\"");
    world.report("lamp", "on", "false");
    let heard = world.heard();
    assert_eq!(heard.iter().map(|told| &told["name"]).collect::<Vec<_>>(), ["colour", "on"]);
    for told in &heard {
        assert_eq!(
            (&told["operation"], &told["correlationID"]),
            (&json!("observeallproperties"), &json!(CORRELATION))
        );
    }
    world.ask("lamp", "unobserveproperty", json!({"name": "on"})).await;
    world.report("lamp", "on", "true");
    world.report("lamp", "level", "3");
    assert_eq!(world.heard_values(), [json!(3)]);
    world.ask("lamp", "unobserveallproperties", json!({})).await;
    world.report("lamp", "level", "4");
    assert_eq!(world.heard().len(), 0);
}

#[tokio::test]
async fn ending_what_never_began_succeeds() {
    let mut world = World::new();
    world.report("lamp", "level", "1");
    world.emit("lamp", "overheated", "90");
    for (operation, members) in [
        ("unobserveproperty", json!({"name": "level"})),
        ("unobserveallproperties", json!({})),
        ("unsubscribeevent", json!({"name": "overheated"})),
        ("unsubscribeallevents", json!({})),
    ] {
        let answer = world.ask("lamp", operation, members).await;
        assert!(answer.get("error").is_none(), "{answer}");
    }
}

#[tokio::test]
async fn events_are_told_with_their_data() {
    let mut world = World::new();
    world.report("lamp", "level", "1");
    world.emit("lamp", "overheated", "80");
    world.ask("lamp", "subscribeevent", json!({"name": "overheated"})).await;
    world.report("lamp", "level", "2");
    world.emit("lamp", "overheated", "90");
    world.emit("lamp", "pressed", "null");
    let heard = world.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!((&heard[0]["name"], &heard[0]["data"]), (&json!("overheated"), &json!(90)));
    assert_eq!(heard[0]["operation"], "subscribeevent");
    world.ask("lamp", "subscribeallevents", json!({})).await;
    world.ask("lamp", "unsubscribeevent", json!({"name": "overheated"})).await;
    world.emit("lamp", "overheated", "91");
    world.emit("lamp", "pressed", "true");
    let heard = world.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(
        (&heard[0]["operation"], &heard[0]["name"]),
        (&json!("subscribeallevents"), &json!("pressed"))
    );
    world.ask("lamp", "unsubscribeallevents", json!({})).await;
    world.emit("lamp", "pressed", "true");
    assert_eq!(world.heard().len(), 0);
}

#[tokio::test]
async fn a_removed_thing_ends_its_subscriptions_and_no_others() {
    let mut world = World::new();
    world.report("lamp", "level", "1");
    world.report("door", "open", "true");
    world.ask("lamp", "observeproperty", json!({"name": "level"})).await;
    world.ask("lamp", "subscribeallevents", json!({"correlationID": "events"})).await;
    world.ask("door", "observeallproperties", json!({})).await;
    world.remove("lamp");
    let heard = world.heard();
    assert_eq!(heard.len(), 2, "{heard:?}");
    for told in &heard {
        assert_eq!(told["error"]["status"], 404, "{told}");
        assert_eq!(told["thingID"], "urn:thingway:lamp");
    }
    world.report("lamp", "level", "2");
    world.report("door", "open", "false");
    assert_eq!(world.heard_values(), [json!(false)], "a thing that comes back is a new one");
}

#[tokio::test]
async fn a_thing_that_came_back_unnoticed_is_followed_anew() {
    let mut world = World::new();
    world.report("lamp", "level", "1");
    world.ask("lamp", "observeproperty", json!({"name": "level", "correlationID": "former"})).await;
    world.remove("lamp");
    world.report("lamp", "level", "2");
    world.ask("lamp", "observeproperty", json!({"name": "level"})).await;
    world.report("lamp", "level", "3");
    let heard = world.heard();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!(
        (&heard[0]["error"]["status"], &heard[0]["correlationID"]),
        (&json!(404), &json!("former"))
    );
    assert_eq!(heard[1]["value"], 3);
}
