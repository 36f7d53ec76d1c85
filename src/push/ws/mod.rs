//! WebSocket: read, write, observe, subscribe and invoke over all things on one socket, as the Web Thing
//! Protocol has it (W3C Web Thing Protocol Community Group, editor's draft).
//!
//! A message goes through the files in this order: [`handshake`] lets a socket in, [`socket`] is
//! its own task, [`line`] reads and writes it, [`request`] understands what was sent, [`session`] has it done
//! ([`answers`] read, [`writes`] and [`invocations`] wait for devices, [`following`] keeps [`subscriptions`] and turns
//! changes into [`news`]), [`message`] is what the consumer gets, and what many get alike is
//! [`shared`].
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
//! A notification is one message, however many consumers it goes to: those who are told of a change
//! together see the same `messageID`, each of them once.
//!
//! Memory per socket is bounded: it holds one page of changes at a time
//! ([`PAGE_BYTES`](super::feed::PAGE_BYTES)), and takes the next only when the last one was
//! written; it has a limited number of subscriptions and of writes and actions under way.

mod answers;
mod end;
mod followed;
mod following;
mod handshake;
mod heartbeat;
mod invocations;
mod line;
mod message;
mod news;
mod operation;
mod pending;
mod request;
mod session;
mod shared;
mod socket;
mod subscriptions;
mod writes;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use tracing::debug;

use crate::rest::{App, Problem};

use handshake::Handshake;
use line::Line;
use socket::Socket;

pub(super) use shared::Shared;

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
    mut request: Request,
) -> Result<Response, Problem> {
    let handshake = Handshake::of(&mut request, &app.config)?;
    let place = app.enter_stream()?;
    let answer = handshake.answer();
    tokio::spawn(async move {
        match line::taken_out(handshake.upgrade.await) {
            Ok((tcp, read)) => {
                let (log, registry) = (app.log.clone(), app.registry.clone());
                let most = app.config.max_body_bytes;
                let line = Line::new(tcp, read, most, log, registry, app.streams.heralds());
                let closing = app.streams.closing().clone();
                Socket::new(line, app.commands.clone(), &app.config, closing).run().await;
            }
            Err(error) => debug!(error, "A WebSocket never opened"),
        }
        drop(place);
    });
    Ok(answer)
}
