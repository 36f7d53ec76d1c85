use super::super::sections::Entry;
use super::Checks;
use crate::adapters::{AdapterEntry, ProtocolConfig};

pub(super) fn check(adapters: &[Entry<AdapterEntry>], checks: &mut Checks<'_>) {
    let names = adapters.iter().map(|entry| (entry.index, entry.value.name.as_str()));
    checks.names("adapters", names);
    for entry in adapters {
        match &entry.value.protocol {
            ProtocolConfig::Mqtt(bridge) => {
                let reason = bridge.check().err().map(|error| error.to_string());
                reason.iter().for_each(|reason| contradiction(entry, reason, checks));
            }
            #[cfg(feature = "embedded-broker")]
            ProtocolConfig::MqttBroker(broker) if !broker.is_guarded() => {
                unguarded(entry, broker, checks);
            }
            #[cfg(feature = "embedded-broker")]
            ProtocolConfig::MqttBroker(_) => {}
        }
    }
}

fn contradiction(entry: &Entry<AdapterEntry>, reason: &str, checks: &mut Checks<'_>) {
    let help = format!("correct the options of the adapter `{}`", entry.value.name);
    checks.refuse(&["adapters".into(), entry.index.into()], reason, help);
}

#[cfg(feature = "embedded-broker")]
fn unguarded(
    entry: &Entry<AdapterEntry>,
    broker: &thingway_mqtt::BrokerConfig,
    checks: &mut Checks<'_>,
) {
    let reason = format!("everybody who reaches {} could publish and subscribe", broker.listen);
    let help = format!(
        "listen on 127.0.0.1, or allow it with --allow-anonymous (allow_anonymous = true in the \
         adapter `{}`)",
        entry.value.name
    );
    checks.refuse(&["adapters".into(), entry.index.into(), "listen".into()], &reason, help);
}
