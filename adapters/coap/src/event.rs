//! What an endpoint tells its caller.

use std::net::SocketAddr;

use crate::exchange::{Request, Response};
use crate::message::Code;
use crate::time::Time;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) u64);
    )*};
}

ids! {
    /// A request of ours.
    RequestId,
    /// A resource elsewhere that we observe.
    ObservationId,
    /// A request to us.
    IncomingId,
    /// Somebody who observes a resource of ours.
    ObserverId,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request was answered. For a request to a group there is one such event per answer.
    Response {
        /// The request.
        request: RequestId,
        /// Who answered.
        from: SocketAddr,
        /// The answer.
        response: Response,
    },
    /// A request failed.
    Failed {
        /// The request.
        request: RequestId,
        /// Why.
        failure: Failure,
    },
    /// The time for answers to a request to a group is over.
    GroupEnded {
        /// The request.
        request: RequestId,
    },
    /// The state of an observed resource, newer than the one before.
    Notified {
        /// The observation.
        observation: ObservationId,
        /// The state.
        response: Response,
        /// False when the resource can't be observed and was polled.
        observed: bool,
        /// Until when its Max-Age lets it count as fresh.
        fresh_until: Time,
    },
    /// The last state of an observed resource has outlived its Max-Age, and nothing newer came.
    Stale {
        /// The observation.
        observation: ObservationId,
    },
    /// An observation doesn't work at present. It is tried again without further ado.
    Interrupted {
        /// The observation.
        observation: ObservationId,
        /// Why.
        trouble: Trouble,
        /// When the registration is tried again.
        again_at: Time,
    },
    /// A request to us, to be answered by [`Endpoint::respond`](crate::Endpoint::respond).
    Request {
        /// The request.
        id: IncomingId,
        /// Who asks.
        from: SocketAddr,
        /// What is asked.
        request: Request,
        /// Whether it also asks to be told of changes:
        /// [`Endpoint::accept_observer`](crate::Endpoint::accept_observer).
        observe: bool,
    },
    /// An observer of ours needs no more notifications.
    ObserverGone {
        /// The observer.
        observer: ObserverId,
    },
}

/// Why a request got no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No response within the deadline, or no acknowledgement of any of the transmissions.
    #[error("no answer in time")]
    Timeout,
    /// The peer rejected the request with a Reset: it can't make sense of it.
    #[error("rejected by a reset")]
    Reset,
    /// Too much is under way, with this peer or altogether.
    #[error("too much is under way")]
    Busy,
    /// The response can't be used: a critical option that isn't known, or blocks that break
    /// the rules.
    #[error("the response breaks the rules")]
    BadResponse,
    /// The body is longer than is taken, or than its blocks can count.
    #[error("the body is too large")]
    TooLarge,
    /// The resource changed each time before its last block was here.
    #[error("the resource changes faster than it can be read")]
    Unsteady,
    /// The connection to the peer is gone.
    #[error("the connection is gone")]
    Disconnected,
}

/// Why an observation doesn't work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// There was no response.
    #[error("{0}")]
    Failed(#[from] Failure),
    /// The response or notification was an error.
    #[error("answered {0}")]
    Refused(Code),
}

/// Datagrams that were not what they should be, counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// All datagrams that came.
    pub received: u64,
    /// No messages, or messages with a format error.
    pub malformed: u64,
    /// Messages that came before.
    pub duplicates: u64,
    /// Responses, acknowledgements and resets that belong to nothing.
    pub unexpected: u64,
    /// Messages with a critical option that can't be used.
    pub bad_options: u64,
    /// Notifications that were overtaken by a newer one.
    pub overtaken: u64,
    /// Datagrams that were not taken because a limit was reached.
    pub dropped: u64,
    /// Datagrams that were not sent, because they would have been more than three times of what
    /// came from an address that isn't verified; or for want of a free message ID.
    pub withheld: u64,
    /// Datagrams that were sent again.
    pub retransmitted: u64,
    /// Requests that were answered by a challenge, because their sender's address isn't verified
    /// (RFC 9175 section 2.3).
    pub challenged: u64,
}

impl Counters {
    /// All of them, as they are called outside.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 10] {
        [
            ("received", self.received),
            ("malformed", self.malformed),
            ("duplicate", self.duplicates),
            ("unexpected", self.unexpected),
            ("bad_option", self.bad_options),
            ("overtaken", self.overtaken),
            ("dropped", self.dropped),
            ("withheld", self.withheld),
            ("retransmitted", self.retransmitted),
            ("challenged", self.challenged),
        ]
    }
}
