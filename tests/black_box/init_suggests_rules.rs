//! `thingway init` listens to a broker and writes a configuration that `thingway check` takes: with
//! what conventions know left to them, and a rule suggested for each family of the other topics.

use std::path::Path;
use std::process::Output;

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{Gateway, Mosquitto, PATIENCE, Publisher};

async fn thingway(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thingway"));
    command.args(arguments).current_dir(dir).kill_on_drop(true);
    let Output { status, stdout, stderr } =
        timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A broker that keeps what some devices said.
async fn home() -> Mosquitto {
    let broker = Mosquitto::start().await;
    let devices = Publisher::connect(broker.addr()).await;
    let announced = json!([
        {"ieee_address": "0x0017880104e45520", "type": "Router", "friendly_name": "lamp",
         "definition": {"model": "7146060PH", "vendor": "Philips", "exposes": [
            {"type": "light", "features": [
                {"type": "binary", "name": "state", "property": "state", "access": 7,
                 "value_on": "ON", "value_off": "OFF"}]}]}}
    ]);
    for (topic, payload) in [
        // The broker tells retained messages in no order that could be relied on.
        ("zigbee2mqtt/lamp", r#"{"state":"ON"}"#.to_owned()),
        ("zigbee2mqtt/bridge/devices", announced.to_string()),
        ("plant/a/press/tele", r#"{"temperature":21.5,"mode":"auto"}"#.to_owned()),
        ("plant/b/saw/tele", r#"{"temperature":40,"mode":"off"}"#.to_owned()),
        ("meter/m1", "21,5".to_owned()),
        ("meter/m2", "3".to_owned()),
        ("line/a", "21,5;ok;7".to_owned()),
        ("broken/a", r#"{"temperature":NaN}"#.to_owned()),
    ] {
        devices.retain(topic, payload).await;
    }
    devices.retain("raw/a", vec![0xfa, 0x29, 0xff, 0x80]).await;
    broker
}

fn uncommented(text: &str) -> String {
    text.lines().map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n").collect()
}

#[tokio::test]
async fn a_file_is_written_that_check_takes_as_it_is_and_with_all_suggestions() {
    let broker = home().await;
    let dir = TempDir::new().unwrap();
    let url = format!("mqtt://someone:hunter2@{}", broker.addr());
    let arguments = ["init", "--mqtt", &url, "--seconds", "2"];
    let (code, told, errors) = thingway(dir.path(), &arguments).await;
    assert_eq!((code, errors.as_str()), (0, ""), "{told}");
    for expected in [
        "9 messages on 9 topics",
        "recognised  zigbee2mqtt: ",
        "1 thing (lamp)",
        "by shape    7 topics: 6 things",
        "decimal comma (meter/m1)",
        "neither JSON nor text (raw/a)",
        "kept as text, because it is not valid JSON",
        "written     thingway.toml with 5 rules",
    ] {
        assert!(told.contains(expected), "{expected}\nin\n{told}");
    }
    let text = std::fs::read_to_string(dir.path().join("thingway.toml")).unwrap();
    for expected in [
        &format!("url = \"mqtt://{}\"\n", broker.addr()),
        "# conventions = [\"zigbee2mqtt\"]\n",
        "\n[[rules]]\ntopic = \"plant/{level2}/{device}/tele\"\n",
        "# [rules.properties.temperature]",
        "# unit = \"Cel\"\n",
        "\n[[rules]]\ntopic = \"meter/{device}\"\n# title = \"Meter\"\n# format = \"text\"\n# decimal = \",\"\n",
        "# format = \"csv\"\n# decimal = \",\"\n# columns = [\"cell1\", \"cell2\", \"cell3\"]\n",
        "# format = \"bytes\"\n",
    ] {
        assert!(text.contains(expected), "{expected}\nin\n{text}");
    }
    assert!(!text.contains("topic = \"zigbee2mqtt"), "{text}");
    for secret in ["someone", "hunter2"] {
        assert!(!text.contains(secret) && !told.contains(secret), "{text}\n{told}");
    }
    let (code, told, errors) = thingway(dir.path(), &["check"]).await;
    assert_eq!(code, 0, "{errors}");
    assert!(told.contains("1 adapter, 5 rules"), "{told}");
    std::fs::write(dir.path().join("all.toml"), uncommented(&text)).unwrap();
    let (code, _, errors) = thingway(dir.path(), &["check", "all.toml"]).await;
    assert_eq!(code, 0, "{errors}");

    // A gateway with the file makes of the messages what it would make without.
    let gateway = Gateway::builder().toml(&text).start().await;
    gateway.value_becomes("plant.b.saw.tele", "temperature", "40").await;
    gateway.value_becomes("zigbee2mqtt.lamp", "state", "true").await;
}

#[tokio::test]
async fn a_file_that_is_there_stays_unless_it_is_forced() {
    let broker = home().await;
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("thingway.toml");
    std::fs::write(&file, "# mine\n").unwrap();
    let url = format!("mqtt://{}", broker.addr());
    let arguments = ["init", "--mqtt", &url, "--seconds", "1"];
    let (code, told, errors) = thingway(dir.path(), &arguments).await;
    assert_eq!((code, told.as_str()), (1, ""));
    assert!(errors.contains("--force"), "{errors}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "# mine\n");

    let to_stdout = [&arguments[..], &["--output", "-"]].concat();
    let (code, text, report) = thingway(dir.path(), &to_stdout).await;
    assert_eq!(code, 0, "{report}");
    assert!(text.starts_with("##") && text.contains("[[adapters]]"), "{text}");
    assert!(report.contains("zigbee2mqtt: "), "{report}");

    let forced = [&arguments[..], &["--force", "--json"]].concat();
    let (code, told, errors) = thingway(dir.path(), &forced).await;
    assert_eq!(code, 0, "{errors}");
    let report: Json = serde_json::from_str(&told).unwrap();
    assert_eq!(report["file"], "thingway.toml");
    assert_eq!(report["conventions"][0]["convention"], "zigbee2mqtt");
    assert_eq!(report["by_shape"]["topics"], 7);
    assert_eq!(report["rules"].as_array().unwrap().len(), 5);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[tokio::test]
async fn a_broker_that_is_away_or_silent_is_an_error_that_says_what_to_do() {
    let mut broker = Mosquitto::start().await;
    let dir = TempDir::new().unwrap();
    let url = format!("mqtt://someone:hunter2@{}", broker.addr());
    let arguments = ["init", "--mqtt", &url, "--seconds", "1"];
    let (code, _, errors) = thingway(dir.path(), &arguments).await;
    assert_eq!(code, 4, "{errors}");
    assert!(errors.contains("--seconds"), "{errors}");
    broker.kill();
    let (code, _, errors) = thingway(dir.path(), &arguments).await;
    assert_eq!(code, 69, "{errors}");
    assert!(errors.contains("host and port") && !errors.contains("hunter2"), "{errors}");
    let (code, _, errors) = thingway(dir.path(), &["init", "--mqtt", "http://x"]).await;
    assert_eq!(code, 2, "{errors}");
    assert!(!dir.path().join("thingway.toml").exists());
}
