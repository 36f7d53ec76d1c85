//! What an adapter's protocol counts can be read with its health and as metrics, and who has a
//! wrong key is named.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::support::{CoapDevice, Gateway, LIBCOAP, PATIENCE, coap_client, eventually};

/// Pre-shared keys that only their owner may read.
fn keys(text: &str) -> NamedTempFile {
    let keys = NamedTempFile::new().unwrap();
    std::fs::write(keys.path(), text).unwrap();
    std::fs::set_permissions(keys.path(), PermissionsExt::from_mode(0o600)).unwrap();
    keys
}

/// Waits until an adapter's record is as it should be.
async fn adapter_becomes(gateway: &Gateway, name: &str, good: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{name} says so"), async || {
        let adapter = gateway.json(&format!("/adapters/{name}")).await;
        if good(&adapter) { Ok(adapter) } else { Err(adapter.to_string()) }
    })
    .await
}

async fn assert_same_in_metrics(gateway: &Gateway, adapter: &str, event: &str, count: u64) {
    let labels = [("adapter", adapter), ("event", event)];
    let counted = gateway.metrics().await.sum("thingway_protocol_events_total", &labels);
    assert_eq!(counted, count, "{event}");
}

/// Waits for what answers the message with this id.
async fn answered(socket: &UdpSocket, id: [u8; 2]) {
    let mut datagram = [0; 2048];
    let answer =
        async { while socket.recv(&mut datagram).await.unwrap() < 4 || datagram[2..4] != id {} };
    timeout(PATIENCE, answer).await.expect("an answer");
}

#[tokio::test]
async fn malformed_repeated_and_unverified_datagrams_are_counted() {
    let gateway = Gateway::builder().arg("--coap-listen").arg("127.0.0.1:0").start().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(gateway.coap()).await.unwrap();
    // Version 2 does not exist; a GET of `/` that comes twice.
    let get = [0x40, 0x01, 0x00, 0x02];
    for datagram in [[0x80, 0x01, 0x00, 0x01], get, get] {
        socket.send(&datagram).await.unwrap();
    }
    answered(&socket, [0x00, 0x02]).await;
    // A PUT without an Echo option. Before the GET was answered, it could use up what the address
    // may be sent, and the GET would be challenged as well.
    socket.send(&[0x40, 0x03, 0x00, 0x03, 0xb1, b'x', 0xff, b'1']).await.unwrap();
    let expected = [("malformed", 1), ("duplicate", 1), ("challenged", 1), ("received", 4)];
    adapter_becomes(&gateway, "coap-server", |adapter| {
        expected.iter().all(|(event, count)| adapter["protocol_events"][event] == json!(count))
    })
    .await;
    for (event, count) in expected {
        assert_same_in_metrics(&gateway, "coap-server", event, count).await;
    }
    let all = gateway.json("/adapters").await;
    let of = |name: &str| all.as_array().unwrap().iter().find(|a| a["name"] == name).cloned();
    assert_eq!(of("coap-server").unwrap()["protocol_events"]["malformed"], 1);
    assert!(of("coap-server").unwrap()["protocol_events"].get("wrong_key").is_none());
    assert_eq!(of("broker").unwrap()["protocol_events"], json!({}));
    gateway.finish().await;
}

#[tokio::test]
async fn a_client_with_a_wrong_key_is_named_and_the_server_goes_on() {
    let keys = keys("sensor:\"secret\"\n");
    let toml = format!(
        "[coap.server]\nlisten = \"127.0.0.1:0\"\nkey_file = \"{}\"\n",
        keys.path().display()
    );
    let gateway = Gateway::builder().toml(&toml).start().await;
    let url = format!("coaps://{}/.well-known/core", gateway.coap());
    coap_client(LIBCOAP[1], "-B 3 -u sensor -k wrong", &url).await;
    coap_client(LIBCOAP[1], "-B 3 -u stranger -k secret", &url).await;
    let adapter = adapter_becomes(&gateway, "coap-server", |adapter| {
        let events = &adapter["protocol_events"];
        events["wrong_key"].as_u64() > Some(0) && events["unknown_identity"].as_u64() > Some(0)
    })
    .await;
    assert_eq!(adapter["status"], "connected");
    let error = adapter["last_error"].as_str().unwrap();
    assert!(error.contains("there is no key for the identity `stranger`"), "{error}");
    let wrong = adapter["protocol_events"]["wrong_key"].as_u64().unwrap();
    assert_same_in_metrics(&gateway, "coap-server", "wrong_key", wrong).await;
    let right = coap_client(LIBCOAP[1], "-B 20 -u sensor -k secret", &url).await;
    assert!(right.payload.contains("</"), "{}", right.error);
    gateway.finish().await;
}

#[tokio::test]
async fn a_device_that_refuses_the_key_of_the_gateway_is_a_clear_error() {
    let device = CoapDevice::of_libcoap_with_key("secret").await;
    let keys = keys("me:\"wrong\"\n");
    let toml = format!(
        "[[adapters]]\nname = \"meter\"\nprotocol = \"coap\"\nurl = \"{}\"\nidentity = \"me\"\n\
         key_file = \"{}\"\n",
        device.url(),
        keys.path().display()
    );
    let gateway = Gateway::builder().toml(&toml).start_unready().await;
    let adapter = adapter_becomes(&gateway, "meter", |adapter| {
        adapter["protocol_events"]["wrong_key"].as_u64() > Some(0)
            && adapter["last_error"].as_str().is_some()
    })
    .await;
    let error = adapter["last_error"].as_str().unwrap();
    assert!(error.contains("the key for the identity `me` is not the one"), "{error}");
    assert_ne!(adapter["status"], "connected");
}
