//! Webhooks: CloudEvents, signed after Standard Webhooks, each with a pace of its own.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::support::{Gateway, Receiver, Reply, eventually};

/// `whsec_` and 24 bytes.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Fails fast and tries again fast.
const HASTE: &str =
    "[delivery]\ntimeout_seconds = 1\nfirst_retry_milliseconds = 50\nlongest_retry_seconds = 1";

async fn register(gateway: &Gateway, receiver: &Receiver, more: Value) -> String {
    let mut body = json!({"url": receiver.url("/hook"), "secret": SECRET});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let answer = gateway.send_json("POST", "/webhooks", &body).await.must(201);
    let location = answer.header("location").to_owned();
    location[location.find("/webhooks/").expect("Location is below /webhooks")..].to_owned()
}

#[tokio::test]
async fn a_delivery_is_a_cloudevent_that_an_independent_verifier_accepts() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    let receiver = Receiver::start().await;
    register(&gateway, &receiver, json!({"things": ["home.*"]})).await;
    device.publish("home/hall/temp", "21.50").await;
    let delivery = receiver.wait_for(1).await.remove(0);
    assert_eq!((delivery.method.as_str(), delivery.path.as_str()), ("POST", "/hook"));
    Webhook::new(SECRET)
        .unwrap()
        .verify(&delivery.body, &delivery.headers)
        .expect("the signature holds");
    let forged = Webhook::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
    assert!(
        forged.verify(&delivery.body, &delivery.headers).is_err(),
        "and is no matter of course"
    );

    let media_type = delivery.header("content-type");
    assert!(media_type.starts_with("application/cloudevents+json"), "{media_type}");
    let event = delivery.json();
    assert_eq!(event["specversion"], "1.0");
    for attribute in ["id", "source", "type"] {
        assert!(
            event[attribute].as_str().is_some_and(|text| !text.is_empty()),
            "{attribute}: {event}"
        );
    }
    assert!(event["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{event}");
    assert_eq!(event["data"]["thing"], "urn:thingway:home.hall", "{event}");
    assert_eq!(event["data"]["property"], "temp", "{event}");
    let text = String::from_utf8(delivery.body.clone()).unwrap();
    assert!(text.contains("21.50"), "every digit: {text}");
    gateway.finish().await;
}

#[tokio::test]
async fn filters_let_through_what_they_name_in_order_and_once() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    let receiver = Receiver::start().await;
    register(&gateway, &receiver, json!({"things": ["home.*"], "properties": ["temp", "hum*"]}))
        .await;
    for (topic, payload) in [
        ("home/hall/temp", "1"),
        ("office/hall/temp", "2"),
        ("home/hall/open", "true"),
        ("home/hall/humidity", "3"),
        ("home/attic/temp", "4"),
    ] {
        device.publish(topic, payload).await;
    }
    let deliveries = receiver.wait_for(3).await;
    let values: Vec<_> = deliveries.iter().map(|d| d.json()["data"]["value"].clone()).collect();
    assert_eq!(values, [json!(1), json!(3), json!(4)]);
    let ids: HashSet<_> = deliveries.iter().map(|d| d.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 3, "each its own id");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(receiver.deliveries().len(), 3, "and nothing else");
    gateway.finish().await;
}

#[tokio::test]
async fn events_are_delivered_when_asked_for() {
    let gateway = Gateway::builder()
        .toml("[[rules]]\ntopic = \"door/{id}/ring\"\nthing = \"door.{id}\"\nevent = \"ring\"")
        .start()
        .await;
    let device = gateway.publisher().await;
    let receiver = Receiver::start().await;
    register(&gateway, &receiver, json!({"events": ["ring"]})).await;
    device.publish("door/front/open", "true").await;
    device.publish("door/front/ring", r#"{"button":1}"#).await;
    let delivery = receiver.wait_for(1).await.remove(0);
    let text = String::from_utf8(delivery.body).unwrap();
    assert!(text.contains("ring") && text.contains("\"button\":1"), "{text}");
    gateway.finish().await;
}

#[tokio::test]
async fn what_fails_is_tried_again_with_the_same_id_and_a_fresh_signature() {
    let gateway = Gateway::builder().toml(HASTE).start().await;
    let device = gateway.publisher().await;
    let receiver = Receiver::start().await;
    receiver.script([
        Reply::Status(500),
        Reply::Status(404),
        Reply::Slow(Duration::from_secs(5)),
        Reply::Status(204),
    ]);
    let hook = register(&gateway, &receiver, json!({})).await;
    device.publish("r/v", "1").await;
    let attempts = receiver.wait_for(4).await;
    let ids: HashSet<_> = attempts.iter().map(|d| d.header("webhook-id")).collect();
    assert_eq!(ids.len(), 1, "one message, one id: {ids:?}");
    let bodies: HashSet<_> = attempts.iter().map(|d| d.json()["data"].to_string()).collect();
    assert_eq!(bodies.len(), 1, "the same message");
    for attempt in &attempts {
        Webhook::new(SECRET).unwrap().verify(&attempt.body, &attempt.headers).unwrap();
    }
    assert!(attempts[1].at - attempts[0].at >= Duration::from_millis(20), "it backs off");
    device.publish("r/v", "2").await;
    let next = receiver.wait_for(5).await.remove(4);
    assert_eq!(next.json()["data"]["value"], 2);
    eventually("its health is told", async || {
        let health = gateway.json(&hook).await;
        let told = health["delivered"] == 2
            && health["failed"].as_u64().is_some_and(|n| n >= 1)
            && health["last_success"].is_string()
            && health["last_failure"].is_string()
            && health["status"].is_string();
        if told { Ok(()) } else { Err(health.to_string()) }
    })
    .await;
    gateway.finish().await;
}

#[tokio::test]
async fn redirects_are_never_followed() {
    let gateway = Gateway::builder().toml(HASTE).start().await;
    let device = gateway.publisher().await;
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    receiver.script([Reply::Redirect(elsewhere.url("/taken"))]);
    register(&gateway, &receiver, json!({})).await;
    device.publish("r/v", "1").await;
    let attempts = receiver.wait_for(2).await;
    assert_eq!(
        attempts[0].header("webhook-id"),
        attempts[1].header("webhook-id"),
        "a redirect is a failure"
    );
    assert!(elsewhere.deliveries().is_empty());
    gateway.finish().await;
}

#[tokio::test]
async fn gone_disables() {
    let gateway = Gateway::builder().toml(HASTE).start().await;
    let device = gateway.publisher().await;
    let receiver = Receiver::start().await;
    receiver.script([Reply::Status(410)]);
    let hook = register(&gateway, &receiver, json!({})).await;
    device.publish("r/v", "1").await;
    eventually("the webhook is disabled", async || {
        let health = gateway.json(&hook).await;
        if health["status"] == "disabled" { Ok(()) } else { Err(health.to_string()) }
    })
    .await;
    device.publish("r/v", "2").await;
    gateway.value_becomes("r", "v", "2").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(receiver.deliveries().len(), 1, "nothing is sent any more");
    gateway.finish().await;
}

#[tokio::test]
async fn a_dead_receiver_delays_no_other() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    let (dead, hanging, healthy) =
        (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    hanging.otherwise(Reply::Hang);
    register(&gateway, &hanging, json!({})).await;
    let unreachable = json!({"url": "http://127.0.0.1:9/hook", "secret": SECRET});
    gateway.send_json("POST", "/webhooks", &unreachable).await.must(201);
    dead.otherwise(Reply::Status(500));
    register(&gateway, &dead, json!({})).await;
    register(&gateway, &healthy, json!({})).await;
    for value in 0..50 {
        device.publish("r/v", value.to_string()).await;
    }
    let start = tokio::time::Instant::now();
    let deliveries = healthy.wait_for(50).await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let values: Vec<_> =
        deliveries.iter().map(|d| d.json()["data"]["value"].as_u64().unwrap()).collect();
    assert_eq!(values, (0..50).collect::<Vec<_>>());
    gateway.finish().await;
}

#[tokio::test]
async fn a_receiver_that_was_down_gets_everything_in_order_when_it_is_back() {
    let gateway = Gateway::builder().toml(HASTE).start().await;
    let device = gateway.publisher().await;
    let receiver = Receiver::start().await;
    receiver.otherwise(Reply::Status(503));
    register(&gateway, &receiver, json!({})).await;
    for value in 0..20 {
        device.publish("r/v", value.to_string()).await;
    }
    receiver.wait_for(2).await;
    receiver.otherwise(Reply::Status(200));
    let delivered = eventually("the last value is delivered", async || {
        let deliveries = receiver.deliveries();
        let mut values = Vec::new();
        for delivery in &deliveries {
            let value = delivery.json()["data"]["value"].as_u64().unwrap();
            if values.last() != Some(&value) {
                values.push(value);
            }
        }
        if values.last() == Some(&19) { Ok(values) } else { Err(format!("{values:?}")) }
    })
    .await;
    assert_eq!(delivered, (0..20).collect::<Vec<_>>(), "nothing is skipped");
    gateway.finish().await;
}

#[tokio::test]
async fn webhooks_are_listed_read_changed_and_deleted_and_keep_their_secret() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    let hook = register(&gateway, &receiver, json!({"things": ["a"]})).await;
    let list = gateway.json("/webhooks").await;
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    let read = gateway.json(&hook).await;
    assert_eq!((&read["url"], &read["things"]), (&json!(receiver.url("/hook")), &json!(["a"])));
    for document in [&list, &read] {
        assert!(
            !document.to_string().contains(SECRET),
            "a secret is never shown again: {document}"
        );
    }
    let merge = [("content-type", "application/merge-patch+json")];
    let patch = json!({"url": other.url("/other"), "things": ["b"]}).to_string();
    let changed = gateway.send("PATCH", &hook, &merge, patch).await;
    assert!([200, 204].contains(&changed.status), "{changed}");
    device.publish("a/v", "1").await;
    device.publish("b/v", "2").await;
    let delivery = other.wait_for(1).await.remove(0);
    assert_eq!((delivery.path.as_str(), &delivery.json()["data"]["value"]), ("/other", &json!(2)));
    Webhook::new(SECRET)
        .unwrap()
        .verify(&delivery.body, &delivery.headers)
        .expect("the secret stays");
    assert!(receiver.deliveries().is_empty());
    gateway.send("DELETE", &hook, &[], "").await.must(204);
    gateway.get(&hook).await.must(404);
    device.publish("b/v", "3").await;
    gateway.value_becomes("b", "v", "3").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(other.deliveries().len(), 1);
    gateway.finish().await;
}

#[tokio::test]
async fn a_generated_secret_is_told_once_and_works() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    let receiver = Receiver::start().await;
    let body = json!({"url": receiver.url("/hook")});
    let answer = gateway.send_json("POST", "/webhooks", &body).await.must(201);
    let secret = answer.json()["secret"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    assert!(secret.starts_with("whsec_"), "{secret}");
    device.publish("r/v", "1").await;
    let delivery = receiver.wait_for(1).await.remove(0);
    Webhook::new(&secret).unwrap().verify(&delivery.body, &delivery.headers).unwrap();
    gateway.finish().await;
}

#[tokio::test]
async fn what_cannot_work_is_refused_by_field() {
    let gateway = Gateway::start().await;
    for (body, field) in [
        (json!({}), "url"),
        (json!({"url": "ftp://x.example/"}), "url"),
        (json!({"url": "not a url"}), "url"),
        (json!({"url": "http://169.254.169.254/latest"}), "url"),
        (json!({"url": "http://127.0.0.1:1/", "secret": "short"}), "secret"),
        (json!({"url": "http://127.0.0.1:1/", "secret": "whsec_!!!"}), "secret"),
        (json!({"url": "http://127.0.0.1:1/", "thinsg": []}), "thinsg"),
    ] {
        let answer = gateway.send_json("POST", "/webhooks", &body).await;
        assert!((400..500).contains(&answer.status), "{body}: {answer}");
        assert_eq!(answer.media_type(), "application/problem+json", "{body}");
        assert!(answer.text().contains(field), "{body}: nothing names {field}: {answer}");
    }
    assert_eq!(gateway.json("/webhooks").await, json!([]));
    gateway.finish().await;
}

#[tokio::test]
async fn a_test_and_a_replay_can_be_asked_for_and_the_log_tells_all() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    let receiver = Receiver::start().await;
    let hook = register(&gateway, &receiver, json!({})).await;
    let tested = gateway.send("POST", &format!("{hook}/test"), &[], "").await;
    assert!((200..300).contains(&tested.status), "{tested}");
    let test = receiver.wait_for(1).await.remove(0);
    Webhook::new(SECRET).unwrap().verify(&test.body, &test.headers).unwrap();
    assert!(test.json()["type"].as_str().unwrap().contains("test"), "{}", test.json());

    let before = gateway.json("/properties").await;
    assert_eq!(before, json!([]));
    for value in 1..=5 {
        device.publish("r/v", value.to_string()).await;
    }
    let first: Vec<_> = receiver.wait_for(6).await.split_off(1);
    let since = first[0].json()["data"]["revision"].as_u64().unwrap() - 1;
    let replay = json!({ "since": since });
    let answer = gateway.send_json("POST", &format!("{hook}/replay"), &replay).await;
    assert!((200..300).contains(&answer.status), "{answer}");
    let again: Vec<_> = receiver.wait_for(11).await.split_off(6);
    let data = |d: &crate::support::Delivery| d.json()["data"]["value"].clone();
    assert_eq!(
        again.iter().map(data).collect::<Vec<_>>(),
        first.iter().map(data).collect::<Vec<_>>()
    );
    let id = |d: &crate::support::Delivery| d.json()["id"].clone();
    assert_eq!(
        again.iter().map(id).collect::<Vec<_>>(),
        first.iter().map(id).collect::<Vec<_>>(),
        "the same events"
    );

    let log = eventually("the log has them all", async || {
        let log = gateway.json(&format!("{hook}/deliveries")).await;
        let count = log.as_array().map_or(0, Vec::len);
        if count >= 11 { Ok(log) } else { Err(log.to_string()) }
    })
    .await;
    assert!(log.to_string().contains(test.header("webhook-id")), "{log}");
    gateway.finish().await;
}

#[tokio::test]
async fn webhooks_of_the_configuration_are_there_from_the_start() {
    let receiver = Receiver::start().await;
    let url = receiver.url("/configured");
    let toml = format!(
        "[[webhooks]]\nname = \"ops\"\nurl = \"{url}\"\nsecret = \"{SECRET}\"\nproperties = [\"v\"]"
    );
    let gateway = Gateway::builder().toml(&toml).start().await;
    let device = gateway.publisher().await;
    gateway.get("/webhooks/ops").await.must(200);
    device.publish("r/v", "1").await;
    let delivery = receiver.wait_for(1).await.remove(0);
    Webhook::new(SECRET).unwrap().verify(&delivery.body, &delivery.headers).unwrap();
    gateway.finish().await;
}
