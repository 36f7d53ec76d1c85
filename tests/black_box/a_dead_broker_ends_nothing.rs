//! A lost link ends no subscription, loses no promised message and touches no other silo.

use serde_json::Value;

use crate::support::{Gateway, Mosquitto, Proxy, Publisher, Sse, eventually};

#[tokio::test]
async fn its_values_go_stale_and_come_back_and_streams_live_through_it() {
    let mut broker = Mosquitto::start().await;
    let gateway = Gateway::bridging(&broker).await;
    let device = Publisher::connect(broker.addr()).await;
    device.publish("d/v", "1").await;
    gateway.value_becomes("d", "v", "1").await;
    gateway.quality_becomes("d", "v", "good").await;
    let mut records = Sse::open(&gateway.url("/properties?thing=d")).await;
    let mut bare = Sse::open(&gateway.url("/things/d/properties/v")).await;

    broker.kill();
    gateway.quality_becomes("d", "v", "stale").await;
    records.until(|event| event.name != "gap" && event.json()["quality"] == "stale").await;
    let value = gateway.get("/things/d/properties/v").await.must(200);
    assert_eq!(value.text(), "1", "the last value is still told, with its age");
    let link = silo(&gateway).await;
    assert_eq!(link["status"], "disconnected", "{link}");
    gateway.get("/livez").await.must(200);

    broker.restart().await;
    eventually("the link is back", async || {
        let link = silo(&gateway).await;
        if link["status"] == "connected" { Ok(()) } else { Err(link.to_string()) }
    })
    .await;
    let device = Publisher::connect(broker.addr()).await;
    device.publish("d/v", "2").await;
    let live = records
        .until(|event| event.name != "gap" && event.json()["value"] == 2)
        .await
        .pop()
        .unwrap();
    assert_eq!(live.json()["quality"], "good", "{live:?}");
    bare.until(|event| event.data == "2").await;
    gateway.quality_becomes("d", "v", "good").await;
    gateway.finish().await;
}

async fn silo(gateway: &Gateway) -> Value {
    let adapters = gateway.json("/adapters").await;
    let adapter = &adapters[0];
    if adapter["link"].is_object() { adapter["link"].clone() } else { adapter.clone() }
}

#[tokio::test]
async fn what_was_published_at_qos_1_meanwhile_arrives() {
    let broker = Mosquitto::start().await;
    let wire = Proxy::to(broker.addr()).await;
    let gateway = Gateway::builder().bridge(wire.addr()).start().await;
    let device = Publisher::connect(broker.addr()).await;
    device.publish("q/v", "0").await;
    gateway.value_becomes("q", "v", "0").await;
    let mut stream = Sse::open(&gateway.url("/things/q/properties/v")).await;
    for round in 1..=3 {
        wire.cut();
        gateway.quality_becomes("q", "v", "stale").await;
        for step in 1..=100 {
            device.publish("q/v", (round * 1000 + step).to_string()).await;
        }
        wire.mend();
        for step in 1..=100 {
            let wanted = (round * 1000 + step).to_string();
            let older = |data: &str| data.parse::<u64>().is_ok_and(|v| v < round * 1000 + step);
            let events = stream.until(|e| e.data == wanted || !older(&e.data)).await;
            assert_eq!(
                events.last().unwrap().data,
                wanted,
                "round {round}, step {step}: {events:?}"
            );
        }
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_broker_that_saved_its_sessions_delivers_what_it_queued() {
    let mut broker = Mosquitto::start().await;
    let gateway = Gateway::bridging(&broker).await;
    let device = Publisher::connect(broker.addr()).await;
    device.publish("q/v", "0").await;
    gateway.value_becomes("q", "v", "0").await;
    drop(device);
    broker.stop();
    gateway.quality_becomes("q", "v", "stale").await;
    broker.restart().await;
    // At once: perhaps the gateway is back already, perhaps the broker keeps them for it.
    let device = Publisher::connect(broker.addr()).await;
    for step in 1..=100 {
        device.publish(&format!("q/p{step}"), step.to_string()).await;
    }
    for step in 1..=100 {
        gateway.value_becomes("q", &format!("p{step}"), &step.to_string()).await;
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_broker_that_forgot_the_session_is_subscribed_to_anew() {
    let mut broker = Mosquitto::start().await;
    let gateway = Gateway::bridging(&broker).await;
    let device = Publisher::connect(broker.addr()).await;
    device.publish("f/v", "1").await;
    gateway.value_becomes("f", "v", "1").await;
    drop(device);
    broker.kill();
    broker.forget();
    gateway.quality_becomes("f", "v", "stale").await;
    broker.restart().await;
    let device = Publisher::connect(broker.addr()).await;
    let mut value = 1;
    eventually("messages arrive again", async || {
        value += 1;
        device.publish("f/v", value.to_string()).await;
        let answer = gateway.get("/things/f/properties/v").await;
        if answer.text() == "1" { Err(answer.to_string()) } else { Ok(()) }
    })
    .await;
    gateway.finish().await;
}

#[tokio::test]
async fn one_silo_down_leaves_the_other_alone() {
    let (mut ill, well) = (Mosquitto::start().await, Mosquitto::start().await);
    let gateway = Gateway::builder().bridge(ill.addr()).bridge(well.addr()).start().await;
    let (of_ill, of_well) =
        (Publisher::connect(ill.addr()).await, Publisher::connect(well.addr()).await);
    of_ill.publish("ill/v", "1").await;
    of_well.publish("well/v", "1").await;
    gateway.value_becomes("ill", "v", "1").await;
    gateway.value_becomes("well", "v", "1").await;
    let mut stream = Sse::open(&gateway.url("/things/well/properties/v")).await;
    ill.kill();
    gateway.quality_becomes("ill", "v", "stale").await;
    for value in 2..=50 {
        of_well.publish("well/v", value.to_string()).await;
    }
    stream.until(|event| event.data == "50").await;
    assert_eq!(gateway.record("well", "v").await.unwrap()["quality"], "good");
    gateway.finish().await;
}

#[tokio::test]
async fn a_broker_that_is_not_there_yet_is_waited_for() {
    let mut broker = Mosquitto::start().await;
    broker.stop();
    let gateway = Gateway::builder().bridge(broker.addr()).start_unready().await;
    gateway.get("/livez").await.must(200);
    broker.restart().await;
    let device = Publisher::connect(broker.addr()).await;
    device.retain("late/v", "1").await;
    gateway.value_becomes("late", "v", "1").await;
    gateway.get("/readyz").await.must(200);
    gateway.finish().await;
}

#[tokio::test]
async fn a_gateway_that_died_gets_what_it_had_not_applied() {
    let broker = Mosquitto::start().await;
    let toml = "[log]\nbytes = 1000000";
    let gateway = Gateway::builder().toml(toml).bridge(broker.addr()).start().await;
    let device = Publisher::connect(broker.addr()).await;
    device.publish("died/v", "0").await;
    gateway.value_becomes("died", "v", "0").await;
    gateway.signal("KILL");
    drop(gateway);
    for step in 1..=50 {
        device.publish(&format!("died/p{step}"), step.to_string()).await;
    }
    let gateway = Gateway::builder().toml(toml).bridge(broker.addr()).start().await;
    for step in 1..=50 {
        gateway.value_becomes("died", &format!("p{step}"), &step.to_string()).await;
    }
    gateway.finish().await;
}
