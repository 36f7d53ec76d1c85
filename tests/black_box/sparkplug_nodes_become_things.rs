//! A Sparkplug B edge node of another maker becomes things: it is asked for the birth that was
//! missed, its metrics are read and written, and with its death they are stale.

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::support::{Gateway, Mosquitto, python};

const PRESS: &str = "Plant.Line1.Press";

async fn edge_node(broker: SocketAddr) -> Child {
    let mut command = python("sparkplug/edge_node.py", &[&broker.port().to_string()]).await;
    let mut node = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(node.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    assert_eq!(line, "ready\n");
    node
}

#[tokio::test]
async fn a_node_that_was_there_before_is_asked_for_its_birth_and_obeys() {
    let broker = Mosquitto::start().await;
    let mut node = edge_node(broker.addr()).await;
    let gateway = Gateway::bridging(&broker).await;
    gateway.value_becomes(PRESS, "Inputs.Temperature", "22.25").await;
    gateway.value_becomes(PRESS, "Outputs.Speed", "-300").await;
    gateway.value_becomes("Plant.Line1", "Properties.Firmware", "\"1.4.0\"").await;

    let td = gateway.json(&format!("/things/{PRESS}")).await;
    assert_eq!(td["title"], "Press");
    assert_eq!(td["properties"]["Outputs.Speed"]["type"], "integer", "{td}");
    assert_eq!(td["properties"]["Outputs.Speed"]["minimum"], -32768.0);
    let td = gateway.json("/things/Plant.Line1").await;
    assert!(td["actions"]["rebirth"].is_object(), "{td}");

    let json = [("content-type", "application/json")];
    for (property, value) in [("Outputs.Valve", "true"), ("Outputs.Speed", "-7")] {
        let path = format!("/things/{PRESS}/properties/{property}");
        gateway.send("PUT", &path, &json, value).await.must(204);
        assert_eq!(gateway.get(&path).await.must(200).text(), value, "the node says it");
    }
    let speed = format!("/things/{PRESS}/properties/Outputs.Speed");
    gateway.send("PUT", &speed, &json, "40000").await.must(422);

    node.kill().await.unwrap();
    gateway.quality_becomes(PRESS, "Outputs.Speed", "stale").await;
    gateway.quality_becomes("Plant.Line1", "Properties.Firmware", "stale").await;

    let mut node = edge_node(broker.addr()).await;
    gateway.quality_becomes(PRESS, "Outputs.Speed", "good").await;
    gateway.value_becomes(PRESS, "Outputs.Speed", "-300").await;
    node.kill().await.unwrap();
    gateway.finish().await;
}
