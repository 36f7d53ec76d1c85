//! Event streams: live, resumed, and honest about what they could not replay.

use std::time::Duration;

use serde_json::json;

use crate::support::{Gateway, Sse};

#[tokio::test]
async fn one_property_streams_its_bare_values() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    device.publish("s/v", "0").await;
    gateway.value_becomes("s", "v", "0").await;
    let mut stream = Sse::open(&gateway.url("/things/s/properties/v")).await;
    assert_eq!(stream.header("x-accel-buffering"), "no");
    assert!(stream.header("cache-control").contains("no-"), "{}", stream.header("cache-control"));
    assert_eq!(stream.header("content-encoding"), "");
    device.publish("s/other", "9").await;
    for value in ["1", "2.50", "\"two\\nlines\"", "[1,2]", "null"] {
        device.publish("s/v", value).await;
        let event = stream.until(|event| event.data != "0").await.pop().unwrap();
        assert_eq!((event.name.as_str(), event.data.as_str()), ("v", value));
        assert_eq!(event.seq().to_string(), event.id.unwrap());
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_thing_streams_all_its_properties_and_no_others() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    device.publish("s/a", "0").await;
    gateway.value_becomes("s", "a", "0").await;
    let mut stream = Sse::open(&gateway.url("/things/s/properties")).await;
    device.publish("other/a", "99").await;
    device.publish("s/a", "1").await;
    // A property that is new since the stream began belongs to it, too.
    device.publish("s/b", "2").await;
    let events = stream.until(|event| event.name == "b").await;
    let seen: Vec<_> = events.iter().map(|e| (e.name.as_str(), e.data.as_str())).collect();
    assert!(seen.ends_with(&[("a", "1"), ("b", "2")]), "{seen:?}");
    assert!(!seen.contains(&("a", "99")), "{seen:?}");
    gateway.finish().await;
}

#[tokio::test]
async fn all_things_stream_as_records_with_the_same_filters() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    let mut all = Sse::open(&gateway.url("/properties")).await;
    let mut some = Sse::open(&gateway.url("/properties?thing=one&name=v")).await;
    device.publish("two/v", "2").await;
    device.publish("one/w", "3").await;
    device.publish("one/v", "1").await;
    let events = all
        .until(|e| {
            e.data.contains("\"one\"")
                || e.json()["property"] == "v" && e.json()["thing"] == "urn:thingway:one"
        })
        .await;
    let values: Vec<_> = events.iter().map(|e| e.json()["value"].clone()).collect();
    assert_eq!(values, [json!(2), json!(3), json!(1)]);
    let only = some.next().await;
    assert_eq!(only.json()["value"], 1);
    assert_eq!(only.json()["revision"], only.seq());
    // The bare query parameter works where no header can be set.
    gateway.finish().await;
}

#[tokio::test]
async fn who_comes_back_gets_what_it_missed_once_and_in_order() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    device.publish("s/v", "0").await;
    gateway.value_becomes("s", "v", "0").await;
    for path in ["/things/s/properties/v", "/things/s/properties", "/properties?thing=s"] {
        let url = gateway.url(path);
        let mut stream = Sse::open(&url).await;
        device.publish("s/v", "1").await;
        let first =
            stream.until(|e| e.data == "1" || e.data.contains("\"value\":1,")).await.pop().unwrap();
        drop(stream);
        for value in 2..=50 {
            device.publish("s/v", value.to_string()).await;
        }
        let mut again = Sse::resume(&url, first.id.as_deref().unwrap()).await;
        device.publish("s/v", "51").await;
        let mut last = first.seq();
        for value in 2..=51 {
            let event = again.next().await;
            let got = if path.starts_with("/prop") {
                event.json()["value"].to_string()
            } else {
                event.data.clone()
            };
            assert_eq!(got, value.to_string(), "{path}");
            assert!(event.seq() > last, "{path}: {} after {last}", event.seq());
            last = event.seq();
        }
        device.publish("s/v", "0").await;
        gateway.value_becomes("s", "v", "0").await;
    }
    gateway.finish().await;
}

#[tokio::test]
async fn many_interruptions_lose_nothing_and_repeat_nothing() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    device.publish("s/v", "0").await;
    gateway.value_becomes("s", "v", "0").await;
    let url = gateway.url("/things/s/properties/v");
    let mut stream = Sse::open(&url).await;
    let publishing = tokio::spawn(async move {
        for value in 1..=600 {
            device.publish("s/v", value.to_string()).await;
        }
        device
    });
    let mut position = None;
    let mut expected = 1;
    while expected <= 600 {
        let event = stream.next().await;
        if event.data == "0" {
            continue;
        }
        assert_eq!(event.data, expected.to_string());
        position = event.id;
        expected += 1;
        if expected % 37 == 0 {
            stream = Sse::resume(&url, position.as_deref().unwrap()).await;
        }
    }
    assert!(position.is_some());
    drop(publishing.await.unwrap());
    gateway.finish().await;
}

#[tokio::test]
async fn who_was_outrun_is_told_of_the_gap_and_gets_the_newest_states() {
    let gateway = Gateway::builder().toml("[log]\nbytes = 20000").start().await;
    let device = gateway.publisher().await;
    for property in ["a", "b", "c", "quiet"] {
        device.publish(&format!("s/{property}"), "0").await;
        gateway.value_becomes("s", property, "0").await;
    }
    for path in ["/things/s/properties/a", "/things/s/properties", "/properties?thing=s"] {
        let url = gateway.url(path);
        let mut stream = Sse::open(&url).await;
        device.publish("s/a", "\"mark\"").await;
        let mark = stream.until(|e| e.data.contains("\"mark\"")).await.pop().unwrap();
        drop(stream);
        for value in 1..=2000 {
            for property in ["a", "b", "c"] {
                device.send(&format!("s/{property}"), value.to_string(), false).await;
            }
        }
        device.flush().await;
        gateway.value_becomes("s", "c", "2000").await;
        let mut again = Sse::resume(&url, mark.id.as_deref().unwrap()).await;
        let gap = again.next().await;
        assert_eq!(gap.name, "gap", "{path}: {gap:?}");
        let expected: &[&str] = if path.ends_with("/a") { &["a"] } else { &["a", "b", "c"] };
        let mut newest = std::collections::BTreeMap::new();
        while newest.len() < expected.len() || newest.values().any(|value| value != "2000") {
            let event = again.next().await;
            let (name, value) = match path.starts_with("/prop") {
                true => {
                    let record = event.json();
                    (record["property"].as_str().unwrap().to_owned(), record["value"].to_string())
                }
                false => (event.name.clone(), event.data.clone()),
            };
            assert!(event.seq() > mark.seq(), "{path}: {event:?}");
            newest.insert(name, value);
        }
        let names: Vec<_> = newest.keys().map(String::as_str).collect();
        assert_eq!(names, expected, "{path}: what did not change is not sent");
        // Live goes on behind the gap.
        device.publish("s/a", "\"live\"").await;
        again.until(|e| e.data.contains("\"live\"")).await;
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_position_that_never_was_is_answered_with_a_gap_or_refused() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    device.publish("s/v", "7").await;
    gateway.value_becomes("s", "v", "7").await;
    let url = gateway.url("/things/s/properties/v");
    // From before this gateway lived: something may have been missed.
    let mut old = Sse::resume(&url, "1").await;
    assert_eq!(old.next().await.name, "gap");
    assert_eq!(old.next().await.data, "7");
    // Not a position at all: no 5xx, and never a silent start from now.
    let path = "/things/s/properties/v";
    let headers = [("accept", "text/event-stream"), ("last-event-id", "yesterday")];
    let answer =
        tokio::time::timeout(Duration::from_secs(2), gateway.send("GET", path, &headers, "")).await;
    match answer {
        Ok(refused) => assert_eq!(refused.status, 400, "{refused}"),
        Err(_) => {
            let mut odd = Sse::resume(&url, "yesterday").await;
            assert_eq!(odd.next().await.name, "gap");
        }
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_quiet_stream_shows_signs_of_life() {
    let gateway = Gateway::builder().toml("[http]\nheartbeat_seconds = 1").start().await;
    let device = gateway.publisher().await;
    device.publish("s/v", "1").await;
    gateway.value_becomes("s", "v", "1").await;
    for path in ["/things/s/properties/v", "/things/s/properties", "/properties", "/events"] {
        let mut stream = Sse::open(&gateway.url(path)).await;
        let start = tokio::time::Instant::now();
        stream.comment().await;
        stream.comment().await;
        let two = start.elapsed();
        assert!(two > Duration::from_millis(900), "{path}: two signs within {two:?}");
        assert!(two < Duration::from_secs(10), "{path}: two signs took {two:?}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn an_event_stream_of_nothing_is_a_problem_document() {
    let gateway = Gateway::start().await;
    for path in ["/things/none/properties/v", "/things/none/properties", "/things/none/events/ring"]
    {
        let answer = gateway.get_as(path, "text/event-stream").await.must(404);
        assert_eq!(answer.media_type(), "application/problem+json", "{path}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn events_of_a_thing_are_told_when_they_occur_and_never_held() {
    let gateway = Gateway::builder()
        .toml("[[rules]]\ntopic = \"door/{id}/ring\"\nthing = \"door.{id}\"\nevent = \"ring\"")
        .start()
        .await;
    let device = gateway.publisher().await;
    device.publish("door/front/ring", r#"{"button":1}"#).await;
    crate::support::eventually("the event is described", async || {
        let td = gateway.get("/things/door.front").await.expect_status(200)?.json();
        if td["events"]["ring"].is_object() { Ok(()) } else { Err(td.to_string()) }
    })
    .await;
    let mut stream = Sse::open(&gateway.url("/things/door.front/events/ring")).await;
    device.publish("door/front/ring", r#"{"button":2}"#).await;
    let event = stream.next().await;
    assert_eq!((event.name.as_str(), event.json()), ("ring", json!({"button": 2})));
    device.publish("door/front/ring", r#"{"button":3}"#).await;
    assert_eq!(stream.next().await.json(), json!({"button": 3}));
    let mut again =
        Sse::resume(&gateway.url("/things/door.front/events/ring"), event.id.as_deref().unwrap())
            .await;
    assert_eq!(again.next().await.json(), json!({"button": 3}));
    let properties = gateway.json("/things/door.front/properties").await;
    assert_eq!(properties, json!({}), "an occurrence is no state");
    gateway.finish().await;
}
