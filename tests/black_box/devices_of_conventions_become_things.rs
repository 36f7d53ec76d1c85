//! Devices that follow a convention become things with types, units, availability and a way to
//! write, without a rule: over a real broker, also when the broker replays what it retained.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};

use crate::support::{Gateway, Mosquitto, Publisher, Subscriber, eventually};

/// A sequence of messages, and the things that come of it.
struct Fixture {
    messages: Vec<Json>,
    things: Map<String, Json>,
}

fn fixtures(convention: &str) -> Vec<Fixture> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(convention);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let mut fixture: Json =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let things = fixture["things"].take();
        let messages = fixture["messages"].as_array().unwrap().clone();
        Fixture { messages, things: things.as_object().unwrap().clone() }
    };
    paths.into_iter().map(read).collect()
}

impl Fixture {
    async fn publish(&self, device: &Publisher, which: impl Fn(&Json) -> bool) {
        for message in self.messages.iter().filter(|message| which(message)) {
            let payload = match (&message["payload"], message["payload_base64"].as_str()) {
                (Json::String(text), _) => text.clone().into_bytes(),
                (_, Some(base64)) => STANDARD.decode(base64).unwrap(),
                (json, None) => json.to_string().into_bytes(),
            };
            device.send(message["topic"].as_str().unwrap(), payload, is_retained(message)).await;
        }
        device.flush().await;
    }

    async fn becomes_true(&self, gateway: &Gateway) {
        // What has no state yet is no thing yet.
        for (base, thing) in self.things.iter().filter(|(_, it)| it["properties"].is_object()) {
            let plain =
                |c: char| if c.is_ascii_alphanumeric() || "-/".contains(c) { c } else { '_' };
            let id = base.chars().map(plain).collect::<String>().replace('/', ".");
            let what = format!("{id} is as the fixture says");
            eventually(&what, async || compare(gateway, &id, thing).await).await;
        }
    }
}

fn is_retained(message: &Json) -> bool {
    message["retain"] == true
}

async fn compare(gateway: &Gateway, id: &str, thing: &Json) -> Result<(), String> {
    let td = gateway.get(&format!("/things/{id}")).await.expect_status(200)?.json();
    if !thing["title"].is_null() {
        same("title", &td["title"], &thing["title"])?;
    }
    let values = gateway.get(&format!("/things/{id}/properties")).await.expect_status(200)?.json();
    // What is null is over: who came later never heard of it.
    let is_there = |it: &(String, Json)| !it.1["value"].is_null();
    let members = |json: &Json| json.as_object().cloned().unwrap_or_default().into_iter();
    let expected: Map<String, Json> = members(&thing["properties"]).filter(is_there).collect();
    let values = Json::Object(members(&values).filter(|(_, value)| !value.is_null()).collect());
    let told = expected.iter().map(|(name, property)| (name.clone(), property["value"].clone()));
    same("values", &values, &Json::Object(told.collect()))?;
    for (name, property) in &expected {
        let affordance = &td["properties"][name];
        for member in ["title", "description", "unit", "minimum", "maximum", "enum"] {
            same(&format!("{name}: {member}"), &affordance[member], &property[member])?;
        }
        if !property["type"].is_null() {
            same(&format!("{name}: type"), &affordance["type"], &property["type"])?;
        }
        let read_only = json!(property["write"].is_null());
        same(&format!("{name}: readOnly"), &affordance["readOnly"], &read_only)?;
        let record = gateway.record(id, name).await?;
        let quality = if thing["online"] == false { "stale" } else { "good" };
        same(&format!("{name}: quality"), &record["quality"], &json!(quality))?;
        if !property["time"].is_null() {
            same(&format!("{name}: time"), &record["time"], &property["time"])?;
        }
    }
    let names = |members: &Json| -> Vec<String> {
        members.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    same("actions", &json!(names(&td["actions"])), &json!(names(&thing["actions"])))
}

fn same(what: &str, found: &Json, expected: &Json) -> Result<(), String> {
    // `30` in a description, `30.0` in a fixture.
    let is_same = match (found.as_f64(), expected.as_f64()) {
        (Some(found), Some(expected)) => found == expected,
        _ => found == expected,
    };
    if is_same { Ok(()) } else { Err(format!("{what}: {found}, not {expected}")) }
}

async fn live(convention: &str) {
    let broker = Mosquitto::start().await;
    let gateway = Gateway::bridging(&broker).await;
    let device = Publisher::connect(broker.addr()).await;
    for fixture in fixtures(convention) {
        fixture.publish(&device, |_| true).await;
        fixture.becomes_true(&gateway).await;
    }
    gateway.finish().await;
}

#[tokio::test]
async fn homie_devices_that_announce_themselves() {
    live("homie").await;
}

#[tokio::test]
async fn devices_behind_the_things_stack() {
    live("the-things-stack").await;
}

#[tokio::test]
async fn devices_behind_chirpstack() {
    live("chirpstack").await;
}

#[tokio::test]
async fn sources_of_cloudevents() {
    live("cloudevents").await;
}

/// A broker replays in an order of its own: values before what they mean, and topic by topic.
#[tokio::test]
async fn homie_devices_that_were_there_before() {
    let broker = Mosquitto::start().await;
    let device = Publisher::connect(broker.addr()).await;
    let fixtures = fixtures("homie");
    for fixture in &fixtures {
        fixture.publish(&device, is_retained).await;
    }
    let gateway = Gateway::bridging(&broker).await;
    for fixture in &fixtures {
        fixture.publish(&device, |message| !is_retained(message)).await;
        fixture.becomes_true(&gateway).await;
    }
    let things = gateway.json("/things?limit=1000").await;
    let ids = things.as_array().unwrap().iter().map(|td| td["id"].as_str().unwrap().to_owned());
    let known: Vec<String> = ids.collect();
    assert_eq!(known.len(), 4, "nothing is left of what was raw: {known:?}");
    gateway.finish().await;
}

#[tokio::test]
async fn a_homie_device_is_written_and_lost_and_found() {
    let broker = Mosquitto::start().await;
    let gateway = Gateway::bridging(&broker).await;
    let device = Publisher::connect(broker.addr()).await;
    let mut commands = Subscriber::connect(broker.addr(), "homie/thermo-1/+/+/set").await;
    fixtures("homie")[1].publish(&device, |_| true).await;
    gateway.value_becomes("homie.thermo-1", "climate.mode", "\"auto\"").await;
    let path = "/things/homie.thermo-1/properties/climate.mode";
    let refused = gateway.send_json("PUT", path, &json!("party")).await;
    assert_eq!(refused.status, 422, "{refused}");
    let echo = async {
        let command = commands.next().await;
        assert_eq!(command.topic, "homie/thermo-1/climate/mode/set");
        assert_eq!((&command.payload[..], command.retain), (&b"heat"[..], false));
        device.retain("homie/thermo-1/climate/mode", "heat").await;
    };
    let wanted = json!("heat");
    let (answer, ()) = tokio::join!(gateway.send_json("PUT", path, &wanted), echo);
    answer.must(204);
    let ring = "/things/homie.thermo-1/actions/bell.ring";
    let times = json!(3);
    let asked = gateway.send_json("POST", ring, &times);
    let (answer, command) = tokio::join!(asked, commands.next());
    assert!(answer.status < 300, "{answer}");
    assert_eq!(command.topic, "homie/thermo-1/bell/ring/set");
    assert_eq!(&command.payload[..], b"3");
    device.retain("homie/thermo-1/$state", "lost").await;
    gateway.quality_becomes("homie.thermo-1", "climate.temperature", "stale").await;
    device.retain("homie/thermo-1/$state", "ready").await;
    gateway.quality_becomes("homie.thermo-1", "climate.temperature", "good").await;
    device.retain("homie/thermo-1/$homie", "").await;
    eventually("the device is gone", async || {
        gateway.get("/things/homie.thermo-1").await.expect_status(404).map(|_| ())
    })
    .await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_message_to_a_lorawan_device_goes_to_its_network() {
    let broker = Mosquitto::start().await;
    let gateway = Gateway::bridging(&broker).await;
    let device = Publisher::connect(broker.addr()).await;
    fixtures("the-things-stack")[0].publish(&device, |_| true).await;
    fixtures("chirpstack")[0].publish(&device, |_| true).await;
    gateway.value_becomes("farm.soil-7", "temperature", "23.4").await;
    gateway.value_becomes("Greenhouse.Bed_3", "temperature", "19.5").await;
    let mut commands = Subscriber::connect(broker.addr(), "v3/#").await;
    let input = json!({"f_port": 15, "frm_payload": "vu8=", "confirmed": true});
    let asked = gateway.send_json("POST", "/things/farm.soil-7/actions/downlink", &input);
    let (answer, command) = tokio::join!(asked, commands.next());
    assert!(answer.status < 300, "{answer}");
    assert_eq!(command.topic, "v3/farm@ttn/devices/soil-7/down/push");
    let sent: Json = serde_json::from_slice(&command.payload).unwrap();
    assert_eq!(sent, json!({"downlinks": [input]}));
    let mut commands = Subscriber::connect(broker.addr(), "application/+/device/+/command/#").await;
    let input = json!({"fPort": 10, "data": "AQ=="});
    let asked = gateway.send_json("POST", "/things/Greenhouse.Bed_3/actions/downlink", &input);
    let (answer, command) = tokio::join!(asked, commands.next());
    assert!(answer.status < 300, "{answer}");
    let sent: Json = serde_json::from_slice(&command.payload).unwrap();
    assert_eq!(sent, json!({"devEui": "0101010101010101", "fPort": 10, "data": "AQ=="}));
    gateway.finish().await;
}
