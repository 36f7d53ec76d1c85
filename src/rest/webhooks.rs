//! Webhooks: who is called back, and how that goes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{LINK, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::base::Base;
use super::extract::{Body, Params, Segments, object, require_json};
use super::paging::{Page, require_limit};
use super::routes::{Routes, route};
use super::{App, Problem};
use crate::log::Seq;
use crate::push::webhook::{
    CreateError, Delivery, Fault, REMEMBERED, RedeliverError, WebhookPatch, WebhookView,
};

pub(crate) fn routes<R: Routes>() -> R {
    R::default()
        .with(route!(list_webhooks, create_webhook))
        .with(route!(read_webhook, change_webhook, delete_webhook))
        .with(route!(list_deliveries))
        .with(route!(test_webhook))
        .with(route!(replay))
}

/// Lists the webhooks in code point order of their ids, without their secrets.
#[utoipa::path(
    get, path = "/webhooks", tag = "push", params(Page),
    responses(
        (status = 200, description = "The webhooks and how they go", body = Vec<WebhookView>,
            headers(("Link", description = "rel=next: the next page"))),
        (status = 400, description = "A parameter is not right", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn list_webhooks(
    State(app): State<Arc<App>>,
    base: Base,
    Params(page): Params<Page>,
) -> Result<Response, Problem> {
    let (offset, limit) = page.bounds()?;
    let next = page.next(&base, "/webhooks", app.webhooks.len()).map(|next| [(LINK, next)]);
    let webhooks = Json(app.webhooks.page(offset, limit));
    Ok(match next {
        Some(link) => (link, webhooks).into_response(),
        None => webhooks.into_response(),
    })
}

/// Registers a webhook.
///
/// Each change that passes its filters, from now on, is posted to `url` as a CloudEvent
/// (`application/cloudevents+json`), signed after Standard Webhooks (`webhook-id`,
/// `webhook-timestamp`, `webhook-signature`). An answer of 2xx is success and 410 disables the
/// webhook; after anything else, redirects included, it is tried again for a day under the same
/// `webhook-id`. Webhooks are kept in memory: after a restart there are those of the
/// configuration.
#[utoipa::path(
    post, path = "/webhooks", tag = "push", request_body = WebhookPatch,
    responses(
        (status = 201, description = "Registered; `secret` is shown here and nowhere else", body = WebhookView,
            headers(("Location", description = "Where it is"))),
        (status = 400, description = "The definition is not right", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many webhooks", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn create_webhook(
    State(app): State<Arc<App>>,
    base: Base,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let patch = patch(&headers, &body)?;
    let created = app.webhooks.create(patch).map_err(refusal)?;
    let location = base.path(&format!("/webhooks/{}", created.id));
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(created)).into_response())
}

/// Reads a webhook and how it goes, without its secret.
#[utoipa::path(
    get, path = "/webhooks/{id}", tag = "push",
    params(("id" = String, Path, description = "Id of the webhook")),
    responses(
        (status = 200, description = "The webhook", body = WebhookView),
        (status = 404, description = "No such webhook", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn read_webhook(
    State(app): State<Arc<App>>,
    Segments(id): Segments<String>,
) -> Result<Json<WebhookView>, Problem> {
    app.webhooks.read(&id).map(Json).ok_or_else(|| unknown(&id))
}

/// Changes a webhook: a JSON merge patch (RFC 7396).
///
/// Changed filters hold for what was not delivered yet. A new `secret` signs next to the old one
/// for 24 hours; `"secret": null` has one made, which is shown in this answer only. A webhook that
/// is enabled again goes on where it stopped.
#[utoipa::path(
    patch, path = "/webhooks/{id}", tag = "push",
    params(("id" = String, Path, description = "Id of the webhook")),
    request_body(content(
        (WebhookPatch = "application/merge-patch+json"), (WebhookPatch = "application/json"))),
    responses(
        (status = 200, description = "The webhook as it is now", body = WebhookView),
        (status = 400, description = "The patch is not right", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such webhook", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn change_webhook(
    State(app): State<Arc<App>>,
    Segments(id): Segments<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Json<WebhookView>, Problem> {
    let patch = patch(&headers, &body)?;
    let changed = app.webhooks.change(&id, patch).map_err(invalid)?;
    changed.map(Json).ok_or_else(|| unknown(&id))
}

/// Deletes a webhook; an attempt that is under way is broken off.
#[utoipa::path(
    delete, path = "/webhooks/{id}", tag = "push",
    params(("id" = String, Path, description = "Id of the webhook")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "No such webhook", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn delete_webhook(
    State(app): State<Arc<App>>,
    Segments(id): Segments<String>,
) -> Result<StatusCode, Problem> {
    app.webhooks.delete(&id).then_some(StatusCode::NO_CONTENT).ok_or_else(|| unknown(&id))
}

/// How many deliveries.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Latest {
    /// Deliveries to show; 1 to 50.
    #[serde(default = "all_remembered")]
    #[param(minimum = 1, maximum = 50, default = 50)]
    limit: usize,
}

fn all_remembered() -> usize {
    REMEMBERED
}

/// Lists the last deliveries of a webhook, newest first.
#[utoipa::path(
    get, path = "/webhooks/{id}/deliveries", tag = "push",
    params(("id" = String, Path, description = "Id of the webhook"), Latest),
    responses(
        (status = 200, description = "What was sent and what came of it", body = Vec<Delivery>),
        (status = 400, description = "A parameter is not right", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such webhook", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn list_deliveries(
    State(app): State<Arc<App>>,
    Segments(id): Segments<String>,
    Params(latest): Params<Latest>,
) -> Result<Json<Vec<Delivery>>, Problem> {
    require_limit(latest.limit, REMEMBERED)?;
    app.webhooks.deliveries(&id, latest.limit).map(Json).ok_or_else(|| unknown(&id))
}

/// Sends a test event to the receiver, once, and answers with what came of it.
///
/// When it succeeds, a delivery that waits for another attempt is tried again at once.
#[utoipa::path(
    post, path = "/webhooks/{id}/test", tag = "push",
    params(("id" = String, Path, description = "Id of the webhook")),
    responses(
        (status = 200, description = "What came of it: see `outcome`", body = Delivery),
        (status = 404, description = "No such webhook", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn test_webhook(
    State(app): State<Arc<App>>,
    Segments(id): Segments<String>,
) -> Result<Json<Delivery>, Problem> {
    app.webhooks.test(&id).await.map(Json).ok_or_else(|| unknown(&id))
}

/// What is sent once more: one of the two.
#[derive(Debug, PartialEq, Eq, utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum Replay {
    /// All changes after this sequence number that pass the webhook's filters.
    Since(u64),
    /// The delivery with this id, out of turn.
    Delivery(String),
}

/// Sends once more what was sent before, under the old ids.
///
/// With `since` the webhook goes on after that sequence number (202); where the gateway no longer
/// keeps all changes since then, the receiver is told of the gap and gets the newest states. With
/// `delivery` that one is sent now, once, and the answer says what came of it (200).
#[utoipa::path(
    post, path = "/webhooks/{id}/replay", tag = "push",
    params(("id" = String, Path, description = "Id of the webhook")),
    request_body = Replay,
    responses(
        (status = 200, description = "What came of the delivery: see `outcome`", body = Delivery),
        (status = 202, description = "The webhook goes on from there", body = WebhookView),
        (status = 400, description = "The body is not right", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such webhook or delivery", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is no change to send any more", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn replay(
    State(app): State<Arc<App>>,
    Segments(id): Segments<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    require_json(&headers, false)?;
    match Replay::read(&object(&body)?, app.webhooks.head())? {
        Replay::Since(since) => {
            let view = app.webhooks.rewind(&id, Seq(since)).ok_or_else(|| unknown(&id))?;
            Ok((StatusCode::ACCEPTED, Json(view)).into_response())
        }
        Replay::Delivery(delivery) => {
            let sent = app.webhooks.redeliver(&id, &delivery).await;
            Ok(Json(sent.map_err(|error| not_sent(&id, &error))?).into_response())
        }
    }
}

impl Replay {
    fn read(body: &Map<String, Value>, head: Seq) -> Result<Self, Problem> {
        let mut members = body.iter();
        let refused = |field: &str, reason: String| {
            Err(Problem::bad_request("this is no replay").field(field, reason))
        };
        match (members.next(), members.next()) {
            (Some((name, Value::String(id))), None) if name == "delivery" => {
                Ok(Self::Delivery(id.clone()))
            }
            (Some((name, value)), None) if name == "since" => match value.as_u64() {
                Some(since) if since <= head.0 => Ok(Self::Since(since)),
                _ => refused(name, format!("has to be a sequence number, 0 to {head}")),
            },
            _ => refused("since", "send {\"since\": SEQUENCE} or {\"delivery\": \"ID\"}".into()),
        }
    }
}

fn patch(headers: &HeaderMap, body: &[u8]) -> Result<WebhookPatch, Problem> {
    require_json(headers, false)?;
    WebhookPatch::read(&object(body)?).map_err(invalid)
}

fn invalid(faults: Vec<Fault>) -> Problem {
    let problem = Problem::bad_request("this is no webhook; see validationErrors");
    faults.into_iter().fold(problem, |problem, fault| problem.field(fault.field, fault.description))
}

fn refusal(error: CreateError) -> Problem {
    match error {
        CreateError::Invalid(faults) => invalid(faults),
        CreateError::TooMany(most) => Problem::busy(
            format!(
                "all {most} places for webhooks are taken; delete one or raise limits.webhooks"
            ),
            60,
        ),
        CreateError::Taken => Problem::busy("the id drawn for it is taken; send it again", 1),
    }
}

fn unknown(id: &str) -> Problem {
    Problem::not_found(format!("there is no webhook `{id}`; `GET /webhooks` lists those there are"))
}

fn not_sent(id: &str, error: &RedeliverError) -> Problem {
    match error {
        RedeliverError::NoWebhook => unknown(id),
        RedeliverError::NoDelivery => Problem::not_found(error.to_string()),
        RedeliverError::NoChange | RedeliverError::Outrun => {
            Problem::new(StatusCode::CONFLICT, error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: Value) -> Result<Replay, u16> {
        Replay::read(body.as_object().unwrap(), Seq(100)).map_err(|problem| problem.status)
    }

    #[test]
    fn a_replay_is_one_of_two_things() {
        assert_eq!(read(json!({"since": 0})), Ok(Replay::Since(0)));
        assert_eq!(read(json!({"since": 100})), Ok(Replay::Since(100)));
        assert_eq!(read(json!({"delivery": "a"})), Ok(Replay::Delivery("a".into())));
        for bad in [
            json!({}),
            json!({"since": 101}),
            json!({"since": -1}),
            json!({"since": "1"}),
            json!({"delivery": 1}),
            json!({"since": 1, "delivery": "a"}),
            json!({"all": true}),
        ] {
            assert_eq!(read(bad.clone()), Err(400), "{bad}");
        }
    }
}
