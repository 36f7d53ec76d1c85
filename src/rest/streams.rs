//! What all event streams over HTTP have in common.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use super::{App, Problem};
use crate::log::Seq;
use crate::push::feed::Scope;
use crate::push::sse::{self, Order, View};

pub(crate) const EVENT_STREAM: &str = "text/event-stream";

/// How the events of a stream are written.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamParams {
    /// `message` leaves out the events' names, for clients that hear unnamed events only.
    #[param(inline)]
    event: Option<EventNaming>,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum EventNaming {
    Message,
}

impl StreamParams {
    pub(crate) fn named(&self) -> bool {
        self.event.is_none()
    }
}

/// The position after which a stream resumes: none begins with what happens from now on.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Result<Option<Seq>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let text = value.to_str().unwrap_or("?").trim();
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(|number| Some(Seq(number))).map_err(|_| {
        Problem::bad_request("Last-Event-ID is no position of this gateway's streams")
            .field("Last-Event-ID", "send the `id` of the last event that was received, or 0")
    })
}

impl App {
    /// The answer that carries a stream.
    pub(crate) fn stream(
        &self,
        scope: Scope,
        view: View,
        position: Option<Seq>,
    ) -> Result<Response, Problem> {
        let place = self.enter_stream()?;
        let heartbeat = Duration::from_secs(self.config.heartbeat_seconds.max(1));
        Ok(sse::respond(Order {
            cursor: self.cursor(scope, position),
            view,
            heartbeat,
            closing: self.streams.closing().clone(),
            heralds: self.streams.heralds().clone(),
            place,
        }))
    }
}
