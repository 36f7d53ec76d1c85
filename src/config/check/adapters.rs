use super::super::sections::Entry;
use super::super::tree::Step;
use super::Checks;
use crate::adapters::{AdapterEntry, CoapConfig, ProtocolConfig};

pub(super) fn check(adapters: &[Entry<AdapterEntry>], checks: &mut Checks<'_>) {
    let names = adapters.iter().map(|entry| (entry.index, entry.value.name.as_str()));
    checks.names("adapters", names);
    for Entry { index, value } in adapters {
        object(vec!["adapters".into(), (*index).into()], &value.protocol, checks);
    }
}

/// `[coap.server]`
pub(super) fn check_coap(
    coap: &CoapConfig,
    adapters: &[Entry<AdapterEntry>],
    checks: &mut Checks<'_>,
) {
    let Some(entry) = coap.entry() else { return };
    let path: Vec<Step> = vec!["coap".into(), "server".into()];
    if adapters.iter().any(|other| other.value.name == entry.name) {
        let reason = format!("its name `{}` is taken by an adapter", entry.name);
        checks.refuse(&path, &reason, "rename that one");
    }
    object(path, &entry.protocol, checks);
}

fn object(mut path: Vec<Step>, protocol: &ProtocolConfig, checks: &mut Checks<'_>) {
    let Some(objection) = protocol.objection() else { return };
    path.extend(objection.key.map(Step::from));
    checks.refuse(&path, &objection.reason, objection.help);
}
