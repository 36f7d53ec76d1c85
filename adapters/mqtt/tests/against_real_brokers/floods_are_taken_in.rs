//! A flood takes the link to a thread of its own, on which it naps. Nothing gets lost on the way
//! there and back, and who wants something of the link meanwhile gets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use thingway_mqtt::config::{BridgeConfig, QoS};
use thingway_sdk::conformance::{PATIENCE, Recorder};
use thingway_sdk::{Acknowledgement, Adapter, BoxFuture, Intake, Report, Reports};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::messages_are_accounted_for::flood;
use crate::support::{Mosquitto, VERSIONS, bridge, config, connected, form, until};

/// Keeps what comes, and counts on which thread it came.
struct Threads {
    recorder: Arc<Recorder>,
    in_flood: AtomicUsize,
    in_calm: AtomicUsize,
}

impl Intake for Threads {
    fn connected(&self) {
        self.recorder.connected();
    }

    fn troubled(&self, reason: String) {
        self.recorder.troubled(reason);
    }

    fn submit<'a>(&'a self, batch: &'a mut Vec<Report>) -> BoxFuture<'a, ()> {
        let counter = match std::thread::current().name() {
            Some("mqtt-flood") => &self.in_flood,
            _ => &self.in_calm,
        };
        counter.fetch_add(batch.len(), Ordering::SeqCst);
        self.recorder.submit(batch)
    }
}

/// By default mosquitto keeps no more than a thousand for a reader.
async fn patient_broker() -> Mosquitto {
    Mosquitto::with("allow_anonymous true\nmax_queued_messages 0").await
}

fn numbered(count: usize) -> String {
    (0..count).map(|number| format!("{number}\n")).collect()
}

#[tokio::test]
async fn nothing_is_lost_on_the_way_to_the_thread_and_back() {
    const MESSAGES: usize = 50_000;
    for (version, qos) in VERSIONS.into_iter().zip(["0", "1"]) {
        let broker = patient_broker().await;
        let recorder = Recorder::new();
        let (in_flood, in_calm) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let threads = Arc::new(Threads { recorder: recorder.clone(), in_flood, in_calm });
        let bridge = bridge(BridgeConfig { version, ..config(broker.port) });
        let stop = CancellationToken::new();
        let (reports, stopped) = (Reports::new(threads.clone()), stop.clone());
        let running = tokio::spawn(async move { bridge.run(reports, stopped).await });
        recorder.until("the connection", |seen| seen.connected > 0).await;

        flood(broker.port, qos, &numbered(MESSAGES)).await;
        recorder.until("all", |seen| seen.applied.len() >= MESSAGES).await;
        let seen = recorder.seen();
        let numbers = seen.observed("meter").into_iter().map(|observation| {
            str::from_utf8(&observation.payload.bytes).unwrap().parse::<usize>().unwrap()
        });
        assert!(numbers.eq(0..MESSAGES), "{version:?} {qos}");
        assert!(threads.in_flood.load(Ordering::SeqCst) > 0, "{version:?} {qos}");

        let calm = || threads.in_calm.load(Ordering::SeqCst);
        let before = calm();
        let mut trickle = 0;
        while calm() == before {
            sleep(Duration::from_millis(300)).await;
            broker.publish("meter", b"1", &["-q", "1"]).await;
            trickle += 1;
            assert!(trickle < 100, "it does not come back");
            recorder.until("one", |seen| seen.applied.len() >= MESSAGES + trickle).await;
        }
        stop.cancel();
        timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_command_gets_through_a_flood_and_so_does_the_end() {
    for version in VERSIONS {
        let broker = patient_broker().await;
        let (running, recorder) =
            connected(bridge(BridgeConfig { version, ..config(broker.port) })).await;
        let port = broker.port;
        let flooding = tokio::spawn(async move { flood(port, "0", &numbered(1_000_000)).await });
        recorder.until("a flood", |seen| seen.applied.len() > 10_000).await;
        let lamp = form("lamp/set", QoS::AtLeastOnce, false);
        let outcome = running.execute(lamp, b"on", PATIENCE).await;
        assert!(matches!(outcome, Ok(Acknowledgement::Accepted)), "{version:?} {outcome:?}");
        assert!(running.stop().await.is_empty(), "{version:?}");
        assert!(!flooding.is_finished(), "{version:?}: the flood was too short to tell");
        flooding.abort();
        until("the end of the flood", || flooding.is_finished()).await;
    }
}
