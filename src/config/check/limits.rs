use super::Checks;
use crate::limits::Limits;
use crate::log::LogConfig;

/// Deeper JSON would cost stack that a worker thread does not have to spare.
const DEEPEST_JSON: usize = 128;

/// Without a stream or a webhook the gateway still works; so 0 turns those off.
pub(super) fn check(limits: &Limits, checks: &mut Checks<'_>) {
    checks.positive(
        "limits",
        &[
            ("payload_bytes", limits.payload_bytes == 0),
            ("json_depth", limits.json_depth == 0),
            ("leaves_per_message", limits.leaves_per_message == 0),
            ("name_bytes", limits.name_bytes == 0),
            ("things", limits.things == 0),
            ("properties_per_thing", limits.properties_per_thing == 0),
            ("properties", limits.properties == 0),
            ("commands_waiting", limits.commands_waiting == 0),
        ],
    );
    if limits.json_depth > DEEPEST_JSON {
        let reason = format!("{} levels are more than the gateway can take", limits.json_depth);
        let help = format!("write {DEEPEST_JSON} or less");
        checks.refuse(&["limits".into(), "json_depth".into()], &reason, help);
    }
}

pub(super) fn check_log(log: &LogConfig, checks: &mut Checks<'_>) {
    checks.positive("log", &[("bytes", log.bytes == 0), ("age_seconds", log.age_seconds == 0)]);
}
