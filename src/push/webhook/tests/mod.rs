//! Webhooks with real receivers on this machine, and with everything behind them.

mod connecting;
mod delivering;
mod failing;
mod managing;
mod reading;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use thingway_sdk::Quality;
use thingway_sdk::{Address, ThingId, Timestamp, Value};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{DeliveryConfig, WebhookPatch, WebhookView, Webhooks};
use crate::limits::Limits;
use crate::log::{EventLog, LogConfig, MemoryLog, Property, Told};
use crate::recorder::{Reading, Recorder};
use crate::registry::Registry;

/// Longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    log: Arc<dyn EventLog>,
    registry: Arc<Registry>,
    recorder: Recorder,
    webhooks: Arc<Webhooks>,
}

/// Fails fast and tries again fast.
fn haste() -> DeliveryConfig {
    DeliveryConfig {
        timeout_seconds: 1,
        first_retry_milliseconds: 20,
        longest_retry_seconds: 1,
        denied_networks: Vec::new(),
        ..DeliveryConfig::default()
    }
}

impl World {
    fn new() -> Self {
        Self::with(haste(), 1 << 24)
    }

    fn with(config: DeliveryConfig, log_bytes: usize) -> Self {
        let log_config = LogConfig { bytes: log_bytes, age_seconds: 3600 };
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(log_config));
        let registry = Arc::new(Registry::default());
        let recorder = Recorder::new(log.clone(), registry.clone(), Limits::default());
        let stop = CancellationToken::new();
        let started = Webhooks::start(&[], config, log.clone(), registry.clone(), 100, stop);
        Self { log, registry, recorder, webhooks: started.unwrap() }
    }

    /// A device reports a value; its revision.
    fn report(&self, thing: &str, property: &str, value: impl ToString) -> u64 {
        let mut writing = self.recorder.write();
        let thing = writing.thing(&ThingId::from_name(thing), None, Timestamp::now()).unwrap();
        let reading = reading(&value.to_string());
        match thing.slot(property) {
            Some(slot) => {
                writing.fold(&thing).observe(slot.property.slot, reading).unwrap();
            }
            None => {
                let address = Address::from(property);
                let property = Arc::new(described(property, thing.property_count()));
                writing.fold(&thing).add(property, address, reading).unwrap();
            }
        }
        drop(writing);
        thing.slot(property).unwrap().revision.0
    }

    fn create(&self, receiver: &Receiver, more: Json) -> WebhookView {
        let mut body = json!({ "url": receiver.url() });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.webhooks.create(patch(&body)).unwrap()
    }

    fn change(&self, id: &str, change: &Json) -> WebhookView {
        self.webhooks.change(id, patch(change)).unwrap().unwrap()
    }

    async fn view(&self, id: &str, accepted: impl Fn(&WebhookView) -> bool) -> WebhookView {
        eventually(|| self.webhooks.read(id).filter(|view| accepted(view))).await
    }
}

fn patch(body: &Json) -> WebhookPatch {
    WebhookPatch::read(body.as_object().unwrap()).unwrap()
}

fn reading(value: &str) -> Reading {
    let value = Value::from_json(value).unwrap();
    Reading {
        value,
        device_time: None,
        received: Timestamp::now(),
        replayed: false,
        quality: Quality::Good,
    }
}

fn described(name: &str, slot: usize) -> Property {
    let (adapter, told) = ("test".into(), Told::default());
    Property { name: name.into(), slot, adapter, rule: None, told, write: None }
}

async fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            match look() {
                Some(found) => break found,
                None => sleep(Duration::from_millis(5)).await,
            }
        }
    };
    timeout(PATIENCE, found).await.expect("it comes about in time")
}

/// One request as it arrived.
#[derive(Debug, Clone)]
struct Arrival {
    headers: HeaderMap,
    body: Bytes,
    peer: SocketAddr,
    at: Instant,
}

impl Arrival {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn event(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn value(&self) -> Json {
        self.event()["data"]["value"].clone()
    }
}

/// How a receiver answers.
#[derive(Debug, Clone)]
enum Reply {
    Status(u16),
    With(u16, &'static str, &'static str),
    Body(usize),
    After(Duration),
}

/// A receiver on this machine.
#[derive(Clone)]
struct Receiver {
    address: SocketAddr,
    book: Arc<Mutex<Book>>,
}

struct Book {
    arrivals: Vec<Arrival>,
    script: VecDeque<Reply>,
    otherwise: Reply,
}

impl Receiver {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let book =
            Book { arrivals: Vec::new(), script: VecDeque::new(), otherwise: Reply::Status(204) };
        let receiver = Self { address, book: Arc::new(Mutex::new(book)) };
        let router = axum::Router::new().fallback(take).with_state(receiver.clone());
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        receiver
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The next answers, one after the other.
    fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.book.lock().script.extend(replies);
    }

    /// The answer when there is none in the script.
    fn otherwise(&self, reply: Reply) {
        self.book.lock().otherwise = reply;
    }

    fn arrivals(&self) -> Vec<Arrival> {
        self.book.lock().arrivals.clone()
    }

    async fn wait_for(&self, count: usize) -> Vec<Arrival> {
        eventually(|| Some(self.arrivals()).filter(|arrivals| arrivals.len() >= count)).await
    }
}

async fn take(
    State(receiver): State<Receiver>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reply = {
        let mut book = receiver.book.lock();
        book.arrivals.push(Arrival { headers, body, peer, at: Instant::now() });
        let scripted = book.script.pop_front();
        scripted.unwrap_or_else(|| book.otherwise.clone())
    };
    match reply {
        Reply::Status(code) => StatusCode::from_u16(code).unwrap().into_response(),
        Reply::With(code, name, value) => {
            (StatusCode::from_u16(code).unwrap(), [(name, value)]).into_response()
        }
        Reply::Body(bytes) => vec![b'x'; bytes].into_response(),
        Reply::After(pause) => {
            sleep(pause).await;
            StatusCode::OK.into_response()
        }
    }
}
