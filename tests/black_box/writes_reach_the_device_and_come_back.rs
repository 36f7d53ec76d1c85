//! A write changes what is desired; only the device changes what is reported.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::support::{Gateway, Mosquitto, Publisher, Subscriber, Ws, eventually};

const RULES: &str = r#"
[http]
write_wait_seconds = 2
command_deadline_seconds = 3

[[rules]]
topic = "home/{room}/thermostat"
[rules.properties.setpoint]
type = "number"
unit = "Cel"
minimum = 5
maximum = 30
write = { topic = "home/{room}/thermostat/set", payload = '{"setpoint":{value}}' }
[rules.properties.mode]
type = "string"
enum = ["eco", "comfort"]
write = { topic = "home/{room}/thermostat/mode", payload = "{text}", qos = 2 }
"#;

const SETPOINT: &str = "/things/home.hall.thermostat/properties/setpoint";
const MODE: &str = "/things/home.hall.thermostat/properties/mode";

struct Home {
    gateway: Gateway,
    device: Publisher,
    commands: Subscriber,
    broker: Mosquitto,
}

async fn home() -> Home {
    let broker = Mosquitto::start().await;
    let gateway = Gateway::builder().toml(RULES).bridge(broker.addr()).start().await;
    let device = Publisher::connect(broker.addr()).await;
    let commands = Subscriber::connect(broker.addr(), "home/hall/thermostat/+").await;
    let state = r#"{"temperature":19.5,"setpoint":20,"mode":"eco"}"#;
    device.publish("home/hall/thermostat", state).await;
    gateway.value_becomes("home.hall.thermostat", "setpoint", "20").await;
    gateway.value_becomes("home.hall.thermostat", "mode", "\"eco\"").await;
    Home { gateway, device, commands, broker }
}

async fn put(gateway: &Gateway, path: &str, body: &str) -> crate::support::Answer {
    gateway.send("PUT", path, &[("content-type", "application/json")], body).await
}

#[tokio::test]
async fn an_echo_confirms_with_204() {
    let mut home = home().await;
    let echo = async {
        let command = home.commands.next().await;
        assert_eq!(command.topic, "home/hall/thermostat/set");
        assert_eq!(&command.payload[..], br#"{"setpoint":21.50}"#, "every digit");
        assert!(!command.retain);
        home.device.publish("home/hall/thermostat", r#"{"setpoint":21.5}"#).await;
    };
    let (answer, ()) = tokio::join!(put(&home.gateway, SETPOINT, "21.50"), echo);
    let answer = answer.must(204);
    assert!(answer.body.is_empty());
    assert_eq!(home.gateway.get(SETPOINT).await.must(200).text(), "21.5");
    let echo = async {
        let command = home.commands.next().await;
        assert_eq!(
            (command.topic.as_str(), &command.payload[..]),
            ("home/hall/thermostat/mode", &b"comfort"[..])
        );
        home.device.publish("home/hall/thermostat", r#"{"mode":"comfort"}"#).await;
    };
    let (answer, ()) = tokio::join!(put(&home.gateway, MODE, "\"comfort\""), echo);
    answer.must(204);
    home.gateway.finish().await;
}

#[tokio::test]
async fn some_other_change_confirms_nothing() {
    let mut home = home().await;
    let other = async {
        home.commands.next().await;
        home.device.publish("home/hall/thermostat", r#"{"setpoint":25}"#).await;
    };
    let (answer, ()) = tokio::join!(put(&home.gateway, SETPOINT, "21"), other);
    answer.must(202);
    assert_eq!(
        home.gateway.get(SETPOINT).await.must(200).text(),
        "25",
        "reported is what the device says"
    );
    home.gateway.finish().await;
}

#[tokio::test]
async fn without_an_echo_it_is_202_and_the_command_can_be_followed() {
    let mut home = home().await;
    let start = Instant::now();
    let answer = put(&home.gateway, SETPOINT, "22").await.must(202);
    assert!(start.elapsed() >= Duration::from_millis(1900), "it waited {:?}", start.elapsed());
    let location = answer.header("location").to_owned();
    let command =
        location[location.find("/commands/").expect("Location is a command")..].to_owned();
    home.commands.next().await;

    let record = home.gateway.record("home.hall.thermostat", "setpoint").await.unwrap();
    assert_eq!(record["value"], 20, "a write alone changes nothing reported: {record}");
    assert_eq!(record["desired"]["value"], 22, "but what is desired: {record}");

    let waiting = home.gateway.json(&command).await;
    assert!(
        ["pending", "sent", "accepted"].contains(&waiting["status"].as_str().unwrap()),
        "{waiting}"
    );
    home.device.publish("home/hall/thermostat", r#"{"setpoint":22}"#).await;
    status_becomes(&home.gateway, &command, "confirmed").await;
    home.gateway.finish().await;
}

async fn status_becomes(gateway: &Gateway, command: &str, status: &str) {
    eventually(&format!("{command} ends as {status}"), async || {
        let record = gateway.json(command).await;
        if record["status"] == status { Ok(()) } else { Err(record.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn a_device_that_never_answers_ends_the_command_as_timeout() {
    let home = home().await;
    let answer = put(&home.gateway, SETPOINT, "23").await.must(202);
    let location = answer.header("location").to_owned();
    let command = location[location.find("/commands/").unwrap()..].to_owned();
    status_becomes(&home.gateway, &command, "timeout").await;
    // Too late is too late: the command has ended, the state is taken all the same.
    home.device.publish("home/hall/thermostat", r#"{"setpoint":23}"#).await;
    home.gateway.value_becomes("home.hall.thermostat", "setpoint", "23").await;
    assert_eq!(home.gateway.json(&command).await["status"], "timeout");
    home.gateway.get("/commands/none").await.must(404);
    home.gateway.finish().await;
}

#[tokio::test]
async fn the_request_says_how_long_it_waits() {
    let home = home().await;
    let start = Instant::now();
    let headers = [("content-type", "application/json"), ("prefer", "respond-async")];
    let answer = home.gateway.send("PUT", SETPOINT, &headers, "24").await.must(202);
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    assert!(answer.header("preference-applied").contains("respond-async"), "{answer}");
    assert!(answer.header("location").contains("/commands/"));
    let start = Instant::now();
    let headers = [("content-type", "application/json"), ("prefer", "wait=1")];
    home.gateway.send("PUT", SETPOINT, &headers, "24").await.must(202);
    let waited = start.elapsed();
    assert!(
        waited >= Duration::from_millis(900) && waited < Duration::from_millis(1900),
        "{waited:?}"
    );
    home.gateway.finish().await;
}

#[tokio::test]
async fn what_the_device_could_not_take_is_not_sent() {
    let mut home = home().await;
    for (path, body) in [
        (SETPOINT, "\"warm\""),
        (SETPOINT, "4.9"),
        (SETPOINT, "30.1"),
        (SETPOINT, "null"),
        (SETPOINT, "[21]"),
        (SETPOINT, "{\"setpoint\":21}"),
        (SETPOINT, "NaN"),
        (SETPOINT, "21 22"),
        (SETPOINT, ""),
        (MODE, "\"turbo\""),
        (MODE, "eco"),
        (MODE, "1"),
    ] {
        let answer = put(&home.gateway, path, body).await;
        assert!([400, 422].contains(&answer.status), "{path} {body:?}: {answer}");
        assert_eq!(answer.media_type(), "application/problem+json", "{answer}");
    }
    let plain = [("content-type", "image/png")];
    let answer = home.gateway.send("PUT", SETPOINT, &plain, "21").await.must(415);
    assert_eq!(answer.media_type(), "application/problem+json");
    let readonly =
        put(&home.gateway, "/things/home.hall.thermostat/properties/temperature", "21").await;
    let readonly = readonly.must(405);
    assert!(
        !readonly.header("allow").contains("PUT") && readonly.header("allow").contains("GET"),
        "{readonly}"
    );
    put(&home.gateway, "/things/home.hall.thermostat/properties/none", "21").await.must(404);
    put(&home.gateway, "/things/none/properties/none", "21").await.must(404);
    let sent = home.commands.hears_within(Duration::from_millis(500)).await;
    assert!(sent.is_none(), "{sent:?}");
    let record = home.gateway.record("home.hall.thermostat", "setpoint").await.unwrap();
    assert!(record.get("desired").is_none_or(serde_json::Value::is_null), "{record}");
    home.gateway.finish().await;
}

#[tokio::test]
async fn a_write_that_repeats_what_is_so_is_still_confirmed_by_the_device_alone() {
    let mut home = home().await;
    let echo = async {
        home.commands.next().await;
        home.device.publish("home/hall/thermostat", r#"{"setpoint":20}"#).await;
    };
    let (answer, ()) = tokio::join!(put(&home.gateway, SETPOINT, "20"), echo);
    answer.must(204);
    let silent = put(&home.gateway, SETPOINT, "20").await;
    assert_eq!(silent.status, 202, "nobody said so: {silent}");
    home.gateway.finish().await;
}

#[tokio::test]
async fn the_description_says_what_can_be_written() {
    let home = home().await;
    let td = home.gateway.json("/things/home.hall.thermostat").await;
    let property = |name: &str| &td["properties"][name];
    assert_eq!(property("temperature")["readOnly"], true);
    for name in ["setpoint", "mode"] {
        assert_ne!(property(name)["readOnly"], true, "{td}");
        assert!(property(name)["forms"].to_string().contains("writeproperty"), "{td}");
    }
    let setpoint = property("setpoint");
    assert_eq!(setpoint["minimum"].as_f64(), Some(5.0));
    assert_eq!(setpoint["maximum"].as_f64(), Some(30.0));
    assert_eq!((&setpoint["type"], &setpoint["unit"]), (&json!("number"), &json!("Cel")));
    assert_eq!(property("mode")["enum"], json!(["eco", "comfort"]));
    home.gateway.finish().await;
}

#[tokio::test]
async fn a_write_over_the_websocket_tells_the_value_only_when_confirmed() {
    let mut home = home().await;
    let mut ws = Ws::open(home.gateway.http()).await;
    let thing = "home.hall.thermostat";
    let echo = async {
        home.commands.next().await;
        home.device.publish("home/hall/thermostat", r#"{"setpoint":21}"#).await;
    };
    let members = json!({"name": "setpoint", "value": 21});
    let (answer, ()) = tokio::join!(ws.request(thing, "writeproperty", members), echo);
    assert_eq!((&answer["name"], &answer["value"]), (&json!("setpoint"), &json!(21)), "{answer}");
    let unconfirmed =
        ws.request(thing, "writeproperty", json!({"name": "setpoint", "value": 22})).await;
    assert!(
        unconfirmed.get("value").is_none() && unconfirmed.get("error").is_none(),
        "{unconfirmed}"
    );
    for bad in [
        json!({"name": "setpoint", "value": 99}),
        json!({"name": "setpoint"}),
        json!({"name": "temperature", "value": 1}),
    ] {
        let answer = ws.request(thing, "writeproperty", bad).await;
        let status = answer["error"]["status"].as_u64().unwrap_or_else(|| panic!("{answer}"));
        assert!((400..500).contains(&status), "{answer}");
    }
    home.gateway.finish().await;
}

#[tokio::test]
async fn writes_reach_devices_of_the_embedded_broker_too() {
    let gateway = Gateway::builder().toml(RULES).start().await;
    let device = gateway.publisher().await;
    let mut commands = Subscriber::connect(gateway.broker(), "home/hall/thermostat/+").await;
    device.publish("home/hall/thermostat", r#"{"setpoint":20}"#).await;
    gateway.value_becomes("home.hall.thermostat", "setpoint", "20").await;
    let echo = async {
        let command = commands.next().await;
        assert_eq!(&command.payload[..], br#"{"setpoint":21}"#);
        commands.publish("home/hall/thermostat", r#"{"setpoint":21}"#).await;
    };
    let (answer, ()) = tokio::join!(put(&gateway, SETPOINT, "21"), echo);
    answer.must(204);
    gateway.finish().await;
}

#[tokio::test]
async fn a_lost_link_confirms_nothing() {
    let mut home = home().await;
    let wait = [("prefer", "wait=8")];
    let write = home.gateway.send("PUT", SETPOINT, &wait, "20");
    let kill = async {
        home.commands.next().await;
        home.broker.kill();
    };
    let (answer, ()) = tokio::join!(write, kill);
    assert_ne!(answer.status, 204, "the value was 20 before, and nobody said it again");
    home.gateway.quality_becomes("home.hall.thermostat", "setpoint", "stale").await;
}

#[tokio::test]
async fn an_answer_counts_also_when_the_device_goes_on_at_once() {
    let mut home = home().await;
    let answer = async {
        home.commands.next().await;
        home.device.send("home/hall/thermostat", r#"{"setpoint":23}"#, false).await;
        home.device.send("home/hall/thermostat", r#"{"setpoint":23.5}"#, false).await;
        home.device.flush().await;
    };
    let (written, ()) = tokio::join!(put(&home.gateway, SETPOINT, "23"), answer);
    written.must(204);
    home.gateway.value_becomes("home.hall.thermostat", "setpoint", "23.5").await;
}

#[tokio::test]
async fn another_gateway_on_the_broker_takes_no_command_for_news() {
    let mut home = home().await;
    // On a machine of its own it would have a client id of its own.
    let bridge = format!(
        "[[adapters]]\nname = \"mqtt\"\nprotocol = \"mqtt\"\nurl = \"mqtt://{}\"\nclient_id = \"other\"\n",
        home.broker.addr()
    );
    let other = Gateway::builder().toml(&(RULES.to_owned() + &bridge)).start().await;
    let echo = async {
        home.commands.next().await;
        let state = r#"{"temperature":19.5,"setpoint":23,"mode":"eco"}"#;
        home.device.publish("home/hall/thermostat", state).await;
    };
    let (answer, ()) = tokio::join!(put(&home.gateway, SETPOINT, "23"), echo);
    answer.must(204);
    other.value_becomes("home.hall.thermostat", "setpoint", "23").await;
    for gateway in [&home.gateway, &other] {
        let things = gateway.json("/things").await;
        assert_eq!(things.as_array().unwrap().len(), 1, "{things}");
    }
    other.finish().await;
    home.gateway.finish().await;
}
