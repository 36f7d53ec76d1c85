//! Where a protocol lists its resources, they have its names, types and forms.

use std::sync::Arc;

use serde_json::json;
use thingway_sdk::{Acknowledgement, Address, Report, Subject};

use crate::support::{Field, subject};

const TEMP: &str = "/things/dev/properties/sensors.temp";

fn temp(takes: Option<&str>) -> Arc<Subject> {
    Arc::new(subject("sensors.temp", "sensors/temp", takes))
}

#[tokio::test]
async fn a_resource_is_one_property_under_its_name() {
    let field = Field::start().await;
    let about = Arc::new(Subject {
        title: Some("Room temperature".into()),
        semantic_type: Some("temperature-c sensor".into()),
        ..subject("sensors.temp", "sensors/temp", None)
    });
    field.observe(&about, "sensors/temp", "text/plain", "21.5").await;
    let state = subject("state", "state", None);
    field.observe(&Arc::new(state), "state", "application/json", r#"{"a":1,"b":{"c":2}}"#).await;
    assert_eq!(field.get("/things/dev/properties/state").await.json(), json!({"a":1,"b":{"c":2}}));
    let td = field.td("dev").await;
    assert_eq!(td["properties"].as_object().unwrap().len(), 2);
    let temp = &td["properties"]["sensors.temp"];
    assert_eq!(temp["title"], "Room temperature");
    assert_eq!(temp["@type"], json!(["temperature-c", "sensor"]));
    assert_eq!(temp["readOnly"], true);
}

#[tokio::test]
async fn records_are_properties_of_their_own() {
    let field = Field::start().await;
    let pack = r#"[{"n":"temp","u":"Cel","v":21.5},{"n":"hum","u":"%RH","v":40}]"#;
    let about = Arc::new(subject("sensors", "sensors", Some("application/senml+json")));
    field.observe(&about, "sensors", "application/senml+json", pack).await;
    let other = Arc::new(subject("attic", "attic", None));
    let pack = r#"[{"n":"temp","u":"Cel","v":9}]"#;
    field.observe(&other, "attic", "application/senml+json", pack).await;
    let td = field.td("dev").await;
    assert_eq!(td["properties"]["hum"]["unit"], "%RH");
    assert_eq!(td["properties"]["temp-2"]["readOnly"], true);
    field.send("PUT", "/things/dev/properties/temp", "23").await.must(204);
    let written = r#"[{"n":"temp","u":"Cel","v":23}]"#;
    assert_eq!(field.commanded(), ("sensors".to_owned(), written.to_owned()));
}

#[tokio::test]
async fn a_rule_still_says_what_it_says() {
    let rule = json!({
        "topic": "sensors/{kind}", "thing": "lab.{kind}",
        "properties": {"sensors.temp": {
            "title": "Ruled", "unit": "K", "maximum": 300,
            "write": {"topic": "set/{kind}", "payload": "<{value}>"},
        }},
    });
    let field = Field::with_rules(&[rule]).await;
    let told = Subject {
        title: Some("Told".into()),
        ..subject("sensors.temp", "sensors/temp", Some("text/plain"))
    };
    field.observe(&Arc::new(told), "sensors/temp", "application/json", "290").await;
    let td = field.td("lab.temp").await;
    let property = &td["properties"]["sensors.temp"];
    assert_eq!((&property["title"], &property["unit"]), (&json!("Ruled"), &json!("K")));
    let path = "/things/lab.temp/properties/sensors.temp";
    field.send("PUT", path, "301").await.must(422);
    field.send("PUT", path, "295").await.must(204);
    assert_eq!(field.commanded(), ("set/temp".to_owned(), "<295>".to_owned()));
}

#[tokio::test]
async fn what_is_told_anew_is_announced_once() {
    let field = Field::start().await;
    field.observe(&temp(None), "sensors/temp", "application/json", "21").await;
    field.send("PUT", TEMP, "22").await.must(405);
    let before = field.get("/things/dev").await.header("etag").to_owned();
    field.observe(&temp(Some("text/plain")), "sensors/temp", "application/json", "21").await;
    let after = field.get("/things/dev").await.header("etag").to_owned();
    assert_ne!(before, after);
    field.observe(&temp(Some("text/plain")), "sensors/temp", "application/json", "21").await;
    assert_eq!(after, field.get("/things/dev").await.header("etag"));
    assert_eq!(field.td("dev").await["properties"]["sensors.temp"]["readOnly"], false);
    field.send("PUT", TEMP, "22").await.must(204);
    assert_eq!(field.commanded(), ("sensors/temp".to_owned(), "22".to_owned()));
    assert_eq!(field.get(TEMP).await.text(), "21", "only the device's report changes its state");
}

#[tokio::test]
async fn a_write_is_encoded_in_what_the_device_takes() {
    let field = Field::start().await;
    let cases = [
        ("\"on\"", "text/plain", "on"),
        ("\"on\"", "application/json", "\"on\""),
        ("\"on\"", "application/cbor", "bon"),
        ("\"on\"", "application/octet-stream", "on"),
    ];
    for (value, takes, sent) in cases {
        field.observe(&temp(Some(takes)), "sensors/temp", "text/plain", "off").await;
        field.send("PUT", TEMP, value).await.must(204);
        assert_eq!(field.commanded().1, sent, "{takes}");
    }
    field.observe(&temp(Some("application/exi")), "sensors/temp", "text/plain", "off").await;
    let refused = field.send("PUT", TEMP, "\"on\"").await.must(422);
    assert!(refused.text().contains("application/exi"), "{refused}");
}

#[tokio::test]
async fn bytes_are_written_as_they_are_read() {
    let field = Field::start().await;
    let about = temp(Some("application/octet-stream"));
    field.observe(&about, "sensors/temp", "application/octet-stream", "ab").await;
    assert_eq!(field.get(TEMP).await.text(), "\"YWI=\"");
    field.send("PUT", TEMP, "\"eHk=\"").await.must(204);
    assert_eq!(field.commanded().1, "xy");
    field.send("PUT", TEMP, "\"?\"").await.must(422);
}

#[tokio::test]
async fn what_nobody_vouches_for_is_stale_until_it_comes_again() {
    let field = Field::start().await;
    let other = Arc::new(subject("other", "other", None));
    field.observe(&temp(None), "sensors/temp", "text/plain", "21").await;
    field.observe(&other, "other", "text/plain", "1").await;
    let quality = async |path: &str| field.get(path).await.header("thingway-quality").to_owned();
    for lost in [Report::Stale, Report::Withdrawn] {
        field.report(lost(Address::from("sensors/temp"))).await;
        assert_eq!(quality(TEMP).await, "stale");
        assert_eq!(quality("/things/dev/properties/other").await, "good");
        field.observe(&temp(None), "sensors/temp", "text/plain", "21").await;
        assert_eq!(quality(TEMP).await, "good");
    }
    field.report(Report::Stale(Address::from("unknown"))).await;
    let count = field.silo.counters.count();
    assert_eq!((count.received, count.applied), (4, 4), "only messages are counted");
}

#[tokio::test]
async fn a_confirmed_write_needs_no_echo() {
    let field = Field::start().await;
    field.observe(&temp(Some("text/plain")), "sensors/temp", "application/json", "21").await;
    field.answers(|| Ok(Acknowledgement::Confirmed(None)));
    field.send("PUT", TEMP, "22").await.must(204);
    let record = field.get("/properties?thing=dev").await.json();
    assert_eq!(record[0]["desired"]["status"], "confirmed");
    assert_eq!(record[0]["value"], 21);
}
