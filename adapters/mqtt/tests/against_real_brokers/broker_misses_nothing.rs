//! Devices at the embedded broker: what they publish is seen, wills included, and what is sent to
//! them arrives; both versions on one port.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use thingway_mqtt::Broker;
use thingway_mqtt::config::{BrokerConfig, QoS};
use thingway_sdk::Adapter;
use thingway_sdk::conformance::{DOUBT, PATIENCE, Recorder, Supervised};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{sleep, timeout};

use crate::messages_are_accounted_for::flood;
use crate::support::{connected, form, publish_to, subscribe_at};

const VERSIONS: [&str; 2] = ["mqttv311", "mqttv5"];

fn config() -> BrokerConfig {
    BrokerConfig { listen: ([127, 0, 0, 1], 0).into(), ..BrokerConfig::default() }
}

async fn running(config: BrokerConfig) -> (u16, Supervised, Arc<Recorder>) {
    let broker = Arc::new(Broker::new("test", config));
    let port = broker.bind().await.unwrap().port();
    let (running, recorder) = connected(broker).await;
    (port, running, recorder)
}

/// A device that stays, subscribed to `filter`, and the lines that it prints.
struct Subscriber {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Subscriber {
    /// Returns when it is subscribed: then it has what it subscribed to last.
    async fn at(port: u16, topic: &str, options: &[&str]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let ready = format!("ready/{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut process = Command::new("mosquitto_sub")
            .args(["-p", &port.to_string(), "-t", topic, "-t", &ready, "-F", "%t %r %p"])
            .args(options)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut subscriber = Self { process, lines };
        publish_to(port, &ready, b"now", &["-r"]).await;
        assert!(subscriber.next().await.starts_with(&ready));
        subscriber
    }

    async fn next(&mut self) -> String {
        timeout(PATIENCE, self.lines.next_line()).await.unwrap().unwrap().unwrap()
    }

    async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Lets it take leave, with its will, as mosquitto_sub does in version 5 when it is told to.
    async fn end(mut self) {
        let id = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        timeout(PATIENCE, self.process.wait()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_taken_port_is_known_before_anything_runs() {
    let (port, running, _) = running(config()).await;
    let listen = SocketAddr::from(([127, 0, 0, 1], port));
    let second = Broker::new("second", BrokerConfig { listen, ..config() });
    let error = second.bind().await.unwrap_err().to_string();
    assert!(error.contains(&listen.to_string()) && error.contains("second"), "{error}");
    running.stop().await;
    second.bind().await.unwrap();
    assert_eq!(second.endpoint(), format!("mqtt://{listen}"));
}

#[tokio::test]
async fn every_quality_of_service_is_seen_in_both_versions() {
    let (port, running, recorder) = running(config()).await;
    for version in VERSIONS {
        for qos in ["0", "1", "2"] {
            publish_to(port, "meter", qos.as_bytes(), &["-q", qos, "-V", version]).await;
        }
    }
    recorder.until("all six", |seen| seen.observed("meter").len() == 6).await;
    assert!(running.stop().await.is_empty());
}

#[tokio::test]
async fn a_hundred_thousand_at_qos_0_are_all_seen_in_order() {
    const MESSAGES: usize = 100_000;
    let (port, running, recorder) = running(config()).await;
    let lines: String = (0..MESSAGES).map(|number| format!("{number}\n")).collect();
    flood(port, "0", &lines).await;
    recorder.until("all", |seen| seen.applied.len() >= MESSAGES).await;
    let seen = recorder.seen();
    let numbers: Vec<usize> = seen
        .observed("meter")
        .iter()
        .map(|observation| str::from_utf8(&observation.payload.bytes).unwrap().parse().unwrap())
        .collect();
    assert!(numbers.iter().copied().eq(0..MESSAGES), "{} came", numbers.len());
    running.stop().await;
}

#[tokio::test]
async fn the_will_of_a_killed_device_is_seen_and_of_one_that_left_it_is_not() {
    let (port, running, recorder) = running(config()).await;
    for version in VERSIONS {
        let will = |topic| {
            ["-V", version, "-i", topic, "--will-topic", topic, "--will-payload", "offline"]
        };
        let killed = format!("{version}-killed");
        Subscriber::at(port, "x", &will(&killed)).await.kill().await;
        recorder.until("the will", |seen| seen.has(&killed, b"offline")).await;
        let left = format!("{version}-left");
        // mosquitto_sub takes leave of its own accord after the message that it waited for.
        publish_to(port, "note", b"go", &["-r"]).await;
        assert_eq!(subscribe_at(port, "note", 1, &will(&left)).await, ["go"]);
        sleep(DOUBT).await;
        assert!(recorder.seen().observed(&left).is_empty());
    }
    let options = ["-V", "5", "--will-topic", "sad", "--will-payload", "farewell"];
    Subscriber::at(port, "x", &options).await.end().await;
    recorder.until("a will that was asked for", |seen| seen.has("sad", b"farewell")).await;
    running.stop().await;
}

#[tokio::test]
async fn a_retained_will_reaches_the_other_devices_too() {
    let (port, running, recorder) = running(config()).await;
    let options = ["--will-topic", "lamp/state", "--will-payload", "offline", "--will-retain"];
    Subscriber::at(port, "x", &options).await.kill().await;
    recorder.until("the will", |seen| seen.has("lamp/state", b"offline")).await;
    assert_eq!(subscribe_at(port, "lamp/state", 1, &[]).await, ["offline"]);
    running.stop().await;
}

/// The session outlives the connection, or the will would not wait.
fn delayed_will(seconds: &str) -> Vec<&str> {
    let mut options = vec!["-V", "5", "-i", "lamp", "-c", "-x", "3600"];
    options.extend(["--will-topic", "lamp/state", "--will-payload", "offline"]);
    options.extend(["-D", "will", "will-delay-interval", seconds]);
    options.extend(["-D", "will", "content-type", "text/plain"]);
    options
}

#[tokio::test]
async fn a_delayed_will_is_seen_when_its_time_has_come() {
    let (port, running, recorder) = running(config()).await;
    Subscriber::at(port, "x", &delayed_will("2")).await.kill().await;
    sleep(DOUBT).await;
    assert!(recorder.seen().observed("lamp/state").is_empty(), "too early");
    recorder.until("the will", |seen| seen.has("lamp/state", b"offline")).await;
    let seen = recorder.seen();
    let content_type = seen.observed("lamp/state")[0].payload.content_type.as_deref();
    assert_eq!(content_type, Some("text/plain"));
    running.stop().await;
}

#[tokio::test]
async fn a_delayed_will_is_void_when_the_device_is_back_in_time() {
    let (port, running, recorder) = running(config()).await;
    Subscriber::at(port, "x", &delayed_will("2")).await.kill().await;
    let back = Subscriber::at(port, "x", &delayed_will("2")).await;
    sleep(Duration::from_secs(3)).await;
    assert!(recorder.seen().observed("lamp/state").is_empty());
    back.end().await;
    running.stop().await;
}

#[tokio::test]
async fn stopping_the_gateway_says_nothing_about_its_devices() {
    let (port, running, recorder) = running(config()).await;
    let options = ["--will-topic", "lamp/state", "--will-payload", "offline"];
    let _device = Subscriber::at(port, "x", &options).await;
    running.stop().await;
    assert!(recorder.seen().observed("lamp/state").is_empty());
}

#[tokio::test]
async fn it_stops_though_the_gateway_stalls() {
    let (port, running, recorder) = running(config()).await;
    recorder.stall();
    flood(port, "0", "1\n2\n3\n").await;
    recorder.until("a submission", |seen| seen.submitted > 0).await;
    running.stop().await;
}

#[tokio::test]
async fn commands_reach_devices_and_do_not_come_back() {
    let (port, running, recorder) = running(config()).await;
    for version in VERSIONS {
        let mut device = Subscriber::at(port, "lamp/set", &["-q", "2", "-V", version]).await;
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let payload = format!("{version} {qos:?}");
            running
                .execute(form("lamp/set", qos, false), payload.as_bytes(), PATIENCE)
                .await
                .unwrap();
            assert_eq!(device.next().await, format!("lamp/set 0 {payload}"));
        }
        device.end().await;
    }
    running.execute(form("lamp/set", QoS::AtLeastOnce, true), b"kept", PATIENCE).await.unwrap();
    assert_eq!(subscribe_at(port, "lamp/#", 1, &["-F", "%r %p"]).await, ["1 kept"]);
    publish_to(port, "last", b"1", &["-q", "1"]).await;
    recorder.until("the last", |seen| seen.has("last", b"1")).await;
    assert!(recorder.seen().observed("lamp/set").is_empty());
    running.stop().await;
}

#[tokio::test]
async fn a_command_waits_for_a_device_whose_session_is_kept() {
    let (port, running, _) = running(config()).await;
    let session = ["-q", "1", "-i", "lamp", "-c"];
    Subscriber::at(port, "lamp/set", &session).await.kill().await;
    sleep(DOUBT).await;
    running.execute(form("lamp/set", QoS::AtLeastOnce, false), b"on", PATIENCE).await.unwrap();
    assert_eq!(subscribe_at(port, "lamp/set", 1, &session).await, ["on"]);
    running.stop().await;
}

#[tokio::test]
async fn devices_reach_each_other() {
    let (port, running, _) = running(config()).await;
    let mut listener = Subscriber::at(port, "home/+/state", &["-V", "mqttv311"]).await;
    let options = ["-V", "5", "-q", "1", "-D", "publish", "content-type", "text/plain"];
    publish_to(port, "home/lamp/state", b"on", &options).await;
    assert_eq!(listener.next().await, "home/lamp/state 0 on");
    listener.end().await;
    running.stop().await;
}

#[tokio::test]
async fn a_large_message_is_rejected_reaches_nobody_and_is_acknowledged() {
    let small = BrokerConfig { max_packet_bytes: 10_000.try_into().unwrap(), ..config() };
    let (port, running, recorder) = running(small).await;
    let mut listener = Subscriber::at(port, "camera", &[]).await;
    publish_to(port, "camera", &[b'x'; 20_000], &["-q", "1"]).await;
    publish_to(port, "camera", b"small", &["-q", "1"]).await;
    assert_eq!(listener.next().await, "camera 0 small");
    let seen = recorder.seen();
    let rejected: Vec<_> = seen.rejected().iter().map(|r| (r.address.as_str(), r.size)).collect();
    assert_eq!(rejected, [("camera", 20_000)]);
    assert!(seen.rejected()[0].reason.contains("max_packet_bytes"));
    listener.end().await;
    running.stop().await;
}

#[tokio::test]
async fn a_full_store_of_retained_messages_loses_no_message() {
    let one = BrokerConfig { max_retained: 1.try_into().unwrap(), ..config() };
    let (port, running, recorder) = running(one).await;
    for (topic, payload) in [("a", "1"), ("b", "2"), ("a", "3")] {
        publish_to(port, topic, payload.as_bytes(), &["-q", "1", "-r"]).await;
    }
    recorder.until("all", |seen| seen.applied.len() == 3).await;
    assert_eq!(subscribe_at(port, "#", 1, &["-v"]).await, ["a 3"]);
    running.stop().await;
}

#[tokio::test]
async fn topics_of_the_brokers_own_are_not_reported() {
    let (port, running, recorder) = running(config()).await;
    publish_to(port, "$mine/x", b"1", &["-q", "1"]).await;
    publish_to(port, "last", b"1", &["-q", "1"]).await;
    recorder.until("the last", |seen| seen.has("last", b"1")).await;
    assert_eq!(recorder.seen().applied.len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn what_is_retained_outlives_a_restart_of_the_adapter() {
    let port = crate::support::free_port().await;
    let listen = ([127, 0, 0, 1], port).into();
    let broker = Arc::new(Broker::new("test", BrokerConfig { listen, ..config() }));
    let (running, _) = connected(broker.clone()).await;
    publish_to(port, "meter", b"1", &["-q", "1", "-r"]).await;
    running.stop().await;
    let (running, _) = connected(broker).await;
    assert_eq!(subscribe_at(port, "meter", 1, &[]).await, ["1"]);
    running.stop().await;
}
