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
use super::delivery::Delivery;
use super::error::{CreateError, RedeliverError, StartError};
use super::event::Events;
use super::network::Denied;
use super::outbox::Outbox;
use super::patch::{Fault, NewSecret, WebhookPatch};
use super::secret::Secret;
use super::source::Source;
use super::view::WebhookView;
use super::webhook::{Orders, Webhook};
use super::{DeliveryConfig, WebhookConfig};
use crate::log::{EventLog, Seq};
use crate::push::feed::{Feed, Next, Scope};
use crate::registry::Registry;

/// All webhooks. Definitions, cursors and delivery logs are kept in memory: after a restart there
/// are those of the configuration, and they begin with what happens from then on.
pub struct Webhooks {
    by_id: RwLock<BTreeMap<String, Arc<Webhook>>>,
    most: usize,
    config: DeliveryConfig,
    denied: Denied,
    client: Client,
    events: Arc<Events>,
    log: Arc<dyn EventLog>,
    registry: Arc<Registry>,
    counters: Arc<Counters>,
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
    /// When the configuration is not right, or TLS can't be set up.
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
            client: Client::new(timeout, denied.clone())?,
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

    fn configure(&self, config: &WebhookConfig) -> Result<(), StartError> {
        let refused = |name: &str, fault: Option<Fault>| StartError::Webhook {
            name: name.to_owned(),
            reason: fault.map(|f| format!("{} {}", f.field, f.description)).unwrap_or_default(),
        };
        let id = config.name.clone();
        if config.secret.is_none() {
            warn!(webhook.id = %id, "Webhook has no secret: its receiver can't verify deliveries");
        }
        match self.create_as(id, config.to_patch()) {
            Ok(_) => Ok(()),
            Err(CreateError::Invalid(faults)) => {
                Err(refused(&config.name, faults.into_iter().next()))
            }
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
            client: self.client.clone(),
            counters: self.counters.clone(),
            stop: self.stop.clone(),
            webhook,
        }
    }

    fn get(&self, id: &str) -> Option<Arc<Webhook>> {
        self.by_id.read().get(id).cloned()
    }

    fn view(&self, webhook: &Webhook) -> WebhookView {
        WebhookView::of(webhook, self.log.head())
    }

    /// One webhook with its health.
    #[must_use]
    pub fn read(&self, id: &str) -> Option<WebhookView> {
        self.get(id).map(|webhook| self.view(&webhook))
    }

    /// A page of the webhooks, in the order of their ids.
    #[must_use]
    pub fn page(&self, offset: usize, limit: usize) -> Vec<WebhookView> {
        let page: Vec<_> = self.by_id.read().values().skip(offset).take(limit).cloned().collect();
        page.iter().map(|webhook| self.view(webhook)).collect()
    }

    /// How many webhooks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.read().len()
    }

    /// Whether there are no webhooks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What all webhooks together have done.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Changes a webhook; `None` when there is none with this id. The view holds the secret only
    /// when one was generated by this.
    ///
    /// # Errors
    /// When the patch is not right.
    pub fn change(&self, id: &str, patch: WebhookPatch) -> Result<Option<WebhookView>, Vec<Fault>> {
        let Some(webhook) = self.get(id) else { return Ok(None) };
        let generated = matches!(patch.secret, Some(NewSecret::Generated));
        let secret = new_secret(patch.secret.as_ref())?;
        let shown = secret.as_ref().filter(|_| generated).map(|secret| secret.reveal().to_owned());
        webhook.redefine(|before| before.changed(patch, &self.denied), secret)?;
        let view = self.view(&webhook);
        Ok(Some(match shown {
            Some(secret) => view.with_secret(secret),
            None => view,
        }))
    }

    /// Ends a webhook; false when there is none with this id.
    #[must_use]
    pub fn delete(&self, id: &str) -> bool {
        let removed = self.by_id.write().remove(id);
        removed.inspect(|webhook| webhook.removed.cancel()).is_some()
    }

    /// The newest deliveries of a webhook, newest first; `None` when there is none with this id.
    #[must_use]
    pub fn deliveries(&self, id: &str, limit: usize) -> Option<Vec<Delivery>> {
        self.get(id).map(|webhook| webhook.with(|state| state.deliveries.newest(limit)))
    }

    /// Sends a test event now, once; `None` when there is no webhook with this id.
    pub async fn test(&self, id: &str) -> Option<Delivery> {
        let webhook = self.get(id)?;
        Some(webhook.attempt(&self.client, &self.events.test(id)).await)
    }

    /// Has a webhook go on after this position; `None` when there is none with this id. Where the
    /// log no longer reaches back so far, the receiver is told of the gap.
    #[must_use]
    pub fn rewind(&self, id: &str, since: Seq) -> Option<WebhookView> {
        let webhook = self.get(id)?;
        webhook.order(Orders { restart: true, rewind: Some(since) });
        Some(self.view(&webhook))
    }

    /// The newest position that a webhook can be rewound to.
    #[must_use]
    pub fn head(&self) -> Seq {
        self.log.head()
    }

    /// Sends a delivery of the webhook's log once more, now and once, under its old id.
    ///
    /// # Errors
    /// When the webhook, the delivery, or the change that it told of, is not there.
    pub async fn redeliver(&self, id: &str, delivery: &str) -> Result<Delivery, RedeliverError> {
        let webhook = self.get(id).ok_or(RedeliverError::NoWebhook)?;
        let sequence = webhook
            .with(|state| state.deliveries.find(delivery).map(|delivery| delivery.sequence))
            .ok_or(RedeliverError::NoDelivery)?
            .ok_or(RedeliverError::NoChange)?;
        let before = Seq(sequence.0.saturating_sub(1));
        let read = self.log.read(before, 1).map_err(|_| RedeliverError::Outrun)?;
        let event = read.first().and_then(|change| self.events.change(change));
        Ok(webhook.attempt(&self.client, &event.ok_or(RedeliverError::Outrun)?).await)
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

fn new_secret(wish: Option<&NewSecret>) -> Result<Option<Secret>, Vec<Fault>> {
    match wish {
        None => Ok(None),
        Some(NewSecret::Generated) => Ok(Some(Secret::generate())),
        Some(NewSecret::Given(text)) => match Secret::parse(text) {
            Ok(secret) => Ok(Some(secret)),
            Err(invalid) => Err(vec![Fault::new("secret", invalid.to_string())]),
        },
    }
}
