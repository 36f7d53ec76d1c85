//! Constrained clients of other makers read, write and observe things, wherever those come from.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::{
    Gateway, LIBCOAP, PATIENCE, Publisher, Subscriber, coap_client, coap_get, python,
};

const RULES: &str = r#"
[http]
write_wait_seconds = 2
command_deadline_seconds = 3
[[rules]]
topic = "home/{room}/thermostat"
title = "Thermostat"
[rules.properties.setpoint]
type = "number"
unit = "Cel"
minimum = 5
maximum = 30
write = { topic = "home/{room}/thermostat/set", payload = '{"setpoint":{value}}' }
"#;

const SETPOINT: &str = "/things/home.hall.thermostat/properties/setpoint";

async fn home() -> (Gateway, Publisher) {
    let gateway = Gateway::builder().toml(RULES).arg("--coap-listen").arg("127.0.0.1:0");
    let gateway = gateway.start().await;
    let device = gateway.publisher().await;
    device.publish("home/hall/thermostat", r#"{"temperature":19.5,"setpoint":20}"#).await;
    gateway.value_becomes("home.hall.thermostat", "setpoint", "20").await;
    (gateway, device)
}

/// A device that obeys.
async fn obedience(gateway: &Gateway) -> JoinHandle<()> {
    let mut commands = Subscriber::connect(gateway.broker(), "home/hall/thermostat/set").await;
    tokio::spawn(async move {
        loop {
            let command = commands.next().await;
            commands.publish("home/hall/thermostat", command.payload.to_vec()).await;
        }
    })
}

#[tokio::test]
async fn libcoap_reads_lists_and_states_in_each_format() {
    let (gateway, device) = home().await;
    let server = gateway.coap();
    let core = coap_get(server, "", "/.well-known/core?href=/things/home.hall*").await;
    assert_eq!(
        core,
        concat!(
            r#"</things/home.hall.thermostat/properties/temperature>;if="core.s";ct="50 60 110 112 0";obs,"#,
            r#"</things/home.hall.thermostat/properties/setpoint>;if="core.p";ct="50 60 110 112 0";obs"#,
        )
    );
    let things = coap_get(server, "", "/things").await;
    assert!(things.contains(r#"title="Thermostat""#), "{things}");
    assert_eq!(coap_get(server, "", SETPOINT).await, "20");
    let pack = coap_get(server, "-A 110", SETPOINT).await;
    assert!(pack.starts_with(
        r#"[{"n":"urn:thingway:home.hall.thermostat:setpoint","u":"Cel","v":20,"t":"#
    ));
    let all = coap_get(server, "", "/things/home.hall.thermostat/properties").await;
    assert_eq!(all, r#"{"temperature":19.5,"setpoint":20}"#);
    drop(device);
    gateway.finish().await;
}

#[tokio::test]
async fn long_lists_come_in_blocks_of_the_client_s_size() {
    let (gateway, device) = home().await;
    let members: Vec<String> = (0..200).map(|n| format!(r#""property_{n}":{n}"#)).collect();
    device.publish("plant/machine", format!("{{{}}}", members.join(","))).await;
    gateway.value_becomes("plant.machine", "property_199", "199").await;
    let server = gateway.coap();
    let whole = coap_get(server, "", "/.well-known/core").await;
    assert_eq!(coap_get(server, "-b 64", "/.well-known/core").await, whole);
    assert_eq!(whole.matches("plant.machine").count(), 200);
    let page = coap_get(server, "", "/.well-known/core?href=/things/plant*&count=10&page=19").await;
    assert_eq!(page.matches("plant.machine").count(), 10);
    assert!(page.contains("property_199"));
    gateway.finish().await;
}

#[tokio::test]
async fn libcoap_s_writes_reach_the_device_or_tell_why_not() {
    let (gateway, device) = home().await;
    let url = |path: &str| format!("coap://{}{path}", gateway.coap());
    let put = async |value: &str, path: &str| {
        coap_client(LIBCOAP[0], &format!("-B 20 -m put -t 50 -e {value}"), &url(path)).await.error
    };
    let silence = put("21", SETPOINT).await;
    assert!(silence.starts_with("5.04 "), "it is answered separately, after a while: {silence}");
    let obeying = obedience(&gateway).await;
    assert_eq!(put("22.5", SETPOINT).await, "");
    gateway.value_becomes("home.hall.thermostat", "setpoint", "22.5").await;
    let too_hot = put("31", SETPOINT).await;
    assert_eq!(too_hot, "4.00 the value does not fit the property: 31 is above the maximum of 30");
    let temperature = SETPOINT.replace("setpoint", "temperature");
    assert!(put("31", &temperature).await.starts_with("4.05 the property can only be read"));
    assert!(put("31", "/things/none/properties/x").await.starts_with("4.04 "));
    obeying.abort();
    drop(device);
    gateway.finish().await;
}

#[tokio::test]
async fn libcoap_observes_what_changes() {
    let (gateway, device) = home().await;
    let url = format!("coap://{}{}", gateway.coap(), SETPOINT.replace("setpoint", "temperature"));
    let mut observer = Command::new(LIBCOAP[1]);
    observer.args(["-s", "60", "-w", "-m", "get", &url]).stdout(Stdio::piped()).kill_on_drop(true);
    let mut observer = observer.spawn().expect("libcoap3-bin is installed");
    let mut states = BufReader::new(observer.stdout.take().unwrap()).lines();
    let mut next = async || {
        let line = timeout(PATIENCE, states.next_line()).await.expect("it is told in time");
        line.unwrap().expect("the client goes on")
    };
    assert_eq!(next().await, "19.5");
    for state in ["20.25", "20.5"] {
        device.publish("home/hall/thermostat", format!(r#"{{"temperature":{state}}}"#)).await;
        assert_eq!(next().await, state);
    }
    gateway.send("DELETE", "/things/home.hall.thermostat", &[], "").await;
    drop(observer);
    gateway.finish().await;
}

#[tokio::test]
async fn aiocoap_reads_writes_and_is_notified() {
    let (gateway, device) = home().await;
    let obeying = obedience(&gateway).await;
    let server = gateway.coap().to_string();
    let mut client = python("aiocoap/client.py", &[&server, SETPOINT]).await;
    let output = timeout(3 * PATIENCE, client.output()).await.expect("it ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let expected = [
        "core True",
        "read 2.05 JSON 20",
        "again 2.03",
        "senml urn:thingway:home.hall.thermostat:setpoint Cel 20",
        "observed True 20",
        "wrote 2.04",
        "notified 23.5",
    ];
    for line in expected {
        assert!(text.lines().any(|printed| printed == line), "no {line:?} in:\n{text}");
    }
    obeying.abort();
    drop(device);
    gateway.finish().await;
}
