//! `/properties`: what is known of everything, record by record.

use serde_json::{Value, json};

use crate::support::{Gateway, Sse};

async fn house() -> (Gateway, crate::support::Publisher) {
    let gateway = Gateway::builder()
        .toml("[[rules]]\ntopic = \"home/{room}/temp\"\n[rules.properties.temp]\nunit = \"Cel\"")
        .start()
        .await;
    let device = gateway.publisher().await;
    for room in ["hall", "kitchen", "attic"] {
        device.publish(&format!("home/{room}/temp"), "21.5").await;
        device.publish(&format!("home/{room}/open"), "false").await;
    }
    gateway.value_becomes("home.attic", "open", "false").await;
    (gateway, device)
}

async fn records(gateway: &Gateway, query: &str) -> Vec<Value> {
    let answer = gateway.json(&format!("/properties{query}")).await;
    answer.as_array().unwrap_or_else(|| panic!("no array: {answer}")).clone()
}

#[tokio::test]
async fn a_record_has_all_that_is_known() {
    let (gateway, _device) = house().await;
    let record = gateway.record("home.hall", "temp").await.unwrap();
    assert_eq!(record["thing"], "urn:thingway:home.hall");
    assert_eq!(record["property"], "temp");
    assert_eq!(record["value"], 21.5);
    assert_eq!(record["unit"], "Cel");
    assert_eq!(record["quality"], "good");
    assert_eq!(record["source"]["address"], "home/hall/temp");
    let adapter = gateway.adapters().await.remove(0);
    assert_eq!(record["source"]["adapter"], adapter.as_str());
    assert!(record["revision"].is_u64(), "{record}");
    for moment in ["time", "received"] {
        let text = record[moment].as_str().unwrap();
        assert!(text.parse::<jiff::Timestamp>().is_ok() && text.ends_with('Z'), "{record}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn filters_narrow_and_combine() {
    let (gateway, _device) = house().await;
    let adapter = gateway.adapters().await.remove(0);
    for (query, count) in [
        (String::new(), 6),
        ("?thing=home.hall".into(), 2),
        ("?thing=urn:thingway:home.hall".into(), 2),
        ("?thing=home.*".into(), 6),
        ("?name=temp".into(), 3),
        ("?name=temp&thing=home.attic".into(), 1),
        ("?unit=Cel".into(), 3),
        ("?quality=good".into(), 6),
        ("?quality=stale".into(), 0),
        (format!("?silo={adapter}"), 6),
        ("?silo=other".into(), 0),
        ("?thing=nowhere".into(), 0),
        ("?name=nothing".into(), 0),
    ] {
        let found = records(&gateway, &query).await;
        assert_eq!(found.len(), count, "{query}: {}", json!(found));
    }
    let temps = records(&gateway, "?name=temp").await;
    assert!(temps.iter().all(|r| r["property"] == "temp" && r["unit"] == "Cel"));
    for bad in ["quality=fine", "limit=x", "limit=-1", "since=x"] {
        let answer = gateway.get(&format!("/properties?{bad}")).await;
        assert_eq!(answer.status, 400, "{bad}: {answer}");
        assert_eq!(answer.media_type(), "application/problem+json", "{bad}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn since_leaves_out_what_did_not_change() {
    let (gateway, device) = house().await;
    let all = records(&gateway, "").await;
    let newest = all.iter().map(|r| r["revision"].as_u64().unwrap()).max().unwrap();
    assert!(records(&gateway, &format!("?since={newest}")).await.is_empty());
    device.publish("home/hall/temp", "22").await;
    gateway.value_becomes("home.hall", "temp", "22").await;
    let changed = records(&gateway, &format!("?since={newest}")).await;
    assert_eq!(changed.len(), 1, "{}", json!(changed));
    assert_eq!(changed[0]["value"], 22);
    assert!(changed[0]["revision"].as_u64().unwrap() > newest, "revisions only rise");
    gateway.finish().await;
}

#[tokio::test]
async fn pages_together_are_the_whole() {
    let (gateway, _device) = house().await;
    let whole = records(&gateway, "").await;
    let mut walked = Vec::new();
    let mut path = "/properties?limit=4".to_owned();
    let mut pages = 0;
    loop {
        let page = gateway.get(&path).await.must(200);
        let records = page.json().as_array().unwrap().clone();
        assert!(records.len() <= 4);
        walked.extend(records);
        pages += 1;
        assert!(pages < 10, "pages without end");
        let Some(next) = page.link("next") else { break };
        path = next[next.find("/properties").unwrap()..].to_owned();
    }
    let key = |r: &Value| (r["thing"].to_string(), r["property"].to_string());
    let mut walked: Vec<_> = walked.iter().map(key).collect();
    let mut whole: Vec<_> = whole.iter().map(key).collect();
    walked.sort();
    whole.sort();
    assert_eq!(walked, whole);
    assert_eq!(pages, 2);
    gateway.finish().await;
}

#[tokio::test]
async fn the_sequence_is_the_same_everywhere() {
    let (gateway, device) = house().await;
    let mut records = Sse::open(&gateway.url("/properties?thing=home.hall&name=temp")).await;
    let mut thing = Sse::open(&gateway.url("/things/home.hall/properties")).await;
    let mut property = Sse::open(&gateway.url("/things/home.hall/properties/temp")).await;
    device.publish("home/hall/temp", "23.75").await;
    let of_record = records.until(|e| e.data.contains("23.75")).await.pop().unwrap();
    let of_thing = thing.until(|e| e.data == "23.75").await.pop().unwrap();
    let of_property = property.until(|e| e.data == "23.75").await.pop().unwrap();
    let revision = gateway.record("home.hall", "temp").await.unwrap()["revision"].as_u64().unwrap();
    let seqs = [
        of_record.seq(),
        of_thing.seq(),
        of_property.seq(),
        of_record.json()["revision"].as_u64().unwrap(),
    ];
    assert_eq!(seqs, [revision; 4]);
    gateway.finish().await;
}
