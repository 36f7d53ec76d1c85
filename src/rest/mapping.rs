//! A dry run of the mapping.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use thingway_sdk::codec::Encoding;
use thingway_sdk::{Address, Observation, Payload, ThingId, Timestamp, Value};

use super::extract::{Body, require_json};
use super::routes::{Routes, route};
use super::{App, Problem};
use crate::mapping::{Outcome, Trial};

pub(crate) fn routes<R: Routes>() -> R {
    R::default().with(route!(try_mapping))
}

/// A message that somebody wants to know about.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Sample {
    /// Where it would come from: an MQTT topic.
    address: String,
    /// Its payload as text.
    #[serde(default)]
    payload: Option<String>,
    /// Its payload as base64, for bytes that are no text.
    #[serde(default)]
    payload_base64: Option<String>,
    /// Its media type, where the protocol carries one.
    #[serde(default)]
    content_type: Option<String>,
    /// Name of the adapter that it would come from; the first one when left out.
    #[serde(default)]
    adapter: Option<String>,
}

/// What a message would become.
#[derive(Serialize, utoipa::ToSchema)]
struct TrialRecord {
    /// `mapped`, `unmapped` or `failed`.
    outcome: &'static str,
    /// Why it would not be mapped, and what to change.
    reason: Option<String>,
    /// The thing that it would go to.
    #[schema(value_type = Option<String>)]
    thing: Option<ThingId>,
    /// Topic pattern of the rule that matches.
    rule: Option<String>,
    /// The convention that it is recognised by: `zigbee2mqtt`.
    convention: Option<&'static str>,
    /// The event that it would be.
    event: Option<String>,
    /// The properties that it would set.
    properties: Vec<TrialProperty>,
    /// The time that the device tells.
    #[schema(value_type = Option<String>, format = DateTime)]
    time: Option<Timestamp>,
    /// `json`, `text` or `octets`.
    encoding: Option<&'static str>,
    /// What may have been meant otherwise than it was understood.
    note: Option<String>,
}

/// One property that a message would set.
#[derive(Serialize, utoipa::ToSchema)]
struct TrialProperty {
    /// Its name.
    #[schema(value_type = String)]
    name: SmolStr,
    /// Its value.
    #[schema(schema_with = super::schemas::any_value)]
    value: Value,
}

/// Tells what a message would become, by which rule, and changes nothing.
#[utoipa::path(
    post, path = "/mapping/try", tag = "operations",
    request_body(content = Sample, content_type = "application/json"),
    responses(
        (status = 200, description = "What it would become", body = TrialRecord),
        (status = 400, description = "Not a sample", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such adapter", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn try_mapping(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Json<TrialRecord>, Problem> {
    require_json(&headers, false)?;
    let sample: Sample = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("this is no sample: {error}")))?;
    let first = app.silos.all().first().map(|silo| silo.name.to_string()).unwrap_or_default();
    let silo = app.silo(sample.adapter.as_deref().unwrap_or(&first))?;
    Ok(Json(match silo.try_out(&sample.observation()?) {
        Ok(trial) => TrialRecord::mapped(trial),
        Err(outcome) => TrialRecord::lost(outcome),
    }))
}

impl Sample {
    fn observation(self) -> Result<Observation, Problem> {
        let bytes = match (self.payload, self.payload_base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(encoded)) => STANDARD.decode(encoded).map_err(|error| {
                Problem::bad_request("the sample can't be read")
                    .field("payload_base64", format!("is no base64: {error}"))
            })?,
            _ => {
                return Err(Problem::bad_request("the sample can't be read")
                    .field("payload", "send either `payload` or `payload_base64`"));
            }
        };
        let content_type = self.content_type.map(SmolStr::from);
        Ok(Observation {
            address: Address::from(self.address.as_str()),
            about: None,
            payload: Payload { bytes: bytes.into(), content_type },
            received: Timestamp::now(),
            retained: false,
            redelivered: false,
        })
    }
}

impl TrialRecord {
    fn mapped(trial: Trial) -> Self {
        let named = |(name, value)| TrialProperty { name, value };
        Self {
            outcome: "mapped",
            reason: None,
            thing: trial.thing,
            rule: trial.rule,
            convention: trial.convention,
            event: trial.event,
            properties: trial.properties.into_iter().map(named).collect(),
            time: trial.time,
            encoding: trial.encoding.map(Encoding::as_str),
            note: trial.note,
        }
    }

    fn lost(outcome: Outcome) -> Self {
        let (outcome, reason) = match outcome {
            Outcome::Failed(reason) => ("failed", Some(reason)),
            Outcome::Unmapped(reason) => ("unmapped", Some(reason)),
            Outcome::Applied(_) | Outcome::Duplicate(..) => ("mapped", None),
        };
        Self {
            outcome,
            reason,
            thing: None,
            rule: None,
            convention: None,
            event: None,
            properties: Vec::new(),
            time: None,
            encoding: None,
            note: None,
        }
    }
}
