//! Which will is published when (MQTT 5, section 3.1.3.2). The broker publishes wills itself and
//! tells nobody; but it tells when devices come, when they leave and how, and it asks whether a
//! will may be published. That is enough to know.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use thingway_sdk::{Address, Payload};

/// What a device wants said when it is lost.
#[derive(Debug, Clone)]
pub(super) struct Will {
    pub(super) address: Address,
    pub(super) payload: Payload,
    /// Published some time after the loss, unless the device comes back.
    pub(super) delayed: bool,
}

#[derive(Default)]
pub(super) struct Wills {
    /// The will of each open connection. A device that connects anew has two for a moment; the
    /// older one ends first.
    open: HashMap<Arc<str>, VecDeque<Option<Will>>>,
    /// Of lost devices: their delay is running.
    pending: HashMap<Arc<str>, Will>,
}

impl Wills {
    pub(super) fn connected(&mut self, device: Arc<str>, will: Option<Will>) {
        self.pending.remove(&device);
        self.open.entry(device).or_default().push_back(will);
    }

    /// The will that is published now, where there is one.
    pub(super) fn disconnected(&mut self, device: &Arc<str>, lost: bool) -> Option<Will> {
        let open = self.open.get_mut(device)?;
        let will = open.pop_front().flatten();
        let came_back = !open.is_empty();
        if !came_back {
            self.open.remove(device);
        }
        let will = will.filter(|_| lost)?;
        if !will.delayed {
            return Some(will);
        }
        if !came_back {
            self.pending.insert(device.clone(), will);
        }
        None
    }

    /// Something is about to be published for `device`: the will that it is, where it is one. A
    /// device that is away publishes nothing else.
    pub(super) fn publishing(&mut self, device: &str) -> Option<Will> {
        if self.open.contains_key(device) { None } else { self.pending.remove(device) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn will(topic: &str, delayed: bool) -> Option<Will> {
        Some(Will { address: topic.into(), payload: Payload::default(), delayed })
    }

    fn topic(will: Option<Will>) -> Option<String> {
        will.map(|will| will.address.to_string())
    }

    #[test]
    fn a_lost_device_has_its_will_and_one_that_leaves_has_not() {
        let mut wills = Wills::default();
        let device: Arc<str> = "d".into();
        wills.connected(device.clone(), will("gone", false));
        assert_eq!(topic(wills.disconnected(&device, true)).as_deref(), Some("gone"));
        wills.connected(device.clone(), will("gone", false));
        assert_eq!(topic(wills.disconnected(&device, false)), None);
    }

    #[test]
    fn a_connection_that_is_taken_over_has_its_own_will() {
        let mut wills = Wills::default();
        let device: Arc<str> = "d".into();
        wills.connected(device.clone(), will("first", false));
        wills.connected(device.clone(), will("second", false));
        assert_eq!(topic(wills.disconnected(&device, true)).as_deref(), Some("first"));
        assert_eq!(topic(wills.disconnected(&device, true)).as_deref(), Some("second"));
        assert_eq!(topic(wills.disconnected(&device, true)), None);
    }

    #[test]
    fn a_delayed_will_waits_until_it_is_published() {
        let mut wills = Wills::default();
        let device: Arc<str> = "d".into();
        wills.connected(device.clone(), will("gone", true));
        assert_eq!(topic(wills.publishing("d")), None, "a device that is here publishes itself");
        assert_eq!(topic(wills.disconnected(&device, true)), None);
        assert_eq!(topic(wills.publishing("d")).as_deref(), Some("gone"));
        assert_eq!(topic(wills.publishing("d")), None);
    }

    #[test]
    fn a_device_that_comes_back_in_time_has_no_delayed_will() {
        let mut wills = Wills::default();
        let device: Arc<str> = "d".into();
        wills.connected(device.clone(), will("gone", true));
        wills.disconnected(&device, true);
        wills.connected(device.clone(), None);
        wills.disconnected(&device, true);
        assert_eq!(topic(wills.publishing("d")), None);
    }
}
