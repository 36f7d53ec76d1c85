//! A client of the Web Thing Protocol.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::PATIENCE;
use super::gateway::id;

static MESSAGES: AtomicU64 = AtomicU64::new(1);

/// A UUIDv4 in form, and unique in this process.
pub(crate) fn uuid() -> String {
    format!("0badcafe-0000-4000-8000-{:012x}", MESSAGES.fetch_add(1, Ordering::Relaxed))
}

/// An open socket.
pub(crate) struct Ws {
    socket: WebSocketStream<TcpStream>,
    notifications: VecDeque<Value>,
}

impl Ws {
    pub(crate) async fn open(gateway: SocketAddr) -> Self {
        let mut request = format!("ws://{gateway}/ws").into_client_request().unwrap();
        let protocol = "webthingprotocol".parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let stream = TcpStream::connect(gateway).await.unwrap();
        let (socket, response) = client_async(request, stream).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "webthingprotocol");
        Self { socket, notifications: VecDeque::new() }
    }

    /// Sends a request with these members and returns the answer to it. Every answer is checked
    /// for what all answers have.
    pub(crate) async fn request(&mut self, thing: &str, operation: &str, members: Value) -> Value {
        let correlation = uuid();
        self.request_as(thing, operation, members, &correlation).await
    }

    pub(crate) async fn request_as(
        &mut self,
        thing: &str,
        operation: &str,
        members: Value,
        correlation: &str,
    ) -> Value {
        let mut request = json!({
            "thingID": id(thing),
            "messageID": uuid(),
            "messageType": "request",
            "operation": operation,
            "correlationID": correlation,
        });
        for (name, value) in members.as_object().unwrap() {
            request[name] = value.clone();
        }
        self.send(&request.to_string()).await;
        let response = self.response().await;
        assert_eq!(response["correlationID"], correlation, "{response}");
        assert_eq!(response["thingID"], request["thingID"], "{response}");
        assert_eq!(response["operation"], operation, "{response}");
        response
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The next response; notifications that come before it are kept.
    pub(crate) async fn response(&mut self) -> Value {
        loop {
            let message = self.read().await;
            match message["messageType"].as_str() {
                Some("response") => return message,
                Some("notification") => self.notifications.push_back(message),
                _ => panic!("neither response nor notification: {message}"),
            }
        }
    }

    /// The next notification.
    pub(crate) async fn notification(&mut self) -> Value {
        match self.notifications.pop_front() {
            Some(kept) => kept,
            None => {
                let message = self.read().await;
                assert_eq!(message["messageType"], "notification", "{message}");
                message
            }
        }
    }

    /// Whether a notification comes within that time.
    pub(crate) async fn hears_within(&mut self, time: Duration) -> Option<Value> {
        timeout(time, self.notification()).await.ok()
    }

    async fn read(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("a message comes") {
                Some(Ok(Message::Text(text))) => return checked(&text),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("instead of a message: {other:?}"),
            }
        }
    }

    /// Waits for the gateway to close the socket.
    pub(crate) async fn closed(&mut self) -> Option<CloseFrame> {
        let end = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(frame))) => return frame,
                    Some(Ok(_)) => {}
                    Some(Err(error)) => panic!("broken off instead of closed: {error}"),
                    None => return None,
                }
            }
        };
        timeout(PATIENCE, end).await.expect("the socket is closed")
    }
}

fn checked(text: &str) -> Value {
    let message: Value = serde_json::from_str(text).expect("every message is JSON");
    let id = message["messageID"].as_str().unwrap_or_else(|| panic!("no messageID: {message}"));
    assert!(is_uuid_v4(id), "no UUIDv4: {id}");
    assert!(message["operation"].is_string() || message.get("error").is_some(), "{message}");
    message
}

fn is_uuid_v4(text: &str) -> bool {
    let shape = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    shape && text.as_bytes()[14] == b'4' && b"89abAB".contains(&text.as_bytes()[19])
}
