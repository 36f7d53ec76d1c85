//! Any topic and payload is readable at once, with nothing configured.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Gateway, Mosquitto, Publisher, Sse, eventually};

#[tokio::test]
async fn the_leaves_of_an_object_are_the_properties_of_the_topics_thing() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    let payload = r#"{"temp":21.50,"on":false,"name":"hall","none":null,
        "pos":{"x":1,"deep":{"y":-2}},"list":[1, {"a":2}],"empty":{}}"#;
    device.publish("home/kitchen/lamp", payload).await;
    let thing = "home.kitchen.lamp";
    for (property, value) in [
        ("temp", "21.50"),
        ("on", "false"),
        ("name", "\"hall\""),
        ("none", "null"),
        ("pos.x", "1"),
        ("pos.deep.y", "-2"),
        ("empty", "{}"),
    ] {
        gateway.value_becomes(thing, property, value).await;
    }
    let list = gateway.json("/things/home.kitchen.lamp/properties/list").await;
    assert_eq!(list, json!([1, {"a": 2}]), "an array stays whole");
    let all = gateway.json("/things/home.kitchen.lamp/properties").await;
    let mut names: Vec<_> = all.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["empty", "list", "name", "none", "on", "pos.deep.y", "pos.x", "temp"]);
    assert_eq!(all["pos.x"], 1);
    gateway.get("/things/urn:thingway:home.kitchen.lamp/properties/temp").await.must(200);
    gateway.get("/things/home.kitchen.lamp/properties/pos").await.must(404);
    gateway.finish().await;
}

#[tokio::test]
async fn what_is_no_object_is_the_property_that_the_last_level_names() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    for (topic, payload, thing, property, value) in [
        ("home/kitchen/temperature", "21.5", "home.kitchen", "temperature", "21.5"),
        ("home/kitchen/open", "true", "home.kitchen", "open", "true"),
        ("home/kitchen/state", "ON", "home.kitchen", "state", "\"ON\""),
        ("home/kitchen/quoted", "\"ON\"", "home.kitchen", "quoted", "\"ON\""),
        ("home/kitchen/nothing", "null", "home.kitchen", "nothing", "null"),
        ("home/kitchen/samples", "[1,2]", "home.kitchen", "samples", "[1,2]"),
        ("home/kitchen/spaced", " 7 \n", "home.kitchen", "spaced", "7"),
        ("x", "1", "x", "x", "1"),
    ] {
        device.publish(topic, payload).await;
        gateway.value_becomes(thing, property, value).await;
    }
    gateway.finish().await;
}

#[tokio::test]
async fn bytes_that_are_neither_are_kept_as_bytes_and_say_so() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    let bytes = [0xff, 0x00, 0x10, 0x80];
    device.publish("cam/frame", bytes).await;
    gateway.value_becomes("cam", "frame", "\"/wAQgA==\"").await;
    let path = "/things/cam/properties/frame";
    let raw = gateway.get_as(path, "application/octet-stream").await.must(200);
    assert_eq!(raw.body, bytes);
    assert_eq!(raw.media_type(), "application/octet-stream");
    let td = gateway.json("/things/cam").await;
    assert_eq!(td["properties"]["frame"]["contentEncoding"], "base64");
    // Text as it came, without the quotes of JSON.
    device.publish("cam/mode", "night").await;
    gateway.value_becomes("cam", "mode", "\"night\"").await;
    let text = gateway.get_as("/things/cam/properties/mode", "application/octet-stream").await;
    assert_eq!(text.must(200).body, b"night");
    gateway.finish().await;
}

#[tokio::test]
async fn numbers_keep_every_digit() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    let literals = [
        "9007199254740993",
        "-9007199254740993",
        "18446744073709551616",
        "340282366920938463463374607431768211457",
        "21.50",
        "0.10",
        "1e3",
        "1E+400",
        "-0",
        "-0.0",
        "3.14159265358979323846264338327950288",
    ];
    for (at, literal) in literals.iter().enumerate() {
        device.publish(&format!("digits/n{at}"), *literal).await;
        device.publish("digits/all", format!("{{\"m{at}\":{literal}}}")).await;
    }
    for (at, literal) in literals.iter().enumerate() {
        gateway.value_becomes("digits", &format!("n{at}"), literal).await;
        gateway.value_becomes("digits.all", &format!("m{at}"), literal).await;
    }
    // Everywhere, not only alone.
    let all = gateway.get("/things/digits.all/properties").await.must(200);
    let records = gateway.get("/properties?thing=digits.all").await.must(200);
    for (at, literal) in literals.iter().enumerate() {
        let member = format!("\"m{at}\":{literal}");
        assert!(all.text().contains(&member), "{member} in {all}");
        assert!(records.text().contains(&format!("\"value\":{literal}")), "{literal} in {records}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn it_does_not_matter_whether_a_message_is_retained() {
    let broker = Mosquitto::start().await;
    let device = Publisher::connect(broker.addr()).await;
    device.retain("before/retained", "1").await;
    let gateway = Gateway::bridging(&broker).await;
    gateway.value_becomes("before", "retained", "1").await;
    device.retain("after/retained", "2").await;
    device.publish("after/passing", "3").await;
    gateway.value_becomes("after", "retained", "2").await;
    gateway.value_becomes("after", "passing", "3").await;
    gateway.finish().await;
}

#[tokio::test]
async fn every_quality_of_service_and_version_arrives_by_the_ordinary_tool() {
    let broker = Mosquitto::start().await;
    let bridge = Gateway::bridging(&broker).await;
    let own = Gateway::start().await;
    for (gateway, port) in [(&bridge, broker.addr().port()), (&own, own.broker().port())] {
        for version in ["mqttv311", "mqttv5"] {
            for qos in ["0", "1", "2"] {
                let topic = format!("tool/{version}/q{qos}");
                let port = port.to_string();
                let mut tool = Command::new("mosquitto_pub");
                tool.args(["-h", "127.0.0.1", "-p", &port, "-V", version, "-q", qos]);
                let status = tool.args(["-t", &topic, "-m", "1.0"]).status();
                assert!(status.expect("mosquitto-clients is installed").success(), "{topic}");
                let thing = format!("tool.{version}");
                gateway.value_becomes(&thing, &format!("q{qos}"), "1.0").await;
            }
        }
    }
    bridge.finish().await;
    own.finish().await;
}

#[tokio::test]
async fn several_brokers_at_once_and_one_embedded() {
    let (one, two) = (Mosquitto::start().await, Mosquitto::start().await);
    let gateway = Gateway::builder().bridge(one.addr()).bridge(two.addr()).start().await;
    Publisher::connect(one.addr()).await.publish("first/v", "1").await;
    Publisher::connect(two.addr()).await.publish("second/v", "2").await;
    gateway.value_becomes("first", "v", "1").await;
    gateway.value_becomes("second", "v", "2").await;
    assert_eq!(gateway.adapters().await.len(), 2);
    gateway.finish().await;
}

#[tokio::test]
async fn the_time_that_the_device_says_is_the_time_of_its_values() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    // All of them are 2024-05-01T12:00:00 UTC.
    let moments = [
        ("ts", json!("2024-05-01T12:00:00Z")),
        ("time", json!("2024-05-01T14:00:00+02:00")),
        ("timestamp", json!("2024-05-01T12:00:00.000Z")),
        ("ts", json!(1_714_564_800)),
        ("time", json!(1_714_564_800_000_i64)),
        ("timestamp", json!(1_714_564_800_000_000_i64)),
        ("ts", json!(1_714_564_800.0)),
    ];
    for (at, (key, moment)) in moments.iter().enumerate() {
        let mut payload = json!({ "v": at });
        payload[*key] = moment.clone();
        device.publish(&format!("clock/t{at}"), payload.to_string()).await;
        let thing = format!("clock.t{at}");
        let answer = gateway.value_becomes(&thing, "v", &at.to_string()).await;
        assert_eq!(answer.header("last-modified"), "Wed, 01 May 2024 12:00:00 GMT", "{payload}");
        let record = gateway.record(&thing, "v").await.unwrap();
        assert_eq!(instant(&record["time"]), 1_714_564_800_000, "{payload}: {record}");
        assert!(instant(&record["received"]) > 1_714_564_800_000, "{payload}: {record}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn without_a_time_of_its_own_a_value_has_that_of_its_receipt() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    let before = jiff::Timestamp::now().as_millisecond();
    for (topic, payload) in [("clock/v", "1"), ("clock/o", r#"{"v":1,"time":"noon","ts":true}"#)] {
        device.publish(topic, payload).await;
    }
    gateway.value_becomes("clock", "v", "1").await;
    gateway.value_becomes("clock.o", "v", "1").await;
    let after = jiff::Timestamp::now().as_millisecond();
    for thing in ["clock", "clock.o"] {
        let record = gateway.record(thing, "v").await.unwrap();
        assert_eq!(record["time"], record["received"], "{record}");
        assert!((before..=after).contains(&instant(&record["received"])), "{record}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn an_older_time_never_overwrites_a_newer_one() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    device.publish("late/s", r#"{"v":"new","ts":"2024-05-01T12:00:00Z"}"#).await;
    let newer = gateway.value_becomes("late.s", "v", "\"new\"").await;
    device.publish("late/s", r#"{"v":"old","ts":"2024-05-01T11:59:59Z"}"#).await;
    gateway.received(2).await;
    gateway.assert_conserved().await;
    let still = gateway.get("/things/late.s/properties/v").await.must(200);
    assert_eq!(still.text(), "\"new\"");
    assert_eq!(still.header("etag"), newer.header("etag"));
    device.publish("late/s", r#"{"v":"newest","ts":"2024-05-01T12:00:01Z"}"#).await;
    gateway.value_becomes("late.s", "v", "\"newest\"").await;
    gateway.finish().await;
}

#[tokio::test]
async fn types_widen_the_description_follows_and_it_is_announced() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    let mut created = Sse::open(&gateway.url("/events/thing_created")).await;
    let mut updated = Sse::open(&gateway.url("/events/thing_updated")).await;
    device.publish("kind/v", "1").await;
    assert_eq!(created.next().await.json()["id"], "urn:thingway:kind");
    schema_becomes(&gateway, json!({"type": "integer"})).await;
    device.publish("kind/v", "1.5").await;
    assert_eq!(updated.next().await.json()["id"], "urn:thingway:kind");
    schema_becomes(&gateway, json!({"type": "number"})).await;
    device.publish("kind/v", "2").await;
    device.publish("kind/v", "\"off\"").await;
    assert_eq!(updated.next().await.json()["id"], "urn:thingway:kind");
    schema_becomes(&gateway, json!({"oneOf": [{"type": "number"}, {"type": "string"}]})).await;
    // A new property is an update of the thing, too, and a value that fits already is none.
    device.publish("kind/v", "3").await;
    device.publish("kind/w", "true").await;
    assert_eq!(updated.next().await.json()["id"], "urn:thingway:kind");
    let td = gateway.json("/things/kind").await;
    assert_eq!(td["properties"]["w"]["type"], "boolean");
    gateway.finish().await;
}

async fn schema_becomes(gateway: &Gateway, schema: Value) {
    eventually(&format!("the schema becomes {schema}"), async || {
        let td = gateway.json("/things/kind").await;
        let property = &td["properties"]["v"];
        let now: Value = ["type", "oneOf"]
            .into_iter()
            .filter_map(|key| Some((key.to_owned(), property.get(key)?.clone())))
            .collect::<serde_json::Map<_, _>>()
            .into();
        if now == schema { Ok(()) } else { Err(td.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn odd_characters_become_underscores_and_every_path_still_works() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    for (topic, thing, property) in [
        ("shop floor/line 1/temp", "shop_floor.line_1", "temp"),
        ("küche/licht/an", "k_che.licht", "an"),
        ("a.b/c", "a_b", "c"),
        ("dash-es_and/v", "dash-es_and", "v"),
    ] {
        device.publish(topic, "1").await;
        gateway.value_becomes(thing, property, "1").await;
    }
    // A name may hold anything that JSON lets a key hold.
    device.publish("odd", r#"{"a b/c?d#e%f":1,"grün":2}"#).await;
    gateway.value_becomes("odd", "a%20b%2Fc%3Fd%23e%25f", "1").await;
    gateway.value_becomes("odd", "gr%C3%BCn", "2").await;
    gateway.finish().await;
}

#[tokio::test]
async fn addresses_that_would_collide_get_a_number_and_keep_it() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    device.publish("a b/v", "1").await;
    gateway.value_becomes("a_b", "v", "1").await;
    device.publish("a_b/v", "2").await;
    device.publish("a+b/v".replace('+', "!").as_str(), "3").await;
    let sources = ["a b/v", "a_b/v", "a!b/v"];
    let first = things_of(&gateway, &sources).await;
    let mut distinct = first.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 3, "each address has a thing of its own: {first:?}");
    assert_eq!(first[0], "urn:thingway:a_b", "who came first keeps the plain name");
    assert!(first.iter().all(|id| id.starts_with("urn:thingway:a_b")), "{first:?}");
    for (address, value) in sources.iter().zip(["10", "20", "30"]) {
        device.publish(address, value).await;
    }
    for (thing, value) in first.iter().zip(["10", "20", "30"]) {
        gateway.value_becomes(thing, "v", value).await;
    }
    assert_eq!(things_of(&gateway, &sources).await, first);
    gateway.finish().await;
}

async fn things_of(gateway: &Gateway, addresses: &[&str]) -> Vec<String> {
    eventually("every address has a record", async || {
        let records = gateway.json("/properties?limit=1000").await;
        let thing = |address: &&str| {
            let of = |r: &&Value| r["source"]["address"] == *address;
            let record = records.as_array()?.iter().find(of)?;
            Some(record["thing"].as_str()?.to_owned())
        };
        let things: Option<Vec<_>> = addresses.iter().map(thing).collect();
        things.ok_or_else(|| records.to_string())
    })
    .await
}

#[tokio::test]
async fn two_addresses_never_share_one_property() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    // Both would be `temperature` of `home.kitchen`.
    device.publish("home/kitchen/temperature", "21.5").await;
    gateway.value_becomes("home.kitchen", "temperature", "21.5").await;
    device.publish("home/kitchen", r#"{"temperature":99}"#).await;
    eventually("both are readable", async || {
        let records = gateway.json("/properties").await;
        let mut values: Vec<_> = records
            .as_array()
            .unwrap()
            .iter()
            .map(|r| (r["source"]["address"].clone(), r["value"].clone()))
            .collect();
        values.sort_by_key(|(address, _)| address.to_string());
        let both =
            [(json!("home/kitchen"), json!(99)), (json!("home/kitchen/temperature"), json!(21.5))];
        if values == both { Ok(()) } else { Err(records.to_string()) }
    })
    .await;
    gateway.value_becomes("home.kitchen", "temperature", "21.5").await;
    gateway.finish().await;
}

#[tokio::test]
async fn the_same_again_is_counted_and_a_repeat_is_no_loss() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    for _ in 0..5 {
        device.publish("again/v", "1").await;
    }
    device.publish("again/v", "2").await;
    gateway.value_becomes("again", "v", "2").await;
    gateway.received(6).await;
    gateway.assert_conserved().await;
    assert_eq!(gateway.ended_as("failed").await, 0);
    assert_eq!(gateway.ended_as("unmapped").await, 0);
    gateway.finish().await;
}

#[tokio::test]
async fn a_dry_run_tells_what_a_message_would_become_and_changes_nothing() {
    let gateway = Gateway::start().await;
    let sample =
        json!({"address": "home/kitchen/lamp", "payload": "{\"on\":true,\"pos\":{\"x\":1}}"});
    let answer = gateway.send_json("POST", "/mapping/try", &sample).await.must(200);
    let text = answer.text();
    for part in ["urn:thingway:home.kitchen.lamp", "\"on\"", "\"pos.x\""] {
        assert!(text.contains(part), "{part} in {answer}");
    }
    gateway.get("/things/home.kitchen.lamp").await.must(404);
    assert_eq!(gateway.json("/things").await, json!([]));
    gateway.finish().await;
}

/// Milliseconds since the epoch.
fn instant(time: &Value) -> i64 {
    let text = time.as_str().unwrap_or_else(|| panic!("no time: {time}"));
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}
