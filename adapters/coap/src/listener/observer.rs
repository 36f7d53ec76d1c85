use std::time::Duration;

use thingway_sdk::{Following, Snapshot};
use tokio::time::timeout;

use crate::driver::Handle;
use crate::event::ObserverId;
use crate::message::Code;
use crate::serving::{Observed, Things};

/// A state that does not change is told again after so long, before it counts as stale: so the
/// observer knows that the gateway is there, and the endpoint can ask whether the observer is.
const TELL_AGAIN: Duration = Duration::from_secs(Observed::MAX_AGE as u64 * 5 / 6);

/// Somebody who observes a property.
pub(super) struct Observer {
    pub(super) id: ObserverId,
    pub(super) observed: Observed,
    pub(super) following: Box<dyn Following>,
    /// The revision of the state that it knows.
    pub(super) told: u64,
}

impl Observer {
    /// Tells it of each newer state until it is gone, or the property is.
    pub(super) async fn attend(mut self, things: Things, handle: Handle) -> ObserverId {
        // What came between its first state and the position that is followed.
        let mut newest = things.read_observed(&self.observed);
        while self.tell(newest, &handle).await {
            newest = match timeout(TELL_AGAIN, self.following.next()).await {
                Ok(newest) => newest,
                Err(_) => {
                    self.told = 0;
                    things.read_observed(&self.observed)
                }
            };
        }
        self.id
    }

    /// Whether it still wants to know.
    async fn tell(&mut self, newest: Option<Snapshot>, handle: &Handle) -> bool {
        let Some(state) = newest else {
            let gone = crate::Response::error(Code::NOT_FOUND, "the property is gone");
            // Whether it hears that or not, there is nothing more to tell.
            let _ = handle.notify(self.id, gone, true).await;
            return false;
        };
        if state.revision <= self.told {
            return true;
        }
        self.told = state.revision;
        let notification = self.observed.notification(&state);
        let goes_on = notification.code.is_success();
        handle.notify(self.id, notification, false).await.is_ok() && goes_on
    }
}
