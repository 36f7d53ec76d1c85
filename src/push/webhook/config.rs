use serde::Deserialize;
use url::Url;

use super::patch::{NewSecret, WebhookPatch};

/// `[[webhooks]]`: a webhook that is there from the start, as `POST /webhooks` would make it.
#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Its id under `/webhooks/`; letters, digits, `-` and `_`.
    pub name: String,
    /// Where deliveries go: `http` or `https`, without user and password.
    #[schema(value_type = String, example = "https://receiver.example/hook")]
    pub url: Url,
    /// Patterns of thing names or ids, `*` for any characters; none means every thing.
    #[serde(default)]
    pub things: Vec<String>,
    /// Patterns of property names; with neither `properties` nor `events`, everything is sent.
    #[serde(default)]
    pub properties: Vec<String>,
    /// Patterns of event names.
    #[serde(default)]
    pub events: Vec<String>,
    /// Key that signs deliveries after Standard Webhooks: `whsec_` and base64 of 24 to 64 bytes.
    /// Without one, deliveries are signed with a key of each start that no receiver knows.
    pub secret: Option<String>,
}

impl WebhookConfig {
    /// What `POST /webhooks` would be sent.
    pub(super) fn to_patch(&self) -> WebhookPatch {
        WebhookPatch {
            url: Some(self.url.to_string()),
            things: Some(self.things.clone()),
            properties: Some(self.properties.clone()),
            events: Some(self.events.clone()),
            secret: self.secret.clone().map(NewSecret::Given),
            enabled: None,
        }
    }
}

/// `[delivery]`: how webhooks are delivered.
#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeliveryConfig {
    /// How long a receiver may take to answer, in seconds.
    pub timeout_seconds: u64,
    /// Requests of one webhook under way at the same time. With 1, everything arrives in the
    /// order in which it happened. With more, a distant receiver gets more per second, and the
    /// order holds for each property and each event alone.
    pub concurrency: usize,
    /// Longest pause before the second attempt, in milliseconds; it doubles from attempt to
    /// attempt. The pause itself is drawn by lot.
    pub first_retry_milliseconds: u64,
    /// Longest pause between two attempts, in seconds.
    pub longest_retry_seconds: u64,
    /// A delivery that has failed for this long is given up and logged, in seconds.
    pub give_up_seconds: u64,
    /// Networks that deliveries never go to, as CIDR. The default keeps cloud metadata services
    /// out of reach.
    pub denied_networks: Vec<String>,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            timeout_seconds: 15,
            // Order across properties is what a receiver expects and can't restore by itself;
            // speed is what an operator can ask for.
            concurrency: 1,
            first_retry_milliseconds: 500,
            longest_retry_seconds: 300,
            give_up_seconds: 86_400,
            denied_networks: vec!["169.254.0.0/16".into(), "fe80::/10".into()],
        }
    }
}
