//! What a device has is observed, polled or offered as an action, and followed when it changes.

use std::time::Duration;

use thingway_coap::message::Code;
use thingway_sdk::conformance::{PATIENCE, Seen};
use thingway_sdk::{Acknowledgement, AdapterError, Operation, Report, Value};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{Device, Resource, bridge, config, form, has, resource, seconds};

const TEXT: &str = "text/plain";

#[tokio::test]
async fn resources_become_properties_and_actions() {
    let refusing = Resource { refuses: &[Code::GET], ..resource(";title=\"Restart\"", "") };
    let json = Resource { format: 50, ..resource(";rt=\"x.y\";ct=50", "{\"a\":1}") };
    let device = Device::start(&[
        ("/sensors/temp", resource(";obs;if=\"core.s\"", "21.5")),
        ("/state", json),
        ("/restart", refusing),
    ])
    .await;
    let (supervised, recorder) = bridge(config(device.address)).await;
    recorder.until("the observed", |seen| seen.has("sensors/temp", b"21.5")).await;
    recorder.until("the polled", |seen| seen.has("state", b"{\"a\":1}")).await;
    let offered = |report: &Report| matches!(report, Report::Offered(_));
    recorder.until("the action", |seen| has(seen, offered)).await;

    let seen = recorder.seen();
    let temp = seen.observed("sensors/temp")[0];
    let about = temp.about.as_ref().unwrap();
    assert_eq!(about.thing, format!("127.0.0.1-{}", device.address.port()));
    assert_eq!((about.name.as_str(), &about.form), ("sensors.temp", &None));
    assert!(temp.retained, "it tells how it is");
    let state = seen.observed("state")[0];
    let about = state.about.as_ref().unwrap();
    assert_eq!(about.semantic_type.as_deref(), Some("x.y"));
    assert_eq!(state.payload.content_type.as_deref(), Some("application/json"));
    let write = about.form.clone().unwrap();
    assert_eq!(write.content_type.as_deref(), Some("application/json"));
    let Some(Report::Offered(offer)) = seen.applied.iter().find(|report| offered(report)) else {
        panic!()
    };
    assert_eq!((offer.address.as_str(), offer.subject.name.as_str()), ("restart", "restart"));
    let invoke = offer.subject.form.clone().unwrap();
    assert_eq!(invoke.operation, Operation::InvokeAction);

    let done = supervised.execute(invoke, b"", PATIENCE).await.unwrap();
    assert_eq!(done, Acknowledgement::Confirmed(Some(Value::Text("done".into()))));
    let done = supervised.execute(write, b"{\"a\":2}", PATIENCE).await.unwrap();
    assert_eq!(done, Acknowledgement::Confirmed(None));
    recorder.until("it was read again", |seen| seen.has("state", b"{\"a\":2}")).await;
    assert!(supervised.stop().await.is_empty());
    assert_eq!(device.observers(), 0, "the leave was taken");
}

#[tokio::test]
async fn commands_end_as_the_device_says() {
    let read_only = Resource { refuses: &[Code::PUT], ..resource("", "1") };
    let mut device = Device::start(&[("/r", read_only)]).await;
    let (supervised, _recorder) = bridge(config(device.address)).await;
    let write = || form("r", Operation::WriteProperty, TEXT);
    let refused = supervised.execute(write(), b"2", PATIENCE).await.unwrap_err();
    assert_eq!(refused.to_string(), "refused: 4.05 Method Not Allowed: not that way");
    let absent = form("absent", Operation::WriteProperty, TEXT);
    let refused = supervised.execute(absent, b"2", PATIENCE).await.unwrap_err();
    assert_eq!(refused.to_string(), "refused: 4.04 Not Found");
    device.stop().await;
    let silent = supervised.execute(write(), b"2", Duration::from_millis(300)).await;
    assert!(matches!(silent, Err(AdapterError::TimedOut(_))), "{silent:?}");
    supervised.stop().await;
}

#[tokio::test]
async fn a_list_that_changes_is_followed() {
    let device = Device::start(&[("/a", resource(";obs", "1")), ("/b", resource("", "2"))]).await;
    let mut config = config(device.address);
    config.list_seconds = seconds(1);
    let (supervised, recorder) = bridge(config).await;
    recorder.until("both", |seen| seen.has("a", b"1") && seen.has("b", b"2")).await;
    device.remove("/a");
    device.set("/c", resource(";obs", "3")).await;
    recorder.until("the new one", |seen| seen.has("c", b"3")).await;
    let gone = |report: &Report| matches!(report, Report::Withdrawn(a) if a.as_str() == "a");
    recorder.until("the withdrawal", |seen| has(seen, gone)).await;
    assert!(!has(&recorder.seen(), |report| {
        matches!(report, Report::Withdrawn(address) if address.as_str() != "a")
    }));
    supervised.stop().await;
}

#[tokio::test]
async fn polling_asks_only_for_what_is_new() {
    let device = Device::start(&[("/p", resource(";etag", "1"))]).await;
    let mut config = config(device.address);
    config.poll_seconds = seconds(1);
    let (supervised, recorder) = bridge(config).await;
    let until = Instant::now() + PATIENCE;
    while device.reads("/p", Code::VALID) < 2 {
        assert!(Instant::now() < until, "it was not asked for");
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(recorder.seen().observed("p").len(), 1, "2.03 is no news");
    assert_eq!(device.reads("/p", Code::CONTENT), 1);
    device.put("/p", "2").await;
    recorder.until("the new state", |seen| seen.has("p", b"2")).await;
    supervised.stop().await;
}

/// Whether the newest that was said of an address is that its state is stale.
fn is_stale(seen: &Seen, address: &str) -> bool {
    let of_it = seen.applied.iter().filter(|report| report.address().as_str() == address);
    matches!(of_it.last(), Some(Report::Stale(_)))
}

#[tokio::test]
async fn a_state_that_outlives_its_max_age_is_stale_until_it_comes_again() {
    let short = Resource { max_age: 1, ..resource(";obs", "1") };
    let mut device = Device::start(&[("/s", short)]).await;
    // The system must not tell that nobody is there: somebody holds the port and is silent.
    let mut config = config(device.address);
    config.heartbeat_seconds = 0;
    let (supervised, recorder) = bridge(config).await;
    recorder.until("the state", |seen| seen.has("s", b"1")).await;
    device.stop().await;
    let silent = tokio::net::UdpSocket::bind(device.address).await.unwrap();
    recorder.until("staleness", |seen| is_stale(seen, "s")).await;
    drop(silent);
    device.start_again().await;
    recorder.until("the state again", |seen| !is_stale(seen, "s")).await;
    supervised.stop().await;
}

#[tokio::test]
async fn a_device_that_was_restarted_is_observed_again_within_seconds() {
    let mut device = Device::start(&[("/s", resource(";obs", "1"))]).await;
    let mut config = config(device.address);
    config.heartbeat_seconds = 1;
    let (supervised, recorder) = bridge(config).await;
    recorder.until("the state", |seen| seen.has("s", b"1")).await;
    // Restarted at once: nobody could notice but by what it says. Max-Age is a minute.
    device.stop().await;
    device.start_again().await;
    device.put("/s", "2").await;
    let back = recorder.until("the new state", |seen| seen.has("s", b"2"));
    timeout(Duration::from_secs(15), back).await.expect("within seconds");
    let until = Instant::now() + PATIENCE;
    while device.observers() == 0 {
        assert!(Instant::now() < until, "it is not observed again");
        sleep(Duration::from_millis(50)).await;
    }
    device.put("/s", "3").await;
    recorder.until("a notification", |seen| seen.has("s", b"3")).await;
    supervised.stop().await;
}

#[tokio::test]
async fn a_host_that_only_falls_silent_is_lost_after_three_misses() {
    let mut device = Device::start(&[("/a", resource(";obs", "1"))]).await;
    let mut config = config(device.address);
    config.heartbeat_seconds = 1;
    config.ack_timeout_seconds = 0.05.try_into().unwrap();
    let (supervised, recorder) = bridge(config).await;
    recorder.until("the state", |seen| seen.has("a", b"1")).await;
    device.stop().await;
    // Its port is taken, so that no error of ICMP tells that it is gone.
    let _silence = tokio::net::UdpSocket::bind(device.address).await.unwrap();
    let write = form("a", Operation::WriteProperty, TEXT);
    let moment = Duration::from_millis(100);
    let lost = async {
        loop {
            let error = supervised.execute(write.clone(), b"2", moment).await.unwrap_err();
            if error.to_string().contains("no link") {
                return;
            }
        }
    };
    timeout(PATIENCE, lost).await.expect("a second and three times 0.6 s are over");
    let losses = supervised.stop().await;
    assert!(losses[0].contains("it has not answered 3 times in a row"), "{losses:?}");
}
