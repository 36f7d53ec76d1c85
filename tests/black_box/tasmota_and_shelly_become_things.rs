//! Plugs of Tasmota and Shelly through a real broker: recognised, described, switched, within reach
//! or not.

use serde_json::json;

use crate::support::{Answer, Gateway, Mosquitto, Publisher, Sse, Subscriber, eventually};

struct Home {
    gateway: Gateway,
    device: Publisher,
    broker: Mosquitto,
}

async fn home() -> Home {
    let broker = Mosquitto::start().await;
    let gateway = Gateway::bridging(&broker).await;
    let device = Publisher::connect(broker.addr()).await;
    Home { gateway, device, broker }
}

async fn put(gateway: &Gateway, thing: &str, property: &str, body: &str) -> Answer {
    let path = format!("/things/{thing}/properties/{property}");
    gateway.send("PUT", &path, &[("content-type", "application/json")], body).await
}

#[tokio::test]
async fn a_tasmota_plug_is_announced_switched_and_lost() {
    let home = home().await;
    let mut commands = Subscriber::connect(home.broker.addr(), "cmnd/plug/+").await;
    let announcement = json!({
        "dn": "Kitchen plug", "fn": ["Kettle"], "hn": "plug", "mac": "DC4F22000001",
        "ofln": "Offline", "onln": "Online", "state": ["OFF", "ON", "TOGGLE", "HOLD"],
        "t": "plug", "ft": "%prefix%/%topic%/", "tp": ["cmnd", "stat", "tele"], "rl": [1, 0],
    });
    let config = "tasmota/discovery/DC4F22000001/config";
    home.device.retain(config, announcement.to_string()).await;
    home.device.retain("tele/plug/LWT", "Online").await;
    let sensor = r#"{"Time":"2026-01-05T11:00:05","ENERGY":{"Power":17},"AM2301":{"Temperature":21.5},"TempUnit":"C"}"#;
    home.device.publish("tele/plug/SENSOR", sensor).await;
    let state = r#"{"Time":"2026-01-05T11:00:05","Uptime":"0T00:00:09","POWER":"OFF"}"#;
    home.device.publish("tele/plug/STATE", state).await;
    home.gateway.value_becomes("plug", "POWER", "false").await;
    let td = home.gateway.json("/things/plug").await;
    assert_eq!(td["title"], "Kitchen plug");
    assert_eq!(td["properties"]["POWER"]["title"], "Kettle");
    assert_eq!(td["properties"]["AM2301.Temperature"]["unit"], "Cel");
    assert!(td["properties"]["Time"].is_null(), "{td}");

    let device = async {
        let command = commands.next().await;
        assert_eq!((&*command.topic, &command.payload[..]), ("cmnd/plug/POWER", &b"ON"[..]));
        home.device.publish("stat/plug/RESULT", r#"{"POWER":"ON"}"#).await;
        home.device.publish("stat/plug/POWER", "ON").await;
    };
    let (answer, ()) = tokio::join!(put(&home.gateway, "plug", "POWER", "true"), device);
    answer.must(204);
    home.gateway.value_becomes("plug", "POWER", "true").await;

    home.device.retain("tele/plug/LWT", "Offline").await;
    home.gateway.quality_becomes("plug", "ENERGY.Power", "stale").await;
    home.device.retain("tele/plug/LWT", "Online").await;
    home.gateway.quality_becomes("plug", "ENERGY.Power", "good").await;
    home.device.retain(config, "").await;
    eventually("the plug is gone", async || {
        home.gateway.get("/things/plug").await.expect_status(404).map(drop)
    })
    .await;
    home.gateway.finish().await;
}

#[tokio::test]
async fn a_shelly_of_the_first_generation_is_switched() {
    let home = home().await;
    let thing = "shellies.shelly1pm-B929CC";
    let base = "shellies/shelly1pm-B929CC";
    let mut commands =
        Subscriber::connect(home.broker.addr(), &format!("{base}/+/+/command")).await;
    home.device.retain(&format!("{base}/online"), "true").await;
    home.device.publish(&format!("{base}/relay/0"), "off").await;
    home.device.publish(&format!("{base}/relay/0/energy"), "1234").await;
    home.gateway.value_becomes(thing, "relay_0", "false").await;
    home.gateway.value_becomes(thing, "relay_0.energy", "20.567").await;
    let td = home.gateway.json(&format!("/things/{thing}")).await;
    assert_eq!(td["properties"]["relay_0.energy"]["unit"], "Wh");
    let device = async {
        assert_eq!(&commands.next().await.payload[..], b"on");
        home.device.publish(&format!("{base}/relay/0"), "on").await;
    };
    let (answer, ()) = tokio::join!(put(&home.gateway, thing, "relay_0", "true"), device);
    answer.must(204);
    home.device.retain(&format!("{base}/online"), "false").await;
    home.gateway.quality_becomes(thing, "relay_0", "stale").await;
    home.gateway.finish().await;
}

#[tokio::test]
async fn a_shelly_of_a_later_generation_is_asked_by_rpc_and_tells_of_pushes() {
    let home = home().await;
    let id = "shellyplus1pm-a8032abe54dc";
    let mut requests = Subscriber::connect(home.broker.addr(), &format!("{id}/rpc")).await;
    let notify = async |method: &str, params: serde_json::Value| {
        let frame =
            json!({"src": id, "dst": format!("{id}/events"), "method": method, "params": params});
        home.device.publish(&format!("{id}/events/rpc"), frame.to_string()).await;
    };
    home.device.retain(&format!("{id}/online"), "true").await;
    notify("NotifyStatus", json!({"switch:0": {"id": 0, "output": false, "apower": 12.5}})).await;
    home.gateway.value_becomes(id, "switch_0.apower", "12.5").await;
    notify("NotifyStatus", json!({"switch:0": {"id": 0, "apower": 0.0}})).await;
    home.gateway.value_becomes(id, "switch_0.apower", "0.0").await;
    home.gateway.value_becomes(id, "switch_0.output", "false").await;

    let device = async {
        let request: serde_json::Value =
            serde_json::from_slice(&requests.next().await.payload).unwrap();
        assert_eq!(
            request,
            json!({"id": 1, "src": "thingway", "method": "Switch.Set", "params": {"id": 0, "on": true}})
        );
        let answer = json!({"id": 1, "src": id, "dst": "thingway", "result": {"was_on": false}});
        home.device.publish("thingway/rpc", answer.to_string()).await;
        notify("NotifyStatus", json!({"switch:0": {"id": 0, "output": true}})).await;
    };
    let (answer, ()) = tokio::join!(put(&home.gateway, id, "switch_0.output", "true"), device);
    answer.must(204);

    let push = json!({"events": [{"component": "input:0", "id": 0, "event": "single_push"}]});
    notify("NotifyEvent", push.clone()).await;
    eventually("the event is known", async || {
        let td = home.gateway.json(&format!("/things/{id}")).await;
        if td["events"]["input_0"].is_object() { Ok(()) } else { Err(td.to_string()) }
    })
    .await;
    let mut events = Sse::open(&home.gateway.url(&format!("/things/{id}/events/input_0"))).await;
    notify("NotifyEvent", push).await;
    assert_eq!(events.next().await.data, "\"single_push\"");
    drop(events);
    home.gateway.finish().await;
}
