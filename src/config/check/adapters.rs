use super::super::sections::Entry;
use super::Checks;
use crate::adapters::AdapterEntry;
#[cfg(feature = "embedded-broker")]
use crate::adapters::ProtocolConfig;

pub(super) fn check(adapters: &[Entry<AdapterEntry>], checks: &mut Checks<'_>) {
    let names = adapters.iter().map(|entry| (entry.index, entry.value.name.as_str()));
    checks.names("adapters", names);
    #[cfg(feature = "embedded-broker")]
    adapters.iter().for_each(|entry| check_broker(entry, checks));
}

#[cfg(feature = "embedded-broker")]
fn check_broker(entry: &Entry<AdapterEntry>, checks: &mut Checks<'_>) {
    let ProtocolConfig::MqttBroker(broker) = &entry.value.protocol else { return };
    if broker.is_guarded() {
        return;
    }
    let reason = format!("everybody who reaches {} could publish and subscribe", broker.listen);
    let help = format!(
        "listen on 127.0.0.1, or allow it with --allow-anonymous (allow_anonymous = true in the \
         adapter `{}`)",
        entry.value.name
    );
    checks.refuse(&["adapters".into(), entry.index.into(), "listen".into()], &reason, help);
}
