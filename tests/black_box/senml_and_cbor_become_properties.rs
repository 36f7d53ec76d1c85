//! What a message declares as SenML or CBOR is read as such: with its units and its times.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{Gateway, Mosquitto, Sse};

async fn bridging(broker: &Mosquitto, rule: &str) -> Gateway {
    let url = format!("mqtt://{}", broker.addr());
    let adapter = format!(
        "[[adapters]]\nname = \"mqtt\"\nprotocol = \"mqtt\"\nurl = \"{url}\"\nversion = \"5\""
    );
    Gateway::builder().toml(&format!("{adapter}\n{rule}")).start().await
}

/// Publishes with a content type, which only MQTT 5 has.
fn publish(broker: &Mosquitto, topic: &str, content_type: &str, payload: &[u8]) {
    let port = broker.addr().port().to_string();
    let mut tool = Command::new("mosquitto_pub");
    tool.args(["-h", "127.0.0.1", "-p", &port, "-V", "5", "-q", "1", "-t", topic, "-s"]);
    tool.args(["-D", "publish", "content-type", content_type]).stdin(Stdio::piped());
    let mut tool = tool.spawn().expect("mosquitto-clients is installed");
    tool.stdin.take().unwrap().write_all(payload).unwrap();
    assert!(tool.wait().unwrap().success(), "{topic}");
}

#[tokio::test]
async fn each_record_has_its_own_unit_and_time() {
    let broker = Mosquitto::start().await;
    let gateway = bridging(&broker, "").await;
    // RFC 8428, section 5.1.2.
    let pack = br#"[
        {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,
         "n":"voltage","u":"V","v":120.10},
        {"n":"current","t":-5,"v":1.2},
        {"n":"current","t":-4,"v":1.3}
    ]"#;
    publish(&broker, "meter", "application/senml+json", pack);
    gateway.value_becomes("meter", "voltage", "120.10").await;
    gateway.value_becomes("meter", "current", "1.3").await;
    let records = gateway.json("/properties?thing=meter&unit=A").await;
    assert_eq!(records.as_array().unwrap().len(), 1);
    assert_eq!(records[0]["property"], "current");
    assert_eq!(records[0]["time"], "2010-06-08T18:01:12.001Z");
    let td = gateway.json("/things/meter").await;
    assert_eq!(td["properties"]["voltage"]["unit"], "V");
    let late = br#"[{"bn":"urn:dev:ow:10e2073a0108006:","n":"current","bt":1276020000,"v":9}]"#;
    publish(&broker, "meter", "application/senml+json", late);
    publish(&broker, "meter", "application/senml+json", br#"[{"n":"voltage","u":"mV","v":7}]"#);
    gateway.value_becomes("meter", "voltage", "7").await;
    gateway.value_becomes("meter", "current", "1.3").await;
    assert_eq!(gateway.json("/things/meter").await["properties"]["voltage"]["unit"], "mV");
    gateway.finish().await;
}

#[tokio::test]
async fn maps_come_apart_as_objects_do() {
    let broker = Mosquitto::start().await;
    let gateway = bridging(&broker, "").await;
    // {"t": 21.5, "pos": {"x": 1}, "raw": h'ff00'}
    let map = b"\xa3\x61t\xf9\x4d\x60\x63pos\xa1\x61x\x01\x63raw\x42\xff\x00";
    publish(&broker, "probe", "application/cbor", map);
    gateway.value_becomes("probe", "t", "21.5").await;
    let all = gateway.json("/things/probe/properties").await;
    assert_eq!(all, json!({"t": 21.5, "pos.x": 1, "raw": "/wA="}));
    publish(&broker, "probe", "application/cbor", b"\xa1\x61");
    publish(&broker, "probe", "application/senml+cbor", b"\x81\xa2\x00\x61t\x02\x16");
    gateway.value_becomes("probe", "t", "22").await;
    gateway.finish().await;
}

#[tokio::test]
async fn the_data_of_an_event_is_the_item_as_json() {
    let rule = "[[rules]]\ntopic = \"door/event\"\nthing = \"door\"\nevent = \"moved\"\n";
    let broker = Mosquitto::start().await;
    let gateway = bridging(&broker, rule).await;
    publish(&broker, "door/event", "application/cbor", b"\xa1\x61n\x01");
    gateway.received(1).await;
    let mut events = Sse::open(&gateway.url("/things/door/events/moved")).await;
    publish(&broker, "door/event", "application/cbor", b"\xa1\x61n\xa1\x61m\x02");
    assert_eq!(events.next().await.json(), json!({"n": {"m": 2}}));
    gateway.finish().await;
}
