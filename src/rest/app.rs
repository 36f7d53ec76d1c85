use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::{HttpConfig, Metrics, Problem, Reload};
use crate::command::Commands;
use crate::limits::Limits;
use crate::log::{EventLog, Seq};
use crate::push::cursor::Cursor;
use crate::push::feed::Scope;
use crate::push::streams::Streams;
use crate::push::webhook::Webhooks;
use crate::recorder::Recorder;
use crate::registry::Registry;
use crate::silo::Silos;

/// All that a request may need, shared by all of them.
pub struct App {
    /// Things and their states.
    pub registry: Arc<Registry>,
    /// What happened.
    pub log: Arc<dyn EventLog>,
    /// The only writer.
    pub recorder: Arc<Recorder>,
    /// The way back to devices.
    pub commands: Arc<Commands>,
    /// The adapters.
    pub silos: Silos,
    /// Open streams.
    pub streams: Streams,
    /// Webhooks.
    pub webhooks: Arc<Webhooks>,
    /// What is counted of requests.
    pub metrics: Metrics,
    /// Reads the configuration again.
    pub reload: Arc<dyn Reload>,
    /// `[http]`.
    pub config: HttpConfig,
    /// `[limits]`.
    pub limits: Limits,
}

impl App {
    /// A position in the log for one more reader.
    #[must_use]
    pub fn cursor(&self, scope: Scope, position: Option<Seq>) -> Cursor {
        Cursor::new(self.log.clone(), self.registry.clone(), scope, position)
    }

    /// A place for one more stream.
    ///
    /// # Errors
    /// When all places are taken.
    pub fn enter_stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.streams.enter().ok_or_else(|| {
            let most = self.limits.streams;
            Problem::busy(
                format!(
                    "all {most} places for streams are taken; close one or raise limits.streams"
                ),
                10,
            )
        })
    }
}
