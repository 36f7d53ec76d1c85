//! WebSocket: read, write, observe and subscribe over all things on one socket, as the Web Thing
//! Protocol has it (W3C Web Thing Protocol Community Group, editor's draft).
//!
//! A message goes through the files in this order: [`handshake`] lets a socket in, [`socket`]
//! reads and writes it, [`request`] understands what was sent, [`session`] has it done
//! ([`answers`] read, [`writes`] wait for devices, [`following`] keeps [`subscriptions`] and turns
//! changes into [`news`]), and [`message`] is what the consumer gets.
//!
//! The draft has no words for what a resumable stream needs. These members are added, and a
//! consumer that does not know them loses nothing:
//!
//! * `notificationID` (number) stands in each notification: the gateway-wide sequence number, the
//!   same as the `id` of event streams. As `lastNotificationID` (number, or string of digits) in
//!   `observeproperty`, `observeallproperties`, `subscribeevent` or `subscribeallevents` it asks
//!   for what came after it.
//! * `gap` (object with `after`, `until`, `reason`) stands in a notification without `value` or
//!   `data`: what happened between these sequence numbers is no longer all there, or the reader
//!   was too slow for it. The newest states follow as ordinary notifications; occurrences of
//!   events are lost.
//! * `error` in a notification ends that subscription: the thing was removed.
//! * `quality` (`uncertain`, `bad` or `stale`) goes with a value that is not known to be good.
//!
//! Memory per socket is bounded: it holds one page of changes at a time
//! ([`PAGE_BYTES`](super::feed::PAGE_BYTES)), and takes the next only when the last one was
//! written; it has a limited number of subscriptions and of writes under way.

mod answers;
mod end;
mod followed;
mod following;
mod handshake;
mod heartbeat;
mod message;
mod news;
mod operation;
mod request;
mod session;
mod socket;
mod subscriptions;
mod writes;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::rest::{App, HttpConfig, Problem};

use session::Session;
use socket::Socket;

/// The read buffer is there from the first byte on, so it is most of what an idle socket costs;
/// requests are a few hundred bytes, and larger ones make it grow for as long as they need.
const READ_BUFFER: usize = 4 * 1024;
/// Notifications are collected up to here and then written in one system call. With one message
/// on top, this is also the most that waits unsent.
const WRITE_BUFFER: usize = 4 * 1024;

/// Opens a socket that speaks the Web Thing Protocol.
///
/// # Errors
/// When the request is no upgrade, offers only other sub-protocols, comes from a web page of an
/// origin that is not allowed, or when all places for streams are taken.
#[utoipa::path(
    get, path = "/ws", tag = "push",
    params(
        ("Sec-WebSocket-Protocol" = Option<String>, Header, description = "`webthingprotocol`, or nothing"),
    ),
    responses(
        (status = 101, description = "The socket is open and speaks `webthingprotocol`"),
        (status = 400, description = "Only other sub-protocols were offered", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The web page's origin is not in http.cors_origins", body = Problem, content_type = "application/problem+json"),
        (status = 426, description = "Not a WebSocket handshake", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "All places for streams are taken", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn upgrade(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    ws: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let ws = buffers(handshake::check(ws, &headers, &app.config)?, &app.config);
    let place = app.enter_stream()?;
    Ok(ws.on_upgrade(async move |ws| {
        let session = Session::new(app.log.clone(), app.registry.clone());
        let closing = app.streams.closing().clone();
        Socket::new(ws, session, app.commands.clone(), &app.config, closing).run().await;
        drop(place);
    }))
}

/// Twice the limit is read to its end and then refused: a socket that is closed while its peer
/// still sends is reset, and the peer would not get to see why.
fn buffers(ws: WebSocketUpgrade, config: &HttpConfig) -> WebSocketUpgrade {
    let most = config.max_body_bytes.saturating_mul(2);
    ws.read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_frame_size(most)
        .max_message_size(most)
}
