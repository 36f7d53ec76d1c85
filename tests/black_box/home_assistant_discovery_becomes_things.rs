//! Devices that announce themselves to Home Assistant become things that can be read, written and
//! asked to do something, and go when they take it back.

use serde_json::json;

use crate::support::{Gateway, Mosquitto, Publisher, Subscriber, eventually};

const SHED: &str = "garden_shed";
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

async fn announce(device: &Publisher, entity: &str, options: serde_json::Value) {
    let mut config = json!({
        "~": "garden/shed",
        "avty_t": "~/status",
        "dev": { "ids": ["shed-1"], "name": "Garden Shed", "sn": "SN-17" },
    });
    let all = config.as_object_mut().unwrap();
    all.extend(options.as_object().unwrap().clone());
    device.retain(&format!("homeassistant/{entity}/config"), config.to_string()).await;
}

async fn announce_all(device: &Publisher) {
    let temperature = json!({
        "name": "Temperature", "stat_t": "~/state", "unit_of_meas": "°C",
        "dev_cla": "temperature", "val_tpl": "{{ value_json.climate.temp }}",
    });
    announce(device, "sensor/shed/temperature", temperature).await;
    let humidity = json!({
        "name": "Humidity", "stat_t": "~/state", "unit_of_meas": "%", "dev_cla": "humidity",
        "val_tpl": "{{ value_json.climate.hum | float | round(1) }}",
    });
    announce(device, "sensor/shed/humidity", humidity).await;
    let fan = json!({ "name": "Fan", "stat_t": "~/fan", "cmd_t": "~/fan/set" });
    announce(device, "switch/shed/fan", fan).await;
    let limit = json!({
        "name": "Limit", "stat_t": "~/limit", "cmd_t": "~/limit/set", "min": 5, "max": 30,
        "cmd_tpl": "{\"limit\": {{ value * 10 }}}",
    });
    announce(device, "number/shed/limit", limit).await;
    let restart = json!({ "name": "Restart", "cmd_t": "~/restart", "pl_prs": "now" });
    announce(device, "button/shed/restart", restart).await;
}

#[tokio::test]
async fn a_device_of_many_entities_is_one_thing() {
    let broker = Mosquitto::start().await;
    let device = Publisher::connect(broker.addr()).await;
    // The broker may tell what it kept in any order: states before what they mean, too.
    device.retain("garden/shed/fan", "OFF").await;
    device.retain("garden/shed/status", "online").await;
    announce_all(&device).await;
    let gateway = Gateway::bridging(&broker).await;
    let mut commands = Subscriber::connect(broker.addr(), "garden/shed/+/set").await;
    device.publish("garden/shed/state", r#"{"climate":{"temp":21.50,"hum":"48.26"}}"#).await;
    device.publish("garden/shed/limit", "20").await;
    gateway.value_becomes(SHED, "temperature", "21.50").await;
    gateway.value_becomes(SHED, "humidity", "48.3").await;
    gateway.value_becomes(SHED, "fan", "false").await;
    gateway.value_becomes(SHED, "limit", "20").await;

    let td = gateway.json(&format!("/things/{SHED}")).await;
    assert_eq!(td["title"], "Garden Shed");
    let properties = &td["properties"];
    assert_eq!(properties["temperature"]["unit"], "Cel", "{td}");
    assert_eq!(properties["humidity"]["unit"], "%RH");
    assert_eq!(properties["fan"]["type"], "boolean");
    assert_eq!(properties["limit"]["maximum"], 30.0);

    let fan = format!("/things/{SHED}/properties/fan");
    let obey = async {
        let command = commands.next().await;
        assert_eq!((&*command.topic, &command.payload[..]), ("garden/shed/fan/set", &b"ON"[..]));
        device.publish("garden/shed/fan", "ON").await;
    };
    let (answer, ()) = tokio::join!(gateway.send("PUT", &fan, &JSON, "true"), obey);
    answer.must(204);
    assert_eq!(gateway.get(&fan).await.must(200).text(), "true");
    let limit = format!("/things/{SHED}/properties/limit");
    gateway.send("PUT", &limit, &JSON, "31").await.must(422);
    let obey = async {
        let command = commands.next().await;
        assert_eq!(&command.payload[..], br#"{"limit": 220}"#);
        device.publish("garden/shed/limit", "22").await;
    };
    let (answer, ()) = tokio::join!(gateway.send("PUT", &limit, &JSON, "22"), obey);
    answer.must(204);

    let mut presses = Subscriber::connect(broker.addr(), "garden/shed/restart").await;
    gateway.send("POST", &format!("/things/{SHED}/actions/restart"), &[], "").await.must(201);
    assert_eq!(&presses.next().await.payload[..], b"now");

    device.retain("garden/shed/status", "offline").await;
    gateway.quality_becomes(SHED, "temperature", "stale").await;
    device.retain("garden/shed/status", "online").await;
    gateway.quality_becomes(SHED, "temperature", "good").await;
    gateway.finish().await;
}

#[tokio::test]
async fn what_is_taken_back_is_gone() {
    let broker = Mosquitto::start().await;
    let gateway = Gateway::bridging(&broker).await;
    let device = Publisher::connect(broker.addr()).await;
    announce_all(&device).await;
    device.publish("garden/shed/fan", "ON").await;
    gateway.value_becomes(SHED, "fan", "true").await;
    let entities = [
        "sensor/shed/temperature",
        "sensor/shed/humidity",
        "switch/shed/fan",
        "number/shed/limit",
        "button/shed/restart",
    ];
    for entity in entities {
        device.retain(&format!("homeassistant/{entity}/config"), "").await;
    }
    let path = format!("/things/{SHED}");
    eventually("the thing is gone", async || {
        let status = gateway.get(&path).await.status;
        if status == 404 { Ok(()) } else { Err(format!("{path} is {status}")) }
    })
    .await;
    gateway.finish().await;
}
