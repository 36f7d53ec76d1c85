use super::super::sections::Entry;
use super::super::tree::Step;
use super::Checks;
use crate::mapping::JoinConfig;

pub(super) fn check(joins: &[Entry<JoinConfig>], checks: &mut Checks<'_>) {
    let mut joined: Vec<&str> = Vec::new();
    for Entry { index, value } in joins {
        let path = |key: &str| vec!["joins".into(), (*index).into(), Step::from(key)];
        if value.thing.is_empty() {
            checks.refuse(
                &path("thing"),
                "a thing needs a name",
                "write one, as in \"kitchen.lamp\"",
            );
        }
        if value.of.is_empty() {
            let help = "name the things that it would be otherwise";
            checks.refuse(&path("of"), "there is nothing to join", help);
        }
        for (item, name) in value.of.iter().enumerate() {
            let mut at = path("of");
            at.push(item.into());
            if joined.contains(&name.as_str()) {
                let help = "leave it to one of them";
                checks.refuse(&at, &format!("`{name}` is joined already"), help);
            }
            let target = joins.iter().find(|other| other.value.thing == *name);
            if target.is_some_and(|target| target.index != *index) {
                let reason = format!("`{name}` is itself made of others");
                checks.refuse(&at, &reason, "name those here, in one list");
            }
            joined.push(name);
        }
    }
}
