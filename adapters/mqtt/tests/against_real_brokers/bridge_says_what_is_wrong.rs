//! Brokers that refuse or make no sense: the link ends with an error that says what to check.

use std::net::Ipv4Addr;
use std::sync::Arc;

use thingway_mqtt::config::{BridgeConfig, Version};
use thingway_sdk::Adapter;
use thingway_sdk::conformance::{PATIENCE, Recorder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::{bridge, config, filters, free_port};

/// Says these bytes, each after it has read something, and then closes.
async fn broker_that_says(answers: &'static [&'static [u8]]) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        for answer in answers {
            assert!(client.read(&mut buffer).await.unwrap() > 0);
            client.write_all(answer).await.unwrap();
        }
    });
    port
}

async fn loss(config: BridgeConfig) -> (String, Arc<Recorder>) {
    let recorder = Recorder::new();
    let bridge = bridge(config);
    let life = bridge.run(recorder.reports(), CancellationToken::new());
    let ended = timeout(PATIENCE, life).await.unwrap();
    (ended.unwrap_err().to_string(), recorder)
}

const ACCEPTED: &[u8] = b"\x20\x02\0\0";
const ACCEPTED_5: &[u8] = b"\x20\x03\0\0\0";
const SUBSCRIBED: &[u8] = b"\x90\x03\0\x01\x01";
const SUBSCRIBED_5: &[u8] = b"\x90\x04\0\x01\0\x01";

/// Which version the broker is asked for, what it says, and what the error must hold.
const FAULTS: &[(Version, &[&[u8]], &str)] = &[
    (Version::V3_1_1, &[b"\x20\x02\0\x05"], "not authorized"),
    (Version::V3_1_1, &[b"\x20\x02\0\x02"], "`client_id`"),
    (Version::V5, &[b"\x20\x0b\0\x86\x08\x1f\0\x05nope!"], "it says: nope!"),
    (Version::V5, &[b"\x20\x03\0\x84\0"], "`version`"),
    (Version::V3_1_1, &[b"HTTP/1.1 400 Bad Request\r\n\r\n"], "check that it speaks MQTT"),
    (Version::V3_1_1, &[b"\xd0\0"], "`url`"),
    (Version::V3_1_1, &[b""], "check that it speaks MQTT"),
    (Version::V3_1_1, &[ACCEPTED, b"\x90\x03\0\x01\x80"], "`lamp/#`"),
    (Version::V5, &[ACCEPTED_5, b"\x90\x04\0\x01\0\x87"], "`lamp/#` (not authorized)"),
    (Version::V3_1_1, &[ACCEPTED, b"\x90\x04\0\x01\x01\x01"], "2 results instead of 1"),
    (Version::V3_1_1, &[ACCEPTED, b"\x90\x02\0\x01"], "not well formed"),
    (Version::V5, &[ACCEPTED_5, SUBSCRIBED_5, b"\xe0\x01\x8e"], "own `client_id`"),
    (Version::V5, &[ACCEPTED_5, b"\xe0\x01\x8b"], "shutting down"),
    (Version::V5, &[ACCEPTED_5, b"\x30\x06\0\0\x03\x23\0\x01"], "alias"),
    (Version::V3_1_1, &[ACCEPTED, b"\x36\x05\0\x01a\0\x01"], "QoS 3"),
    (Version::V3_1_1, &[ACCEPTED, b"\x30\xff\xff\xff\xff"], "length"),
    (Version::V3_1_1, &[ACCEPTED, b"\x10\0"], "type 1"),
    (Version::V3_1_1, &[ACCEPTED, SUBSCRIBED], "client id `under-test`"),
];

#[tokio::test]
async fn each_fault_is_named_with_what_to_check() {
    for &(version, answers, hint) in FAULTS {
        let port = broker_that_says(answers).await;
        let config = BridgeConfig { version, include: filters(&["lamp/#"]), ..config(port) };
        let (loss, _) = loss(config).await;
        assert!(loss.contains(hint), "{answers:?}: {loss}");
        assert!(loss.contains(&format!("mqtt://127.0.0.1:{port}")), "{loss}");
    }
}

#[tokio::test]
async fn nobody_there_is_an_error_at_once() {
    let (loss, _) = loss(config(free_port().await)).await;
    assert!(loss.contains("refused") && loss.contains("check that the broker runs"), "{loss}");
}

#[tokio::test]
async fn what_came_before_the_fault_is_reported() {
    const MESSAGE: &[u8] = b"\x30\x04\0\x01a1\x36\x05\0\x01a\0\x01";
    let port = broker_that_says(&[ACCEPTED, MESSAGE]).await;
    let (loss, recorder) = loss(config(port)).await;
    assert!(loss.contains("QoS 3"), "{loss}");
    assert!(recorder.seen().has("a", b"1"), "nobody sends QoS 0 again");
}

#[tokio::test]
async fn a_topic_that_is_none_spoils_its_message_only() {
    // Not UTF-8, then a wildcard, both at QoS 1, then a good one.
    const MESSAGES: &[u8] = b"\x32\x06\0\x02a\xff\0\x07\x32\x06\0\x02+1\0\x08\x30\x04\0\x01b1";
    let port = broker_that_says(&[ACCEPTED, MESSAGES, b""]).await;
    let (_, recorder) = loss(config(port)).await;
    let seen = recorder.seen();
    assert_eq!(seen.rejected().len(), 2, "{seen:?}");
    assert!(seen.has("b", b"1"));
}
