//! A changed configuration counts without a restart, or not at all; what is known stays known.

use std::net::UdpSocket;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Gateway, Mosquitto, Publisher, eventually};

const RULE: &str = r#"
[[rules]]
topic = "home/lamp"
title = "Lamp"
[rules.properties.level]
unit = "W"
"#;

async fn reload(gateway: &Gateway) -> Value {
    gateway.send("POST", "/config/reload", &[], "").await.must(200).json()
}

fn changed(subject: &str, change: &str, applied: bool) -> Value {
    json!({ "subject": subject, "change": change, "applied": applied })
}

#[tokio::test]
async fn another_rule_counts_at_once_and_states_keep_their_times() {
    let gateway = Gateway::builder().toml(RULE).start().await;
    let device = gateway.publisher().await;
    device.publish("home/lamp", r#"{"level":5,"other":1}"#).await;
    gateway.value_becomes("home.lamp", "level", "5").await;
    let before = gateway.record("home.lamp", "level").await.unwrap();
    let other = gateway.record("home.lamp", "other").await.unwrap();
    assert_eq!(reload(&gateway).await, json!([]));

    gateway.rewrite(&RULE.replace("\"W\"", "\"kW\"\nscale = 10").replace("Lamp", "Lantern"));
    assert_eq!(reload(&gateway).await, json!([changed("rules", "changed", true)]));
    let after = gateway.record("home.lamp", "level").await.unwrap();
    assert_eq!((&after["value"], &after["unit"]), (&json!(50), &json!("kW")));
    assert_eq!(after["time"], before["time"], "it was not measured anew");
    assert!(after["revision"].as_u64() > before["revision"].as_u64(), "{after}");
    assert_eq!(gateway.record("home.lamp", "other").await.unwrap(), other);
    assert_eq!(gateway.json("/things/home.lamp").await["title"], "Lantern");
    device.publish("home/lamp", r#"{"level":6}"#).await;
    gateway.value_becomes("home.lamp", "level", "60").await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_mistake_changes_nothing_and_is_named() {
    let gateway = Gateway::builder().toml(RULE).start().await;
    let device = gateway.publisher().await;
    gateway.rewrite("[[rules]]\ntopic = \"home/lamp\"\nfromat = \"text\"\n");
    let problem = gateway.send("POST", "/config/reload", &[], "").await.must(422).json();
    let error = &problem["validationErrors"][0];
    assert!(error["field"].as_str().unwrap().ends_with("thingway.toml:3:1"), "{problem}");
    assert!(error["description"].as_str().unwrap().contains("did you mean `format`?"), "{problem}");
    device.publish("home/lamp", r#"{"level":5}"#).await;
    gateway.value_becomes("home.lamp", "level", "5").await;
    assert_eq!(gateway.record("home.lamp", "level").await.unwrap()["unit"], "W", "the old rule");

    let verb = Command::new(env!("CARGO_BIN_EXE_thingway"))
        .args(["reload", "--url", &gateway.url("/")])
        .output()
        .unwrap();
    assert_eq!(verb.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&verb.stderr).contains("thingway.toml:3:1: unknown key"));
    gateway.finish().await;
}

#[tokio::test]
async fn a_signal_asks_for_it_too() {
    let gateway = Gateway::builder().toml(RULE).start().await;
    let device = gateway.publisher().await;
    gateway.rewrite(&RULE.replace("\"W\"", "\"kW\""));
    gateway.signal("HUP");
    eventually("it is in the log", async || {
        match gateway.output().contains("Configuration reloaded") {
            true => Ok(()),
            false => Err(gateway.output()),
        }
    })
    .await;
    device.publish("home/lamp", r#"{"level":5}"#).await;
    gateway.value_becomes("home.lamp", "level", "5").await;
    assert_eq!(gateway.record("home.lamp", "level").await.unwrap()["unit"], "kW");
    gateway.finish().await;
}

#[tokio::test]
async fn adapters_come_and_go_and_the_others_keep_their_links() {
    let (yard, plant) = (Mosquitto::start().await, Mosquitto::start().await);
    let entry = |name: &str, broker: &Mosquitto| {
        let url = broker.addr();
        format!("[[adapters]]\nname = \"{name}\"\nprotocol = \"mqtt\"\nurl = \"mqtt://{url}\"\n")
    };
    let gateway = Gateway::builder().toml(&entry("yard", &yard)).start().await;
    let device = Publisher::connect(plant.addr()).await;
    let both = format!("{}{}", entry("yard", &yard), entry("plant", &plant));
    gateway.rewrite(&both);
    assert_eq!(reload(&gateway).await, json!([changed("adapters.plant", "added", true)]));
    device.retain("hall/temp", "21").await;
    gateway.value_becomes("hall", "temp", "21").await;

    gateway.rewrite(&format!("{both}keep_alive_seconds = 7\n[http]\nheartbeat_seconds = 3\n"));
    let changes = reload(&gateway).await;
    let expected =
        json!([changed("adapters.plant", "changed", true), changed("http", "changed", false)]);
    assert_eq!(changes, expected);
    gateway.quality_becomes("hall", "temp", "good").await;

    gateway.rewrite(&entry("yard", &yard));
    assert_eq!(reload(&gateway).await, json!([changed("adapters.plant", "removed", true)]));
    gateway.quality_becomes("hall", "temp", "stale").await;
    let metrics = gateway.get("/metrics").await.must(200);
    assert!(metrics.text().contains("thingway_link_losses_total{adapter=\"yard\"} 0"));
    gateway.get("/adapters/plant").await.must(404);
    gateway.finish().await;
}

fn plant(broker: &Mosquitto, options: &str) -> String {
    let url = broker.addr();
    format!(
        "[[adapters]]\nname = \"plant\"\nprotocol = \"mqtt\"\nurl = \"mqtt://{url}\"\n{options}\n"
    )
}

fn shed(socket: &UdpSocket) -> String {
    let listen = socket.local_addr().unwrap();
    format!("[[adapters]]\nname = \"shed\"\nprotocol = \"coap-server\"\nlisten = \"{listen}\"\n")
}

#[tokio::test]
async fn adapters_that_come_back_keep_the_rules_that_count() {
    let mosquitto = Mosquitto::start().await;
    let (free, taken) =
        (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let before = format!("{}{}{RULE}", plant(&mosquitto, ""), shed(&free));
    drop(free);
    let gateway = Gateway::builder().toml(&before).start().await;
    let rule = RULE.replace("\"W\"", "\"kW\"");
    let changed = plant(&mosquitto, "keep_alive_seconds = 7");
    gateway.rewrite(&format!("{changed}{}{rule}", shed(&taken)));
    gateway.send("POST", "/config/reload", &[], "").await.must(422);
    Publisher::connect(mosquitto.addr()).await.retain("home/lamp", r#"{"level":5}"#).await;
    gateway.value_becomes("home.lamp", "level", "5").await;
    assert_eq!(gateway.record("home.lamp", "level").await.unwrap()["unit"], "W", "the old rule");
    gateway.get("/adapters/shed").await.must(200);
    gateway.finish().await;
}

#[tokio::test]
async fn an_adapter_that_can_not_be_made_ends_no_link() {
    let mosquitto = Mosquitto::start().await;
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let gateway = Gateway::builder().toml(&plant(&mosquitto, "")).start().await;
    Publisher::connect(mosquitto.addr()).await.retain("hall/temp", "21").await;
    gateway.value_becomes("hall", "temp", "21").await;
    let before = gateway.record("hall", "temp").await.unwrap();
    gateway.rewrite(&format!("{}{}", plant(&mosquitto, "keep_alive_seconds = 7"), shed(&taken)));
    gateway.send("POST", "/config/reload", &[], "").await.must(422);
    assert_eq!(gateway.record("hall", "temp").await.unwrap(), before);
    gateway.get("/adapters/shed").await.must(404);
    gateway.finish().await;
}
