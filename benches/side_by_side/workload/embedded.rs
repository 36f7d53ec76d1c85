use super::Bench;
use super::ingest;
use crate::client::mqtt::Qos;
use crate::goal::Goal;
use crate::measure::Section;
use crate::stage::Stage;
use crate::system::System;

/// The gateway being the broker, against a broker with naive behind it.
pub(super) fn run(bench: &Bench<'_>) -> Vec<Section> {
    [Qos::AtMostOnce, Qos::AtLeastOnce]
        .map(|qos| {
            let title = format!(
                "Ingest through the embedded broker, QoS {} (naive: with mosquitto)",
                qos.level()
            );
            let systems = [System::Gateway, System::Naive];
            let goals = vec![Goal::at_most(ingest::WITH_BROKER, 0.6).times(System::Naive)];
            Section::measure(title, &systems, bench.args.rounds(), goals, |system| {
                let stage = match system {
                    System::Gateway => Stage::set_embedded(bench.args),
                    _ => Stage::set(bench.args, system),
                };
                ingest::trial(bench, &stage?, qos)
            })
        })
        .into()
}
