//! What a device can do beside its properties: described, invoked, answered, looked up.

use serde_json::{Value as Json, json};
use thingway_sdk::{Acknowledgement, AdapterError, Address, Report, Subject, Value};

use crate::support::{Field, eventually, schema_of_things, subject};

const RESET: &str = "/things/dev/actions/reset";

async fn resettable() -> Field {
    let field = Field::start().await;
    let reset = Subject {
        title: Some("Start anew".into()),
        semantic_type: Some("core.b".into()),
        ..subject("reset", "reset", Some("text/plain"))
    };
    field.offer(reset, "reset").await;
    field
}

#[tokio::test]
async fn an_action_is_described_until_it_is_withdrawn() {
    let field = resettable().await;
    let td = field.td("dev").await;
    let errors = jsonschema::validator_for(&schema_of_things().await).unwrap();
    let errors: Vec<String> = errors.iter_errors(&td).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?} in {td:#}");
    let reset = &td["actions"]["reset"];
    assert_eq!((&reset["title"], &reset["@type"]), (&json!("Start anew"), &json!("core.b")));
    let form = &reset["forms"][0];
    assert_eq!(form["href"], field.client.url(RESET));
    assert_eq!(form["op"], json!(["invokeaction"]));
    assert_eq!(reset["forms"][1]["subprotocol"], "webthingprotocol");
    let before = field.get("/things/dev").await.header("etag").to_owned();
    let again = Subject {
        title: Some("Start anew".into()),
        semantic_type: Some("core.b".into()),
        ..subject("reset", "reset", Some("text/plain"))
    };
    field.offer(again, "reset").await;
    assert_eq!(before, field.get("/things/dev").await.header("etag"), "nothing new was said");
    field.offer(subject("reset", "other/reset", None), "other/reset").await;
    assert!(field.td("dev").await["actions"]["reset-2"].is_object());
    field.report(Report::Withdrawn(Address::from("reset"))).await;
    assert_eq!(field.td("dev").await["actions"].as_object().unwrap().len(), 1);
    field.send("POST", RESET, "").await.must(404);
}

#[tokio::test]
async fn the_device_answers_with_its_result_or_without() {
    let field = resettable().await;
    field.client.send("POST", RESET, &[], Vec::new()).await.must(204);
    assert_eq!(field.commanded(), ("reset".to_owned(), String::new()));
    field.answers(|| Ok(Acknowledgement::Confirmed(Value::from_json("[1,2.50]").ok())));
    let answer = field.send("POST", RESET, "\"hard\"").await.must(200);
    assert_eq!((answer.text(), answer.media_type()), ("[1,2.50]", "application/json"));
    assert_eq!(field.commanded().1, "hard");
}

/// Invokes it while the device holds its answer back: gives back where its status is.
async fn begun(field: &Field) -> String {
    field.hold();
    let headers = [("prefer", "respond-async")];
    let answer = field.client.send("POST", RESET, &headers, Vec::new()).await.must(201);
    assert_eq!(answer.header("preference-applied"), "respond-async");
    let status = answer.json();
    assert_eq!(
        (&status["status"], &status["href"]),
        (&json!("pending"), &json!(answer.header("location")))
    );
    assert!(status["timeRequested"].is_string() && status.get("timeEnded").is_none(), "{status}");
    answer.header("location").to_owned()
}

async fn ended(field: &Field, path: &str) -> Json {
    field.release();
    eventually(path, async || {
        let status = field.get(path).await.must(200).json();
        if status["status"] == "pending" { Err(status.to_string()) } else { Ok(status) }
    })
    .await
}

#[tokio::test]
async fn an_action_that_takes_its_time_has_a_status() {
    let field = resettable().await;
    field.answers(|| Ok(Acknowledgement::Confirmed(Some(Value::Boolean(true)))));
    let path = begun(&field).await;
    assert_eq!(field.get(&path).await.must(200).json()["status"], "pending");
    // What was sent to a device can't be taken back.
    let refused = field.send("DELETE", &path, "").await.must(405);
    assert_eq!(refused.header("allow"), "GET,HEAD");
    let status = ended(&field, &path).await;
    assert_eq!((&status["status"], &status["output"]), (&json!("completed"), &json!(true)));
    assert!(status["timeEnded"].is_string(), "{status}");

    field.answers(|| Err(AdapterError::Refused("5.00: jammed".into())));
    let path = begun(&field).await;
    let status = ended(&field, &path).await;
    assert_eq!((&status["status"], &status["error"]["status"]), (&json!("failed"), &json!(502)));

    field.answers(|| Ok(Acknowledgement::Accepted));
    let path = begun(&field).await;
    let status = ended(&field, &path).await;
    assert_eq!(status["status"], "running");
    assert!(status.get("timeEnded").is_none(), "{status}");
}

#[tokio::test]
async fn the_devices_no_is_told() {
    let field = resettable().await;
    field.answers(|| Err(AdapterError::Refused("4.03 Forbidden: locked".into())));
    let answer = field.send("POST", RESET, "").await.must(502);
    assert!(answer.text().contains("4.03 Forbidden: locked"), "{answer}");
    field.answers(|| Err(AdapterError::TimedOut("no answer".into())));
    field.send("POST", RESET, "").await.must(504);
    field.send("POST", RESET, "{").await.must(400);
    field.send("POST", "/things/dev/actions/none", "").await.must(404);
    field.send("POST", "/things/none/actions/reset", "").await.must(404);
    let wrong = field.get(RESET).await.must(405);
    assert_eq!(wrong.header("allow"), "POST");
    field.offer(subject("exotic", "exotic", Some("application/exi")), "exotic").await;
    field.send("POST", "/things/dev/actions/exotic", "1").await.must(422);
    field.send("POST", "/things/dev/actions/exotic", "").await.must(504);
}
