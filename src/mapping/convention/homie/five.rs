//! Version 5: one document describes a device.

use std::hash::{DefaultHasher, Hasher};

use smol_str::{SmolStr, format_smolstr};
use thingway_sdk::Value;

use super::description::Description;
use super::{
    Homie, MOST_BYTES, MOST_PROPERTIES_OF_ONE, State, Version, split_value, unknown_state,
};
use crate::mapping::convention::{Found, Incoming, Meaning, Taken};

impl Homie {
    /// Takes what a device of version 5 says of itself.
    pub(super) fn take_of_five(
        &mut self,
        topic: &str,
        attribute: &str,
        text: &str,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Taken {
        match attribute.split_once('/') {
            None if text.is_empty() => self.remove(topic, meaning),
            None if attribute == "$state" => self.state_of_five(topic, text, meaning),
            None if attribute == "$description" => self
                .described(topic, text, meaning)
                .map_or_else(Taken::Malformed, |()| Taken::Understood),
            Some(("$log", level)) => self.logged(topic, level, text, message, meaning),
            Some(("$alert", id)) => self.alerted(topic, id, text, meaning),
            _ => Taken::NotMine,
        }
    }

    fn state_of_five(&mut self, topic: &str, text: &str, meaning: &mut Meaning) -> Taken {
        let Some(state) = State::named(text) else { return unknown_state(text) };
        match self.device(topic, Version::Five) {
            Ok(device) => device.state = Some(state),
            Err(reason) => return Taken::Malformed(reason),
        }
        self.tell_reach(topic, meaning);
        Taken::Understood
    }

    fn described(&mut self, topic: &str, text: &str, meaning: &mut Meaning) -> Result<(), String> {
        let described = (text.len(), fingerprint(text));
        let known = self.devices.get(topic);
        if known.is_some_and(|device| device.model.is_some() && device.described == described) {
            return Ok(());
        }
        let description: Description = serde_json::from_str(text)
            .map_err(|error| format!("$description is not as Homie 5 says: {error}"))?;
        let count = description.property_count();
        if count > MOST_PROPERTIES_OF_ONE {
            return Err(format!(
                "the device has {count} properties, more than {MOST_PROPERTIES_OF_ONE}: \
                 make it several devices"
            ));
        }
        let bytes = self.bytes - known.map_or(0, |device| device.described.0) + described.0;
        if bytes > MOST_BYTES {
            return Err(format!(
                "the descriptions of all devices are more than {MOST_BYTES} bytes"
            ));
        }
        let base = split_value(topic).map_or("", |(base, _)| base);
        let id = topic.rsplit('/').next().unwrap_or_default();
        let root = description.root.as_ref().filter(|root| *root != id);
        let root = root.map(|root| format_smolstr!("{base}/5/{root}"));
        let device = self.device(topic, Version::Five)?;
        let before = std::mem::replace(&mut device.root, root.clone());
        device.described = described;
        self.bytes = bytes;
        self.stands_behind(topic, before.as_ref(), root.as_ref());
        let model = description.model(topic, format_smolstr!("{base}/{id}"));
        self.adopt(topic, model, meaning)
    }

    fn logged(
        &mut self,
        topic: &str,
        level: &str,
        text: &str,
        message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Taken {
        let model = self.devices.get(topic).and_then(|device| device.model.as_ref());
        let Some(model) = model else { return not_described() };
        if message.retained {
            return Taken::Nothing("retained, so nothing was logged just now".into());
        }
        let line = serde_json::json!({ "level": level, "message": text });
        let line = Value::Json(SmolStr::from(line.to_string()));
        meaning.occurred(&model.rule, "log", line, message.received);
        Taken::Understood
    }

    fn alerted(&mut self, topic: &str, id: &str, text: &str, meaning: &mut Meaning) -> Taken {
        let model = self.devices.get(topic).and_then(|device| device.model.as_ref());
        let Some(model) = model else { return not_described() };
        let value = if text.is_empty() { Value::Null } else { Value::Text(text.into()) };
        meaning.found(&model.rule, vec![Found::new(format_smolstr!("alert.{id}"), value)]);
        Taken::Understood
    }
}

fn not_described() -> Taken {
    Taken::Nothing("the device has not described itself yet".into())
}

/// Tells one description from another.
fn fingerprint(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}
