//! A thing whose properties become known one after the other, as the device speaks of them.

use std::sync::Arc;

use crate::mapping::{PropertyRule, RuleConfig};

/// Properties beyond this are left as they come: they have values, but nothing is said of them.
const MOST_DESCRIBED: usize = 256;

/// The rule of such a thing.
#[derive(Debug, Clone)]
pub(super) struct Growing(Arc<RuleConfig>);

impl Growing {
    pub(super) fn new(rule: RuleConfig) -> Self {
        Self(Arc::new(rule))
    }

    pub(super) fn rule(&self) -> &Arc<RuleConfig> {
        &self.0
    }

    /// Changes what is said of the thing as a whole.
    pub(super) fn amend(&mut self, change: impl FnOnce(&mut RuleConfig)) {
        change(Arc::make_mut(&mut self.0));
    }

    /// Notes what a property is, when it is seen for the first time; true then.
    pub(super) fn learn(&mut self, name: &str, describe: impl FnOnce() -> PropertyRule) -> bool {
        if self.0.properties.contains_key(name) || self.0.properties.len() >= MOST_DESCRIBED {
            return false;
        }
        // Other holders keep the rule as it was: what was said by it stays said.
        Arc::make_mut(&mut self.0).properties.insert(name.to_owned(), Arc::new(describe()));
        true
    }
}
