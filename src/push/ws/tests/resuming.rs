use serde_json::{Value as Json, json};

use super::World;

fn numbers(range: impl IntoIterator<Item = i64>) -> Vec<Json> {
    range.into_iter().map(|number| json!(number)).collect()
}

#[tokio::test]
async fn what_was_missed_comes_first_and_nothing_twice() {
    let mut world = World::new();
    let position = world.report("lamp", "level", "0");
    for value in 1..=5 {
        world.report("lamp", "level", &value.to_string());
        world.report("lamp", "on", "true");
    }
    let members = json!({"name": "level", "lastNotificationID": position});
    world.ask("lamp", "observeproperty", members).await;
    world.report("lamp", "level", "6");
    assert_eq!(world.heard_values(), numbers(1..=6));
    world.report("lamp", "level", "7");
    assert_eq!(world.heard_values(), numbers(7..=7));
}

#[tokio::test]
async fn a_position_may_be_a_string() {
    let mut world = World::new();
    let position = world.report("lamp", "level", "0").to_string();
    world.report("lamp", "level", "1");
    let members = json!({"lastNotificationID": position});
    world.ask("lamp", "observeallproperties", members).await;
    assert_eq!(world.heard_values(), numbers(1..=1));
}

#[tokio::test]
async fn one_that_resumes_meets_others_without_a_seam() {
    let mut world = World::new();
    let position = world.report("lamp", "level", "0");
    world.report("lamp", "on", "true");
    world.report("door", "open", "true");
    world.ask("door", "observeproperty", json!({"name": "open"})).await;
    world.ask("lamp", "observeproperty", json!({"name": "on"})).await;
    // The feed has these waiting when the resuming one joins.
    for value in 1..=3 {
        world.report("lamp", "level", &value.to_string());
        world.report("door", "open", "false");
        world.report("lamp", "on", "false");
    }
    let members = json!({"name": "level", "lastNotificationID": position});
    world.ask("lamp", "observeproperty", members).await;
    world.report("lamp", "level", "4");
    let heard = world.heard();
    let of = |name: &str| -> Vec<Json> {
        let named = heard.iter().filter(|told| told["name"] == name);
        named.map(|told| told["value"].clone()).collect()
    };
    assert_eq!(of("level"), numbers(1..=4));
    assert_eq!((of("open").len(), of("on").len()), (3, 3));
}

#[tokio::test]
async fn an_observation_that_replaces_a_resuming_one_starts_anew() {
    let mut world = World::new();
    let position = world.report("lamp", "level", "0");
    world.report("lamp", "level", "1");
    let members = json!({"name": "level", "lastNotificationID": position});
    world.ask("lamp", "observeproperty", members).await;
    world.ask("lamp", "observeproperty", json!({"name": "level"})).await;
    world.report("lamp", "level", "2");
    assert_eq!(world.heard_values(), numbers(2..=2));
}

#[tokio::test]
async fn a_long_past_comes_in_pages_and_in_order() {
    let mut world = World::new();
    let position = world.report("lamp", "level", "0");
    for value in 1..=2000 {
        world.report("lamp", "level", &value.to_string());
    }
    let members = json!({"name": "level", "lastNotificationID": position});
    world.ask("lamp", "observeproperty", members).await;
    assert_eq!(world.heard_values(), numbers(1..=2000));
}

#[tokio::test]
async fn a_lost_past_is_a_gap_and_then_the_newest_state() {
    let mut world = World::with_log_of(4000);
    let position = world.report("lamp", "level", "0");
    world.report("door", "open", "true");
    world.ask("door", "observeproperty", json!({"name": "open"})).await;
    for value in 1..=100 {
        world.report("lamp", "level", &value.to_string());
    }
    let members = json!({"name": "level", "lastNotificationID": position});
    world.ask("lamp", "observeproperty", members).await;
    let heard = world.heard();
    assert_eq!(heard.len(), 2, "the other subscription missed nothing: {heard:?}");
    assert_eq!((&heard[0]["gap"]["after"], &heard[0]["name"]), (&json!(position), &json!("level")));
    assert!(heard[0]["gap"]["until"].as_u64().unwrap() >= position + 100);
    assert!(heard[0]["gap"]["reason"].is_string() && heard[0].get("value").is_none());
    assert_eq!(heard[1]["value"], 100);
    world.report("lamp", "level", "101");
    assert_eq!(world.heard_values(), numbers(101..=101));
}

#[tokio::test]
async fn a_position_of_another_gateway_is_a_gap() {
    let mut world = World::new();
    world.report("lamp", "level", "1");
    let beyond = world.log.head().0 + 1000;
    let members = json!({"name": "level", "lastNotificationID": beyond});
    world.ask("lamp", "observeproperty", members).await;
    let heard = world.heard();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!((&heard[0]["gap"]["after"], &heard[1]["value"]), (&json!(beyond), &json!(1)));
    world.report("lamp", "level", "2");
    assert_eq!(world.heard_values(), numbers(2..=2));
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_and_gets_the_newest() {
    let mut world = World::with_log_of(4000);
    world.report("lamp", "level", "0");
    world.report("door", "open", "true");
    world.ask("lamp", "observeproperty", json!({"name": "level"})).await;
    world.ask("lamp", "subscribeallevents", json!({"correlationID": "events"})).await;
    world.ask("door", "observeproperty", json!({"name": "open"})).await;
    for value in 1..=100 {
        world.report("lamp", "level", &value.to_string());
    }
    let heard = world.heard();
    assert_eq!(heard.len(), 3, "a gap for each of the lamp's, and one state: {heard:?}");
    for told in &heard[..2] {
        assert_eq!(told["thingID"], "urn:thingway:lamp");
        assert_eq!(told["gap"]["reason"], "the reader was too slow");
    }
    assert_eq!(heard[2]["value"], 100);
}

#[tokio::test]
async fn a_removed_thing_ends_the_one_that_resumes() {
    let mut world = World::new();
    let position = world.report("lamp", "level", "0");
    world.report("lamp", "level", "1");
    let members = json!({"name": "level", "lastNotificationID": position});
    world.ask("lamp", "observeproperty", members).await;
    world.remove("lamp");
    let heard = world.heard();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!((&heard[0]["value"], &heard[1]["error"]["status"]), (&json!(1), &json!(404)));
}
