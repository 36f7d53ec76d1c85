use std::sync::Arc;

use smol_str::SmolStr;
use thingway_sdk::{Address, Form, Payload, Timestamp, Value};

use crate::mapping::{PayloadTemplate, RuleConfig};

/// What a message means, step by step.
#[derive(Debug, Default)]
pub(in crate::mapping) struct Meaning {
    pub(in crate::mapping) steps: Vec<Step>,
}

/// One step of what a message means.
#[derive(Debug)]
pub(in crate::mapping) enum Step {
    /// Messages of this address are mapped by this rule from now on. What the address was mapped
    /// to before is mapped anew.
    Route(Address, Arc<RuleConfig>),
    /// Messages of this address are shown to the convention from now on.
    Claim(Address),
    /// Messages of this address are no longer the convention's.
    Release(Address),
    /// Values of one thing.
    Found(Arc<RuleConfig>, Vec<Found>),
    /// An event of a thing occurred: its name, its data and when.
    Occurred(Arc<RuleConfig>, SmolStr, Value, Timestamp),
    /// A thing has this action.
    Offered(Arc<RuleConfig>, Action),
    /// A thing no longer has the action of this name.
    Withdrawn(Arc<RuleConfig>, SmolStr),
    /// A thing no longer has the properties of these names: nobody vouches for their states.
    Dropped(Arc<RuleConfig>, Vec<SmolStr>),
    /// A thing is within reach again: what was stale because it was not is good again.
    Online(Arc<RuleConfig>),
    /// A thing is out of reach: its states are stale until it speaks again.
    Offline(Arc<RuleConfig>),
    /// A thing is no more.
    Gone(Arc<RuleConfig>),
    /// Something is asked of the device.
    Asked(Form, Payload),
}

/// One value of one property.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::mapping) struct Found {
    /// The property: a key of the rule's properties, or another name.
    pub(in crate::mapping) property: SmolStr,
    /// Its value as the device says it; what the rule says of the property (`on`, `scale`…) is
    /// done to it afterwards.
    pub(in crate::mapping) value: Value,
    /// When it was so, where the device tells.
    pub(in crate::mapping) time: Option<Timestamp>,
    /// The device says that the value can't be trusted.
    pub(in crate::mapping) is_bad: bool,
}

/// Something that a device can be told to do.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::mapping) struct Action {
    pub(in crate::mapping) name: SmolStr,
    pub(in crate::mapping) title: Option<SmolStr>,
    /// Where the command goes, and what is sent.
    pub(in crate::mapping) form: Form,
    /// What is sent, where it is not the action's input as it is.
    pub(in crate::mapping) payload: Option<PayloadTemplate>,
}

impl Meaning {
    /// Messages of this address are mapped by this rule from now on.
    pub(in crate::mapping) fn route(&mut self, address: &str, rule: &Arc<RuleConfig>) {
        self.steps.push(Step::Route(address.into(), rule.clone()));
    }

    /// Messages of this address are shown to the convention from now on.
    pub(in crate::mapping) fn claim(&mut self, address: &str) {
        self.steps.push(Step::Claim(address.into()));
    }

    /// Messages of this address are no longer the convention's.
    pub(in crate::mapping) fn release(&mut self, address: &str) {
        self.steps.push(Step::Release(address.into()));
    }

    /// Values of the thing that the rule names.
    pub(in crate::mapping) fn found(&mut self, rule: &Arc<RuleConfig>, found: Vec<Found>) {
        self.steps.push(Step::Found(rule.clone(), found));
    }

    /// An event of the thing occurred.
    pub(in crate::mapping) fn occurred(
        &mut self,
        rule: &Arc<RuleConfig>,
        event: &str,
        data: Value,
        time: Timestamp,
    ) {
        self.steps.push(Step::Occurred(rule.clone(), event.into(), data, time));
    }

    /// The thing has this action.
    pub(in crate::mapping) fn offer(&mut self, rule: &Arc<RuleConfig>, action: Action) {
        self.steps.push(Step::Offered(rule.clone(), action));
    }

    /// The thing no longer has the action of this name.
    pub(in crate::mapping) fn withdraw(&mut self, rule: &Arc<RuleConfig>, action: &str) {
        self.steps.push(Step::Withdrawn(rule.clone(), action.into()));
    }

    /// The thing no longer has the properties of these names.
    pub(in crate::mapping) fn dropped(&mut self, rule: &Arc<RuleConfig>, names: Vec<SmolStr>) {
        if !names.is_empty() {
            self.steps.push(Step::Dropped(rule.clone(), names));
        }
    }

    /// The thing is, or is no longer, within reach.
    pub(in crate::mapping) fn reach(&mut self, rule: &Arc<RuleConfig>, online: bool) {
        let step = if online { Step::Online } else { Step::Offline };
        self.steps.push(step(rule.clone()));
    }

    /// The thing is no more.
    pub(in crate::mapping) fn gone(&mut self, rule: &Arc<RuleConfig>) {
        self.steps.push(Step::Gone(rule.clone()));
    }

    /// Something is asked of the device.
    pub(in crate::mapping) fn ask(&mut self, form: Form, payload: Payload) {
        self.steps.push(Step::Asked(form, payload));
    }
}

impl Found {
    /// A value of a property, at the time of the message.
    pub(in crate::mapping) fn new(property: impl Into<SmolStr>, value: Value) -> Self {
        Self { property: property.into(), value, time: None, is_bad: false }
    }

    /// At a time that the device tells.
    pub(in crate::mapping) fn at(self, time: Option<Timestamp>) -> Self {
        Self { time, ..self }
    }
}
