use std::net::SocketAddr;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::RequestError;
use super::mailbox::Mailbox;
use super::order::Order;
use crate::event::{IncomingId, ObservationId, ObserverId};
use crate::exchange::{Request, Response};
use crate::server::UnknownObserver;

/// Answers to a request to a group that wait for who asked. Beyond, they are dropped.
const GROUP_ANSWERS: usize = 256;

/// Talks to a driver. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle(mpsc::Sender<Order>);

impl Handle {
    pub(super) fn new(orders: mpsc::Sender<Order>) -> Self {
        Self(orders)
    }

    /// Sends a request and waits for the response, until the deadline at the latest. A request
    /// whose caller does not wait any more goes on nevertheless.
    ///
    /// # Errors
    /// When there was no response; one that says that something went wrong is a response, too.
    pub async fn request(
        &self,
        peer: SocketAddr,
        request: Request,
        deadline: Instant,
    ) -> Result<Response, RequestError> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Request { peer, request, deadline, answer }).await?;
        answered.await.unwrap_or(Err(RequestError::Ended))
    }

    /// Sends a request to a multicast group. The answers come until then, and those of which the
    /// rest was still on its way a little later.
    ///
    /// # Errors
    /// When the driver has ended.
    pub async fn request_group(
        &self,
        group: SocketAddr,
        request: Request,
        until: Instant,
    ) -> Result<mpsc::Receiver<(SocketAddr, Response)>, RequestError> {
        let (answers, answered) = mpsc::channel(GROUP_ANSWERS);
        self.order(Order::Group { group, request, until, answers }).await?;
        Ok(answered)
    }

    /// Observes a resource until [`unobserve`](Self::unobserve), or until the mailbox is gone:
    /// the next notification then ends it. What is told goes to the mailbox.
    ///
    /// # Errors
    /// When there are too many, or the driver has ended.
    pub async fn observe(
        &self,
        peer: SocketAddr,
        request: Request,
        mailbox: &Mailbox,
    ) -> Result<ObservationId, RequestError> {
        let (begun, answered) = oneshot::channel();
        self.order(Order::Observe { peer, request, slots: mailbox.slots(), begun }).await?;
        answered.await.unwrap_or(Err(RequestError::Ended))
    }

    /// Ends an observation and tells the server so.
    pub async fn unobserve(&self, observation: ObservationId) {
        // A driver that has ended has no observations.
        let _ = self.order(Order::Unobserve(observation)).await;
    }

    /// Answers a request. A driver that has ended answers nobody.
    pub async fn respond(&self, id: IncomingId, response: Response) {
        let _ = self.order(Order::Respond { id, response, observer: None }).await;
    }

    /// Answers a request with the first state, and takes its sender as an observer. None when it
    /// didn't ask for that, when there are too many, or when the driver has ended.
    pub async fn respond_and_observe(
        &self,
        id: IncomingId,
        response: Response,
    ) -> Option<ObserverId> {
        let (taken, observer) = oneshot::channel();
        self.order(Order::Respond { id, response, observer: Some(taken) }).await.ok()?;
        observer.await.ok().flatten()
    }

    /// Tells an observer of a new state. While one before is on its way, only the newest is told
    /// after it. Any response but a success ends the observation.
    ///
    /// # Errors
    /// When there is no such observer any more.
    pub async fn notify(
        &self,
        observer: ObserverId,
        response: Response,
        confirmable: bool,
    ) -> Result<(), UnknownObserver> {
        let (known, answered) = oneshot::channel();
        let order = Order::Notify { observer, response, confirmable, known };
        self.order(order).await.map_err(|_| UnknownObserver)?;
        answered.await.unwrap_or(false).then_some(()).ok_or(UnknownObserver)
    }

    async fn order(&self, order: Order) -> Result<(), RequestError> {
        self.0.send(order).await.map_err(|_| RequestError::Ended)
    }
}
