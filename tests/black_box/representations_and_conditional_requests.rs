//! One value in each of its forms, and the ways not to fetch it again.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Gateway, Raw};

const PATH: &str = "/things/room/properties/temp";

async fn room() -> (Gateway, crate::support::Publisher) {
    let gateway = Gateway::builder()
        .toml("[[rules]]\ntopic = \"room/temp\"\n[rules.properties.temp]\nunit = \"Cel\"")
        .start()
        .await;
    let device = gateway.publisher().await;
    device.publish("room/temp", "21.50").await;
    gateway.value_becomes("room", "temp", "21.50").await;
    (gateway, device)
}

#[tokio::test]
async fn the_entity_tag_is_strong_and_follows_the_revision() {
    let (gateway, device) = room().await;
    let first = gateway.get(PATH).await.must(200);
    let tag = first.header("etag");
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");
    let record = gateway.record("room", "temp").await.unwrap();
    assert_eq!(tag, format!("\"{}\"", record["revision"]));
    for matching in [tag, "*", &format!("W/{tag}"), &format!("\"other\", {tag}")] {
        let answer = gateway.send("GET", PATH, &[("if-none-match", matching)], "").await.must(304);
        assert!(answer.body.is_empty(), "{answer}");
        assert_eq!(answer.header("etag"), tag, "{matching}");
    }
    gateway.send("GET", PATH, &[("if-none-match", "\"other\"")], "").await.must(200);
    device.publish("room/temp", "22").await;
    let second = gateway.value_becomes("room", "temp", "22").await;
    assert_ne!(second.header("etag"), tag);
    gateway.send("GET", PATH, &[("if-none-match", tag)], "").await.must(200);
    gateway.finish().await;
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let (gateway, _device) = room().await;
    for path in [
        PATH,
        "/things",
        "/things/room",
        "/things/room/properties",
        "/properties",
        "/adapters",
        "/webhooks",
        "/.well-known/wot",
        "/openapi.json",
        "/livez",
        "/readyz",
    ] {
        let get = gateway.get(path).await.must(200);
        let head = gateway.send("HEAD", path, &[], "").await.must(200);
        assert!(head.body.is_empty(), "{path}: {head}");
        for name in ["content-type", "etag", "last-modified", "link", "vary", "content-length"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
    gateway.send("HEAD", "/metrics", &[], "").await.must(200);
    gateway.send("HEAD", "/things/none", &[], "").await.must(404);
    gateway.finish().await;
}

#[tokio::test]
async fn a_long_poll_answers_when_something_changes() {
    let (gateway, device) = room().await;
    let first = gateway.get(PATH).await.must(200);
    let tag = first.header("etag").to_owned();
    let headers = [("if-none-match", tag.as_str()), ("prefer", "wait=15")];
    let start = Instant::now();
    let poll = gateway.send("GET", PATH, &headers, "");
    let change = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        device.publish("room/temp", "23.25").await;
    };
    let (answer, ()) = tokio::join!(poll, change);
    let answer = answer.must(200);
    assert_eq!(answer.text(), "23.25");
    assert_ne!(answer.header("etag"), tag);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    gateway.finish().await;
}

#[tokio::test]
async fn a_long_poll_ends_with_304_when_nothing_came() {
    let (gateway, _device) = room().await;
    let tag = gateway.get(PATH).await.must(200).header("etag").to_owned();
    let start = Instant::now();
    let headers = [("if-none-match", tag.as_str()), ("prefer", "wait=1")];
    gateway.send("GET", PATH, &headers, "").await.must(304);
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(900), "answered after {waited:?}");
    assert!(waited < Duration::from_secs(10), "answered after {waited:?}");
    // Who knows nothing yet, or something else, gets the value at once.
    let start = Instant::now();
    gateway
        .send("GET", PATH, &[("if-none-match", "\"1\""), ("prefer", "wait=15")], "")
        .await
        .must(200);
    assert!(start.elapsed() < Duration::from_secs(10));
    gateway.finish().await;
}

#[tokio::test]
async fn the_same_value_again_does_not_end_a_long_poll_of_nothing_new() {
    let (gateway, device) = room().await;
    let before = gateway.get(PATH).await.must(200);
    device.publish("room/temp", "21.50").await;
    gateway.received(2).await;
    gateway.assert_conserved().await;
    let after = gateway.get(PATH).await.must(200);
    assert_eq!(after.text(), before.text());
    // Whether a repeat is a new revision or not: tag and record say the same.
    let record = gateway.record("room", "temp").await.unwrap();
    assert_eq!(after.header("etag"), format!("\"{}\"", record["revision"]));
    gateway.finish().await;
}

#[tokio::test]
async fn senml_by_accept_for_one_property_a_thing_and_all() {
    let (gateway, device) = room().await;
    device.publish("room/on", "true").await;
    device.publish("room/mode", "eco").await;
    device.publish("room/raw", [0xff, 0x00]).await;
    for (property, value) in [("on", "true"), ("mode", "\"eco\""), ("raw", "\"/wA=\"")] {
        gateway.value_becomes("room", property, value).await;
    }
    let one = gateway.get_as(PATH, "application/senml+json").await.must(200);
    assert_eq!(one.media_type(), "application/senml+json");
    let resolved = resolve(&one.json());
    assert_eq!(resolved.len(), 1, "{one}");
    assert_eq!((&resolved[0]["v"], &resolved[0]["u"]), (&json!(21.5), &json!("Cel")));
    let time = resolved[0]["t"].as_f64().unwrap();
    let now = jiff::Timestamp::now().as_second() as f64;
    assert!((now - 60.0..=now + 5.0).contains(&time), "{time} is seconds since 1970");

    for path in ["/things/room/properties", "/properties"] {
        let pack = gateway.get_as(path, "application/senml+json").await.must(200);
        let records = resolve(&pack.json());
        assert_eq!(records.len(), 4, "{pack}");
        let of = |end: &str| {
            let named = |r: &&Value| r["n"].as_str().unwrap().ends_with(end);
            records.iter().find(named).unwrap_or_else(|| panic!("{end} in {pack}"))
        };
        assert_eq!(of("temp")["v"], json!(21.5));
        assert_eq!(of("on")["vb"], true);
        assert_eq!(of("mode")["vs"], "eco");
        assert_eq!(of("raw")["vd"], "_wA");
    }
    gateway.finish().await;
}

/// Resolves a SenML pack (RFC 8428, section 4.6) and checks its names (section 4.5.1).
fn resolve(pack: &Value) -> Vec<Value> {
    let mut base = json!({"bn": "", "bt": 0.0});
    pack.as_array()
        .unwrap_or_else(|| panic!("no pack: {pack}"))
        .iter()
        .map(|record| {
            for key in ["bn", "bt", "bu"] {
                if let Some(value) = record.get(key) {
                    base[key] = value.clone();
                }
            }
            let name =
                format!("{}{}", base["bn"].as_str().unwrap(), record["n"].as_str().unwrap_or(""));
            assert!(name.starts_with(|c: char| c.is_ascii_alphanumeric()), "{name}");
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-:./_".contains(c);
            assert!(name.chars().all(allowed), "{name}");
            let values =
                ["v", "vs", "vb", "vd"].iter().filter(|key| record.get(**key).is_some()).count();
            assert_eq!(values, 1, "{record}");
            let mut resolved = record.clone();
            resolved["n"] = name.into();
            let time = base["bt"].as_f64().unwrap() + record["t"].as_f64().unwrap_or(0.0);
            resolved["t"] = time.into();
            if resolved.get("u").is_none() {
                resolved["u"] = base["bu"].clone();
            }
            resolved
        })
        .collect()
}

#[tokio::test]
async fn senml_keeps_every_digit_and_leaves_no_number_out() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    let literals =
        ["21.50", "9007199254740993", "340282366920938463463374607431768211457", "1e400"];
    for (at, literal) in literals.iter().enumerate() {
        device.publish(&format!("digits/n{at}"), *literal).await;
        gateway.value_becomes("digits", &format!("n{at}"), literal).await;
    }
    let pack = gateway.get_as("/properties", "application/senml+json").await.must(200);
    for literal in literals {
        let member = format!("\"v\":{literal}");
        let found = [",", "}"].iter().any(|end| pack.text().contains(&format!("{member}{end}")));
        assert!(found, "{member} in {pack}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn accept_is_weighed_and_what_cannot_be_had_is_406() {
    let (gateway, _device) = room().await;
    for (accept, media_type) in [
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json", "application/json"),
        ("application/senml+json;q=0.5, application/json;q=0.9", "application/json"),
        ("application/json;q=0.5, application/senml+json", "application/senml+json"),
        ("image/png, application/octet-stream;q=0.1", "application/octet-stream"),
        ("text/html, */*;q=0.1", "application/json"),
    ] {
        let answer = gateway.get_as(PATH, accept).await.must(200);
        assert_eq!(answer.media_type(), media_type, "{accept}");
        let vary = answer.header("vary").to_ascii_lowercase();
        assert!(vary.contains("accept"), "caches must know: vary is {vary:?}");
    }
    for accept in ["image/png", "application/json;q=0", "*/*;q=0"] {
        let answer = gateway.get_as(PATH, accept).await.must(406);
        assert_eq!(answer.media_type(), "application/problem+json", "{accept}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn each_form_has_a_tag_of_its_own_or_says_that_it_varies() {
    let (gateway, _device) = room().await;
    let json = gateway.get_as(PATH, "application/json").await.must(200);
    let senml = gateway.get_as(PATH, "application/senml+json").await.must(200);
    // A strong tag names bytes: the same one for two forms is only right where `Vary` says so.
    let vary = |answer: &crate::support::Answer| answer.header("vary").to_ascii_lowercase();
    assert!(json.header("etag") != senml.header("etag") || vary(&json).contains("accept"));
    assert_eq!(json.header("last-modified"), senml.header("last-modified"));
    gateway.finish().await;
}

#[tokio::test]
async fn large_answers_are_compressed_for_who_can_take_it() {
    let (gateway, device) = room().await;
    for at in 0..50 {
        device.publish(&format!("many/thing{at}/v"), "1").await;
    }
    gateway.value_becomes("many.thing49", "v", "1").await;
    let plain = gateway.get("/things?limit=100").await.must(200);
    let packed = gateway.send("GET", "/things?limit=100", &[("accept-encoding", "gzip")], "").await;
    let packed = packed.must(200);
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_eq!(packed.body[..2], [0x1f, 0x8b]);
    assert!(packed.body.len() * 2 < plain.body.len());
    gateway.finish().await;
}

#[tokio::test]
async fn byte_for_byte_a_value_is_the_whole_body() {
    let (gateway, _device) = room().await;
    let mut raw = Raw::open(gateway.http()).await;
    raw.write(format!("GET {PATH} HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n")).await;
    let answer = String::from_utf8(raw.read_to_end().await).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(body, "21.50");
    assert!(head.to_ascii_lowercase().contains("content-length: 5"), "{head}");
    gateway.finish().await;
}

#[tokio::test]
async fn web_pages_of_named_origins_may_call() {
    let gateway =
        Gateway::builder().toml("[http]\ncors_origins = [\"https://app.example\"]").start().await;
    let answer =
        gateway.send("GET", "/things", &[("origin", "https://app.example")], "").await.must(200);
    assert_eq!(answer.header("access-control-allow-origin"), "https://app.example");
    let exposed = answer.header("access-control-expose-headers").to_ascii_lowercase();
    assert!(exposed.contains('*') || exposed.contains("etag"), "{exposed}");
    let other = gateway.send("GET", "/things", &[("origin", "https://evil.example")], "").await;
    assert_eq!(other.header("access-control-allow-origin"), "");
    gateway.finish().await;
}
