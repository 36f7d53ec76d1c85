use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::client::Client;
use super::counters::Counters;
use super::courier::Courier;
use super::definition::Definition;
use super::error::{CreateError, StartError};
use super::event::Events;
use super::link::Idle;
use super::network::Denied;
use super::outbox::Outbox;
use super::patch::{Fault, NewSecret, WebhookPatch};
use super::secret::Secret;
use super::source::Source;
use super::view::WebhookView;
use super::webhook::Webhook;
use super::{DeliveryConfig, WebhookConfig};
use crate::log::EventLog;
use crate::push::feed::{Feed, Next, Scope};
use crate::registry::Registry;

/// All webhooks. Definitions, cursors and delivery logs are kept in memory: after a restart there
/// are those of the configuration, and they begin with what happens from then on.
pub struct Webhooks {
    pub(super) by_id: RwLock<BTreeMap<String, Arc<Webhook>>>,
    most: usize,
    config: DeliveryConfig,
    pub(super) denied: Denied,
    pub(super) client: Arc<Client>,
    pub(super) events: Arc<Events>,
    pub(super) log: Arc<dyn EventLog>,
    registry: Arc<Registry>,
    pub(super) counters: Arc<Counters>,
    couriers: TaskTracker,
    /// Asks the couriers to come to an end.
    stop: CancellationToken,
    /// Ends them.
    abort: CancellationToken,
}

impl Webhooks {
    /// Makes the webhooks of the configuration and begins to deliver; has to be called inside a
    /// tokio runtime. At most `most` webhooks can be there at once.
    ///
    /// Once `stop` is cancelled, what is recorded already is still delivered to receivers that
    /// take it; so cancel it after the last change, then call [`Webhooks::drain`].
    ///
    /// # Errors
    /// When the configuration is not right.
    pub fn start(
        configured: &[WebhookConfig],
        delivery: DeliveryConfig,
        log: Arc<dyn EventLog>,
        registry: Arc<Registry>,
        most: usize,
        stop: CancellationToken,
    ) -> Result<Arc<Self>, StartError> {
        if delivery.concurrency == 0 {
            return Err(StartError::Concurrency);
        }
        let denied = Denied::new(&delivery.denied_networks)?;
        let timeout = Duration::from_secs(delivery.timeout_seconds);
        let webhooks = Self {
            by_id: RwLock::default(),
            most,
            client: Arc::new(Client::new(timeout, denied.clone())),
            config: delivery,
            denied,
            events: Arc::new(Events::new()),
            log,
            registry,
            counters: Arc::default(),
            couriers: TaskTracker::new(),
            stop,
            abort: CancellationToken::new(),
        };
        for config in configured {
            webhooks.configure(config)?;
        }
        Ok(Arc::new(webhooks))
    }

    pub(super) fn configure(&self, config: &WebhookConfig) -> Result<(), StartError> {
        let id = config.name.clone();
        if config.secret.is_none() {
            warn!(webhook.id = %id, "Webhook has no secret: its receiver can't verify deliveries");
        }
        match self.create_as(id, config.to_patch()) {
            Ok(_) => Ok(()),
            Err(CreateError::Invalid(faults)) => Err(StartError::invalid(&config.name, faults)),
            Err(CreateError::TooMany(most)) => Err(StartError::TooMany(most)),
            Err(CreateError::Taken) => Err(StartError::Taken(config.name.clone())),
        }
    }

    /// Makes a webhook; it is told what happens from now on. Its view holds the secret, this once.
    ///
    /// # Errors
    /// When the definition is not right, or there are too many webhooks.
    pub fn create(&self, patch: WebhookPatch) -> Result<WebhookView, CreateError> {
        let (webhook, secret) =
            self.create_as(format!("wh-{:016x}", rand::random::<u64>()), patch)?;
        Ok(self.view(&webhook).with_secret(secret.reveal().to_owned()))
    }

    fn create_as(
        &self,
        id: String,
        patch: WebhookPatch,
    ) -> Result<(Arc<Webhook>, Secret), CreateError> {
        let secret = new_secret(patch.secret.as_ref())?.unwrap_or_else(Secret::generate);
        let definition = Definition::create(patch, &self.denied)?;
        let mut by_id = self.by_id.write();
        if by_id.len() >= self.most {
            return Err(CreateError::TooMany(self.most));
        }
        if by_id.contains_key(&id) {
            return Err(CreateError::Taken);
        }
        let removed = self.abort.child_token();
        let position = self.log.head();
        let webhook = Webhook::new(id.clone(), definition, secret.clone(), position, removed);
        by_id.insert(id, webhook.clone());
        self.couriers.spawn(self.courier(webhook.clone()).run());
        Ok((webhook, secret))
    }

    fn courier(&self, webhook: Arc<Webhook>) -> Courier {
        let filter = webhook.with(|state| state.definition.filter());
        let (log, registry) = (self.log.clone(), self.registry.clone());
        let position = webhook.done_until();
        Courier {
            source: Source::new(log, registry, self.events.clone(), filter, position),
            outbox: Outbox::new(&self.config),
            idle: Idle::default(),
            client: self.client.clone(),
            counters: self.counters.clone(),
            stop: self.stop.clone(),
            webhook,
        }
    }

    /// Waits until the couriers have come to their end, or the deadline; then ends them. Tells how
    /// many changes were not delivered by enabled webhooks: they are lost with the log.
    pub async fn drain(&self, deadline: Instant) -> usize {
        self.stop.cancel();
        self.couriers.close();
        if timeout_at(deadline, self.couriers.wait()).await.is_err() {
            self.abort.cancel();
            self.couriers.wait().await;
        }
        let webhooks: Vec<_> = self.by_id.read().values().cloned().collect();
        webhooks.iter().map(|webhook| self.undelivered(webhook)).sum()
    }

    fn undelivered(&self, webhook: &Webhook) -> usize {
        let (enabled, filter) =
            webhook.with(|state| (state.definition.enabled, state.definition.filter()));
        if !enabled {
            return 0;
        }
        let (log, registry) = (self.log.clone(), self.registry.clone());
        let scope = Scope::Matching(Arc::new(filter));
        let mut feed = Feed::new(log, registry, scope, Some(webhook.done_until()));
        let parts = std::iter::from_fn(|| feed.poll()).map(|next| match next {
            Next::Changes(changes) => changes.len(),
            Next::Gap(gap) => gap.states.len(),
            Next::Gone(_) => 0,
        });
        parts.sum()
    }
}

pub(super) fn new_secret(wish: Option<&NewSecret>) -> Result<Option<Secret>, Vec<Fault>> {
    match wish {
        None => Ok(None),
        Some(NewSecret::Generated) => Ok(Some(Secret::generate())),
        Some(NewSecret::Given(text)) => match Secret::parse(text) {
            Ok(secret) => Ok(Some(secret)),
            Err(invalid) => Err(vec![Fault::new("secret", invalid.to_string())]),
        },
    }
}
