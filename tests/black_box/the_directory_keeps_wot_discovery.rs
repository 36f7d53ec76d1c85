//! `/things` is a W3C WoT Discovery directory (REC, section 7.3).

use serde_json::{Value, json};

use crate::support::{Answer, Gateway, Sse};

const TD_TYPES: [&str; 2] = ["application/td+json", "application/json"];

fn td(title: &str) -> Value {
    json!({
        "@context": "https://www.w3.org/2022/wot/td/v1.1",
        "title": title,
        "securityDefinitions": {"none": {"scheme": "nosec"}},
        "security": "none",
        "properties": {
            "level": {"type": "integer", "forms": [{"href": "coap://[2001:db8::1]/level"}]}
        }
    })
}

fn with_id(title: &str, id: &str) -> Value {
    let mut td = td(title);
    td["id"] = id.into();
    td
}

fn problem(answer: &Answer) -> Value {
    assert_eq!(answer.media_type(), "application/problem+json", "{answer}");
    let problem = answer.json();
    assert_eq!(problem["status"], answer.status, "{problem}");
    assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    problem
}

#[tokio::test]
async fn an_anonymous_td_gets_an_id_and_a_location() {
    let gateway = Gateway::start().await;
    for media_type in TD_TYPES {
        let body = td("Anonymous").to_string();
        let answer =
            gateway.send("POST", "/things", &[("content-type", media_type)], body).await.must(201);
        let location = answer.header("location").to_owned();
        assert!(location.contains("/things/"), "{location}");
        let path = location.find("/things/").map(|at| &location[at..]).unwrap();
        let stored = gateway.get(path).await.must(200);
        assert_eq!(stored.media_type(), "application/td+json");
        let stored = stored.json();
        assert_eq!(stored["title"], "Anonymous");
        let id = stored["id"].as_str().unwrap();
        assert!(id.contains(':'), "an id is a URI: {id}");
        gateway.get(&format!("/things/{id}")).await.must(200);
    }
    assert_eq!(gateway.json("/things").await.as_array().unwrap().len(), 2);
    gateway.finish().await;
}

#[tokio::test]
async fn put_creates_then_replaces_patch_merges_delete_removes() {
    let gateway = Gateway::start().await;
    let path = "/things/urn:dev:ops:32473-valve-7";
    let id = "urn:dev:ops:32473-valve-7";
    let headers = [("content-type", "application/td+json")];
    gateway.send("PUT", path, &headers, with_id("Valve", id).to_string()).await.must(201);
    assert_eq!(gateway.json(path).await["title"], "Valve");
    gateway.send("PUT", path, &headers, with_id("Valve 7", id).to_string()).await.must(204);
    assert_eq!(gateway.json(path).await["title"], "Valve 7");

    let merge = [("content-type", "application/merge-patch+json")];
    let patch = json!({"description": "in the cellar", "properties": {"flow": {"type": "number",
        "forms": [{"href": "coap://[2001:db8::1]/flow"}]}}});
    gateway.send("PATCH", path, &merge, patch.to_string()).await.must(204);
    let merged = gateway.json(path).await;
    assert_eq!(merged["description"], "in the cellar");
    assert!(merged["properties"]["level"].is_object() && merged["properties"]["flow"].is_object());
    gateway.send("PATCH", path, &merge, json!({"description": null}).to_string()).await.must(204);
    assert!(gateway.json(path).await.get("description").is_none(), "null deletes");

    gateway.send("DELETE", path, &[], "").await.must(204);
    problem(&gateway.get(path).await.must(404));
    problem(&gateway.send("DELETE", path, &[], "").await.must(404));
    problem(&gateway.send("PATCH", path, &merge, "{}").await.must(404));
    gateway.finish().await;
}

#[tokio::test]
async fn a_description_that_is_none_is_refused_field_by_field() {
    let gateway = Gateway::start().await;
    let headers = [("content-type", "application/td+json")];
    let mut untitled = td("x");
    untitled.as_object_mut().unwrap().remove("title");
    let mut insecure = td("x");
    insecure.as_object_mut().unwrap().remove("security");
    let mut formless = td("x");
    formless["properties"]["level"]["forms"] = json!([]);
    let mut wrong_type = td("x");
    wrong_type["properties"]["level"]["type"] = "int".into();
    let mut contextless = td("x");
    contextless["@context"] = "https://example.org/".into();
    let mut undefined = td("x");
    undefined["security"] = "basic".into();
    for (what, body, field) in [
        ("no title", untitled, "title"),
        ("no security", insecure, "security"),
        ("no forms", formless, "forms"),
        ("no such type", wrong_type, "type"),
        ("no TD context", contextless, "@context"),
        ("a security that is not defined", undefined, "security"),
    ] {
        for (method, path) in [("POST", "/things"), ("PUT", "/things/urn:dev:ops:32473-bad")] {
            let mut body = body.clone();
            if method == "PUT" {
                body["id"] = "urn:dev:ops:32473-bad".into();
            }
            let answer = gateway.send(method, path, &headers, body.to_string()).await;
            assert_eq!(answer.status, 400, "{what}: {answer}");
            let problem = problem(&answer);
            let errors = problem["validationErrors"]
                .as_array()
                .unwrap_or_else(|| panic!("{what}: {problem}"));
            assert!(!errors.is_empty(), "{what}: {problem}");
            for error in errors {
                assert!(
                    error["field"].is_string() && error["description"].is_string(),
                    "{problem}"
                );
            }
            let named = |e: &Value| {
                e["field"].as_str().unwrap().contains(field)
                    || e["description"].as_str().unwrap().contains(field)
            };
            assert!(errors.iter().any(named), "{what}: nothing names {field}: {problem}");
        }
    }
    for body in ["", "{", "[]", "null", "\"td\"", "{\"title\":\"x\",}"] {
        let answer = gateway.send("POST", "/things", &headers, body).await;
        assert!([400, 415].contains(&answer.status), "{body:?}: {answer}");
        problem(&answer);
    }
    problem(
        &gateway.send("POST", "/things", &[("content-type", "text/turtle")], "x").await.must(415),
    );
    let json = [("content-type", "application/json-patch+json")];
    let path = "/things/urn:dev:ops:32473-good";
    let good = with_id("x", "urn:dev:ops:32473-good").to_string();
    gateway.send("PUT", path, &headers, good).await.must(201);
    problem(&gateway.send("PATCH", path, &json, "[]").await.must(415));
    let merge = [("content-type", "application/merge-patch+json")];
    let unmade = gateway.send("PATCH", path, &merge, r#"{"title":null}"#).await.must(400);
    assert!(problem(&unmade)["validationErrors"].is_array(), "{unmade}");
    assert_eq!(gateway.json(path).await["title"], "x", "what is refused changes nothing");
    gateway.finish().await;
}

#[tokio::test]
async fn an_id_that_differs_from_the_path_is_refused() {
    let gateway = Gateway::start().await;
    let headers = [("content-type", "application/td+json")];
    let body = with_id("x", "urn:dev:ops:32473-a").to_string();
    let answer = gateway.send("PUT", "/things/urn:dev:ops:32473-b", &headers, body).await.must(400);
    problem(&answer);
    assert_eq!(gateway.json("/things").await, json!([]));
    gateway.finish().await;
}

#[tokio::test]
async fn pages_are_linked_ordered_and_tagged() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    // Code point order is neither the order of arrival nor that of a dictionary.
    for topic in ["b/v", "a/v", "B/v", "a-/v", "a_/v", "Z/v", "0/v"] {
        device.publish(topic, "1").await;
    }
    gateway.value_becomes("0", "v", "1").await;
    let whole = gateway.get("/things").await.must(200);
    assert!(["application/ld+json", "application/json"].contains(&whole.media_type()), "{whole}");
    let ids = ids(&whole);
    let mut sorted = ids.clone();
    sorted.sort();
    assert_eq!(ids, sorted);
    assert_eq!(ids.len(), 7);

    let mut path = "/things?limit=2".to_owned();
    let mut walked = Vec::new();
    let mut pages = 0;
    loop {
        let page = gateway.get(&path).await.must(200);
        let canonical = page.headers.get_all("link").iter().any(|link| {
            let link = link.to_str().unwrap();
            link.contains("canonical") && link.contains("etag=\"")
        });
        assert!(canonical, "every page says which collection it is of: {page}");
        walked.extend(self::ids(&page));
        pages += 1;
        match page.link("next") {
            Some(next) => {
                let query = next.split_once('?').unwrap_or_else(|| panic!("{next}")).1;
                assert!(query.contains("limit=2") && query.contains("offset="), "{next}");
                path = format!("/things?{query}");
            }
            None => break,
        }
    }
    assert_eq!((walked, pages), (ids, 4));
    assert_eq!(self::ids(&gateway.get("/things?offset=6&limit=10").await.must(200)).len(), 1);
    assert_eq!(gateway.get("/things?offset=100").await.must(200).json(), json!([]));
    for bad in ["limit=-1", "limit=x", "offset=-1", "limit=0"] {
        let answer = gateway.get(&format!("/things?{bad}")).await;
        assert_eq!(answer.status, 400, "{bad}: {answer}");
        problem(&answer);
    }
    gateway.finish().await;
}

fn ids(page: &Answer) -> Vec<String> {
    let page = page.json();
    page.as_array().unwrap().iter().map(|td| td["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_tag_of_the_collection_changes_with_it() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    let tag = async || {
        let page = gateway.get("/things").await.must(200);
        let links: Vec<_> =
            page.headers.get_all("link").iter().map(|l| l.to_str().unwrap().to_owned()).collect();
        let link = links.iter().find(|l| l.contains("canonical")).unwrap().clone();
        link[link.find("etag=\"").unwrap()..].to_owned()
    };
    let before = tag().await;
    assert_eq!(tag().await, before, "nothing changed");
    device.publish("new/v", "1").await;
    gateway.value_becomes("new", "v", "1").await;
    assert_ne!(tag().await, before);
    gateway.finish().await;
}

#[tokio::test]
async fn the_directory_introduces_itself() {
    let gateway = Gateway::start().await;
    let answer = gateway.get("/.well-known/wot").await.must(200);
    assert_eq!(answer.media_type(), "application/td+json");
    let td = answer.json();
    assert!(td["@type"].to_string().contains("ThingDirectory"), "{td}");
    assert!(td["@context"].to_string().contains("https://www.w3.org/2022/wot/discovery"), "{td}");
    let base = gateway.url("/things");
    assert!(td.to_string().contains(&base), "its forms lead here: {td}");
    for affordance in [
        "things",
        "retrieveThing",
        "createThing",
        "updateThing",
        "deleteThing",
        "createAnonymousThing",
    ] {
        let known = td["properties"].get(affordance).or_else(|| td["actions"].get(affordance));
        assert!(known.is_some(), "{affordance} in {td}");
    }
    for event in ["thingCreated", "thingUpdated", "thingDeleted"] {
        assert!(td["events"].get(event).is_some(), "{event} in {td}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn what_happens_to_things_is_told_live_and_once_more_to_who_was_away() {
    let gateway = Gateway::start().await;
    let mut all = Sse::open(&gateway.url("/events")).await;
    let mut created = Sse::open(&gateway.url("/events/thing_created?diff=true")).await;
    let mut deleted = Sse::open(&gateway.url("/events/thing_deleted?diff=true")).await;
    let headers = [("content-type", "application/td+json")];
    let id = "urn:dev:ops:32473-bell";
    let path = format!("/things/{id}");
    gateway.send("PUT", &path, &headers, with_id("Bell", id).to_string()).await.must(201);
    // Before the next change: a whole description is the one at the moment of reading.
    let full = created.next().await;
    assert_eq!(full.name, "thing_created");
    assert_eq!(full.json()["title"], "Bell", "{full:?}");
    gateway.send("PUT", &path, &headers, with_id("Bell 2", id).to_string()).await.must(204);
    gateway.send("DELETE", &path, &[], "").await.must(204);
    let mut seen = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let event = all.next().await;
        assert_eq!(event.json()["id"], id);
        ids.push(event.id.clone().expect("an id to come back with"));
        seen.push(event.name);
    }
    assert_eq!(seen, ["thing_created", "thing_updated", "thing_deleted"]);
    let gone = deleted.next().await;
    assert_eq!(gone.json(), json!({"id": id}), "diff is ignored here");

    let mut again = Sse::resume(&gateway.url("/events"), &ids[0]).await;
    assert_eq!(again.next().await.name, "thing_updated");
    assert_eq!(again.next().await.id.as_ref(), Some(&ids[2]));
    let mut only = Sse::resume(&gateway.url("/events/thing_deleted"), &ids[0]).await;
    assert_eq!(only.next().await.name, "thing_deleted");
    gateway.get_as("/events/thing_stolen", "text/event-stream").await.must(404);
    gateway.finish().await;
}

#[tokio::test]
async fn a_difference_is_a_merge_patch() {
    let gateway = Gateway::start().await;
    let headers = [("content-type", "application/td+json")];
    let id = "urn:dev:ops:32473-lamp";
    let path = format!("/things/{id}");
    gateway.send("PUT", &path, &headers, with_id("Lamp", id).to_string()).await.must(201);
    let mut updated = Sse::open(&gateway.url("/events/thing_updated?diff=true")).await;
    let merge = [("content-type", "application/merge-patch+json")];
    gateway.send("PATCH", &path, &merge, r#"{"title":"Desk lamp"}"#).await.must(204);
    let event = updated.next().await.json();
    assert_eq!(event["id"], id);
    assert_eq!(event["title"], "Desk lamp", "{event}");
    gateway.finish().await;
}

#[tokio::test]
async fn enriched_descriptions_say_when_they_were_registered() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    device.publish("rich/v", "1").await;
    gateway.value_becomes("rich", "v", "1").await;
    let td = gateway.json("/things/rich").await;
    if td.get("registration").is_some() {
        assert!(
            td["@context"].to_string().contains("https://www.w3.org/2022/wot/discovery"),
            "{td}"
        );
        assert!(td["registration"]["created"].is_string(), "{td}");
    }
    assert_eq!(td["id"], "urn:thingway:rich");
    gateway.finish().await;
}

#[tokio::test]
async fn a_deleted_thing_comes_back_when_its_device_speaks_again() {
    let gateway = Gateway::start().await;
    let device = gateway.publisher().await;
    device.publish("back/v", "1").await;
    gateway.value_becomes("back", "v", "1").await;
    gateway.send("DELETE", "/things/back", &[], "").await.must(204);
    gateway.get("/things/back").await.must(404);
    gateway.get("/things/back/properties/v").await.must(404);
    device.publish("back/v", "2").await;
    gateway.value_becomes("back", "v", "2").await;
    gateway.finish().await;
}
