use serde::Serialize;
use thingway_sdk::Timestamp;

use super::webhook::{State, Webhook, in_calendar};
use crate::log::Seq;

/// A webhook as the API shows it: what it delivers where, and how that goes.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct WebhookView {
    /// Its id under `/webhooks/`.
    pub id: String,
    /// Where deliveries go.
    pub url: String,
    /// Patterns of thing names or ids; none means every thing.
    pub things: Vec<String>,
    /// Patterns of property names.
    pub properties: Vec<String>,
    /// Patterns of event names.
    pub events: Vec<String>,
    /// Whether anything is delivered.
    pub enabled: bool,
    /// How it goes.
    pub status: WebhookStatus,
    /// Why the gateway itself disabled it.
    pub disabled_because: Option<&'static str>,
    /// Deliveries that the receiver took.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Deliveries that failed for so long that they were given up.
    pub given_up: u64,
    /// Attempts that failed since the last success.
    pub consecutive_failures: u64,
    /// Everything up to this sequence number was delivered or given up.
    #[schema(value_type = u64)]
    pub position: Seq,
    /// Changes of any kind that were recorded since: how far it is behind at most.
    pub lag: u64,
    /// When the receiver last took a delivery.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_success: Option<Timestamp>,
    /// When an attempt last failed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_failure: Option<Timestamp>,
    /// Why it failed.
    pub last_error: Option<String>,
    /// When what failed is tried again.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_attempt: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
    /// The key that signs deliveries: only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// How a webhook's deliveries go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebhookStatus {
    /// The last attempt succeeded, or there was none.
    Active,
    /// The last attempt failed.
    Failing,
    /// Nothing is delivered: by request, or because the receiver answered 410 Gone.
    Disabled,
}

impl WebhookView {
    pub(super) fn of(webhook: &Webhook, head: Seq) -> Self {
        let position = webhook.done_until();
        webhook.with(|state| Self {
            id: webhook.id.clone(),
            url: state.definition.target.url.to_string(),
            things: state.definition.things.clone(),
            properties: state.definition.properties.clone(),
            events: state.definition.events.clone(),
            enabled: state.definition.enabled,
            status: WebhookStatus::of(state),
            disabled_because: state.health.disabled_because,
            delivered: state.health.delivered,
            failed: state.health.failed,
            given_up: state.health.given_up,
            consecutive_failures: state.health.consecutive_failures,
            position,
            lag: head.0.saturating_sub(position.0),
            last_success: state.health.last_success,
            last_failure: state.health.last_failure,
            last_error: state.health.last_error.clone(),
            next_attempt: state.health.next_attempt.map(in_calendar),
            created: webhook.created,
            secret: None,
        })
    }

    pub(super) fn with_secret(mut self, secret: String) -> Self {
        self.secret = Some(secret);
        self
    }
}

impl WebhookStatus {
    fn of(state: &State) -> Self {
        match (state.definition.enabled, state.health.consecutive_failures) {
            (false, _) => Self::Disabled,
            (true, 0) => Self::Active,
            (true, _) => Self::Failing,
        }
    }
}
