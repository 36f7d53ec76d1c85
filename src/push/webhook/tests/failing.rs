//! What becomes of deliveries that a receiver does not take.

use std::collections::HashSet;

use super::*;
use crate::push::webhook::{DeliveryOutcome, WebhookStatus};

#[tokio::test]
async fn what_fails_is_tried_again_under_its_id_and_nothing_overtakes_it() {
    let world = World::new();
    let receiver = Receiver::start().await;
    let slow = Reply::After(Duration::from_secs(3));
    receiver.script([Reply::Status(500), Reply::Status(404), slow, Reply::Status(200)]);
    let id = world.create(&receiver, json!({})).id;
    world.report("a", "p", 1);
    world.report("a", "q", 2);
    let arrivals = receiver.wait_for(5).await;
    let values: Vec<_> = arrivals.iter().map(|a| a.value().as_u64().unwrap()).collect();
    assert_eq!(values, [1, 1, 1, 1, 2]);
    let ids: HashSet<_> = arrivals[..4].iter().map(|a| a.header("webhook-id")).collect();
    let bodies: HashSet<_> = arrivals[..4].iter().map(|a| &a.body).collect();
    assert_eq!((ids.len(), bodies.len()), (1, 1), "one message");
    assert!(arrivals[1].at - arrivals[0].at >= Duration::from_millis(10), "it backs off");
    let view = world.view(&id, |view| view.delivered == 2).await;
    assert_eq!((view.failed, view.consecutive_failures), (3, 0));
    assert_eq!(view.last_error.as_deref(), Some("no answer within 1 s"));
    assert_eq!((view.status, view.next_attempt), (WebhookStatus::Active, None));
    let log = world.webhooks.deliveries(&id, 50).unwrap();
    let told: Vec<_> = log.iter().map(|d| (d.attempts, d.outcome, d.status)).collect();
    let delivered = DeliveryOutcome::Delivered;
    assert_eq!(told, [(1, delivered, Some(204)), (4, delivered, Some(200))]);
}

#[tokio::test]
async fn a_dead_receiver_delays_no_other() {
    let world = World::new();
    let (hanging, healthy) = (Receiver::start().await, Receiver::start().await);
    hanging.otherwise(Reply::After(PATIENCE));
    let dead = world.create(&hanging, json!({})).id;
    let refused = patch(&json!({ "url": "http://127.0.0.1:9/" }));
    let refused = world.webhooks.create(refused).unwrap().id;
    world.create(&healthy, json!({}));
    let begin = Instant::now();
    for value in 0..50 {
        world.report("a", "p", value);
    }
    healthy.wait_for(50).await;
    assert!(begin.elapsed() < PATIENCE / 4, "{:?}", begin.elapsed());
    let failing = |view: &WebhookView| view.status == WebhookStatus::Failing;
    let view = world.view(&refused, |view| failing(view) && view.next_attempt.is_some()).await;
    assert!(view.last_error.unwrap().starts_with("can't connect: "));
    assert!(view.lag >= 50, "{}", view.lag);
    world.view(&dead, failing).await;
}

#[tokio::test]
async fn a_redirect_is_a_failure_that_says_so() {
    let world = World::new();
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let to: &'static str = elsewhere.url().leak();
    receiver.script([301, 302, 307, 308].map(|code| Reply::With(code, "location", to)));
    let id = world.create(&receiver, json!({})).id;
    world.report("a", "p", 1);
    receiver.wait_for(5).await;
    let view = world.view(&id, |view| view.delivered == 1).await;
    assert!(view.last_error.unwrap().contains("redirects are not followed"));
    assert!(elsewhere.arrivals().is_empty());
}

#[tokio::test]
async fn a_pause_that_the_receiver_asks_for_is_kept() {
    let world = World::new();
    let receiver = Receiver::start().await;
    receiver.script([Reply::With(429, "retry-after", "1")]);
    world.create(&receiver, json!({}));
    world.report("a", "p", 1);
    let arrivals = receiver.wait_for(2).await;
    let pause = arrivals[1].at - arrivals[0].at;
    assert!(pause >= Duration::from_secs(1), "{pause:?}");
}

#[tokio::test]
async fn gone_disables_until_somebody_enables_and_then_nothing_is_missing() {
    let world = World::new();
    let receiver = Receiver::start().await;
    receiver.script([Reply::Status(410)]);
    let id = world.create(&receiver, json!({})).id;
    world.report("a", "p", 1);
    let view = world.view(&id, |view| view.status == WebhookStatus::Disabled).await;
    assert_eq!(view.disabled_because, Some("the receiver answered 410 Gone"));
    world.report("a", "p", 2);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(receiver.arrivals().len(), 1, "nothing is sent any more");
    let view = world.change(&id, &json!({ "enabled": true }));
    assert_eq!(view.disabled_because, None);
    let values: Vec<_> = receiver.wait_for(3).await.iter().map(Arrival::value).collect();
    assert_eq!(values, [json!(1), json!(1), json!(2)]);
}

#[tokio::test]
async fn what_fails_for_too_long_is_given_up_and_told() {
    let world = World::with(DeliveryConfig { give_up_seconds: 1, ..haste() }, 1 << 24);
    let receiver = Receiver::start().await;
    receiver.otherwise(Reply::Status(500));
    let id = world.create(&receiver, json!({})).id;
    world.report("a", "p", 1);
    let view = world.view(&id, |view| view.given_up == 1).await;
    assert_eq!((view.lag, view.next_attempt), (0, None));
    let log = world.webhooks.deliveries(&id, 1).unwrap();
    assert_eq!(log[0].outcome, DeliveryOutcome::GivenUp);
    assert_eq!(world.webhooks.counters().given_up(), 1);
}

#[tokio::test]
async fn a_receiver_that_missed_more_than_the_log_holds_is_told_and_gets_the_newest_states() {
    let world = World::with(haste(), 4096);
    let receiver = Receiver::start().await;
    receiver.otherwise(Reply::Status(503));
    let id = world.create(&receiver, json!({})).id;
    for value in 0..200 {
        world.report("a", "p", value);
        world.report("a", "q", value);
    }
    receiver.wait_for(1).await;
    receiver.otherwise(Reply::Status(200));
    world.view(&id, |view| view.lag == 0 && view.next_attempt.is_none()).await;
    let arrivals = receiver.arrivals();
    // The gap is tried until it is taken, too.
    let is_gap = |arrival: &Arrival| arrival.event()["type"] == "thingway.gap";
    let gap = arrivals.iter().rposition(is_gap).expect("a gap");
    let data = arrivals[gap].event()["data"].clone();
    assert!(data["after"].as_u64().unwrap() < data["until"].as_u64().unwrap(), "{data}");
    let newest: Vec<_> = arrivals[gap + 1..].iter().map(Arrival::value).collect();
    assert_eq!(newest, [json!(199), json!(199)]);
}

#[tokio::test]
async fn a_name_that_leads_into_a_denied_network_leads_nowhere() {
    let config =
        DeliveryConfig { denied_networks: vec!["127.0.0.0/8".into(), "::1/128".into()], ..haste() };
    let world = World::with(config, 1 << 24);
    let receiver = Receiver::start().await;
    let url = format!("http://localhost:{}/", receiver.address.port());
    let id = world.webhooks.create(patch(&json!({ "url": url }))).unwrap().id;
    let tested = world.webhooks.test(&id).await.unwrap();
    assert_eq!(tested.outcome, DeliveryOutcome::Failed);
    let error = tested.error.unwrap();
    assert!(error.contains("delivery.denied_networks"), "{error}");
    assert!(receiver.arrivals().is_empty());
}
