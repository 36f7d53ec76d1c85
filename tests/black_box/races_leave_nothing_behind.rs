//! Requests and messages that meet at the same thing at the same moment.

use serde_json::{Value, json};

use crate::support::{Gateway, eventually};

/// The value of a gauge without labels.
async fn gauge(gateway: &Gateway, name: &str) -> i64 {
    let metrics = gateway.get("/metrics").await.must(200);
    let line = metrics.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

#[tokio::test]
async fn many_deletes_of_one_thing_remove_it_once() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    for round in 0..20 {
        let topic = format!("race/t{round}");
        device.publish(&topic, r#"{"a":1,"b":2,"c":3}"#).await;
        gateway.value_becomes(&format!("race.t{round}"), "a", "1").await;
        let path = format!("/things/race.t{round}");
        let delete = || gateway.send("DELETE", &path, &[], "");
        let answers = tokio::join!(delete(), delete(), delete(), delete(), delete(), delete());
        let answers = [answers.0, answers.1, answers.2, answers.3, answers.4, answers.5];
        let done = answers.iter().filter(|answer| answer.status == 204).count();
        assert_eq!(done, 1, "one of them removed it");
        assert!(answers.iter().all(|answer| [204, 404].contains(&answer.status)));
    }
    assert_eq!(gauge(&gateway, "thingway_things").await, 0);
    assert_eq!(gauge(&gateway, "thingway_properties").await, 0);
    device.publish("race/after", "{\"a\":1}").await;
    gateway.value_becomes("race.after", "a", "1").await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_registration_that_meets_the_first_message_loses_neither() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    let td = |name: &str| {
        json!({
            "@context": "https://www.w3.org/2022/wot/td/v1.1",
            "title": name,
            "securityDefinitions": {"nosec_sc": {"scheme": "nosec"}},
            "security": "nosec_sc",
        })
    };
    for round in 0..30 {
        let (name, topic) = (format!("meet.t{round}"), format!("meet/t{round}"));
        let path = format!("/things/{name}");
        let title = td(&name);
        let (answer, again, ()) = tokio::join!(
            gateway.send_json("PUT", &path, &title),
            gateway.send_json("PUT", &path, &title),
            device.publish(&topic, r#"{"v":7}"#),
        );
        let created = [answer.status, again.status].iter().filter(|s| **s == 201).count();
        assert!(created <= 1, "made twice");
        gateway.value_becomes(&name, "v", "7").await;
        let served: Value = gateway.json(&path).await;
        assert_eq!(served["title"], name.as_str());
    }
    gateway.finish().await;
}

#[tokio::test]
async fn what_follows_a_position_is_never_lost_to_who_polls() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    device.publish("poll/x", r#"{"n":0}"#).await;
    gateway.value_becomes("poll.x", "n", "0").await;
    let last = 300;
    let publish = async {
        for n in 1..=last {
            device.send("poll/x", format!("{{\"n\":{n}}}"), false).await;
        }
        device.flush().await;
    };
    let poll = async {
        let (mut since, mut seen) = (0_u64, json!(0));
        eventually("the last value is seen by polling", async || {
            let page = gateway.get(&format!("/properties?thing=poll.x&since={since}")).await;
            let page = page.expect_status(200)?;
            if let Some(record) = page.json().as_array().and_then(|records| records.last()) {
                seen = record["value"].clone();
            }
            since = page.header("thingway-position").parse().unwrap();
            if seen == last { Ok(()) } else { Err(format!("{seen}")) }
        })
        .await;
    };
    tokio::join!(publish, poll);
    gateway.finish().await;
}

#[tokio::test]
async fn a_topic_can_not_forge_lines_of_an_event_stream() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    device.publish("forge/a\nid: 9\nevent: b", "1").await;
    gateway.value_becomes("forge", "a_id: 9_event: b", "1").await;
    let mut stream =
        crate::support::Sse::resume(&gateway.url("/things/forge/properties"), "0").await;
    let heard = stream.until(|event| event.data == "1").await;
    let value = heard.last().unwrap();
    assert_eq!(value.name, "a_id: 9_event: b");
    assert!(value.seq() > 9);
    gateway.finish().await;
}

#[tokio::test]
async fn a_position_beyond_all_numbers_is_told_as_a_gap() {
    let gateway = Gateway::start().await;
    gateway.publisher().await.publish("edge/x", r#"{"n":1}"#).await;
    gateway.value_becomes("edge.x", "n", "1").await;
    for path in ["/properties", "/things/edge.x/properties", "/things/edge.x/properties/n"] {
        let url = gateway.url(path);
        let mut stream = crate::support::Sse::resume(&url, &u64::MAX.to_string()).await;
        assert_eq!(stream.next().await.name, "gap", "{path}");
        let newest = stream.next().await;
        assert!(newest.data.contains('1'), "{path}: {newest:?}");
    }
    gateway.finish().await;
}
