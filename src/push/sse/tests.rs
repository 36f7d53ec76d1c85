//! Streams over real sockets, of their own and under HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use thingway_sdk::Quality;
use thingway_sdk::{ThingId, Timestamp, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Order, View, respond, serve_on};
use crate::limits::Limits;
use crate::log::{EventLog, LogConfig, MemoryLog, Property, Seq, Told};
use crate::push::cursor::Cursor;
use crate::push::feed::Scope;
use crate::push::filter::Filter;
use crate::push::streams::Streams;
use crate::recorder::{Reading, Recorder};
use crate::registry::{Registry, Thing};

/// Longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const QUIET: Duration = Duration::from_secs(60);

struct World {
    log: Arc<dyn EventLog>,
    registry: Arc<Registry>,
    recorder: Recorder,
    streams: Streams,
}

impl World {
    fn new() -> Self {
        Self::with_log_of(1 << 24)
    }

    /// The log forgets what is beyond this many bytes.
    fn with_log_of(bytes: usize) -> Self {
        let log: Arc<dyn EventLog> =
            Arc::new(MemoryLog::new(LogConfig { bytes, age_seconds: 3600 }));
        let registry = Arc::new(Registry::default());
        let recorder = Recorder::new(log.clone(), registry.clone(), Limits::default());
        let streams = Streams::new(1000, CancellationToken::new(), log.clone());
        let world = Self { log, registry, recorder, streams };
        world.report("lamp", "0");
        world
    }

    /// A device reports the only property of a thing.
    fn report(&self, thing: &str, value: &str) -> Seq {
        let reading = Reading {
            value: Value::from_json(value).unwrap(),
            device_time: None,
            received: Timestamp::now(),
            replayed: false,
            quality: Quality::Good,
        };
        let mut writing = self.recorder.write();
        let thing = writing.thing(&ThingId::from_name(thing), None, Timestamp::now()).unwrap();
        if thing.slot("level").is_some() {
            writing.fold(&thing).observe(0, reading).unwrap();
        } else {
            let (name, adapter) = ("level".into(), "field".into());
            let told = Told::default();
            let property = Property { name, slot: 0, adapter, rule: None, told, write: None };
            writing.fold(&thing).add(Arc::new(property), "a/b".into(), reading).unwrap();
        }
        drop(writing);
        thing.slot("level").unwrap().revision
    }

    fn thing(&self, name: &str) -> Arc<Thing> {
        self.registry.get(&ThingId::from_name(name)).unwrap()
    }

    fn remove(&self, name: &str) {
        let thing = self.thing(name);
        self.recorder.write().delete(&thing, Timestamp::now());
    }

    fn order(&self, scope: Scope, view: View, position: Option<Seq>) -> Order {
        Order {
            cursor: Cursor::new(self.log.clone(), self.registry.clone(), scope, position),
            view,
            heartbeat: QUIET,
            closing: self.streams.closing().clone(),
            heralds: self.streams.heralds().clone(),
            place: self.streams.enter().unwrap(),
        }
    }

    fn values_of(&self, thing: &str, position: Option<Seq>) -> Order {
        let scope = Scope::thing(self.thing(thing));
        self.order(scope, View::Values { slot: None, named: true }, position)
    }

    /// A stream of a thing's values on a socket of its own.
    async fn follow(&self, thing: &str) -> Reader {
        open(self.values_of(thing, None)).await.0
    }

    /// Waits until all heralds have left.
    async fn is_quiet(&self) -> bool {
        let gone = async {
            while self.streams.heralds().count() > 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, gone).await.is_ok()
    }
}

/// A reader's end of a stream.
struct Reader {
    tcp: TcpStream,
    buffer: Vec<u8>,
    head: String,
}

/// Serves an order over a socket of its own whose buffers are as small as they get.
async fn open(order: Order) -> (Reader, JoinHandle<Option<TcpStream>>) {
    const SMALL: u32 = 4096;
    let server = TcpSocket::new_v4().unwrap();
    server.set_send_buffer_size(SMALL).unwrap();
    server.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = server.listen(1).unwrap();
    let client = TcpSocket::new_v4().unwrap();
    client.set_recv_buffer_size(SMALL).unwrap();
    let tcp = client.connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    accepted.set_nodelay(true).unwrap();
    let mut response = respond(order);
    let order = Order::take_from(&mut response).unwrap();
    let headers = response.headers().clone();
    let served = tokio::spawn(async move { serve_on(accepted, &headers, order).await });
    let mut reader = Reader { tcp, buffer: Vec::new(), head: String::new() };
    reader.head = reader.until(b"\r\n\r\n").await;
    (reader, served)
}

impl Reader {
    /// Takes all up to and with these bytes.
    async fn until(&mut self, end: &[u8]) -> String {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|bytes| bytes == end) {
                let taken = self.buffer.drain(..at + end.len()).collect();
                return String::from_utf8(taken).unwrap();
            }
            let read = timeout(PATIENCE, self.tcp.read_buf(&mut self.buffer)).await.unwrap();
            assert!(read.unwrap() > 0, "{}", String::from_utf8_lossy(&self.buffer));
        }
    }

    /// The data of the next event, without the chunk that it comes in.
    async fn data(&mut self) -> String {
        let event = self.until(b"\n\n").await;
        let data = event.lines().find_map(|line| line.strip_prefix("data: "));
        data.unwrap_or_else(|| panic!("{event:?}")).to_owned()
    }

    /// What comes until the connection ends.
    async fn rest(mut self) -> String {
        let read = self.tcp.read_to_end(&mut self.buffer);
        timeout(PATIENCE, read).await.unwrap().unwrap();
        String::from_utf8(self.buffer).unwrap()
    }
}

/// The events of a body in chunks.
fn events(body: &str) -> Vec<&str> {
    let is_event = |line: &&str| line.contains(": ");
    body.lines().filter(is_event).collect()
}

#[tokio::test]
async fn a_stream_on_a_socket_of_its_own_is_the_same_as_under_http() {
    let world = World::new();
    let after = world.report("lamp", "1");
    let under_http = world.values_of("lamp", Some(after));
    let (mut own, served) = open(world.values_of("lamp", Some(after))).await;
    let once = Arc::new(parking_lot::Mutex::new(Some(under_http)));
    let router = Router::new().route("/", get(async move || respond(once.lock().take().unwrap())));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n").await.unwrap();
    let mut http = Reader { tcp, buffer: Vec::new(), head: String::new() };
    let (own_head, head) = (own.head.clone(), http.until(b"\r\n\r\n").await);
    for value in ["2", "\"a\"", "[1,\n2]"] {
        world.report("lamp", value);
    }
    world.remove("lamp");
    let (own, http) = (own.until(b"\r\n0\r\n\r\n").await, http.until(b"\r\n0\r\n\r\n").await);
    assert_eq!(events(&own), events(&http));
    assert_eq!(events(&own).len(), 3 * 3 + 1 + 2, "{own}");
    assert!(served.await.unwrap().is_some(), "the connection may serve another request");
    let lines = |head: &str| -> Vec<String> {
        let undated = |line: &&str| !line.starts_with("date: ");
        head.lines().filter(undated).map(str::to_owned).collect()
    };
    assert_eq!(lines(&own_head), lines(&head));
}

#[tokio::test]
async fn who_stalls_gets_everything_later_and_holds_up_nobody() {
    const ROUNDS: usize = 200;
    let world = World::new();
    let mut asleep = world.follow("lamp").await;
    let mut awake = Vec::new();
    for _ in 0..100 {
        awake.push(world.follow("lamp").await);
    }
    let values: Vec<_> = (0..ROUNDS).map(|round| format!("\"{round:03}{:01000}\"", 0)).collect();
    for value in &values {
        world.report("lamp", value);
        for reader in &mut awake {
            assert_eq!(reader.data().await, *value);
        }
    }
    for value in &values {
        assert_eq!(asleep.data().await, *value);
    }
    world.report("lamp", "1");
    assert_eq!(asleep.data().await, "1", "it is told by the herald again");
}

#[tokio::test]
async fn who_stalls_for_too_long_is_told_of_a_gap() {
    let world = World::with_log_of(100_000);
    let (mut asleep, mut awake) = (world.follow("lamp").await, world.follow("lamp").await);
    let values: Vec<_> = (0..1000).map(|round| format!("\"{round:03}{:01000}\"", 0)).collect();
    for value in &values {
        world.report("lamp", value);
        assert_eq!(awake.data().await, *value);
    }
    let (mut heard, mut gaps) = (Vec::new(), 0);
    while heard.last() != values.last() {
        let data = asleep.data().await;
        match data.contains("too slow") {
            true => gaps += 1,
            false => heard.push(data),
        }
    }
    assert!(gaps > 0 && heard.len() < values.len(), "{} values, {gaps} gaps", heard.len());
    assert!(heard.is_sorted());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_leave_take_nothing_from_those_who_stay() {
    const ROUNDS: usize = 100;
    let world = World::new();
    let (mut leaving, mut staying) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        leaving.push(world.follow("lamp").await);
        staying.push(world.follow("lamp").await);
    }
    for round in 0..ROUNDS {
        world.report("lamp", &format!("{}", round + 1));
        leaving.pop();
    }
    for reader in &mut staying {
        for round in 0..ROUNDS {
            assert_eq!(reader.data().await, format!("{}", round + 1));
        }
    }
    drop(staying);
    assert!(world.is_quiet().await);
    assert_eq!(world.streams.open(), 0);
}

#[tokio::test]
async fn heralds_are_there_for_as_long_as_somebody_follows() {
    let world = World::new();
    world.report("door", "1");
    let all = Scope::Matching(Arc::new(Filter { states: true, ..Filter::default() }));
    let (lamp, door) = (world.follow("lamp").await, world.follow("door").await);
    let second = world.follow("lamp").await;
    let (mut records, _) = open(world.order(all, View::Records, None)).await;
    assert_eq!(world.streams.heralds().count(), 3);
    world.report("door", "2");
    assert!(records.data().await.contains("\"value\":2"));
    drop((lamp, door, second, records));
    assert!(world.is_quiet().await);
    let mut again = world.follow("lamp").await;
    world.report("lamp", "3");
    assert_eq!(again.data().await, "3");
}

#[tokio::test]
async fn the_end_of_the_gateway_is_told() {
    let world = World::new();
    let reader = world.follow("lamp").await;
    world.streams.closing().cancel();
    let rest = reader.rest().await;
    assert!(rest.contains("event: end\n") && rest.ends_with("\r\n0\r\n\r\n"), "{rest}");
}

#[tokio::test]
async fn a_quiet_stream_shows_that_it_lives() {
    let world = World::new();
    let heartbeat = Duration::from_millis(50);
    let (mut reader, _) = open(Order { heartbeat, ..world.values_of("lamp", None) }).await;
    reader.until(b": still here\n\n\r\n").await;
    world.report("lamp", "1");
    reader.until(b"data: 1\n\n\r\n").await;
    reader.until(b": still here\n\n\r\n").await;
}
