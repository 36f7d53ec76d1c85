//! The configuration, read again while everything runs.

use std::sync::Arc;

use thingway_sdk::BoxFuture;
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::fleet::Fleet;
use crate::adapters::AdapterEntry;
use crate::config::{Config, Origin, Problem, Sources};
use crate::mapping::RuleConfig;
use crate::push::webhook::{WebhookConfig, Webhooks};
use crate::rest::{Difference, Reload, Reloaded, ValidationError};

/// Knows what the gateway was told, and takes over what it is told now.
pub(super) struct Reloader {
    sources: Sources,
    fleet: Arc<Fleet>,
    webhooks: Arc<Webhooks>,
    /// What counts at present: one reload at a time changes it.
    current: Mutex<Config>,
}

impl Reload for Reloader {
    fn reload(&self) -> BoxFuture<'_, Result<Vec<Reloaded>, Vec<ValidationError>>> {
        Box::pin(async {
            let reloaded = self.take_over().await;
            match &reloaded {
                Ok(changes) => tell(changes),
                Err(errors) => {
                    for ValidationError { field, description } in errors {
                        warn!(at = %field, "Configuration not reloaded: {description}");
                    }
                }
            }
            reloaded
        })
    }
}

impl Reloader {
    pub(super) fn new(
        sources: Sources,
        fleet: Arc<Fleet>,
        webhooks: Arc<Webhooks>,
        current: Config,
    ) -> Self {
        Self { sources, fleet, webhooks, current: Mutex::new(current) }
    }

    async fn take_over(&self) -> Result<Vec<Reloaded>, Vec<ValidationError>> {
        let mut current = self.current.lock().await;
        let loaded = Config::load(&self.sources);
        let new =
            loaded.map_err(|error| error.problems.iter().map(as_error).collect::<Vec<_>>())?;
        let new = new.config;
        let shared = |config: &Config| -> Vec<Arc<RuleConfig>> {
            config.rules.iter().cloned().map(Arc::new).collect()
        };
        let (rules, before) = (shared(&new), shared(&current));
        // First what may fail: afterwards nothing is left to be undone.
        let entries: Vec<AdapterEntry> = new.all_adapters().collect();
        let exchanged = self.fleet.exchange(entries, &rules, &before).await;
        let mut changes = exchanged.map_err(|error| {
            vec![ValidationError { field: "adapters".into(), description: error.to_string() }]
        })?;
        changes.extend(self.map_anew(&current, &new, &rules));
        changes.extend(self.exchange_webhooks(&current.webhooks, &new.webhooks));
        changes.extend(for_a_restart(&current, &new));
        current.adapters = new.adapters;
        current.coap = new.coap;
        current.rules = new.rules;
        current.joins = new.joins;
        current.webhooks = new.webhooks;
        Ok(changes)
    }

    fn map_anew(&self, current: &Config, new: &Config, rules: &[Arc<RuleConfig>]) -> Vec<Reloaded> {
        let (joins, ruled) = (new.joins != current.joins, new.rules != current.rules);
        if joins {
            self.fleet.names.join(&new.joins);
        }
        if joins || ruled {
            // The names of things are worked out anew with the rules.
            self.fleet.silos.all().iter().for_each(|silo| silo.set_rules(rules));
        }
        let sections = [("rules", ruled), ("joins", joins)];
        let different = sections.into_iter().filter(|(_, is_different)| *is_different);
        different.map(|(name, _)| reloaded(name, Difference::Changed, true)).collect()
    }

    /// Only what is different in the file is touched: what was changed over HTTP stays.
    fn exchange_webhooks(
        &self,
        before: &[WebhookConfig],
        after: &[WebhookConfig],
    ) -> Vec<Reloaded> {
        let named = |all: &'_ [WebhookConfig], name: &str| {
            all.iter().find(|webhook| webhook.name == name).cloned()
        };
        let mut changes = Vec::new();
        let mut change = |name: &str, difference, done: Result<(), String>| {
            if let Err(reason) = &done {
                warn!(webhook.id = %name, %reason, "Webhook not reloaded");
            }
            changes.push(reloaded(&format!("webhooks.{name}"), difference, done.is_ok()));
        };
        for webhook in before.iter().filter(|webhook| named(after, &webhook.name).is_none()) {
            // It may be gone already: then it is as it should be.
            let _ = self.webhooks.delete(&webhook.name);
            change(&webhook.name, Difference::Removed, Ok(()));
        }
        for webhook in after {
            let difference = match named(before, &webhook.name) {
                None => Difference::Added,
                Some(known) if known != *webhook => Difference::Changed,
                Some(_) => continue,
            };
            let done = self.webhooks.reconfigure(webhook).map_err(|error| error.to_string());
            change(&webhook.name, difference, done);
        }
        changes
    }
}

/// Sections that are read once, when the gateway starts.
fn for_a_restart(current: &Config, new: &Config) -> Vec<Reloaded> {
    let sections = [
        ("http", current.http != new.http),
        ("mapping", current.mapping != new.mapping),
        ("delivery", current.delivery != new.delivery),
        ("limits", current.limits != new.limits),
        ("log", current.log != new.log),
    ];
    let different = sections.into_iter().filter(|(_, is_different)| *is_different);
    different.map(|(name, _)| reloaded(name, Difference::Changed, false)).collect()
}

fn reloaded(subject: &str, change: Difference, applied: bool) -> Reloaded {
    Reloaded { subject: subject.to_owned(), change, applied }
}

fn as_error(problem: &Problem) -> ValidationError {
    let field = match &problem.origin {
        Origin::File(at) => format!("{}:{}:{}", at.name, at.line, at.column),
        Origin::Variable(name) | Origin::Option(name) => name.clone(),
        Origin::Everywhere => "configuration".to_owned(),
    };
    let help = problem.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    ValidationError { field, description: format!("{}{help}", problem.message) }
}

fn tell(changes: &[Reloaded]) {
    let list = |applied: bool| {
        let subjects = changes.iter().filter(|change| change.applied == applied);
        subjects.map(|change| change.subject.as_str()).collect::<Vec<_>>().join(", ")
    };
    info!(changed = list(true), needs_restart = list(false), "Configuration reloaded");
}
