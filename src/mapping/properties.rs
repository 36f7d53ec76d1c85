//! The properties that things share.

use std::collections::HashMap;
use std::sync::Arc;

use smol_str::SmolStr;
use thingway_sdk::{Address, Form};

use super::{PropertyRule, RuleConfig};
use crate::log::{Property, Told, WriteTarget};

/// The properties of one adapter's things. Devices of one kind have the same ones, which are kept
/// once for all of them.
#[derive(Default)]
pub(super) struct Properties {
    known: HashMap<Likeness, Arc<Property>>,
    /// How many may be known before those that no thing has any more are let go.
    room: usize,
}

/// Properties of which this is the same are the same.
#[derive(PartialEq, Eq, Hash)]
struct Likeness {
    name: SmolStr,
    slot: usize,
    /// Where in memory that is which a rule says of it; the property keeps it there.
    rule: usize,
    unit: Option<SmolStr>,
    title: Option<SmolStr>,
    semantic_type: Option<SmolStr>,
}

impl Properties {
    /// A property with what the rule of its address says of it.
    pub(super) fn describe(
        &mut self,
        name: SmolStr,
        slot: usize,
        adapter: &Arc<str>,
        address: &Address,
        ruled: Option<(&RuleConfig, &Arc<PropertyRule>)>,
        told: Told,
    ) -> Arc<Property> {
        let likeness = Likeness {
            name: name.clone(),
            slot,
            rule: ruled.map_or(0, |(_, ruled)| Arc::as_ptr(ruled).addr()),
            unit: told.unit.clone(),
            title: told.title.clone(),
            semantic_type: told.semantic_type.clone(),
        };
        if let Some(known) = self.known.get(&likeness).filter(|_| told.form.is_none()) {
            return known.clone();
        }
        let write = ruled.and_then(|(rule, ruled)| write_target(rule, ruled, address));
        let by_form = |form: &Form| WriteTarget { form: form.clone(), template: None };
        let write = write.or_else(|| told.form.as_ref().map(by_form));
        let is_shared = write.is_none();
        let rule = ruled.map(|(_, ruled)| ruled.clone());
        let adapter = adapter.clone();
        let property = Arc::new(Property { name, slot, adapter, rule, told, write });
        // Where it is written differs from address to address.
        if is_shared {
            self.keep(likeness, property.clone());
        }
        property
    }

    fn keep(&mut self, likeness: Likeness, property: Arc<Property>) {
        if self.known.len() >= self.room {
            self.known.retain(|_, known| Arc::strong_count(known) > 1);
            self.room = (2 * self.known.len()).max(64);
        }
        self.known.insert(likeness, property);
    }
}

fn write_target(
    rule: &RuleConfig,
    property: &PropertyRule,
    address: &Address,
) -> Option<WriteTarget> {
    let captures = rule.topic.captures(address.as_str())?;
    Some(property.write.as_ref()?.target(&captures))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(properties: &mut Properties, name: &str, slot: usize) -> Arc<Property> {
        properties.describe(
            name.into(),
            slot,
            &"mqtt".into(),
            &Address::from("a"),
            None,
            Told::default(),
        )
    }

    #[test]
    fn things_that_are_alike_share_their_properties() {
        let mut properties = Properties::default();
        let one = describe(&mut properties, "temp", 0);
        assert!(Arc::ptr_eq(&one, &describe(&mut properties, "temp", 0)));
        assert!(!Arc::ptr_eq(&one, &describe(&mut properties, "temp", 1)));
    }

    #[test]
    fn what_no_thing_has_any_more_makes_room() {
        let mut properties = Properties::default();
        let held = describe(&mut properties, "held", 0);
        for slot in 0..1000 {
            describe(&mut properties, "passing", slot);
        }
        assert!(properties.known.len() <= 64);
        assert!(Arc::ptr_eq(&held, &describe(&mut properties, "held", 0)));
    }
}
