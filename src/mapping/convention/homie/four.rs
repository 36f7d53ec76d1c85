//! Versions 3 and 4: attributes, one topic each, in any order and with the values between them.

use smol_str::{SmolStr, format_smolstr};
use thingway_sdk::{Number, Value};

use super::attributes::OTHERS;
use super::datatype::Datatype;
use super::{
    Homie, MOST_BYTES, MOST_PROPERTIES_OF_ONE, State, Version, split_value, unknown_state,
};
use crate::mapping::convention::{Found, Incoming, Meaning, Taken};

impl Homie {
    /// Takes an attribute of a device, a node or a property of versions 3 and 4.
    pub(super) fn take_of_four(
        &mut self,
        topic: &str,
        attribute: &str,
        text: &str,
        _message: &Incoming<'_>,
        meaning: &mut Meaning,
    ) -> Taken {
        if let Some(name) = attribute.strip_prefix("$stats/") {
            return self.counted(topic, name, text, meaning);
        }
        if attribute.contains('/') || OTHERS.contains(&attribute) {
            return Taken::Nothing("says nothing that a thing has".into());
        }
        match self.attributes.note(topic, attribute, text, MOST_BYTES) {
            Err(reason) => Taken::Malformed(reason),
            Ok(_) if text.is_empty() && matches!(attribute, "$homie" | "$state") => {
                self.remove(topic, meaning)
            }
            Ok(false) => self.repeated(topic, attribute, text, meaning),
            Ok(true) if attribute == "$state" => self.state_of_four(topic, text, meaning),
            Ok(true) => {
                let known = self.known_root(topic, attribute, text);
                let settled = known.and_then(|known| match known {
                    Some(root) => self.settle(&root, topic, meaning).map(|()| Taken::Understood),
                    None => Ok(Taken::Nothing("kept until the device's $homie comes".into())),
                });
                settled.unwrap_or_else(Taken::Malformed)
            }
        }
    }

    /// The device that an attribute is about.
    fn known_root(
        &mut self,
        topic: &str,
        attribute: &str,
        text: &str,
    ) -> Result<Option<SmolStr>, String> {
        if attribute != "$homie" {
            // Of the device itself, of one of its nodes, or of a property of one.
            let mut above = Some(topic);
            for _ in 0..3 {
                if let Some(known) = above.filter(|above| self.devices.contains_key(*above)) {
                    return Ok(Some(known.into()));
                }
                above = above.and_then(|above| Some(above.rsplit_once('/')?.0));
            }
            return Ok(None);
        }
        let version = match text.split('.').next() {
            Some("3") => Version::Three,
            Some("4") => Version::Four,
            _ => return Err("versions 3, 4 and 5 of Homie are read, and this is another".into()),
        };
        let state = self.attributes.get(topic, "$state").and_then(State::named);
        let device = self.device(topic, version)?;
        (device.version, device.state) = (version, state);
        Ok(Some(topic.into()))
    }

    fn repeated(
        &mut self,
        topic: &str,
        attribute: &str,
        text: &str,
        meaning: &mut Meaning,
    ) -> Taken {
        match attribute {
            // A device that comes back says the same state again.
            "$state" => self.state_of_four(topic, text, meaning),
            _ => Taken::Understood,
        }
    }

    fn state_of_four(&mut self, topic: &str, text: &str, meaning: &mut Meaning) -> Taken {
        let Some(state) = State::named(text) else { return unknown_state(text) };
        let Some(device) = self.devices.get_mut(topic) else {
            return Taken::Nothing("kept until the device's $homie comes".into());
        };
        device.state = Some(state);
        self.tell_reach(topic, meaning);
        Taken::Understood
    }

    /// Understands a device anew after an attribute of `touched` came.
    fn settle(&mut self, root: &str, touched: &str, meaning: &mut Meaning) -> Result<(), String> {
        let description = self.attributes.description(root);
        let count = description.property_count();
        if count > MOST_PROPERTIES_OF_ONE {
            return Err(format!(
                "the device has {count} properties, more than {MOST_PROPERTIES_OF_ONE}: \
                 make it several devices"
            ));
        }
        self.adopt(root, description.model(root, root.into()), meaning)?;
        self.find_again(root, touched, meaning);
        Ok(())
    }

    /// The value of a property that came before the attribute did.
    fn find_again(&self, root: &str, touched: &str, meaning: &mut Meaning) {
        let Some((_, topic)) = split_value(touched).filter(|(above, _)| *above == root) else {
            return;
        };
        let Some(device) = self.devices.get(root) else { return };
        let Some((model, text)) = device.model.as_ref().zip(device.newest.get(topic)) else {
            return;
        };
        let Some(reader) = model.readers.get(topic).filter(|reader| !reader.is_event) else {
            return;
        };
        let datatype = match (reader.datatype, device.version) {
            (Some(datatype), _) => datatype,
            (None, Version::Three) => Datatype::Text,
            (None, _) => return,
        };
        if let Ok(value) = datatype.read(text) {
            meaning.found(&model.rule, vec![Found::new(reader.name.clone(), value)]);
        }
    }

    /// A number that the device counts of itself.
    fn counted(&mut self, topic: &str, name: &str, text: &str, meaning: &mut Meaning) -> Taken {
        let model = self.devices.get(topic).and_then(|device| device.model.as_ref());
        match (model, Number::parse(text.trim())) {
            (None, _) => Taken::Nothing("the device is not known yet".into()),
            (Some(_), Err(error)) => Taken::Malformed(error.to_string()),
            (Some(model), Ok(number)) => {
                let found = Found::new(format_smolstr!("stats.{name}"), Value::Number(number));
                meaning.found(&model.rule, vec![found]);
                Taken::Understood
            }
        }
    }
}
