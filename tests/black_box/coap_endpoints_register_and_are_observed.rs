//! Devices announce themselves to the resource directory (RFC 9176) and become things.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

use crate::support::{Gateway, LIBCOAP, PATIENCE, coap_client, coap_get, eventually, python};

/// A device of aiocoap's, as a process.
struct Device {
    _process: Child,
    orders: ChildStdin,
    printed: Lines<BufReader<ChildStdout>>,
}

impl Device {
    async fn register(gateway: &Gateway, name: &str, more: &[&str]) -> Self {
        let directory = gateway.coap().to_string();
        let mut command = python("aiocoap/device.py", &[&[&*directory, name], more].concat()).await;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let orders = process.stdin.take().unwrap();
        let printed = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut device = Self { _process: process, orders, printed };
        let registered = device.line().await;
        let code = if more.is_empty() { "2.01" } else { "2.04" };
        assert!(registered.starts_with(&format!("registered {code}")), "{registered}");
        device
    }

    async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.printed.next_line()).await.expect("it says it in time");
        line.unwrap().expect("the device goes on")
    }

    async fn order(&mut self, order: &str) {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
    }
}

async fn gateway() -> Gateway {
    Gateway::builder().arg("--coap-listen").arg("127.0.0.1:0").start().await
}

/// Waits until a property reads above a number, and returns what it reads.
async fn above(gateway: &Gateway, path: &str, least: f64) -> f64 {
    eventually(&format!("{path} rises above {least}"), async || {
        let answer = gateway.get(path).await.expect_status(200)?;
        let value: f64 = answer.text().parse().map_err(|_| answer.to_string())?;
        if value > least { Ok(value) } else { Err(answer.to_string()) }
    })
    .await
}

#[tokio::test]
async fn a_device_registers_is_observed_and_written_and_leaves() {
    let gateway = gateway().await;
    let mut device = Device::register(&gateway, "node1", &[]).await;
    let first = above(&gateway, "/things/node1/properties/temp", 20.0).await;
    above(&gateway, "/things/node1/properties/temp", first).await;
    gateway.value_becomes("node1", "lamp", "false").await;
    let lookup = coap_get(gateway.coap(), "", "/rd-lookup/res?rt=temperature-c").await;
    assert!(lookup.contains("/temp>") && !lookup.contains("/lamp>"), "{lookup}");
    let endpoints = coap_get(gateway.coap(), "", "/rd-lookup/ep?ep=node1").await;
    assert!(endpoints.contains(r#"ep="node1""#), "{endpoints}");
    // A device of the directory is like any other: over REST, and over CoAP again.
    let json = [("content-type", "application/json")];
    let written = gateway.send("PUT", "/things/node1/properties/lamp", &json, "true").await;
    written.expect_status(204).unwrap();
    assert_eq!(device.line().await, "lamp true");
    gateway.value_becomes("node1", "lamp", "true").await;
    let served = coap_get(gateway.coap(), "", "/things/node1/properties/lamp").await;
    assert_eq!(served, "true");
    let buzzed = gateway.send("POST", "/things/node1/actions/buzzer", &json, "").await;
    buzzed.expect_status(204).unwrap();
    assert_eq!(device.line().await, "buzz ");
    device.order("update").await;
    assert_eq!(device.line().await, "updated 2.04");
    device.order("leave").await;
    assert_eq!(device.line().await, "left 2.02");
    gateway.quality_becomes("node1", "temp", "stale").await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_simple_registration_is_fetched_from_the_device() {
    let gateway = gateway().await;
    let _device = Device::register(&gateway, "node2", &["simple"]).await;
    above(&gateway, "/things/node2/properties/temp", 20.0).await;
    gateway.finish().await;
}

#[tokio::test]
async fn libcoap_registers_and_what_is_not_renewed_ends() {
    let gateway = gateway().await;
    let url = format!("coap://{}/rd?ep=node3&lt=2", gateway.coap());
    let args = "-B 20 -m post -t 40 -e </t>;rt=\"temp\"";
    let registered = coap_client(LIBCOAP[0], args, &url).await;
    assert_eq!(registered.error, "");
    let lookup = "/rd-lookup/ep?ep=node3";
    assert!(coap_get(gateway.coap(), "", lookup).await.contains("node3"));
    eventually("the registration ends", async || {
        match coap_get(gateway.coap(), "", lookup).await {
            ended if ended.is_empty() => Ok(()),
            found => Err(found),
        }
    })
    .await;
    let nameless = url.replace("ep=", "x=");
    let refused = coap_client(LIBCOAP[0], "-B 20 -m post -t 40 -e </t>", &nameless).await;
    assert_eq!(refused.error, "4.00 `ep` is missing: it names the endpoint");
    gateway.finish().await;
}
