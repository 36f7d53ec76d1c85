//! Webhooks that are changed, tested and rewound.

use standardwebhooks::Webhook as Verifier;

use super::*;
use crate::log::Seq;
use crate::push::webhook::{
    CreateError, DeliveryOutcome, RedeliverError, StartError, WebhookConfig,
};

#[tokio::test]
async fn a_changed_webhook_wants_something_else_somewhere_else() {
    let world = World::new();
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    let id = world.create(&receiver, json!({ "things": ["a"] })).id;
    let view = world.change(&id, &json!({ "url": other.url(), "things": ["b"] }));
    assert_eq!((view.url, view.things, view.secret), (other.url(), vec!["b".into()], None));
    world.report("a", "p", 1);
    world.report("b", "p", 2);
    assert_eq!(other.wait_for(1).await[0].value(), 2);
    assert!(receiver.arrivals().is_empty());
}

#[tokio::test]
async fn what_fails_and_is_no_longer_wanted_holds_nothing_up() {
    let config = DeliveryConfig { first_retry_milliseconds: 60_000, ..haste() };
    let world = World::with(DeliveryConfig { longest_retry_seconds: 60, ..config }, 1 << 24);
    let receiver = Receiver::start().await;
    receiver.script([Reply::Status(500)]);
    let id = world.create(&receiver, json!({})).id;
    world.report("a", "p", 1);
    world.report("b", "p", 2);
    world.view(&id, |view| view.next_attempt.is_some()).await;
    world.change(&id, &json!({ "things": ["b"] }));
    assert_eq!(receiver.wait_for(2).await[1].value(), 2);
    let log = world.webhooks.deliveries(&id, 50).unwrap();
    assert_eq!(log.last().unwrap().outcome, DeliveryOutcome::Interrupted);
}

#[tokio::test]
async fn a_new_url_is_tried_at_once() {
    let config = DeliveryConfig { first_retry_milliseconds: 60_000, ..haste() };
    let world = World::with(DeliveryConfig { longest_retry_seconds: 60, ..config }, 1 << 24);
    let (wrong, right) = (Receiver::start().await, Receiver::start().await);
    wrong.otherwise(Reply::Status(404));
    let id = world.create(&wrong, json!({})).id;
    world.report("a", "p", 1);
    world.view(&id, |view| view.next_attempt.is_some()).await;
    world.change(&id, &json!({ "url": right.url() }));
    let arrival = right.wait_for(1).await.remove(0);
    assert_eq!(arrival.header("webhook-id"), wrong.arrivals()[0].header("webhook-id"));
}

#[tokio::test]
async fn a_new_secret_signs_next_to_the_old_one() {
    let world = World::new();
    let receiver = Receiver::start().await;
    let created = world.create(&receiver, json!({}));
    let (id, old) = (created.id, created.secret.unwrap());
    let new = world.change(&id, &json!({ "secret": null })).secret.unwrap();
    world.report("a", "p", 1);
    let arrival = receiver.wait_for(1).await.remove(0);
    for secret in [&old, &new] {
        Verifier::new(secret).unwrap().verify(&arrival.body, &arrival.headers).unwrap();
    }
    let given = world.change(&id, &json!({ "secret": old }));
    assert_eq!(given.secret, None, "who sends a secret knows it");
}

#[tokio::test]
async fn a_test_is_sent_at_once_and_wakes_what_waits() {
    let config = DeliveryConfig { first_retry_milliseconds: 60_000, ..haste() };
    let world = World::with(DeliveryConfig { longest_retry_seconds: 60, ..config }, 1 << 24);
    let receiver = Receiver::start().await;
    receiver.script([Reply::Status(500), Reply::Status(500)]);
    let id = world.create(&receiver, json!({})).id;
    world.report("a", "p", 1);
    world.view(&id, |view| view.next_attempt.is_some()).await;
    let failed = world.webhooks.test(&id).await.unwrap();
    assert_eq!((failed.outcome, failed.status), (DeliveryOutcome::Failed, Some(500)));
    let tested = world.webhooks.test(&id).await.unwrap();
    assert_eq!((tested.outcome, tested.status), (DeliveryOutcome::Delivered, Some(204)));
    let arrivals = receiver.wait_for(4).await;
    assert_eq!(arrivals[2].event()["type"], "thingway.test");
    assert_eq!(arrivals[3].value(), 1);
    let view = world.view(&id, |view| view.delivered == 1).await;
    assert_eq!(view.failed, 1, "tests are not counted");
    assert!(world.webhooks.test("nobody").await.is_none());
}

#[tokio::test]
async fn a_rewound_webhook_sends_the_same_events_again() {
    let world = World::new();
    let receiver = Receiver::start().await;
    let id = world.create(&receiver, json!({})).id;
    let revisions: Vec<_> = (1..=5).map(|value| world.report("a", "p", value)).collect();
    let first = receiver.wait_for(5).await;
    world.view(&id, |view| view.lag == 0).await;
    assert!(world.webhooks.rewind(&id, Seq(revisions[1])).is_some());
    let again = receiver.wait_for(8).await.split_off(5);
    let ids = |arrivals: &[Arrival]| -> Vec<_> {
        arrivals.iter().map(|a| a.header("webhook-id").to_owned()).collect()
    };
    assert_eq!(ids(&again), ids(&first[2..]));
    assert!(world.webhooks.rewind("nobody", Seq(0)).is_none());
}

#[tokio::test]
async fn one_delivery_is_sent_again_as_long_as_its_change_is_kept() {
    let world = World::with(haste(), 4096);
    let receiver = Receiver::start().await;
    let id = world.create(&receiver, json!({})).id;
    world.report("a", "p", 1);
    let first = receiver.wait_for(1).await.remove(0);
    world.view(&id, |view| view.delivered == 1).await;
    let webhook_id = first.header("webhook-id").to_owned();
    let sent = world.webhooks.redeliver(&id, &webhook_id).await.unwrap();
    assert_eq!((sent.outcome, &sent.id), (DeliveryOutcome::Delivered, &webhook_id));
    assert_eq!(receiver.arrivals()[1].body, first.body);
    let tested = world.webhooks.test(&id).await.unwrap();
    let no_change = world.webhooks.redeliver(&id, &tested.id).await;
    assert!(matches!(no_change, Err(RedeliverError::NoChange)));
    let unknown = world.webhooks.redeliver(&id, "unknown").await;
    assert!(matches!(unknown, Err(RedeliverError::NoDelivery)));
    world.change(&id, &json!({ "enabled": false }));
    for value in 0..100 {
        world.report("b", "p", value);
    }
    let outrun = world.webhooks.redeliver(&id, &webhook_id).await;
    assert!(matches!(outrun, Err(RedeliverError::Outrun)));
}

#[tokio::test]
async fn a_deleted_webhook_sends_nothing_more() {
    let world = World::new();
    let receiver = Receiver::start().await;
    let id = world.create(&receiver, json!({})).id;
    assert!(world.webhooks.delete(&id) && !world.webhooks.delete(&id));
    world.report("a", "p", 1);
    assert_eq!(world.webhooks.drain(Instant::now() + PATIENCE).await, 0);
    assert!(receiver.arrivals().is_empty() && world.webhooks.read(&id).is_none());
}

#[tokio::test]
async fn webhooks_are_paged_in_order_and_bounded() {
    let world = World::new();
    let receiver = Receiver::start().await;
    let mut ids: Vec<_> = (0..100).map(|_| world.create(&receiver, json!({})).id).collect();
    ids.sort_unstable();
    let page: Vec<_> = world.webhooks.page(10, 20).into_iter().map(|view| view.id).collect();
    assert_eq!(page, ids[10..30]);
    assert!(world.webhooks.page(10, 20).iter().all(|view| view.secret.is_none()));
    let refused = world.webhooks.create(patch(&json!({ "url": receiver.url() })));
    assert!(matches!(refused, Err(CreateError::TooMany(100))));
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused() {
    let world = World::new();
    let start = |names: &[&str], url: &str, delivery: DeliveryConfig| {
        let config = |name: &&str| WebhookConfig {
            name: (*name).to_owned(),
            url: url.parse().unwrap(),
            things: Vec::new(),
            properties: Vec::new(),
            events: Vec::new(),
            secret: None,
        };
        let configured: Vec<_> = names.iter().map(config).collect();
        let (log, registry) = (world.log.clone(), world.registry.clone());
        Webhooks::start(&configured, delivery, log, registry, 2, CancellationToken::new())
    };
    let url = "http://receiver.example/";
    let started = start(&["a", "b"], url, haste()).unwrap();
    assert!(started.read("a").is_some() && started.len() == 2);
    assert!(matches!(start(&["a", "a"], url, haste()), Err(StartError::Taken(_))));
    assert!(matches!(start(&["a", "b", "c"], url, haste()), Err(StartError::TooMany(2))));
    let refused = start(&["a"], "http://me@receiver.example/", haste());
    assert!(matches!(refused, Err(StartError::Webhook { name, .. }) if name == "a"));
    let none = DeliveryConfig { concurrency: 0, ..haste() };
    assert!(matches!(start(&[], url, none), Err(StartError::Concurrency)));
    let bad = DeliveryConfig { denied_networks: vec!["ten".into()], ..haste() };
    assert!(matches!(start(&[], url, bad), Err(StartError::Network(_))));
}
