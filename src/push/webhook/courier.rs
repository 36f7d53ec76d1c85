use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, ReusableBoxFuture, WaitForCancellationFuture};
use tracing::{info, warn};

use super::client::Client;
use super::counters::Counters;
use super::delivery::{Delivery, DeliveryOutcome};
use super::link::{Idle, Link};
use super::outbox::{Item, Outbox, Step, Ticket, Verdict};
use super::outcome::Outcome;
use super::source::Source;
use super::webhook::Webhook;

/// Carries one webhook's events to its receiver: takes them from the source, does what the outbox
/// decides and notes what came of it.
pub(super) struct Courier {
    pub(super) webhook: Arc<Webhook>,
    pub(super) source: Source,
    pub(super) outbox: Outbox,
    pub(super) idle: Idle,
    pub(super) client: Arc<Client>,
    pub(super) counters: Arc<Counters>,
    pub(super) stop: CancellationToken,
}

/// A courier at work.
struct Round {
    courier: Courier,
    under_way: FuturesUnordered<Attempt>,
    /// For the next attempts: no more than may be under way.
    boxes: Vec<ReusableBoxFuture<'static, Ended>>,
    /// Only what is there already is still delivered, and nothing is tried again.
    finishing: bool,
}

/// One attempt, which gives back its box: it is too large to be had for little each time.
struct Attempt(Option<ReusableBoxFuture<'static, Ended>>);

/// One attempt that ended.
struct Ended {
    ticket: Ticket,
    item: Arc<Item>,
    attempt: u32,
    outcome: Outcome,
    took: Duration,
    link: Option<Link>,
}

/// What a courier waits for besides answers and orders.
#[derive(Default)]
struct Pause {
    until: Option<Instant>,
    news: bool,
}

impl Future for Attempt {
    type Output = (Ended, ReusableBoxFuture<'static, Ended>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(mut boxed) = self.0.take() else { return Poll::Pending };
        match boxed.poll(context) {
            Poll::Ready(ended) => Poll::Ready((ended, boxed)),
            Poll::Pending => {
                self.0 = Some(boxed);
                Poll::Pending
            }
        }
    }
}

impl Courier {
    /// Delivers until the webhook is removed, or, once `stop` is cancelled, until everything is
    /// delivered or an attempt fails.
    pub(super) async fn run(self) {
        let removed = self.webhook.removed.clone();
        let under_way = FuturesUnordered::new();
        let round = Round { courier: self, under_way, boxes: Vec::new(), finishing: false };
        removed.run_until_cancelled(round.run()).await;
    }
}

impl Round {
    async fn run(mut self) {
        let stop = self.courier.stop.clone();
        let mut stopped = pin!(stop.cancelled());
        while let Some(pause) = self.advance() {
            self.wait(pause, stopped.as_mut()).await;
        }
    }

    /// Does all that can be done now; `None` is the end.
    fn advance(&mut self) -> Option<Pause> {
        if self.courier.outbox.is_at_rest() {
            self.obey();
        }
        let may_post = !self.courier.webhook.has_orders()
            && self.courier.webhook.with(|state| state.definition.enabled)
            && !(self.finishing && self.courier.outbox.has_failed());
        let pause = if may_post { self.deliver() } else { Pause::default() };
        let idle = !may_post || pause.news;
        self.publish();
        let ended = self.finishing && idle && self.courier.outbox.is_at_rest();
        (!ended).then_some(pause)
    }

    fn deliver(&mut self) -> Pause {
        loop {
            match self.courier.outbox.step(Instant::now()) {
                Step::Post { ticket, item, attempt } => self.post(ticket, item, attempt),
                Step::Wait { until, room: false } => return Pause { until, news: false },
                Step::Wait { until, room: true } => match self.courier.source.next() {
                    Some(item) => self.courier.outbox.put(item),
                    None => return Pause { until, news: true },
                },
            }
        }
    }

    fn post(&mut self, ticket: Ticket, item: Arc<Item>, attempt: u32) {
        let client = self.courier.client.clone();
        let request = self.courier.webhook.request(&item.event);
        let link = self.courier.idle.take(&request.target);
        let work = async move {
            let begin = Instant::now();
            let (outcome, link) = client.post(link, &request).await;
            Ended { ticket, item, attempt, outcome, took: begin.elapsed(), link }
        };
        let boxed = match self.boxes.pop() {
            Some(mut boxed) => {
                boxed.set(work);
                boxed
            }
            None => ReusableBoxFuture::new(work),
        };
        self.under_way.push(Attempt(Some(boxed)));
    }

    async fn wait(&mut self, pause: Pause, stopped: Pin<&mut WaitForCancellationFuture<'_>>) {
        let Pause { until, news } = pause;
        // While something is under way, its end is soon enough for them, and costs no timer.
        let idle_end = self.courier.idle.next_end().filter(|_| self.under_way.is_empty());
        let until = until.into_iter().chain(idle_end).min();
        tokio::select! {
            Some(ended) = self.under_way.next() => self.settle_all(ended),
            () = self.courier.source.ready(), if news => {}
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {}
            () = self.courier.webhook.wake.notified() => {}
            () = stopped, if !self.finishing => self.finishing = true,
        }
        self.courier.idle.close_until(Instant::now());
    }

    /// Settles what ended, and what else has ended by now: one look at what comes next does for
    /// all.
    fn settle_all(&mut self, first: <Attempt as Future>::Output) {
        let mut next = Some(first);
        while let Some((mut ended, boxed)) = next {
            self.boxes.push(boxed);
            let link = ended.link.take();
            link.into_iter().for_each(|link| self.courier.idle.keep(link, Instant::now()));
            self.settle(&ended);
            next = self.under_way.next().now_or_never().flatten();
        }
    }

    fn settle(&mut self, ended: &Ended) {
        let outbox = &mut self.courier.outbox;
        let verdict =
            outbox.settle(ended.ticket, &ended.outcome, Instant::now(), rand::random::<f64>());
        self.courier.counters.count_attempt(ended.outcome.error().is_none());
        let outcome = match verdict {
            Verdict::Delivered => DeliveryOutcome::Delivered,
            Verdict::GivenUp => DeliveryOutcome::GivenUp,
            Verdict::Retry(_) | Verdict::Disable => DeliveryOutcome::Retrying,
        };
        self.note(ended, outcome);
        match verdict {
            Verdict::Delivered => {}
            Verdict::Retry(_) => self.courier.source.shed(),
            Verdict::GivenUp => self.courier.counters.count_given_up(),
            Verdict::Disable => self.courier.webhook.disable("the receiver answered 410 Gone"),
        }
    }

    fn note(&self, ended: &Ended, outcome: DeliveryOutcome) {
        let event = &ended.item.event;
        let delivery = Delivery::of(event, ended.attempt, &ended.outcome, ended.took, outcome);
        let failures = self.courier.webhook.with(|state| {
            let before = state.health.consecutive_failures;
            state.health.note(&ended.outcome);
            state.health.given_up += u64::from(outcome == DeliveryOutcome::GivenUp);
            state.deliveries.note(delivery);
            (before, state.health.consecutive_failures)
        });
        let id = &self.courier.webhook.id;
        let error = ended.outcome.error().unwrap_or_default();
        match (failures, outcome) {
            (_, DeliveryOutcome::GivenUp) => {
                warn!(webhook.id = %id, delivery.id = %event.id, error, "Delivery given up");
            }
            ((0, 1), _) => warn!(webhook.id = %id, error, "Webhook fails; it is tried again"),
            ((before, 0), _) if before > 0 => info!(webhook.id = %id, "Webhook works again"),
            _ => {}
        }
    }

    /// Does what was ordered; only while nothing is under way, so that the order of deliveries
    /// holds over a change.
    fn obey(&mut self) {
        let Some(orders) = self.courier.webhook.take_orders() else { return };
        let Courier { webhook, source, outbox, .. } = &mut self.courier;
        if orders.rewind.is_none() && !orders.restart {
            outbox.retry_now(Instant::now());
            return;
        }
        let position = orders.rewind.unwrap_or_else(|| outbox.done_until(source.position()));
        outbox.clear();
        let filter = webhook.with(|state| {
            state.deliveries.interrupt();
            state.definition.filter()
        });
        source.restart(filter, position);
    }

    /// Shows where it is to whoever asks for the webhook's health.
    fn publish(&self) {
        let Courier { webhook, source, outbox, .. } = &self.courier;
        webhook.set_done_until(outbox.done_until(source.position()));
        let next = outbox.next_retry();
        webhook.with(|state| state.health.next_attempt = next);
    }
}
