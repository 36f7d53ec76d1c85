use super::super::sections::Entry;
use super::super::tree::Step;
use super::Checks;
use crate::adapters::AdapterEntry;

pub(super) fn check(adapters: &[Entry<AdapterEntry>], checks: &mut Checks<'_>) {
    let names = adapters.iter().map(|entry| (entry.index, entry.value.name.as_str()));
    checks.names("adapters", names);
    for Entry { index, value } in adapters {
        let Some(objection) = value.protocol.objection() else { continue };
        let mut path = vec!["adapters".into(), (*index).into()];
        path.extend(objection.key.map(Step::from));
        checks.refuse(&path, &objection.reason, objection.help);
    }
}
