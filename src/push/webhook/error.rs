use super::network::InvalidNetwork;
use super::patch::Fault;

/// Why webhooks can't be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nothing could ever be sent.
    #[error("delivery.concurrency has to be 1 or more")]
    Concurrency,
    /// See [`super::DeliveryConfig::denied_networks`].
    #[error("delivery.denied_networks: {0}")]
    Network(#[from] InvalidNetwork),
    /// One `[[webhooks]]` is not right.
    #[error("webhook `{name}`: {reason}")]
    Webhook {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Two `[[webhooks]]` have the same name.
    #[error("two webhooks are called `{0}`; give each a name of its own")]
    Taken(String),
    /// There are more `[[webhooks]]` than allowed.
    #[error("there are more than {0} [[webhooks]]; raise limits.webhooks")]
    TooMany(usize),
}

impl StartError {
    /// The first of what is wrong with one `[[webhooks]]`.
    pub(super) fn invalid(name: &str, faults: Vec<Fault>) -> Self {
        let first = faults.into_iter().next();
        let reason = first.map(|fault| format!("{} {}", fault.field, fault.description));
        Self::Webhook { name: name.to_owned(), reason: reason.unwrap_or_default() }
    }
}

/// Why a webhook was not made.
#[derive(Debug)]
pub enum CreateError {
    /// Its definition is not right.
    Invalid(Vec<Fault>),
    /// There are this many already.
    TooMany(usize),
    /// The id is taken.
    Taken,
}

impl From<Vec<Fault>> for CreateError {
    fn from(faults: Vec<Fault>) -> Self {
        Self::Invalid(faults)
    }
}

/// Why a delivery was not sent once more.
#[derive(Debug, thiserror::Error)]
pub enum RedeliverError {
    /// There is no webhook with this id.
    #[error("there is no such webhook")]
    NoWebhook,
    /// Its log does not hold the delivery.
    #[error(
        "the webhook's log does not hold this delivery; `GET …/deliveries` lists those it does"
    )]
    NoDelivery,
    /// It told of a gap or was a test.
    #[error(
        "this delivery was a test or told of a gap: there is no change to send; use `POST …/test`"
    )]
    NoChange,
    /// The change is not kept any more.
    #[error(
        "the gateway no longer keeps the change of this delivery; read the present state instead"
    )]
    Outrun,
}
