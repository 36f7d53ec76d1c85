use super::super::explain::listed;
use super::super::sections::Entry;
use super::super::suggest::did_you_mean;
use super::super::tree::{Node, Step, Value};
use super::Checks;
use crate::mapping::RuleConfig;

pub(super) fn check(rules: &[Entry<RuleConfig>], checks: &mut Checks<'_>) {
    (0..checks.tree.items("rules").len()).for_each(|index| check_adapter(index, checks));
    for (index, rule) in rules.iter().enumerate() {
        check_reachable(rule, &rules[..index], checks);
        for flaw in rule.value.flaws() {
            let path = path_of(rule.index, &flaw.at, checks.tree);
            checks.refuse(&path, &flaw.reason, flaw.help);
        }
    }
}

/// The first rule that matches counts: one that an earlier one covers never does.
fn check_reachable(
    rule: &Entry<RuleConfig>,
    before: &[Entry<RuleConfig>],
    checks: &mut Checks<'_>,
) {
    let covers = |earlier: &&Entry<RuleConfig>| {
        let earlier = &earlier.value;
        (earlier.adapter.is_none() || earlier.adapter == rule.value.adapter)
            && earlier.topic.covers(&rule.value.topic)
    };
    let Some(earlier) = before.iter().find(covers) else { return };
    let topic_of = |index: usize| ["rules".into(), index.into(), Step::from("topic")];
    let place = checks.problems.place_name(checks.tree.place_of(&topic_of(earlier.index)));
    let reason = format!(
        "no message comes to this rule, because the rule with `{}` at {place} takes them all",
        earlier.value.topic
    );
    checks.refuse(&topic_of(rule.index), &reason, "move it above that one, or join the two");
}

/// The place of a flaw, down to where the tree goes on: what has a default may not stand there.
fn path_of(rule: usize, at: &[String], tree: &Node) -> Vec<Step> {
    let mut path: Vec<Step> = vec!["rules".into(), rule.into()];
    for key in at {
        let is_list = tree.at(&path).is_some_and(|node| matches!(node.value, Value::List(_)));
        let step =
            key.parse().ok().filter(|_| is_list).map_or_else(|| key.as_str().into(), Step::Index);
        path.push(step);
    }
    path
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
