//! What things that are alike share: what the Web of Things calls a Thing Model.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::ptr;
use std::sync::Arc;

use crate::log::Property;
use crate::mapping::RuleConfig;

/// What a thing has in common with those that are like it: all but its states.
#[derive(Default)]
pub(crate) struct Model {
    /// What a rule says of the things.
    pub(super) rule: Option<Arc<RuleConfig>>,
    /// In the order in which they were first seen.
    pub(super) properties: Box<[Arc<Property>]>,
}

impl Model {
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.properties.iter().position(|property| property.name == name)
    }

    pub(super) fn with_rule(&self, rule: Arc<RuleConfig>) -> Self {
        Self { rule: Some(rule), properties: self.properties.clone() }
    }

    /// The same with this property in this place, or behind the last.
    pub(crate) fn with(&self, place: usize, property: Arc<Property>) -> Self {
        let (before, after) = self.properties.split_at(place.min(self.properties.len()));
        let after = after.iter().skip(1);
        let properties = before.iter().chain([&property]).chain(after).cloned().collect();
        Self { rule: self.rule.clone(), properties }
    }

    /// Whether only one thing has it: where it is written, and what a convention says, differs
    /// from device to device.
    fn is_of_one(&self) -> bool {
        self.rule.as_ref().is_some_and(|rule| rule.convention.is_some())
            || self.properties.iter().any(|property| property.write.is_some())
    }

    fn parts(&self) -> (Option<*const RuleConfig>, impl Iterator<Item = *const Property>) {
        (self.rule.as_ref().map(Arc::as_ptr), self.properties.iter().map(Arc::as_ptr))
    }
}

/// By where in memory the parts are: those that are alike are shared themselves.
impl Hash for Model {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (rule, properties) = self.parts();
        rule.hash(state);
        properties.for_each(|property| ptr::hash(property, state));
    }
}

impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        let ((rule, properties), (others, its)) = (self.parts(), other.parts());
        rule == others && properties.eq(its)
    }
}

impl Eq for Model {}

/// The models that several things may have, each once.
#[derive(Default)]
pub(super) struct Models {
    known: HashSet<Arc<Model>>,
    /// How many may be known before those that no thing has any more are let go.
    room: usize,
}

impl Models {
    pub(super) fn share(&mut self, model: Model) -> Arc<Model> {
        if model.is_of_one() {
            return Arc::new(model);
        }
        if let Some(known) = self.known.get(&model) {
            return known.clone();
        }
        if self.known.len() >= self.room {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.room = (2 * self.known.len()).max(64);
        }
        let model = Arc::new(model);
        self.known.insert(model.clone());
        model
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Told;

    fn property(slot: usize) -> Arc<Property> {
        let (name, adapter, told) = ("a".into(), "mqtt".into(), Told::default());
        Arc::new(Property { name, slot, adapter, rule: None, told, write: None })
    }

    #[test]
    fn things_with_the_same_properties_and_rule_share_a_model() {
        let mut models = Models::default();
        let (a, b, rule) = (property(0), property(1), Arc::new(RuleConfig::default()));
        let ab = || Model::default().with(0, a.clone()).with(1, b.clone());
        let known = models.share(ab());
        assert!(Arc::ptr_eq(&known, &models.share(ab())));
        let others = [
            ab().with_rule(rule.clone()),
            Model::default().with(0, a.clone()),
            Model::default().with(0, b.clone()).with(1, a.clone()),
            ab().with(1, property(1)),
        ];
        for other in others {
            assert!(!Arc::ptr_eq(&known, &models.share(other)));
        }
        let ruled = models.share(ab().with_rule(rule.clone()));
        assert!(Arc::ptr_eq(&ruled, &models.share(ab().with_rule(rule))));
    }

    #[test]
    fn models_that_no_thing_has_any_more_make_room() {
        let mut models = Models::default();
        let held = models.share(Model::default().with(0, property(0)));
        for slot in 0..1000 {
            models.share(Model::default().with(0, property(slot)));
        }
        assert!(models.known.len() <= 64);
        assert!(models.known.contains(&held));
    }
}
