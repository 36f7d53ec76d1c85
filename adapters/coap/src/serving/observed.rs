use thingway_sdk::Snapshot;

use super::representation;
use crate::exchange::Response;

/// A property that somebody observes, and how it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observed {
    /// The thing, as the request named it.
    pub(crate) thing: String,
    /// The property.
    pub(crate) property: String,
    /// The content-format.
    pub(super) format: u16,
    /// The revision of the state that was told first.
    pub(crate) revision: u64,
}

impl Observed {
    /// How long a notification counts as fresh, in seconds: what changes is told at once, and a
    /// state that does not change is told again before.
    pub(crate) const MAX_AGE: u32 = 3600;

    /// The response to the registration, which counts as fresh as a notification.
    pub(crate) fn registered(&self, response: Response) -> Response {
        match response.options.max_age() {
            0 => response,
            _ => response.max_age(Self::MAX_AGE),
        }
    }

    /// What tells of a state.
    pub(crate) fn notification(&self, state: &Snapshot) -> Response {
        let name = representation::full_name(&self.thing, &self.property);
        representation::of_state(self.format, &name, state, Self::MAX_AGE)
    }
}
