//! Whatever goes wrong is told as RFC 9457 demands, and says what to do.

use crate::support::{Gateway, Raw};

#[tokio::test]
async fn every_refusal_is_a_problem_document() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    device.publish("p/v", "1").await;
    gateway.value_becomes("p", "v", "1").await;
    let json = ("content-type", "application/json");
    let td = ("content-type", "application/td+json");
    let accept_png = ("accept", "image/png");
    for (method, path, header, body, status) in [
        ("GET", "/nowhere", json, "", 404),
        ("GET", "/things/none", json, "", 404),
        ("GET", "/things/p/properties/none", json, "", 404),
        ("GET", "/things/none/properties", json, "", 404),
        ("GET", "/things/%ff", json, "", 400),
        ("GET", "/webhooks/none", json, "", 404),
        ("GET", "/webhooks/none/deliveries", json, "", 404),
        ("POST", "/webhooks/none/test", json, "", 404),
        ("GET", "/commands/none", json, "", 404),
        ("GET", "/adapters/none/messages", json, "", 404),
        ("POST", "/livez", json, "", 405),
        ("DELETE", "/things", json, "", 405),
        ("POST", "/things/p/properties/v", json, "1", 405),
        ("PUT", "/things/p/properties/v", json, "1", 405),
        ("PATCH", "/properties", json, "", 405),
        ("BREW", "/things", json, "", 405),
        ("GET", "/things/p/properties/v", accept_png, "", 406),
        ("GET", "/things", accept_png, "", 406),
        ("GET", "/things/p", accept_png, "", 406),
        ("GET", "/properties", accept_png, "", 406),
        ("POST", "/things", ("content-type", "text/plain"), "x", 415),
        ("POST", "/webhooks", ("content-type", "text/plain"), "x", 415),
        ("PATCH", "/things/p", json, "{", 400),
        ("POST", "/things", td, "{", 400),
        ("POST", "/webhooks", json, "{", 400),
        ("POST", "/mapping/try", json, "{", 400),
        ("GET", "/things?limit=many", json, "", 400),
        ("GET", "/properties?limit=many", json, "", 400),
        ("GET", "/properties?since=noon", json, "", 400),
    ] {
        let answer = gateway.send(method, path, &[header], body).await;
        let what = format!("{method} {path}: {answer}");
        // Whether `json` is a media type for a patch is asked elsewhere.
        let status = if method == "PATCH" && answer.status == 415 { 415 } else { status };
        assert_eq!(answer.status, status, "{what}");
        assert_eq!(answer.media_type(), "application/problem+json", "{what}");
        let problem = answer.json();
        assert_eq!(problem["status"], status, "{what}");
        for member in ["title", "detail"] {
            let text = problem[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "no {member}: {what}");
        }
        assert!(problem.get("type").is_none_or(serde_json::Value::is_string), "{what}");
        if status == 405 {
            assert!(!answer.header("allow").is_empty(), "which methods it has: {what}");
        }
    }
    gateway.finish().await;
}

#[tokio::test]
async fn large_bodies_are_refused_before_they_are_read() {
    let gateway = Gateway::builder().toml("[http]\nmax_body_bytes = 1000").start().await;
    for (method, path) in [("POST", "/things"), ("POST", "/webhooks"), ("PUT", "/things/urn:x:y")] {
        let headers = [("content-type", "application/json")];
        let answer = gateway.send(method, path, &headers, vec![b' '; 1001]).await.must(413);
        assert_eq!(answer.media_type(), "application/problem+json", "{path}");
    }
    // Announced by length alone.
    let mut raw = Raw::open(gateway.http()).await;
    let head = "POST /things HTTP/1.1\r\nHost: gw\r\nContent-Type: application/td+json\r\nContent-Length: 99999999999\r\n\r\n";
    raw.write(head).await;
    let answer = raw.read_until_quiet(std::time::Duration::from_secs(2)).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    gateway.finish().await;
}

#[tokio::test]
async fn broken_requests_harm_nobody() {
    let gateway = Gateway::start().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /things HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET /things/../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut raw = Raw::open(gateway.http()).await;
        raw.write(bytes).await;
        let answer = raw.read_until_quiet(std::time::Duration::from_millis(300)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty()
                || answer.starts_with("HTTP/1.1 4")
                || answer.starts_with("HTTP/1.1 200"),
            "{answer}"
        );
    }
    let mut slow = Raw::open(gateway.http()).await;
    slow.write("GET /things HTTP/1.1\r\nHo").await;
    gateway.get("/livez").await.must(200);
    gateway.finish().await;
}
