//! Who has no key, or forges his address, gets nothing from the CoAP server and changes nothing.

use std::os::unix::fs::PermissionsExt;

use tempfile::NamedTempFile;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::support::{Gateway, LIBCOAP, PATIENCE, coap_client, eventually};

#[tokio::test]
async fn with_dtls_only_those_who_have_a_key_are_answered() {
    let keys = NamedTempFile::new().unwrap();
    std::fs::write(keys.path(), "sensor:\"secret\"\n").unwrap();
    std::fs::set_permissions(keys.path(), PermissionsExt::from_mode(0o600)).unwrap();
    let toml = format!(
        "[coap.server]\nlisten = \"127.0.0.1:0\"\nkey_file = \"{}\"\n",
        keys.path().display()
    );
    let gateway = Gateway::builder().toml(&toml).start().await;
    let device = gateway.publisher().await;
    device.publish("home/hall", r#"{"temperature":19.5}"#).await;
    gateway.value_becomes("home.hall", "temperature", "19.5").await;
    let url = format!("coaps://{}/things/home.hall/properties/temperature", gateway.coap());
    for library in LIBCOAP {
        let right = coap_client(library, "-B 20 -u sensor -k secret", &url).await;
        assert_eq!(right.payload, "19.5", "{library}: {}", right.error);
        let wrong = coap_client(library, "-B 5 -u sensor -k wrong", &url).await;
        assert!(!wrong.payload.contains("19.5"), "{library}");
        let unknown = coap_client(library, "-B 5 -u stranger -k secret", &url).await;
        assert!(!unknown.payload.contains("19.5"), "{library}");
    }
    eventually("the log tells of both", async || {
        let log = gateway.output();
        let told = |words: &str| log.contains(words);
        match told("identity `sensor` is not the one") && told("no key for the identity `stranger`")
        {
            true => Ok(()),
            false => Err(log),
        }
    })
    .await;
    gateway.finish().await;
}

/// A GET of `/.well-known/core` (RFC 7252, section 3), each with a message ID of its own.
fn get_core(mid: u16, options: &[u8]) -> Vec<u8> {
    let mut message = vec![0x40, 0x01];
    message.extend(mid.to_be_bytes());
    message.extend(options);
    message
}

#[tokio::test]
async fn an_address_that_may_be_forged_gets_no_more_than_three_times_what_it_sent() {
    let gateway = Gateway::builder().arg("--coap-listen").arg("127.0.0.1:0").start().await;
    let device = gateway.publisher().await;
    device.publish("home/hall", r#"{"temperature":19.5}"#).await;
    gateway.value_becomes("home.hall", "temperature", "19.5").await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(gateway.coap()).await.unwrap();
    let core = [&[0xbb][..], b".well-known", &[0x04], b"core"].concat();
    let observe = [&[0x60, 0x5b][..], b".well-known", &[0x04], b"core"].concat();
    let (mut sent, mut received) = (0, 0);
    for mid in 0..50 {
        let message = get_core(mid, if mid % 2 == 0 { &core } else { &observe });
        sent += message.len();
        socket.send(&message).await.unwrap();
        let mut buffer = [0; 2048];
        while let Ok(answer) =
            timeout(std::time::Duration::from_millis(50), socket.recv(&mut buffer)).await
        {
            received += answer.unwrap();
            assert!(received <= 3 * sent, "{received} bytes for {sent}");
        }
    }
    assert!(received > 0, "it was answered");
    gateway.finish().await;
}

#[tokio::test]
async fn beyond_this_machine_it_takes_a_permission_and_a_taken_port_names_its_option() {
    let run = async |args: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_thingway"));
        command.args(["run", "--http", "127.0.0.1:0", "--mqtt-listen", "127.0.0.1:0"]);
        command.args(args).current_dir(dir.path()).kill_on_drop(true);
        let output = timeout(PATIENCE, command.output()).await.expect("it ends").unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, error) = run(&["--coap-listen", "0.0.0.0:0"]).await;
    assert_eq!(code, Some(78));
    assert!(error.contains("--coap-listen") && error.contains("--allow-anonymous"), "{error}");
    let taken = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().to_string();
    let (code, error) = run(&["--coap-listen", &port]).await;
    assert_eq!(code, Some(1));
    assert!(error.contains("(--coap-listen)"), "{error}");
}
