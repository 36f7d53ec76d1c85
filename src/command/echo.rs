use std::sync::Arc;

use thingway_sdk::{Quality, Value};
use tokio::sync::Notify;

use crate::log::{EventLog, LANE_PAGE, Seq, State, What};
use crate::registry::{Slot, Thing};

/// Changes of the thing that are looked at in one go for the device's answer.
const LOOKED_AT: usize = 10_000;

/// The device's report that shows that it obeyed a write.
pub(super) struct Echo {
    /// The property as it was: only a state that came after it can be the device's answer.
    pub(super) held: Slot,
    pub(super) value: Value,
}

impl Echo {
    /// Ends when the device reports the value that was asked for. Any other value is no answer:
    /// it may have been on its way before the command.
    pub(super) async fn heard(&self, thing: &Thing, log: &dyn EventLog) {
        let wake = Arc::new(Notify::new());
        let _listening = thing.lane().listen(wake.clone());
        let mut seen = self.held.revision;
        while !self.is_answered(thing, log, &mut seen) {
            wake.notified().await;
        }
    }

    /// Looks at every state since `seen`, not only at the newest: a device may report the value
    /// and go on to another at once.
    fn is_answered(&self, thing: &Thing, log: &dyn EventLog, seen: &mut Seq) -> bool {
        let slot = self.held.property.slot;
        match log.read_lane(thing.lane(), *seen, LOOKED_AT) {
            Ok(changes) => {
                *seen = changes.last().map_or(*seen, |change| change.seq);
                let answered = changes.iter().any(|change| match &change.what {
                    What::State(property, state) => property.slot == slot && self.answers(state),
                    _ => false,
                });
                answered || changes.len() == LANE_PAGE && self.is_answered(thing, log, seen)
            }
            Err(gap) => {
                *seen = gap.until;
                thing.slot_at(slot).is_some_and(|slot| self.answers(&slot.state))
            }
        }
    }

    /// Whether a state shows that the device obeyed. That the link was lost shows nothing, nor
    /// does it when the broker repeats what was known already.
    fn answers(&self, state: &State) -> bool {
        state.quality == Quality::Good
            && state.value.means_the_same(&self.value)
            && !(state.replayed && state.value == self.held.state.value)
    }
}
