//! naive: rumqttc, axum, a map of parsed values by topic, and a broadcast channel for followers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use dashmap::DashMap;
use futures_util::stream::{Stream, unfold};
use rumqttc::{Event as MqttEvent, Packet};
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

use crate::Result;

type News = Arc<(String, Value)>;

#[derive(Clone)]
struct Hub {
    values: Arc<DashMap<String, Value>>,
    news: Sender<News>,
}

pub(crate) async fn run(broker: SocketAddr) -> Result<()> {
    let hub = Hub { values: Arc::default(), news: channel(1024).0 };
    let router = Router::new()
        .route("/values/{*topic}", get(read))
        .route("/dump", get(dump))
        .route("/events/{*topic}", get(events))
        .route("/ws/{*topic}", get(open))
        .with_state(hub.clone());
    crate::serve(router).await?;
    let (_client, mut link) = crate::subscribed(broker, "naive").await?;
    loop {
        let MqttEvent::Incoming(Packet::Publish(message)) = link.poll().await? else { continue };
        let Ok(value) = serde_json::from_slice::<Value>(&message.payload) else { continue };
        hub.values.insert(message.topic.clone(), value.clone());
        // Nobody follows: nobody is told.
        let _ = hub.news.send(Arc::new((message.topic, value)));
    }
}

async fn read(State(hub): State<Hub>, Path(topic): Path<String>) -> Response {
    match hub.values.get(&topic) {
        Some(value) => Json(value.value()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn dump(State(hub): State<Hub>) -> Response {
    let all: serde_json::Map<String, Value> =
        hub.values.iter().map(|entry| (entry.key().clone(), entry.value().clone())).collect();
    Json(all).into_response()
}

async fn events(
    State(hub): State<Hub>,
    Path(topic): Path<String>,
) -> Sse<impl Stream<Item = std::result::Result<Event, Infallible>>> {
    let follower = (hub.news.subscribe(), topic);
    Sse::new(unfold(follower, async |(mut news, topic)| {
        let next = next_of(&mut news, &topic).await?;
        let event = Event::default().data(next.1.to_string());
        Some((Ok(event), (news, topic)))
    }))
}

async fn open(
    State(hub): State<Hub>,
    Path(topic): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let news = hub.news.subscribe();
    upgrade.on_upgrade(move |socket| follow(socket, news, topic))
}

async fn follow(mut socket: WebSocket, mut news: Receiver<News>, topic: String) {
    while let Some(next) = next_of(&mut news, &topic).await {
        if socket.send(Message::text(next.1.to_string())).await.is_err() {
            return;
        }
    }
}

/// The next news of a topic. Who is too slow misses some, and is not told.
async fn next_of(news: &mut Receiver<News>, topic: &str) -> Option<News> {
    loop {
        match news.recv().await {
            Ok(next) if next.0 == topic => return Some(next),
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}
