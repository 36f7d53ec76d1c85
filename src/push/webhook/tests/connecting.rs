//! Connections to receivers: used again, closed by the receiver, and left alone.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const TAKEN: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// A receiver of bytes, whose connections are accepted one by one.
struct Raw {
    listener: TcpListener,
    world: World,
    id: String,
}

impl Raw {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let world = World::new();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let id = world.webhooks.create(patch(&json!({ "url": url }))).unwrap().id;
        Self { listener, world, id }
    }

    async fn accept(&self) -> TcpStream {
        timeout(PATIENCE, self.listener.accept()).await.expect("a connection").unwrap().0
    }

    async fn delivered(&self, count: u64) -> WebhookView {
        self.world.view(&self.id, |view| view.delivered == count).await
    }
}

/// Reads one request whole; its body.
async fn request(stream: &mut TcpStream) -> Json {
    let (mut read, mut part) = (Vec::new(), [0; 4096]);
    let whole = async {
        loop {
            let count = stream.read(&mut part).await.unwrap();
            assert!(count > 0, "the connection is closed");
            read.extend_from_slice(&part[..count]);
            let text = String::from_utf8_lossy(&read);
            let body = text.split_once("\r\n\r\n").map(|(_, body)| body);
            if let Some(event) = body.and_then(|body| serde_json::from_str(body).ok()) {
                return event;
            }
        }
    };
    timeout(PATIENCE, whole).await.expect("a request")
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_no_failure() {
    let raw = Raw::start().await;
    for value in 1..=3 {
        raw.world.report("a", "p", value);
        let mut stream = raw.accept().await;
        assert_eq!(request(&mut stream).await["data"]["value"], value);
        stream.write_all(TAKEN).await.unwrap();
        raw.delivered(value).await;
    }
    assert_eq!(raw.delivered(3).await.failed, 0);
}

#[tokio::test]
async fn a_connection_that_is_closed_under_a_request_is_no_failure_once() {
    let raw = Raw::start().await;
    let mut used = raw.accept_and_take(1).await;
    raw.world.report("a", "p", 2);
    let lost = request(&mut used).await;
    drop(used);
    let mut fresh = raw.accept().await;
    assert_eq!(request(&mut fresh).await, lost, "the same event again");
    fresh.write_all(TAKEN).await.unwrap();
    assert_eq!(raw.delivered(2).await.failed, 0);
}

#[tokio::test]
async fn a_fresh_connection_that_breaks_off_is_a_failure() {
    let raw = Raw::start().await;
    raw.world.report("a", "p", 1);
    let mut stream = raw.accept().await;
    request(&mut stream).await;
    drop(stream);
    raw.accept_and_answer().await;
    let view = raw.delivered(1).await;
    assert_eq!(view.failed, 1);
    assert!(view.last_error.unwrap().starts_with("the exchange broke off: "));
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_failure_on_a_used_connection_too() {
    let raw = Raw::start().await;
    let mut used = raw.accept_and_take(1).await;
    raw.world.report("a", "p", 2);
    request(&mut used).await;
    used.write_all(b"what?\r\n\r\n").await.unwrap();
    raw.accept_and_answer().await;
    assert_eq!(raw.delivered(2).await.failed, 1);
}

#[tokio::test]
async fn a_receiver_that_wants_no_second_request_gets_a_new_connection() {
    let raw = Raw::start().await;
    raw.world.report("a", "p", 1);
    let mut first = raw.accept().await;
    request(&mut first).await;
    first
        .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
        .await
        .unwrap();
    raw.delivered(1).await;
    assert_eq!(first.read(&mut [0; 1]).await.unwrap(), 0, "it is closed at once");
    raw.world.report("a", "p", 2);
    raw.accept_and_answer().await;
    assert_eq!(raw.delivered(2).await.failed, 0);
}

#[tokio::test]
async fn a_connection_that_nobody_needs_is_closed() {
    let raw = Raw::start().await;
    let mut used = raw.accept_and_take(1).await;
    tokio::time::pause();
    let begin = Instant::now();
    assert_eq!(used.read(&mut [0; 1]).await.unwrap(), 0);
    let passed = begin.elapsed();
    assert!(passed > Duration::from_secs(30) && passed <= Duration::from_secs(61), "{passed:?}");
}

impl Raw {
    /// Takes one delivery over a new connection, which is good for the next one.
    async fn accept_and_take(&self, value: u64) -> TcpStream {
        self.world.report("a", "p", value);
        let stream = self.accept_and_answer().await;
        self.delivered(value).await;
        stream
    }

    async fn accept_and_answer(&self) -> TcpStream {
        let mut stream = self.accept().await;
        request(&mut stream).await;
        stream.write_all(TAKEN).await.unwrap();
        stream
    }
}
