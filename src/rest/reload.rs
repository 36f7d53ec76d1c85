//! Has the configuration read again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use thingway_sdk::BoxFuture;

use super::routes::{Routes, route};
use super::{App, Problem, ValidationError};

pub(crate) fn routes<R: Routes>() -> R {
    R::default().with(route!(reload_config))
}

/// Whoever knows where the configuration comes from.
pub trait Reload: Send + Sync {
    /// Reads it again and applies what is different; on an error everything stays as it was.
    fn reload(&self) -> BoxFuture<'_, Result<Vec<Reloaded>, Vec<ValidationError>>>;
}

/// One difference to the configuration before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Reloaded {
    /// What is different: a section of the file, or an entry of one as `adapters.plant`.
    pub subject: String,
    /// In which way.
    pub change: Difference,
    /// Whether it counts already; what does not needs a restart.
    pub applied: bool,
}

/// In which way something is different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Difference {
    /// It was not there before.
    Added,
    /// It says something else.
    Changed,
    /// It is no longer there.
    Removed,
}

/// Reads the configuration again, applies what is different and lists it. Things keep their states
/// and sequence numbers, adapters whose entries are the same their links. When something is wrong
/// in the configuration, everything stays as it was.
#[utoipa::path(
    post, path = "/config/reload", tag = "operations",
    responses(
        (status = 200, description = "What is different now", body = Vec<Reloaded>),
        (status = 422, description = "The configuration is not right: what is wrong with it, and where", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn reload_config(State(app): State<Arc<App>>) -> Result<Json<Vec<Reloaded>>, Problem> {
    app.reload.reload().await.map(Json).map_err(|errors| {
        let detail = "the configuration is not right, so everything stays as it was";
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
        errors
            .into_iter()
            .fold(problem, |problem, error| problem.field(error.field, error.description))
    })
}
