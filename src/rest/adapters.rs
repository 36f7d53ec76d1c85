//! How the links to the silos are, and what became of their messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::extract::{Params, Segments};
use super::paging::require_limit;
use super::routes::{Routes, route};
use super::{App, Problem};
use crate::silo::{Count, LinkStatus, MessageRecord, Silo};

/// Messages in one answer, at most.
const MOST_MESSAGES: usize = 1000;

pub(crate) fn routes<R: Routes>() -> R {
    R::default().with(route!(list_adapters)).with(route!(read_adapter)).with(route!(list_messages))
}

/// One adapter: its link and its counters.
#[derive(Serialize, utoipa::ToSchema)]
struct AdapterRecord {
    /// Its name in the configuration.
    name: String,
    /// Its protocol.
    protocol: &'static str,
    /// Where its silo is.
    endpoint: String,
    #[serde(flatten)]
    link: LinkStatus,
    /// What became of its messages.
    messages: Count,
    /// What its protocol has counted, by name.
    #[schema(value_type = BTreeMap<String, u64>)]
    protocol_events: BTreeMap<&'static str, u64>,
}

impl AdapterRecord {
    fn of(silo: &Silo) -> Self {
        Self {
            name: silo.name.to_string(),
            protocol: silo.protocol,
            endpoint: silo.adapter.endpoint(),
            link: silo.health.status(),
            messages: silo.counters.count(),
            protocol_events: silo.adapter.counts().into_iter().collect(),
        }
    }
}

/// Lists the adapters.
#[utoipa::path(
    get, path = "/adapters", tag = "operations",
    responses((status = 200, description = "All adapters", body = Vec<AdapterRecord>))
)]
async fn list_adapters(State(app): State<Arc<App>>) -> Json<Vec<AdapterRecord>> {
    Json(app.silos.all().iter().map(|silo| AdapterRecord::of(silo)).collect())
}

/// Reads one adapter.
#[utoipa::path(
    get, path = "/adapters/{name}", tag = "operations",
    params(("name" = String, Path, description = "Name of the adapter")),
    responses(
        (status = 200, description = "The adapter", body = AdapterRecord),
        (status = 404, description = "No such adapter", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn read_adapter(
    State(app): State<Arc<App>>,
    Segments(name): Segments<String>,
) -> Result<Json<AdapterRecord>, Problem> {
    Ok(Json(AdapterRecord::of(&*app.silo(&name)?)))
}

/// Which messages.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MessagesParams {
    /// Only messages of this address: an MQTT topic.
    address: Option<String>,
    /// Messages in the answer; 1 to 1000.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: usize,
}

fn default_limit() -> usize {
    100
}

/// Lists an adapter's last messages, the newest first, with what became of each.
#[utoipa::path(
    get, path = "/adapters/{name}/messages", tag = "operations",
    params(("name" = String, Path, description = "Name of the adapter"), MessagesParams),
    responses(
        (status = 200, description = "The messages", body = Vec<MessageRecord>),
        (status = 400, description = "A parameter is not right", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such adapter", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn list_messages(
    State(app): State<Arc<App>>,
    Segments(name): Segments<String>,
    Params(params): Params<MessagesParams>,
) -> Result<Json<Vec<MessageRecord>>, Problem> {
    require_limit(params.limit, MOST_MESSAGES)?;
    let silo = app.silo(&name)?;
    Ok(Json(silo.history.newest(&name, params.address.as_deref(), params.limit)))
}

impl App {
    pub(super) fn silo(&self, name: &str) -> Result<Arc<Silo>, Problem> {
        self.silos.named(name).ok_or_else(|| {
            let silos = self.silos.all();
            let names: Vec<&str> = silos.iter().map(|silo| &*silo.name).collect();
            let names = names.join(", ");
            Problem::not_found(format!("there is no adapter `{name}`; there are: {names}"))
        })
    }
}
