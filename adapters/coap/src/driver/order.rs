//! What a handle asks of the task.

use std::net::SocketAddr;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::RequestError;
use super::mailbox::Slots;
use crate::event::{IncomingId, ObservationId, ObserverId};
use crate::exchange::{Request, Response};

pub(super) type Answer = oneshot::Sender<Result<Response, RequestError>>;

pub(super) enum Order {
    Request {
        peer: SocketAddr,
        request: Request,
        deadline: Instant,
        answer: Answer,
    },
    Group {
        group: SocketAddr,
        request: Request,
        until: Instant,
        answers: mpsc::Sender<(SocketAddr, Response)>,
    },
    Observe {
        peer: SocketAddr,
        request: Request,
        slots: Slots,
        begun: oneshot::Sender<Result<ObservationId, RequestError>>,
    },
    Unobserve(ObservationId),
    Respond {
        id: IncomingId,
        response: Response,
        /// Asks to take the sender as an observer, too.
        observer: Option<oneshot::Sender<Option<ObserverId>>>,
    },
    Notify {
        observer: ObserverId,
        response: Response,
        confirmable: bool,
        known: oneshot::Sender<bool>,
    },
}
