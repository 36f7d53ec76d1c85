//! A command's form read as what MQTT shall publish (W3C WoT MQTT binding, vocabulary `mqv:`).

use thingway_sdk::{AdapterError, Address, Command, Form, Payload, Value};

use crate::config::QoS;
use crate::topic;

/// The most bytes that a content type may have: its length is written in 16 bits.
const LONGEST_CONTENT_TYPE: usize = 65_535;

/// The largest packet that the protocol's length field can say, in bytes.
const LARGEST_PACKET: usize = 268_435_455;

/// One message that the gateway publishes.
#[derive(Debug, Clone)]
pub(crate) struct Publication {
    pub(crate) topic: Address,
    pub(crate) payload: Payload,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
}

impl Publication {
    /// About how many bytes its packet takes: never less than it does.
    pub(crate) fn packet_bytes(&self) -> usize {
        self.topic.as_str().len() + self.content_type_bytes() + self.payload.bytes.len() + 20
    }

    fn content_type_bytes(&self) -> usize {
        self.payload.content_type.as_ref().map_or(0, |text| text.len())
    }
}

impl TryFrom<Command> for Publication {
    type Error = AdapterError;

    fn try_from(command: Command) -> Result<Self, AdapterError> {
        let Command { form, payload, .. } = command;
        topic::check_name(form.address.as_str()).map_err(|error| {
            AdapterError::Unsupported(format!(
                "`{}` is no topic to publish to: {error}",
                form.address
            ))
        })?;
        let publication =
            Self { qos: qos(&form)?, retain: retain(&form)?, topic: form.address, payload };
        // rumqttc would write a wrong length.
        if publication.content_type_bytes() > LONGEST_CONTENT_TYPE {
            return Err(AdapterError::Unsupported(format!(
                "a content type has at most {LONGEST_CONTENT_TYPE} bytes"
            )));
        }
        if publication.packet_bytes() > LARGEST_PACKET {
            return Err(AdapterError::Unsupported("MQTT has no packets beyond 256 MiB".into()));
        }
        Ok(publication)
    }
}

/// `mqv:qos` is a string in the binding's schema and a number in many descriptions.
fn qos(form: &Form) -> Result<QoS, AdapterError> {
    let level = match form.terms.get("mqv:qos") {
        None => return Ok(QoS::default()),
        Some(Value::Number(number)) => number.as_str(),
        Some(Value::Text(text)) => text.as_str(),
        Some(_) => "",
    };
    level.parse().ok().and_then(QoS::from_level).ok_or_else(|| {
        AdapterError::Unsupported("the form's `mqv:qos` must be \"0\", \"1\" or \"2\"".into())
    })
}

fn retain(form: &Form) -> Result<bool, AdapterError> {
    match form.terms.get("mqv:retain") {
        None => Ok(false),
        Some(Value::Boolean(retain)) => Ok(*retain),
        Some(_) => {
            Err(AdapterError::Unsupported("the form's `mqv:retain` must be true or false".into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use thingway_sdk::{CommandId, Operation};
    use tokio::time::Instant;

    use super::*;

    fn publication(topic: &str, terms: &[(&str, Value)]) -> Result<Publication, AdapterError> {
        command(topic, terms).try_into()
    }

    fn command(topic: &str, terms: &[(&str, Value)]) -> Command {
        let terms: BTreeMap<_, _> =
            terms.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        let form = Form {
            address: topic.into(),
            operation: Operation::WriteProperty,
            content_type: None,
            terms,
        };
        let id = CommandId("c".into());
        Command { id, form, payload: Payload::default(), deadline: Instant::now() }
    }

    #[test]
    fn terms_are_read_as_string_or_number() {
        let plain = publication("lamp/set", &[]).unwrap();
        assert_eq!((plain.qos, plain.retain), (QoS::AtLeastOnce, false));
        for two in [Value::Text("2".into()), Value::Number(2.into())] {
            let terms = [("mqv:qos", two), ("mqv:retain", Value::Boolean(true))];
            let publication = publication("lamp/set", &terms).unwrap();
            assert_eq!((publication.qos, publication.retain), (QoS::ExactlyOnce, true));
        }
    }

    #[test]
    fn what_cannot_be_published_is_refused() {
        for topic in ["", "lamp/#", "+/set", "a\0"] {
            assert!(publication(topic, &[]).is_err(), "{topic:?}");
        }
        let three = [("mqv:qos", Value::Text("3".into()))];
        assert!(publication("lamp/set", &three).unwrap_err().to_string().contains("mqv:qos"));
        let yes = [("mqv:retain", Value::Text("yes".into()))];
        assert!(publication("lamp/set", &yes).unwrap_err().to_string().contains("mqv:retain"));
        let mut wordy = command("lamp/set", &[]);
        wordy.payload.content_type = Some("x".repeat(LONGEST_CONTENT_TYPE + 1).into());
        let error = Publication::try_from(wordy).unwrap_err().to_string();
        assert!(error.contains("content type"), "{error}");
    }
}
