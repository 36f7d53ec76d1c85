//! Whatever is in a payload: it is read for exactly what it is, or it is refused with a reason;
//! it is counted, and the link lives on.

use serde_json::{Value, json};

use crate::support::{Gateway, Mosquitto, Publisher, eventually};

/// What must become of a payload on a topic whose last level is `v`.
enum Fate {
    /// JSON: `v` reads exactly so.
    Value(&'static str),
    /// JSON object: these properties and no others, exactly so.
    Leaves(&'static [(&'static str, &'static str)]),
    /// Text like any other.
    Text,
    /// Text, though its sender may have meant more: the message's note says so.
    NotedText,
    /// Bytes.
    Octets,
    /// Nothing: the message ends as unmapped, and the reason has this word.
    Unmapped(&'static str),
    /// Nothing: the message ends as failed, and the reason has this word.
    Refused(&'static str),
}

use Fate::{Leaves, NotedText, Octets, Refused, Text, Unmapped, Value as Json};

fn repeat(open: &str, inner: &str, close: &str, times: usize) -> Vec<u8> {
    format!("{}{inner}{}", open.repeat(times), close.repeat(times)).into_bytes()
}

fn many_keys(count: usize) -> Vec<u8> {
    let keys: Vec<String> = (0..count).map(|i| format!("\"k{i}\":{i}")).collect();
    format!("{{{}}}", keys.join(",")).into_bytes()
}

fn table() -> Vec<(Vec<u8>, Fate)> {
    let mut table: Vec<(Vec<u8>, Fate)> = Vec::new();
    let mut add = |payload: &[u8], fate| table.push((payload.to_vec(), fate));

    // What is no number in JSON is no number here.
    for text in [
        "NaN",
        "nan",
        "-nan",
        "Infinity",
        "-Infinity",
        "inf",
        "+inf",
        "-inf",
        "+1",
        "+1.5",
        "01",
        "007",
        "-01",
        "1.",
        ".5",
        "-.5",
        "1e",
        "1e+",
        "1,5",
        "1.234,5",
        "0x10",
        "0b1",
        "1_000",
        "1 2",
        "--1",
        "12:30",
        "1.2.3",
        "10%",
        "21.5 °C",
        "21.5C",
        "1e5x",
        "0.0.0.0",
        "9e",
        "-1-",
        "5;",
    ] {
        add(text.as_bytes(), NotedText);
    }
    // JSON that is broken, or of another dialect.
    for text in [
        "{",
        "[",
        "[1,2",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,}",
        "{\"a\":1}}",
        "{\"a\":1}{\"b\":2}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":-Infinity}",
        "{\"a\":+1}",
        "{\"a\":01}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":0x1}",
        "{\"a\":undefined}",
        "{\"a\":None}",
        "{\"a\":True}",
        "{\"a\":'x'}",
        "{\"a\" 1}",
        "{\"a\"::1}",
        "{1:2}",
        "{null:1}",
        "[NaN]",
        "[1,Infinity]",
        "\"open",
        "\"bad \\x escape\"",
        "\"\\ud800\"",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":1,\"b\":\"\\udfff\"}",
        "{\"a\":1 /* c */}",
        "{\"a\":1} // c",
        "\"a\nb\"",
        "\"tab\tin\"",
        "[1,2]]",
        "{\"a\":[1,}",
        "{\"a\":tru}",
        "{\"a\":nul}",
        "{\"\\u12\":1}",
        "{,}",
        "[[[]",
        "{\"a\":1]",
    ] {
        add(text.as_bytes(), NotedText);
    }
    // Words and scraps that nobody takes for JSON.
    for text in [
        "ON",
        "}x{",
        "off",
        "open",
        "True",
        "FALSE",
        "None",
        "undefined",
        "nil",
        "tru",
        "truee",
        "nulll",
        "hello world",
        "a,b,c",
        "k=v",
        "<xml/>",
        "temp|21.5",
        "µ",
        "😀",
        "\u{feff}x",
        " ",
        "\n",
        "\t\t",
        "/",
        "\\",
        "#",
        "%",
        "&",
        "</script>",
        "line one\nline two",
        "data: x\n\nevent: y\n\n",
        "\r\n\r\nHTTP/1.1 200 OK",
        "\u{202e}abc",
        "$(reboot)",
        "'; --",
        "\u{1b}[2J",
        "\u{7f}",
    ] {
        add(text.as_bytes(), Text);
    }
    // What is JSON after all, odd as it is.
    for (text, value) in [
        ("0", "0"),
        ("-0", "-0"),
        ("-0.0", "-0.0"),
        ("1E5", "1E5"),
        ("1e-5", "1e-5"),
        ("1e999", "1e999"),
        ("-1e999", "-1e999"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        (" true ", "true"),
        ("\r\nfalse\r\n", "false"),
        ("null", "null"),
        ("\"\"", "\"\""),
        ("\"NaN\"", "\"NaN\""),
        ("\"\\u0041\"", "\"A\""),
        ("[]", "[]"),
        ("[null]", "[null]"),
    ] {
        add(text.as_bytes(), Json(value));
    }
    add(b"{\"a\":1e400}", Leaves(&[("a", "1e400")]));
    add(b"{\"a\":null,\"b\":{}}", Leaves(&[("a", "null"), ("b", "{}")]));
    add(b"{\"a\":{\"b\":[{\"c\":1}]}}", Leaves(&[("a.b", "[{\"c\":1}]")]));
    add(b"{\"\":1}", Leaves(&[("_", "1")]));
    add(b"{\"a\\nb\":1}", Leaves(&[("a_b", "1")]));
    add(b" {\"a\" : 1 } ", Leaves(&[("a", "1")]));
    add(&repeat("{\"a\":", "1", "}", 32), Leaves(&[(DEEPEST, "1")]));
    // Bytes.
    for bytes in [
        &[0xff][..],
        &[0xfe, 0xff],
        &[0x00],
        &[0x80],
        &[0xc0, 0x80],
        &[0xed, 0xa0, 0x80],
        &[0xf5, 0x80, 0x80, 0x80],
        &[0xe2, 0x82],
        b"a\0b",
        b"21.5\0",
        b"{\"a\":1}\0",
        b"{\"a\":\"\xff\"}",
        &[0x1f, 0x8b, 0x08],
        &[0x89, b'P', b'N', b'G', 0x0d],
        &[0x0a, 0x00, 0x01],
        b"\"\xc3\"",
        &[0xa1, 0x61, 0x61, 0x01, 0xff],
    ] {
        add(bytes, Octets);
    }
    // Beyond the limits.
    // In MQTT this clears a retained message; it says nothing of any thing.
    add(b"", Unmapped("empty"));
    add(&repeat("{\"a\":", "1", "}", 33), Refused("deep"));
    add(&repeat("[", "", "]", 33), Refused("deep"));
    add(&repeat("[", "", "]", 20_000), Refused("deep"));
    add(&repeat("{\"a\":", "1", "}", 20_000), Refused("deep"));
    add(&repeat("{\"a\":[", "1", "]}", 17), Refused("deep"));
    add(&many_keys(1001), Refused("leaves"));
    add(&many_keys(50_000), Refused("leaves"));
    add(format!("{{\"{}\":1}}", "k".repeat(257)).as_bytes(), Refused("name"));
    add(&vec![b'x'; 8 * 1024 * 1024 + 1], Refused("bytes"));
    table
}

/// `a.a.a…`, 32 times.
const DEEPEST: &str = "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a";

#[tokio::test]
async fn every_payload_is_read_for_what_it_is_or_refused_aloud() {
    let broker = Mosquitto::start().await;
    // The broker's packets may be larger than a payload that the gateway takes.
    let gateway = Gateway::bridging(&broker).await;
    let device = Publisher::connect(broker.addr()).await;
    let table = table();
    assert!(table.len() > 150, "{} payloads", table.len());
    for (at, (payload, _)) in table.iter().enumerate() {
        device.publish(&format!("garbage/t{at}/v"), payload.clone()).await;
    }
    device.publish("garbage/end/v", "1").await;
    gateway.value_becomes("garbage.end", "v", "1").await;
    gateway.received(table.len() as u64 + 1).await;
    gateway.assert_conserved().await;

    let adapter = gateway.adapters().await.remove(0);
    let messages = gateway.messages(&adapter).await;
    let mut wrong = Vec::new();
    for (at, (payload, fate)) in table.iter().enumerate() {
        let address = format!("garbage/t{at}/v");
        let message = messages.iter().find(|m| m["address"] == address.as_str());
        if let Err(how) = check(&gateway, at, payload, fate, message).await {
            let shown: String = String::from_utf8_lossy(payload).chars().take(60).collect();
            wrong.push(format!("{at} {shown:?}: {how}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), table.len(), wrong.join("\n"));

    let refused = table.iter().filter(|(_, fate)| matches!(fate, Refused(_))).count() as u64;
    assert_eq!(gateway.ended_as("failed").await, refused);
    assert_eq!(gateway.ended_as("unmapped").await, 1);
    assert_eq!(gateway.ended_as("applied").await, table.len() as u64 - refused);
    gateway.finish().await;
}

async fn check(
    gateway: &Gateway,
    at: usize,
    payload: &[u8],
    fate: &Fate,
    message: Option<&Value>,
) -> Result<(), String> {
    let message = message.ok_or("the message is not remembered")?;
    let noted = message.get("note").is_some_and(Value::is_string);
    let text = || serde_json::to_string(std::str::from_utf8(payload).unwrap()).unwrap();
    match fate {
        Json(value) => reads(gateway, at, value).await?,
        Leaves(leaves) => {
            let path = format!("/things/garbage.t{at}.v/properties");
            let all = gateway.get(&path).await.expect_status(200)?;
            let members: Vec<_> = leaves.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
            if all.text() != format!("{{{}}}", members.join(",")) {
                return Err(format!("other leaves: {all}"));
            }
        }
        Text => reads(gateway, at, &text()).await?,
        NotedText => {
            reads(gateway, at, &text()).await?;
            if !noted {
                return Err(format!("no note: {message}"));
            }
        }
        Octets => {
            let path = format!("/things/garbage.t{at}/properties/v");
            let answer =
                gateway.get_as(&path, "application/octet-stream").await.expect_status(200)?;
            if answer.body != payload {
                return Err(format!("other bytes: {answer}"));
            }
            let td = gateway.json(&format!("/things/garbage.t{at}")).await;
            if td["properties"]["v"]["contentEncoding"] != "base64" {
                return Err(format!("its encoding is not said: {td}"));
            }
        }
        Unmapped(word) => return ended(gateway, at, message, "unmapped", word).await,
        Refused(word) => return ended(gateway, at, message, "failed", word).await,
    }
    if message["outcome"] == "mapped" { Ok(()) } else { Err(message.to_string()) }
}

async fn ended(
    gateway: &Gateway,
    at: usize,
    message: &Value,
    outcome: &str,
    word: &str,
) -> Result<(), String> {
    gateway.get(&format!("/things/garbage.t{at}")).await.expect_status(404)?;
    gateway.get(&format!("/things/garbage.t{at}.v")).await.expect_status(404)?;
    let reason = message["reason"].as_str().unwrap_or_default();
    if message["outcome"] == outcome && reason.contains(word) {
        Ok(())
    } else {
        Err(format!("not {outcome} because of {word:?}: {message}"))
    }
}

async fn reads(gateway: &Gateway, at: usize, value: &str) -> Result<(), String> {
    let answer = gateway.get(&format!("/things/garbage.t{at}/properties/v")).await;
    let answer = answer.expect_status(200)?;
    if answer.text() == value { Ok(()) } else { Err(format!("reads {answer}, not {value}")) }
}

#[tokio::test]
async fn a_packet_larger_than_allowed_neither_loops_nor_ends_the_link() {
    let broker = Mosquitto::start().await;
    let gateway = Gateway::builder().bridge(broker.addr()).start().await;
    let device = Publisher::connect(broker.addr()).await;
    device.publish("big/before/v", "1").await;
    gateway.value_becomes("big.before", "v", "1").await;
    // Twice the default of the largest packet.
    device.publish("big/one/v", vec![b'x'; 16 * 1024 * 1024]).await;
    device.publish("big/after/v", "2").await;
    gateway.value_becomes("big.after", "v", "2").await;
    gateway.get("/things/big.one").await.must(404);
    gateway.received(3).await;
    gateway.assert_conserved().await;
    let received = gateway.metrics().await.sum("thingway_messages_received_total", &[]);
    assert_eq!(received, 3, "it is delivered once, not again and again");
    assert_eq!(gateway.ended_as("failed").await, 1);
    gateway.finish().await;
}

#[tokio::test]
async fn a_storm_of_noise_leaves_the_count_whole() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    let mut noise: u64 = 0x9e37_79b9_7f4a_7c15;
    for at in 0..2000 {
        let payload: Vec<u8> = (0..at % 97)
            .map(|_| {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                (noise & 0xff) as u8
            })
            .collect();
        device.send(&format!("noise/n{}/v", at % 50), payload, false).await;
    }
    device.flush().await;
    gateway.received(2000).await;
    gateway.assert_conserved().await;
    let empty = (0..2000).filter(|at| at % 97 == 0).count() as u64;
    assert_eq!(gateway.ended_as("unmapped").await, empty);
    device.publish("noise/end/v", "1").await;
    gateway.value_becomes("noise.end", "v", "1").await;
    gateway.finish().await;
}

#[tokio::test]
async fn the_last_messages_say_what_became_of_each() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    device.publish("say/good", r#"{"a":1}"#).await;
    device.publish("say/noted/v", "NaN").await;
    device.publish("say/none/v", "").await;
    device.publish("say/bad", repeat("{\"a\":", "1", "}", 33)).await;
    let adapter = gateway.adapters().await.remove(0);
    let messages = eventually("four messages are remembered", async || {
        let messages = gateway.messages(&adapter).await;
        if messages.len() >= 4 { Ok(messages) } else { Err(json!(messages).to_string()) }
    })
    .await;
    let of = |address: &str| messages.iter().find(|m| m["address"] == address).unwrap();
    assert_eq!(of("say/good")["outcome"], "mapped");
    assert!(of("say/good").to_string().contains("urn:thingway:say.good"), "{}", of("say/good"));
    assert!(of("say/noted/v")["note"].as_str().unwrap().contains("JSON"));
    assert_eq!(of("say/none/v")["outcome"], "unmapped");
    assert!(of("say/none/v")["reason"].as_str().unwrap().contains("empty"));
    assert_eq!(of("say/bad")["outcome"], "failed");
    assert!(of("say/bad")["reason"].as_str().unwrap().contains("limits.json_depth"));
    gateway.get("/adapters/nobody/messages").await.must(404);
    gateway.finish().await;
}

#[tokio::test]
async fn the_data_of_an_event_is_json_whatever_stands_before_it() {
    let rule = "[[rules]]\ntopic = \"door/event\"\nthing = \"door\"\nevent = \"moved\"\n";
    let gateway = Gateway::builder().toml(rule).start().await;
    let device = gateway.publisher().await;
    device.publish("door/event", "\u{feff} {\"n\":1}").await;
    gateway.received(1).await;
    let url = gateway.url("/things/door/events/moved");
    let mut stream = crate::support::Sse::open(&url).await;
    device.publish("door/event", "\u{feff} {\"n\":2}").await;
    assert_eq!(stream.next().await.json(), serde_json::json!({"n": 2}));
    gateway.finish().await;
}
