//! A gateway without keys listens on loopback; pages of other sites in a browser there can't use
//! it to change anything, also when their host name was rebound to this machine.

use serde_json::json;

use crate::support::Gateway;

#[tokio::test]
async fn a_page_of_another_site_changes_nothing_and_is_told_what_would_let_it() {
    let gateway = Gateway::start().await;
    gateway.publisher().await.publish("home/lamp", r#"{"on":true}"#).await;
    gateway.value_becomes("home.lamp", "on", "true").await;
    let json = ("content-type", "application/json");
    let hook = json!({"url": "http://127.0.0.1:9/hook"}).to_string();
    for origin in ["http://evil.example", "https://evil.example:8443", "null"] {
        let page = [("origin", origin), json];
        gateway.send("DELETE", "/things/home.lamp", &page, "").await.must(403);
        gateway.send("POST", "/webhooks", &page, hook.clone()).await.must(403);
        let refused = gateway.send("PUT", "/things/home.lamp/properties/on", &page, "1").await;
        assert!(refused.must(403).text().contains("http.cors_origins"));
    }
    gateway.get("/things/home.lamp").await.must(200);
    assert_eq!(gateway.json("/webhooks").await, json!([]));
    gateway.finish().await;
}

#[tokio::test]
async fn a_page_of_this_machine_or_of_a_listed_origin_may_change_things() {
    let listed = "[http]\ncors_origins = [\"https://app.example\"]\n";
    let gateway = Gateway::builder().toml(listed).start().await;
    let hook = json!({"url": "http://127.0.0.1:9/hook"}).to_string();
    for origin in ["https://app.example", "http://localhost:5173", "http://127.0.0.1:8080"] {
        let page = [("origin", origin), ("content-type", "application/json")];
        gateway.send("POST", "/webhooks", &page, hook.clone()).await.must(201);
    }
    gateway.finish().await;
}
