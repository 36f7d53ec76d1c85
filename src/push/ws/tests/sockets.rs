use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use futures_util::{SinkExt, StreamExt};
use hyper::server::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use tokio_util::sync::CancellationToken;

use super::super::handshake::Handshake;
use super::super::line::{Line, taken_out};
use super::super::socket::Socket;
use super::World;
use crate::push::herald::Heralds;
use crate::rest::{HttpConfig, Rewound};

type Ws = WebSocketStream<TcpStream>;

const PATIENCE: Duration = Duration::from_secs(10);

struct Server {
    world: World,
    address: SocketAddr,
    closing: CancellationToken,
}

impl Server {
    async fn start(config: HttpConfig) -> Self {
        let world = World::new();
        world.report("lamp", "level", "1");
        let closing = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = router(&world, config, &closing);
        tokio::spawn(serve(listener, router));
        Self { world, address, closing }
    }

    async fn open(&self) -> Ws {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (ws, _) = client_async(format!("ws://{}/ws", self.address), stream).await.unwrap();
        ws
    }

    /// The first line and the headers of the answer to a raw request.
    async fn handshake(&self, headers: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET /ws HTTP/1.1\r\nHost: gateway\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let length = timeout(PATIENCE, stream.read(&mut answer)).await.unwrap().unwrap();
        String::from_utf8_lossy(&answer[..length]).to_lowercase()
    }
}

/// What the gateway's server does with a connection that asks for a socket.
async fn serve(listener: TcpListener, router: Router) {
    while let Ok((tcp, _)) = listener.accept().await {
        let service = TowerToHyperService::new(router.clone());
        let stream = TokioIo::new(Rewound::new(Bytes::new(), tcp));
        tokio::spawn(Builder::new().serve_connection(stream, service).with_upgrades());
    }
}

/// What [`upgrade`](super::super::upgrade) does, without the rest of the gateway.
fn router(world: &World, config: HttpConfig, closing: &CancellationToken) -> Router {
    let (log, registry) = (world.log.clone(), world.registry.clone());
    let (commands, closing) = (world.commands.clone(), closing.clone());
    let (heralds, config) = (Heralds::new(log.clone()), Arc::new(config));
    let upgrade = async move |mut request: Request| {
        let handshake = Handshake::of(&mut request, &config)?;
        let answer = handshake.answer();
        tokio::spawn(async move {
            let (tcp, read) = taken_out(handshake.upgrade.await).unwrap();
            let line = Line::new(tcp, read, config.max_body_bytes, log, registry, &heralds);
            Socket::new(line, commands, &config, closing).run().await;
        });
        Ok::<_, crate::rest::Problem>(answer)
    };
    Router::new().route("/ws", get(upgrade))
}

fn request(operation: &str, members: &Json) -> Message {
    let mut request = json!({"thingID": "lamp", "messageType": "request", "operation": operation});
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    Message::text(request.to_string())
}

async fn message(ws: &mut Ws) -> Json {
    loop {
        let received = timeout(PATIENCE, ws.next()).await.unwrap().unwrap().unwrap();
        if let Message::Text(text) = received {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

/// The code that the gateway closes the socket with, and that it says why.
async fn closed(ws: &mut Ws) -> u16 {
    loop {
        match timeout(PATIENCE, ws.next()).await.unwrap().unwrap().unwrap() {
            Message::Close(Some(frame)) => {
                assert!(!frame.reason.is_empty());
                return frame.code.into();
            }
            Message::Close(None) => panic!("closed without a reason"),
            _ => {}
        }
    }
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn the_sub_protocol_is_negotiated() {
    let server = Server::start(HttpConfig::default()).await;
    let none = server.handshake(UPGRADE).await;
    assert!(none.starts_with("http/1.1 101") && !none.contains("websocket-protocol"), "{none}");
    let offers = |offered: &str| format!("{UPGRADE}Sec-WebSocket-Protocol: {offered}\r\n");
    let ours = server.handshake(&offers("mqtt, webthingprotocol")).await;
    assert!(ours.starts_with("http/1.1 101"), "{ours}");
    assert!(ours.contains("sec-websocket-protocol: webthingprotocol\r\n"), "{ours}");
    let other = server.handshake(&offers("mqtt")).await;
    assert!(other.starts_with("http/1.1 400"), "{other}");
    assert!(other.contains("content-type: application/problem+json"), "{other}");
}

#[tokio::test]
async fn what_is_no_handshake_is_told_what_to_upgrade_to() {
    let server = Server::start(HttpConfig::default()).await;
    for headers in ["", &UPGRADE.replace("13", "8")] {
        let answer = server.handshake(headers).await;
        assert!(answer.starts_with("http/1.1 426"), "{answer}");
        assert!(answer.contains("\r\nupgrade: websocket\r\n"), "{answer}");
        assert!(answer.contains("\r\nsec-websocket-version: 13\r\n"), "{answer}");
    }
    let page = format!("{UPGRADE}Origin: https://evil.example\r\n");
    assert!(server.handshake(&page).await.starts_with("http/1.1 403"));
}

#[tokio::test]
async fn a_wrong_frame_closes_the_socket_with_its_code() {
    let config = HttpConfig { max_body_bytes: 10_000, ..HttpConfig::default() };
    let server = Server::start(config).await;
    let large = |bytes| Message::text("x".repeat(bytes));
    let raw = |code, bytes: &'static [u8]| {
        Message::Frame(Frame::message(Bytes::from_static(bytes), OpCode::Data(code), true))
    };
    for (message, code) in [
        (Message::binary(vec![1, 2]), 1003),
        (large(10_001), 1009),
        (large(20_001), 1009),
        (large(1_000_000), 1009),
        (raw(Data::Text, b"\xff"), 1007),
        (raw(Data::Continue, b""), 1002),
    ] {
        let mut ws = server.open().await;
        // The gateway may have closed before all of a large message was written.
        let _ = ws.send(message).await;
        assert_eq!(closed(&mut ws).await, code);
    }
    let mut ws = server.open().await;
    ws.send(large(10_000)).await.unwrap();
    assert_eq!(message(&mut ws).await["error"]["status"], 400, "too large is more than the limit");
}

#[tokio::test]
async fn the_end_of_the_gateway_closes_sockets_with_a_reason() {
    let server = Server::start(HttpConfig::default()).await;
    let mut ws = server.open().await;
    ws.send(request("readproperty", &json!({"name": "level"}))).await.unwrap();
    assert_eq!(message(&mut ws).await["value"], 1);
    server.closing.cancel();
    assert_eq!(closed(&mut ws).await, 1001);
}

#[tokio::test]
async fn a_consumer_that_says_goodbye_is_answered() {
    let server = Server::start(HttpConfig::default()).await;
    let mut ws = server.open().await;
    ws.close(None).await.unwrap();
    let answer = timeout(PATIENCE, ws.next()).await.unwrap();
    assert!(matches!(answer, Some(Ok(Message::Close(_)))), "{answer:?}");
    assert!(timeout(PATIENCE, ws.next()).await.unwrap().is_none());
}

#[tokio::test]
async fn who_answers_no_ping_is_let_go_and_who_does_stays() {
    let server = Server::start(HttpConfig { heartbeat_seconds: 1, ..HttpConfig::default() }).await;
    // A WebSocket library would answer pings by itself.
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET /ws HTTP/1.1\r\nHost: gateway\r\n{UPGRADE}\r\n");
    silent.write_all(request.as_bytes()).await.unwrap();
    let mut alive = server.open().await;
    let stays = async { while let Some(Ok(Message::Ping(_))) = alive.next().await {} };
    let ended = timeout(Duration::from_millis(4500), stays).await;
    assert!(ended.is_err(), "the socket that answers ended");
    let mut bytes = Vec::new();
    timeout(PATIENCE, silent.read_to_end(&mut bytes)).await.unwrap().unwrap();
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    // Two pings without a payload, then a close frame with the code 1008.
    let frames = &bytes[head..];
    assert_eq!(frames[..5], [0x89, 0, 0x89, 0, 0x88], "{frames:?}");
    assert_eq!(frames[6..8], 1008_u16.to_be_bytes(), "{frames:?}");
}

#[tokio::test]
async fn writes_under_way_are_limited_and_hold_nothing_up() {
    let server = Server::start(HttpConfig { write_wait_seconds: 1, ..HttpConfig::default() }).await;
    let rule = json!({"write": {"topic": "a/b/set"}});
    server.world.report_to("lamp", "on", "true", &rule);
    server.world.device.answers(|| None);
    let mut ws = server.open().await;
    for _ in 0..33 {
        let write = request("writeproperty", &json!({"name": "on", "value": false}));
        ws.feed(write).await.unwrap();
    }
    ws.send(request("readproperty", &json!({"name": "level"}))).await.unwrap();
    let mut answers = Vec::new();
    while answers.last().is_none_or(|answer: &Json| answer["operation"] != "readproperty") {
        answers.push(message(&mut ws).await);
    }
    let busy = answers.iter().filter(|answer| answer["error"]["status"] == 503).count();
    assert_eq!(busy, answers.len() - 1, "a device that waits delays no other answer: {answers:?}");
    for _ in busy..33 {
        let answer = message(&mut ws).await;
        assert!(answer.get("value").is_none() && answer.get("error").is_none(), "{answer}");
    }
}

#[tokio::test]
async fn each_change_is_told_as_the_subscriptions_are_by_then() {
    let server = Server::start(HttpConfig::default()).await;
    server.world.report("lamp", "power", "1");
    let mut ws = server.open().await;
    let mut ask = async |operation, members: Json| {
        ws.send(request(operation, &members)).await.unwrap();
        assert_eq!(message(&mut ws).await["messageType"], "response");
        server.world.report("lamp", "level", "2");
        server.world.report("lamp", "power", "3");
        // On one thread the herald has its turn before the next request is read.
        ws.send(request("readproperty", &json!({"name": "level"}))).await.unwrap();
        let mut told = Vec::new();
        loop {
            let next = message(&mut ws).await;
            if next["messageType"] == "response" {
                return told;
            }
            told.push([next["name"].clone(), next["value"].clone(), next["correlationID"].clone()]);
        }
    };
    let level = |correlation: Json| [json!("level"), json!(2), correlation];
    let power = |correlation: Json| [json!("power"), json!(3), correlation];
    let one = ask("observeproperty", json!({"name": "level", "correlationID": "a"})).await;
    assert_eq!(one, [level(json!("a"))]);
    let again = ask("observeproperty", json!({"name": "level", "correlationID": "b"})).await;
    assert_eq!(again, [level(json!("b"))]);
    let two = ask("observeproperty", json!({"name": "power"})).await;
    assert_eq!(two, [level(json!("b")), power(Json::Null)]);
    let other = ask("unobserveproperty", json!({"name": "level"})).await;
    assert_eq!(other, [power(Json::Null)]);
    let all = ask("observeallproperties", json!({"correlationID": "c"})).await;
    assert_eq!(all, [level(json!("c")), power(json!("c"))]);
    let rest = ask("unobserveproperty", json!({"name": "power"})).await;
    assert_eq!(rest, [level(json!("c"))]);
    let none = ask("unobserveallproperties", json!({})).await;
    assert!(none.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_sleeps_gets_a_gap_and_one_that_reads_everything() {
    const ROUNDS: usize = 8000;
    let server = Server::start(HttpConfig::default()).await;
    let (mut asleep, mut awake) = (server.open().await, server.open().await);
    for ws in [&mut asleep, &mut awake] {
        ws.send(request("observeproperty", &json!({"name": "level"}))).await.unwrap();
        message(ws).await;
    }
    let long = "x".repeat(4000);
    for round in 0..ROUNDS {
        server.world.report("lamp", "level", &format!("\"{round:06}{long}\""));
        let told = message(&mut awake).await;
        assert!(told["value"].as_str().unwrap().starts_with(&format!("{round:06}")));
    }
    let (mut heard, mut gaps, last) = (0, 0, format!("{:06}", ROUNDS - 1));
    loop {
        let told = message(&mut asleep).await;
        heard += 1;
        gaps += usize::from(told.get("gap").is_some());
        if told["value"].as_str().is_some_and(|value| value.starts_with(&last)) {
            break;
        }
    }
    assert!(gaps > 0 && heard < ROUNDS, "{heard} notifications with {gaps} gaps");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_was_asleep_for_a_while_misses_nothing() {
    // More than the socket's buffers take, and less than the log forgets.
    const ROUNDS: usize = 3500;
    let server = Server::start(HttpConfig::default()).await;
    let mut ws = server.open().await;
    ws.send(request("observeproperty", &json!({"name": "level"}))).await.unwrap();
    message(&mut ws).await;
    let long = "x".repeat(3000);
    for round in 0..ROUNDS {
        server.world.report("lamp", "level", &format!("\"{round}{long}\""));
        if round % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    ws.send(request("readproperty", &json!({"name": "level"}))).await.unwrap();
    let mut expected = 0;
    while expected < ROUNDS {
        let told = message(&mut ws).await;
        if told["messageType"] == "notification" {
            let value = told["value"].as_str().unwrap();
            assert_eq!(value.trim_end_matches('x'), expected.to_string());
            expected += 1;
        }
    }
    server.world.report("lamp", "level", "1");
    while message(&mut ws).await["value"] != 1 {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_notifications_do_not_starve_each_other() {
    const REQUESTS: usize = 5000;
    let server = Server::start(HttpConfig::default()).await;
    let mut ws = server.open().await;
    ws.send(request("observeproperty", &json!({"name": "level"}))).await.unwrap();
    message(&mut ws).await;
    let (mut requests, mut messages) = ws.split();
    let flood = tokio::spawn(async move {
        for _ in 0..REQUESTS {
            requests.feed(request("readallproperties", &json!({}))).await.unwrap();
        }
        requests.flush().await.unwrap();
        requests
    });
    let (mut answers, mut news) = (0, 0);
    while answers < REQUESTS {
        let received = timeout(PATIENCE, messages.next()).await.unwrap().unwrap().unwrap();
        let is_answer = received.to_text().unwrap().contains("\"response\"");
        (answers, news) = (answers + usize::from(is_answer), news + usize::from(!is_answer));
        if answers % 10 == 0 {
            server.world.report("lamp", "level", &answers.to_string());
        }
    }
    assert!(news > REQUESTS / 100, "{news} notifications among {answers} answers");
    drop(flood);
}
