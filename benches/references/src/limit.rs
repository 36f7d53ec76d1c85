//! limit: what rumqttc and axum cost by themselves. Messages are counted, answers are fixed, and
//! one frame is made per message for all followers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream::unfold;
use rumqttc::{Event, Packet};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

use crate::Result;

#[derive(Clone)]
struct Hub {
    count: Arc<AtomicUsize>,
    frames: Sender<Bytes>,
}

pub(crate) async fn run(broker: SocketAddr) -> Result<()> {
    let hub = Hub { count: Arc::default(), frames: channel(1024).0 };
    let router = Router::new()
        .route("/count", get(count))
        .route("/values/{*topic}", get(async || ([(CONTENT_TYPE, "application/json")], "10000000")))
        .route("/events/{*topic}", get(events))
        .with_state(hub.clone());
    crate::serve(router).await?;
    let (_client, mut link) = crate::subscribed(broker, "limit").await?;
    loop {
        let Event::Incoming(Packet::Publish(message)) = link.poll().await? else { continue };
        hub.count.fetch_add(1, Ordering::Relaxed);
        if hub.frames.receiver_count() > 0 {
            let frame = [b"data: ", &message.payload[..], b"\n\n"].concat();
            // The last follower left between the two.
            let _ = hub.frames.send(frame.into());
        }
    }
}

async fn count(State(hub): State<Hub>) -> String {
    hub.count.load(Ordering::Relaxed).to_string()
}

async fn events(State(hub): State<Hub>) -> Response {
    let frames = unfold(hub.frames.subscribe(), async |mut frames| {
        let frame = next_of(&mut frames).await?;
        Some((Ok::<_, Infallible>(frame), frames))
    });
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(frames)).into_response()
}

async fn next_of(frames: &mut Receiver<Bytes>) -> Option<Bytes> {
    loop {
        match frames.recv().await {
            Ok(frame) => return Some(frame),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}
