use super::super::explain::listed;
use super::super::sections::Entry;
use super::super::suggest::did_you_mean;
use super::super::tree::Node;
use super::Checks;
use crate::mapping::RuleConfig;

pub(super) fn check(rules: &[Entry<RuleConfig>], checks: &mut Checks<'_>) {
    (0..checks.tree.items("rules").len()).for_each(|index| check_adapter(index, checks));
    for rule in rules {
        for reason in rule.value.check().err().unwrap_or_default() {
            let path = ["rules".into(), rule.index.into(), "topic".into()];
            checks.refuse(&path, &reason, "the rule with this topic needs a correction");
        }
    }
}

/// Looks at the names as they were written, so that a rule or an adapter that could not be read
/// for another reason causes no second report, and hides none.
fn check_adapter(index: usize, checks: &mut Checks<'_>) {
    let path = ["rules".into(), index.into(), "adapter".into()];
    let Some(adapter) = checks.tree.at(&path).and_then(Node::text) else { return };
    let known: Vec<&str> = checks
        .tree
        .items("adapters")
        .iter()
        .filter_map(|entry| entry.child(&"name".into()).and_then(Node::text))
        .collect();
    if !known.contains(&adapter) {
        let suggestion = did_you_mean(adapter, known.iter().copied());
        let reason = format!("there is no adapter `{adapter}`{suggestion}");
        checks.refuse(&path, &reason, format!("there are {}", listed(&known)));
    }
}
