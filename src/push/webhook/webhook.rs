use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use thingway_sdk::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::definition::Definition;
use super::delivery::{Deliveries, Delivery, DeliveryOutcome};
use super::event::Event;
use super::health::Health;
use super::outcome::Outcome;
use super::patch::Fault;
use super::request::Request;
use super::secret::{Keys, Secret};
use crate::log::Seq;

/// One webhook: what is wanted, how it goes, and what its courier is to do differently.
pub(super) struct Webhook {
    pub(super) id: String,
    pub(super) created: Timestamp,
    /// Ends its courier at once.
    pub(super) removed: CancellationToken,
    /// Wakes its courier, for new orders.
    pub(super) wake: Notify,
    /// Everything up to here was delivered or given up.
    done_until: AtomicU64,
    state: Mutex<State>,
}

/// Held for moments only, never across an await.
pub(super) struct State {
    pub(super) definition: Definition,
    pub(super) keys: Arc<Keys>,
    pub(super) health: Health,
    pub(super) deliveries: Deliveries,
    orders: Option<Orders>,
}

/// What changed since the courier last looked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Orders {
    /// To begin anew where it is: what is wanted has changed.
    pub(super) restart: bool,
    /// The position to go on after, if another one than the present.
    pub(super) rewind: Option<Seq>,
}

impl Webhook {
    pub(super) fn new(
        id: String,
        definition: Definition,
        secret: Secret,
        position: Seq,
        removed: CancellationToken,
    ) -> Arc<Self> {
        let state = State {
            definition,
            keys: Arc::new(Keys::new(secret)),
            health: Health::default(),
            deliveries: Deliveries::default(),
            orders: None,
        };
        Arc::new(Self {
            id,
            created: Timestamp::now(),
            removed,
            wake: Notify::new(),
            done_until: AtomicU64::new(position.0),
            state: Mutex::new(state),
        })
    }

    /// Looks at its state; `look` must be short.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock())
    }

    /// Tells the courier what changed; orders of nothing say that it may work now.
    pub(super) fn order(&self, orders: Orders) {
        self.with(|state| {
            let before = state.orders.take().unwrap_or_default();
            state.orders = Some(Orders {
                restart: orders.restart || before.restart,
                rewind: orders.rewind.or(before.rewind),
            });
        });
        self.wake.notify_one();
    }

    /// Stops deliveries until somebody enables them again.
    pub(super) fn disable(&self, because: &'static str) {
        self.with(|state| {
            state.definition.enabled = false;
            state.health.disabled_because = Some(because);
        });
        self.order(Orders { restart: true, rewind: None });
    }

    pub(super) fn has_orders(&self) -> bool {
        self.with(|state| state.orders.is_some())
    }

    pub(super) fn take_orders(&self) -> Option<Orders> {
        self.with(|state| state.orders.take())
    }

    pub(super) fn done_until(&self) -> Seq {
        Seq(self.done_until.load(Ordering::Acquire))
    }

    pub(super) fn set_done_until(&self, position: Seq) {
        self.done_until.store(position.0, Ordering::Release);
    }

    /// The request for one attempt at an event: signed anew, because receivers refuse old ones.
    pub(super) fn request(&self, event: &Event) -> Request {
        let timestamp = Timestamp::now().as_seconds();
        let (target, keys) =
            self.with(|state| (state.definition.target.clone(), state.keys.clone()));
        let signature = keys.sign(Instant::now(), &event.id, timestamp, &event.body).into();
        Request { target, id: event.id.clone(), timestamp, signature, body: event.body.clone() }
    }

    /// Changes what is wanted; without a filter or `enabled` among it, what failed is just tried
    /// again.
    pub(super) fn redefine(
        &self,
        change: impl FnOnce(&Definition) -> Result<Definition, Vec<Fault>>,
        secret: Option<Secret>,
    ) -> Result<(), Vec<Fault>> {
        let restart = self.with(|state| {
            let after = change(&state.definition)?;
            let restart = !after.wants_the_same_as(&state.definition);
            state.definition = after;
            if let Some(secret) = secret {
                Arc::make_mut(&mut state.keys).rotate(secret, Instant::now());
            }
            if state.definition.enabled {
                state.health.disabled_because = None;
            }
            Ok::<_, Vec<Fault>>(restart)
        })?;
        self.order(Orders { restart, rewind: None });
        Ok(())
    }

    /// Makes one attempt at an event beside the others, over a connection of its own, and notes
    /// how it ended.
    pub(super) async fn attempt(&self, client: &Client, event: &Event) -> Delivery {
        let begin = Instant::now();
        let (ended, _) = client.post(None, &self.request(event)).await;
        let outcome = match ended {
            Outcome::Delivered { .. } => DeliveryOutcome::Delivered,
            Outcome::Gone | Outcome::Failed(_) => DeliveryOutcome::Failed,
        };
        let delivery = Delivery::of(event, 1, &ended, begin.elapsed(), outcome);
        self.with(|state| state.deliveries.note(delivery.clone()));
        if outcome == DeliveryOutcome::Delivered {
            self.order(Orders::default());
        }
        delivery
    }
}

/// A moment of tokio's clock as one of the calendar.
pub(super) fn in_calendar(moment: Instant) -> Timestamp {
    let pause = moment.saturating_duration_since(Instant::now());
    // Whole milliseconds: the two clocks are not read at the same instant.
    Timestamp::now().plus(Duration::from_millis(u64::try_from(pause.as_millis()).unwrap_or(0)))
}
