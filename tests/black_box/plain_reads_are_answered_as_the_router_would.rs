//! Plain reads take a way of their own through the gateway. Whatever it answers, the router would
//! have answered the same.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::{Gateway, Raw};

/// A header that no handler reads, and that the short way does not know.
const TO_THE_ROUTER: &str = "X-Any-Other: 1\r\n";
const TEMPERATURE: &str = "/things/room/properties/temp";

async fn room() -> Gateway {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    device.publish("room/temp", "21.50").await;
    device.publish("room/name", "\"K\u{fc}che \\\"1\\\"\"").await;
    device.publish("room/raw", [0xff, 0x00]).await;
    device.publish("hall/edge", format!("\"{}\"", "x".repeat(254))).await;
    device.publish("hall/below", format!("\"{}\"", "x".repeat(253))).await;
    device.publish("hall/long", format!("[{}1]", "1,".repeat(20_000))).await;
    for (thing, name) in
        [("room", "temp"), ("room", "name"), ("room", "raw"), ("hall", "below"), ("hall", "long")]
    {
        crate::support::eventually("it is there", async || {
            let path = format!("/things/{thing}/properties/{name}");
            gateway.get(&path).await.expect_status(200)
        })
        .await;
    }
    gateway
}

fn paths() -> Vec<String> {
    let properties = ["temp", "name", "raw", "none", "te%6Dp", "temp?event=message", "temp?", ""];
    let of_room = properties.map(|name| format!("/things/room/properties/{name}"));
    let of_hall = ["edge", "below", "long"].map(|name| format!("/things/hall/properties/{name}"));
    let others = [
        "/things/urn:thingway:room/properties/temp",
        "/things/room/properties",
        "/things/hall/properties",
        "/things/none/properties",
        "/things/none/properties/temp",
        "/things/1:a/properties/temp",
        "/things/:/properties/temp",
        "/things/../properties/temp",
        "/things/room",
        "/livez",
    ];
    of_room.into_iter().chain(of_hall).chain(others.map(str::to_owned)).collect()
}

fn headers(tag: &str) -> Vec<String> {
    let mut headers = vec![String::new()];
    for accept in [
        "*/*",
        "application/json",
        "Application/JSON",
        "application/*;q=0.3",
        "application/json, text/plain, */*",
        "application/senml+json, application/json;q=0.9",
        "application/octet-stream",
        "text/html,application/xhtml+xml,*/*;q=0.8",
        "image/png",
        "*/*;q=0",
        "",
        ",",
        "application/json;q=high",
    ] {
        headers.push(format!("Accept: {accept}\r\n"));
    }
    for tags in [tag, "*", "\"1\"", &format!("W/{tag}"), &format!("\"1\", {tag}"), "", "5"] {
        headers.push(format!("If-None-Match: {tags}\r\n"));
        headers.push(format!("If-None-Match: {tags}\r\nAccept-Encoding: gzip\r\n"));
    }
    for codings in ["gzip", "identity", "br, deflate", "gzip;q=0", "identity;q=0", "*;q=0", ""] {
        headers.push(format!("Accept-Encoding: {codings}\r\n"));
    }
    for other in [
        "Accept: image/png\r\nAccept: */*",
        "If-None-Match: \"1\"\r\nIf-None-Match: *",
        "Range: bytes=0-1",
        "If-Match: \"1\"",
        "If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT",
        "Content-Length: 0",
        "Content-Length: 2",
        "Content-Length: x",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "Expect: 100-continue",
        "Upgrade: h2c\r\nConnection: upgrade",
        "Origin: http://evil.example",
        "Cookie: a=b",
        "Prefer: wait=0",
        "Last-Event-ID: x",
        "X-Forwarded-Prefix: /gw",
        "Bad Name: 1",
        "Accept: \u{e9}",
        "User-Agent: \u{e9}",
    ] {
        headers.push(format!("{other}\r\n"));
    }
    headers
}

/// Status line, headers in order of their names, body. The clock's header may tick in between.
fn taken_apart(answer: &[u8]) -> (String, Vec<String>, Vec<u8>) {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return (String::from_utf8_lossy(answer).into_owned(), Vec::new(), Vec::new());
    };
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n").map(str::to_owned);
    let status = lines.next().unwrap();
    let (dates, mut headers): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("date: "));
    assert!(dates.iter().all(|date| date.len() == "date: Thu, 01 Jan 1970 00:00:00 GMT".len()));
    headers.push(format!("{} dates", dates.len()));
    headers.sort();
    (status, headers, answer[end + 4..].to_vec())
}

async fn answer_to(gateway: &Gateway, request: &str) -> (String, Vec<String>, Vec<u8>) {
    let mut connection = Raw::open(gateway.http()).await;
    connection.write(request).await;
    taken_apart(&connection.read_to_end().await)
}

#[tokio::test]
async fn whatever_is_asked() {
    let gateway = room().await;
    let tag = gateway.get(TEMPERATURE).await.must(200).header("etag").to_owned();
    let all = gateway.get("/things/room/properties").await.must(200).header("etag").to_owned();
    for method in ["GET", "HEAD", "OPTIONS"] {
        for path in paths() {
            let tag = if path.ends_with("properties") { &all } else { &tag };
            for header in headers(tag) {
                let request = |more: &str| {
                    let end = "Connection: close\r\n\r\n";
                    format!("{method} {path} HTTP/1.1\r\nHost: gw\r\n{header}{more}{end}")
                };
                let lane = answer_to(&gateway, &request("")).await;
                let router = answer_to(&gateway, &request(TO_THE_ROUTER)).await;
                assert_eq!(lane, router, "{}", request(""));
            }
        }
    }
    gateway.finish().await;
}

/// So many answers, all with the length of their bodies.
async fn answers(connection: &mut Raw, count: usize) -> Vec<String> {
    let mut rest = String::new();
    let mut answers = Vec::new();
    while answers.len() < count {
        if let Some((head, body)) = rest.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                answers.push(body[..length].to_owned());
                rest = body[length..].to_owned();
                continue;
            }
        }
        rest.push_str(std::str::from_utf8(&connection.read_some().await).unwrap());
    }
    assert_eq!(rest, "");
    answers
}

#[tokio::test]
async fn many_at_once_or_byte_by_byte_and_in_the_order_of_the_questions() {
    let gateway = room().await;
    let plain = format!("GET {TEMPERATURE} HTTP/1.1\r\nHost: gw\r\n\r\n");
    let other = "GET /livez HTTP/1.1\r\nHost: gw\r\n\r\n";
    let all = "GET /things/hall/properties/below HTTP/1.1\r\nHost: gw\r\n\r\n";
    let below = format!("\"{}\"", "x".repeat(253));

    let mut connection = Raw::open(gateway.http()).await;
    connection.write(plain.repeat(3000)).await;
    assert_eq!(answers(&mut connection, 3000).await, vec!["21.50"; 3000]);
    // A part of the next comes along, and the router takes over in the middle.
    let script = format!("{plain}{all}{other}{plain}{other}{all}");
    let (first, second) = script.split_at(plain.len() + 20);
    connection.write(first).await;
    assert_eq!(answers(&mut connection, 1).await, ["21.50"]);
    connection.write(second).await;
    let expected = [&*below, "alive\n", "21.50", "alive\n", &*below];
    assert_eq!(answers(&mut connection, 5).await, expected);

    let mut connection = Raw::open(gateway.http()).await;
    for byte in plain.as_bytes() {
        connection.write([*byte]).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(answers(&mut connection, 1).await, ["21.50"]);
    gateway.finish().await;
}

#[tokio::test]
async fn they_are_counted_like_all_answers() {
    let gateway = room().await;
    let count = async || gateway.metrics().await.sum("thingway_http_answers_total", &[]);
    let before = count().await;
    for _ in 0..10 {
        gateway.get(TEMPERATURE).await.must(200);
    }
    // The look at the numbers before is among them.
    assert_eq!(count().await, before + 11);
    gateway.finish().await;
}

#[tokio::test]
async fn a_head_that_never_ends_ends_the_connection_and_an_idle_one_stays() {
    let gateway = Gateway::builder().toml("[http]\nrequest_head_seconds = 1").start().await;
    gateway.publisher().await.publish("room/temp", "21.50").await;
    gateway.value_becomes("room", "temp", "21.50").await;
    let plain = format!("GET {TEMPERATURE} HTTP/1.1\r\nHost: gw\r\n\r\n");
    let other = "GET /livez HTTP/1.1\r\nHost: gw\r\n\r\n";
    let long = format!("GET {TEMPERATURE} HTTP/1.1\r\nCookie: {}", "x".repeat(20_000));
    let part = &plain[..30];

    let (mut idle, mut idle_at_the_router) =
        (Raw::open(gateway.http()).await, Raw::open(gateway.http()).await);
    idle.write(&plain).await;
    answers(&mut idle, 1).await;
    idle_at_the_router.write(other).await;
    answers(&mut idle_at_the_router, 1).await;

    let mut never = Vec::new();
    for (first, then) in [("", part), (&*plain, part), (other, part), ("", &*long)] {
        let mut connection = Raw::open(gateway.http()).await;
        if !first.is_empty() {
            connection.write(first).await;
            answers(&mut connection, 1).await;
        }
        connection.write(then).await;
        never.push(connection);
    }
    for mut connection in never {
        assert_eq!(connection.read_to_end().await, b"", "it ends without a word");
    }
    for (mut connection, request) in [(idle, &*plain), (idle_at_the_router, other)] {
        connection.write(request).await;
        assert_eq!(answers(&mut connection, 1).await.len(), 1);
    }
    gateway.finish().await;
}

#[tokio::test]
async fn half_sent_and_idle_requests_do_not_hold_up_the_end() {
    let mut gateway = room().await;
    let plain = format!("GET {TEMPERATURE} HTTP/1.1\r\nHost: gw\r\n\r\n");
    let body = "PUT /things/room/properties/temp HTTP/1.1\r\nHost: gw\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n2";
    let long = format!("GET {TEMPERATURE} HTTP/1.1\r\nCookie: {}", "x".repeat(20_000));
    let mut open = Vec::new();
    for text in [&plain[..30], &plain, "GET /livez HTTP/1.1\r\nHost: gw\r\n\r\n", body, &long] {
        let mut connection = Raw::open(gateway.http()).await;
        connection.write(text).await;
        open.push(connection);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    gateway.signal("TERM");
    let start = Instant::now();
    gateway.ended(Duration::from_secs(10)).await;
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert!(!gateway.output().contains("still under way"));
}
