//! Ways back to devices that take their commands from a topic of their own.

use super::Action;
use crate::mapping::{PayloadTemplate, WriteRule};

/// A property that is written by publishing to a topic.
pub(super) fn written(topic: &str, payload: &str) -> Option<WriteRule> {
    Some(WriteRule::to(topic, PayloadTemplate::from(payload.to_owned())))
}

/// An action that is invoked by publishing to a topic.
pub(super) fn published(name: &str, title: &str, topic: &str, payload: String) -> Action {
    let template = PayloadTemplate::from(payload);
    let form = WriteRule::to(topic, template.clone()).form_of_action();
    Action { name: name.into(), title: Some(title.into()), form, payload: Some(template) }
}
