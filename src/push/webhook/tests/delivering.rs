//! What arrives at a receiver that takes it.

use std::collections::HashSet;

use standardwebhooks::Webhook as Verifier;
use thingway_sdk::Timestamp;

use super::*;

#[tokio::test]
async fn a_delivery_is_a_signed_cloudevent_with_the_shared_record_as_its_data() {
    let world = World::new();
    let receiver = Receiver::start().await;
    let secret = world.create(&receiver, json!({})).secret.unwrap();
    let revision = world.report("home.hall", "temp", "21.50");
    let arrival = receiver.wait_for(1).await.remove(0);
    Verifier::new(&secret).unwrap().verify(&arrival.body, &arrival.headers).unwrap();
    assert_eq!(arrival.header("content-type"), "application/cloudevents+json; charset=utf-8");
    let event = arrival.event();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["type"], "thingway.property.changed");
    assert_eq!(event["source"], "urn:thingway:gateway");
    assert_eq!(event["subject"], "urn:thingway:home.hall/temp");
    assert_eq!(event["sequence"], revision.to_string());
    assert_eq!(event["datacontenttype"], "application/json");
    assert_eq!(event["id"], arrival.header("webhook-id"));
    assert!(!arrival.header("webhook-id").contains('.'));
    assert!(event["time"].as_str().and_then(Timestamp::parse).is_some());
    let text = String::from_utf8(arrival.body.to_vec()).unwrap();
    assert!(text.contains(r#""value":21.50"#), "every digit: {text}");
    assert_eq!(event["data"]["revision"], revision);
}

#[tokio::test]
async fn events_and_states_pass_as_the_definition_says() {
    let world = World::new();
    let (states, events) = (Receiver::start().await, Receiver::start().await);
    world.create(&states, json!({ "things": ["home.*"], "properties": ["temp", "hum*"] }));
    world.create(&events, json!({ "events": ["ring"] }));
    world.report("home.hall", "temp", 1);
    world.report("office.hall", "temp", 2);
    world.report("home.hall", "open", true);
    let thing = world.registry.get(&ThingId::from_name("home.hall")).unwrap();
    let now = Timestamp::now();
    world
        .recorder
        .write()
        .occurred(&thing, &"ring".into(), Value::Boolean(true), now, now)
        .unwrap();
    world.report("home.hall", "humidity", 3);
    let values: Vec<_> = states.wait_for(2).await.iter().map(Arrival::value).collect();
    assert_eq!(values, [json!(1), json!(3)]);
    let event = events.wait_for(1).await.remove(0).event();
    assert_eq!(event["type"], "thingway.event.occurred");
    assert_eq!(event["subject"], "urn:thingway:home.hall/ring");
    assert_eq!(event["data"]["data"], true);
    world.webhooks.drain(Instant::now() + PATIENCE).await;
    assert_eq!((states.arrivals().len(), events.arrivals().len()), (2, 1));
}

#[tokio::test]
async fn everything_arrives_once_and_in_order_over_one_connection() {
    let world = World::new();
    let receiver = Receiver::start().await;
    receiver.otherwise(Reply::Body(1000));
    let id = world.create(&receiver, json!({})).id;
    for value in 0..100 {
        world.report("a", &format!("p{}", value % 7), value);
    }
    let arrivals = receiver.wait_for(100).await;
    let values: Vec<_> = arrivals.iter().map(|a| a.value().as_u64().unwrap()).collect();
    assert_eq!(values, (0..100).collect::<Vec<_>>());
    let ids: HashSet<_> = arrivals.iter().map(|a| a.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 100);
    let peers: HashSet<_> = arrivals.iter().map(|a| a.peer).collect();
    assert_eq!(peers.len(), 1, "connections are used again");
    let head = world.webhooks.head();
    let view = world.view(&id, |view| view.delivered == 100 && view.position == head).await;
    assert_eq!((view.lag, view.failed), (0, 0));
    assert_eq!(world.webhooks.counters().delivered(), 100);
}

#[tokio::test]
async fn side_by_side_each_property_keeps_its_order() {
    let world = World::with(DeliveryConfig { concurrency: 4, ..haste() }, 1 << 24);
    let receiver = Receiver::start().await;
    receiver.otherwise(Reply::After(Duration::from_millis(20)));
    world.create(&receiver, json!({}));
    for value in 0..40 {
        world.report("a", &format!("p{}", value % 4), value);
    }
    let begin = Instant::now();
    let arrivals = receiver.wait_for(40).await;
    assert!(begin.elapsed() < Duration::from_millis(40 * 20), "{:?}", begin.elapsed());
    for property in 0..4 {
        let values = arrivals.iter().map(|a| a.value().as_u64().unwrap());
        let own: Vec<_> = values.filter(|value| value % 4 == property).collect();
        assert!(own.is_sorted() && own.len() == 10, "{own:?}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off_and_counts_as_what_its_status_says() {
    let world = World::new();
    let receiver = Receiver::start().await;
    receiver.otherwise(Reply::Body(8 << 20));
    let id = world.create(&receiver, json!({})).id;
    world.report("a", "p", 1);
    world.report("a", "p", 2);
    let view = world.view(&id, |view| view.delivered == 2).await;
    assert_eq!(view.failed, 0);
}

#[tokio::test]
async fn at_the_end_what_is_recorded_is_still_delivered_to_who_takes_it() {
    let world = World::new();
    let (healthy, dead) = (Receiver::start().await, Receiver::start().await);
    healthy.otherwise(Reply::After(Duration::from_millis(5)));
    dead.otherwise(Reply::Status(500));
    world.create(&healthy, json!({}));
    world.create(&dead, json!({}));
    for value in 0..20 {
        world.report("a", "p", value);
    }
    let begin = Instant::now();
    let left = world.webhooks.drain(begin + PATIENCE).await;
    assert_eq!((healthy.arrivals().len(), left), (20, 20));
    assert!(begin.elapsed() < PATIENCE / 2, "a receiver that fails is not waited for");
}

#[tokio::test]
async fn the_end_does_not_wait_beyond_its_deadline() {
    let world = World::new();
    let receiver = Receiver::start().await;
    receiver.otherwise(Reply::After(PATIENCE));
    world.create(&receiver, json!({}));
    world.report("a", "p", 1);
    receiver.wait_for(1).await;
    let begin = Instant::now();
    assert_eq!(world.webhooks.drain(begin + Duration::from_millis(50)).await, 1);
    assert!(begin.elapsed() < Duration::from_millis(900), "{:?}", begin.elapsed());
}
