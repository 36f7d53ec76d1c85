//! Shelly devices of all generations over MQTT.
//!
//! [`gen1`] speaks in plain values below `shellies/<id>/`
//! (<https://shelly-api-docs.shelly.cloud/gen1/#mqtt-support>); [`gen2`], which is the second and
//! all later generations, in JSON-RPC below a prefix that is the device's id unless somebody chose
//! another (<https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Mqtt>).

mod gen1;
mod gen2;
mod metrics;
#[cfg(test)]
mod tests;
mod topic;

use std::collections::HashMap;

use smol_str::SmolStr;

use self::topic::{Topic, is_usual_id, mac_in};
use super::{Convention, Incoming, Meaning, Taken};

const NAME: &str = "shelly";
/// Devices of each generation beyond this are mapped as they come.
const MOST_DEVICES: usize = 10_000;
/// The longest id or prefix, in bytes.
const LONGEST: usize = 300;

const COMMAND: Taken =
    Taken::Nothing(std::borrow::Cow::Borrowed("a command to the device, not from it"));

/// The Shelly devices on one broker.
#[derive(Clone, Default)]
pub(in crate::mapping) struct Shelly {
    /// Devices of the first generation, by their ids.
    first: HashMap<SmolStr, gen1::Device>,
    /// Devices of later ones, by their topic prefixes.
    later: HashMap<SmolStr, gen2::Device>,
}

impl Convention for Shelly {
    fn name(&self) -> &'static str {
        NAME
    }

    fn concerns(&self, address: &str) -> bool {
        Topic::of(address).is_some()
    }

    fn take(&mut self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        match Topic::of(message.address) {
            Some(Topic::First { id, rest }) => self.first(id, rest, message, meaning),
            Some(Topic::AllFirst("announce")) => self.announced(message, meaning),
            Some(Topic::AllFirst(_)) => {
                Taken::Nothing("a command to all devices, not from one".into())
            }
            Some(Topic::Notification(prefix)) => self.notification(prefix, message, meaning),
            Some(Topic::Status { prefix, component }) => {
                self.status(prefix, component, message, meaning)
            }
            Some(Topic::Online(prefix)) => self.online(prefix, message, meaning),
            Some(Topic::Command(prefix)) if self.is_known(prefix) => COMMAND,
            Some(Topic::Rpc(prefix)) => self.rpc(prefix, message),
            _ => Taken::NotMine,
        }
    }

    fn duplicate(&self) -> Box<dyn Convention> {
        Box::new(self.clone())
    }
}

impl Shelly {
    fn first(
        &mut self,
        id: &str,
        rest: &str,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Taken {
        // A prefix of a later generation may be below `shellies`, too.
        match message.address.rsplit_once('/') {
            Some((prefix, "online")) if self.later.contains_key(prefix) => {
                return self.online(prefix, message, meaning);
            }
            Some((prefix, "command")) if self.later.contains_key(prefix) => return COMMAND,
            _ => {}
        }
        if let Some(device) = self.first.get_mut(id) {
            return device.take(rest, message, meaning);
        }
        let mut device = gen1::Device::new(id);
        let taken = device.take(rest, message, meaning);
        if taken != Taken::NotMine && self.first.len() < MOST_DEVICES && id.len() <= LONGEST {
            self.first.insert(id.into(), device);
        }
        taken
    }

    /// `shellies/announce`, which every device of the first generation sends when it connects.
    fn announced(&mut self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        match gen1::announced_id(message) {
            Some(id) => self.first(&id, "announce", message, meaning),
            None => Taken::Malformed("an announcement names the device's `id`".to_owned()),
        }
    }

    fn notification(
        &mut self,
        prefix: &str,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Taken {
        let Some(notification) = gen2::Notification::read(message) else {
            return match self.later.contains_key(prefix) {
                true => Taken::Malformed("no notification: `src`, `method`, `params`".to_owned()),
                false => Taken::NotMine,
            };
        };
        match self.later(prefix) {
            Some(device) => device.notified(notification, message, meaning),
            None => Taken::NotMine,
        }
    }

    fn status(
        &mut self,
        prefix: &str,
        component: &str,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Taken {
        let is_known = self.later.contains_key(prefix) || is_usual_id(prefix);
        if !is_known && !gen2::is_status_of(component, message) {
            return Taken::NotMine;
        }
        match self.later(prefix) {
            Some(device) => device.status(component, message, meaning),
            None => Taken::NotMine,
        }
    }

    fn online(&mut self, prefix: &str, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        if !self.later.contains_key(prefix) && !is_usual_id(prefix) {
            return Taken::NotMine;
        }
        match (message.text(), self.later(prefix)) {
            (Some("true"), Some(device)) => device.online(true, meaning),
            (Some("false"), Some(device)) => device.online(false, meaning),
            (_, Some(_)) => Taken::Malformed("neither true nor false".to_owned()),
            (_, None) => Taken::NotMine,
        }
    }

    /// Requests to devices, and what they answer.
    fn rpc(&self, prefix: &str, message: &Incoming<'_>) -> Taken {
        match gen2::Answer::read(message) {
            Some(answer) if self.is_known(&answer.src) => Taken::Nothing(answer.meaning()),
            _ if self.is_known(prefix) => {
                Taken::Nothing("a request to the device, not from it".into())
            }
            _ => Taken::NotMine,
        }
    }

    fn is_known(&self, src: &str) -> bool {
        is_usual_id(src) || self.later.contains_key(src)
    }

    /// A device of a later generation, made when it is not known and not one too many.
    fn later(&mut self, prefix: &str) -> Option<&mut gen2::Device> {
        if !self.later.contains_key(prefix) {
            if self.later.len() >= MOST_DEVICES || prefix.len() > LONGEST {
                return None;
            }
            self.later.insert(prefix.into(), gen2::Device::new(prefix, mac_in(prefix)));
        }
        self.later.get_mut(prefix)
    }
}
