//! A Zigbee2MQTT bridge through a real broker: its devices are things with types, units, ways to
//! write, events and reach, whatever comes first.

use serde_json::{Value as Json, json};

use crate::support::{Answer, Gateway, Mosquitto, Publisher, Sse, Subscriber, eventually};

const LAMP: &str = "zigbee2mqtt.kitchen.lamp";
const DOOR: &str = "zigbee2mqtt.door";

struct Home {
    gateway: Gateway,
    bridge: Publisher,
    commands: Subscriber,
    _broker: Mosquitto,
}

fn lamp(name: &str) -> Json {
    json!({
        "ieee_address": "0x0017880104e45520", "type": "Router", "friendly_name": name,
        "definition": {"model": "7146060PH", "vendor": "Philips", "description": "Hue Go", "exposes": [
            {"type": "light", "features": [
                {"type": "binary", "name": "state", "label": "State", "property": "state", "access": 7,
                 "value_on": "ON", "value_off": "OFF", "value_toggle": "TOGGLE"},
                {"type": "numeric", "name": "brightness", "label": "Brightness",
                 "property": "brightness", "access": 7, "value_min": 0, "value_max": 254},
                {"type": "composite", "name": "color_hs", "label": "Color (HS)", "property": "color",
                 "access": 7, "features": [
                    {"type": "numeric", "name": "hue", "label": "Hue", "property": "hue", "access": 7}]}]},
            {"type": "enum", "name": "effect", "label": "Effect", "property": "effect", "access": 2,
             "values": ["blink"]}]}
    })
}

fn door() -> Json {
    json!({
        "ieee_address": "0x00158d0001b79111", "type": "EndDevice", "friendly_name": "door",
        "definition": {"model": "MCCGQ01LM", "vendor": "Xiaomi", "exposes": [
            {"type": "binary", "name": "contact", "label": "Contact", "property": "contact",
             "access": 1, "value_on": false, "value_off": true},
            {"type": "numeric", "name": "device_temperature", "label": "Device temperature",
             "property": "device_temperature", "access": 1, "unit": "°C"},
            {"type": "enum", "name": "action", "label": "Action", "property": "action", "access": 1,
             "values": ["single", "double"]}]}
    })
}

fn list(devices: &[Json]) -> String {
    Json::from(devices).to_string()
}

async fn home() -> Home {
    let broker = Mosquitto::start().await;
    let gateway = Gateway::bridging(&broker).await;
    let bridge = Publisher::connect(broker.addr()).await;
    let commands = Subscriber::connect(broker.addr(), "zigbee2mqtt/+/+/set").await;
    // What the lamp says before the bridge has told what it is.
    let state = r#"{"state":"ON","brightness":120,"color":{"hue":20},"linkquality":90}"#;
    bridge.publish("zigbee2mqtt/kitchen/lamp", state).await;
    gateway.value_becomes(LAMP, "brightness", "120").await;
    bridge.retain("zigbee2mqtt/bridge/state", r#"{"state":"online"}"#).await;
    bridge.retain("zigbee2mqtt/bridge/devices", list(&[lamp("kitchen/lamp"), door()])).await;
    bridge.publish("zigbee2mqtt/door", r#"{"contact":true,"device_temperature":21}"#).await;
    gateway.value_becomes(DOOR, "contact", "true").await;
    Home { gateway, bridge, commands, _broker: broker }
}

async fn put(gateway: &Gateway, property: &str, body: &str) -> Answer {
    let path = format!("/things/{LAMP}/properties/{property}");
    gateway.send("PUT", &path, &[("content-type", "application/json")], body).await
}

#[tokio::test]
async fn what_a_device_exposes_is_in_its_description() {
    let home = home().await;
    let td = home.gateway.json(&format!("/things/{LAMP}")).await;
    assert_eq!(td["title"], "kitchen/lamp");
    assert_eq!(td["description"], "Philips 7146060PH: Hue Go");
    let brightness = &td["properties"]["brightness"];
    assert_eq!(
        (&brightness["title"], &brightness["minimum"], &brightness["maximum"]),
        (&json!("Brightness"), &json!(0.0), &json!(254.0)),
        "{brightness}"
    );
    assert_eq!(td["properties"]["state"]["type"], "boolean");
    for action in ["toggle", "effect", "set_color", "get"] {
        assert!(td["actions"][action].is_object(), "{action} in {td}");
    }
    // Known before the list, and still there.
    home.gateway.value_becomes(LAMP, "color.hue", "20").await;
    home.gateway.value_becomes(LAMP, "state", "true").await;
    let door = home.gateway.json(&format!("/things/{DOOR}")).await;
    assert_eq!(door["properties"]["device_temperature"]["unit"], "Cel");
    assert_eq!(door["properties"]["contact"]["readOnly"], true);
    home.gateway.finish().await;
}

#[tokio::test]
async fn a_write_is_set_and_confirmed_by_the_state() {
    let mut home = home().await;
    for (property, value, sent, state) in [
        ("brightness", "200", r#"{"brightness":200}"#, r#"{"brightness":200}"#),
        ("state", "false", r#"{"state":"OFF"}"#, r#"{"state":"OFF"}"#),
        ("color.hue", "40", r#"{"color":{"hue":40}}"#, r#"{"color":{"hue":40}}"#),
    ] {
        let device = async {
            let command = home.commands.next().await;
            assert_eq!(command.topic, "zigbee2mqtt/kitchen/lamp/set");
            assert_eq!(String::from_utf8_lossy(&command.payload), sent);
            home.bridge.publish("zigbee2mqtt/kitchen/lamp", state).await;
        };
        let (answer, ()) = tokio::join!(put(&home.gateway, property, value), device);
        answer.must(204);
        home.gateway.value_becomes(LAMP, property, value).await;
    }
    put(&home.gateway, "brightness", "255").await.must(422);
    let path = format!("/things/{LAMP}/actions/effect");
    let json = [("content-type", "application/json")];
    let (answer, command) =
        tokio::join!(home.gateway.send("POST", &path, &json, "\"blink\""), home.commands.next());
    assert!((200..300).contains(&answer.status), "{answer}");
    assert_eq!(String::from_utf8_lossy(&command.payload), r#"{"effect":"blink"}"#);
    // What was sent to the device is no state of it.
    home.gateway.get("/things/zigbee2mqtt.kitchen.lamp.set").await.must(404);
    home.gateway.finish().await;
}

#[tokio::test]
async fn a_device_out_of_reach_is_stale_and_comes_back() {
    let home = home().await;
    let topic = "zigbee2mqtt/kitchen/lamp/availability";
    for (offline, online) in
        [("offline", "online"), (r#"{"state":"offline"}"#, r#"{"state":"online"}"#)]
    {
        home.bridge.retain(topic, offline).await;
        home.gateway.quality_becomes(LAMP, "brightness", "stale").await;
        home.bridge.retain(topic, online).await;
        home.gateway.quality_becomes(LAMP, "brightness", "good").await;
    }
    home.bridge.retain("zigbee2mqtt/bridge/state", r#"{"state":"offline"}"#).await;
    home.gateway.quality_becomes(LAMP, "brightness", "stale").await;
    home.gateway.quality_becomes(DOOR, "contact", "stale").await;
    home.bridge.retain("zigbee2mqtt/bridge/state", r#"{"state":"online"}"#).await;
    home.gateway.quality_becomes(DOOR, "contact", "good").await;
    home.gateway.finish().await;
}

#[tokio::test]
async fn a_button_that_is_pushed_is_an_event() {
    let home = home().await;
    let action = r#"{"contact":true,"action":"single"}"#;
    home.bridge.publish("zigbee2mqtt/door", action).await;
    eventually("the event is known", async || {
        let td = home.gateway.json(&format!("/things/{DOOR}")).await;
        if td["events"]["action"].is_object() { Ok(()) } else { Err(td.to_string()) }
    })
    .await;
    let path = format!("/things/{DOOR}/events/action");
    let mut events = Sse::open(&home.gateway.url(&path)).await;
    home.bridge.publish("zigbee2mqtt/door", r#"{"contact":true,"action":"double"}"#).await;
    assert_eq!(events.next().await.data, "\"double\"");
    let td = home.gateway.json(&format!("/things/{DOOR}")).await;
    assert!(td["properties"]["action"].is_null(), "it is no property: {td}");
    drop(events);
    home.gateway.finish().await;
}

#[tokio::test]
async fn a_renamed_device_is_another_thing_and_a_removed_one_is_gone() {
    let home = home().await;
    home.bridge.retain("zigbee2mqtt/bridge/devices", list(&[lamp("hall/lamp")])).await;
    home.bridge.publish("zigbee2mqtt/hall/lamp", r#"{"brightness":7}"#).await;
    home.gateway.value_becomes("zigbee2mqtt.hall.lamp", "brightness", "7").await;
    for gone in [LAMP, DOOR] {
        home.gateway.get(&format!("/things/{gone}")).await.must(404);
    }
    let td = home.gateway.json("/things/zigbee2mqtt.hall.lamp").await;
    let form = &td["properties"]["brightness"]["forms"];
    assert!(form.is_array(), "{td}");
    home.gateway.finish().await;
}
