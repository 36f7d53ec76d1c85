//! Ways back to devices that take their commands from a topic of their own.

use thingway_sdk::Operation;

use super::Action;
use crate::mapping::{PayloadTemplate, WriteRule};

/// A property that is written by publishing to a topic.
pub(super) fn written(topic: &str, payload: &str) -> Option<WriteRule> {
    Some(WriteRule::to(topic, PayloadTemplate::from(payload.to_owned())))
}

/// An action that is invoked by publishing to a topic.
pub(super) fn published(name: &str, title: &str, topic: &str, payload: String) -> Action {
    let template = PayloadTemplate::from(payload);
    let mut form = WriteRule::to(topic, template.clone()).target(&Vec::new()).form;
    form.operation = Operation::InvokeAction;
    Action { name: name.into(), title: Some(title.into()), form, payload: Some(template) }
}
