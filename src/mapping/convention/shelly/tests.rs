#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::Shelly;
use crate::mapping::convention::Convention;
use crate::mapping::convention::fixture::{play, take};

#[test]
fn the_first_generation_speaks_in_plain_values() {
    play(&mut Shelly::default(), "shelly/first_generation");
}

#[test]
fn later_generations_tell_what_has_changed() {
    play(&mut Shelly::default(), "shelly/later_generations");
}

proptest! {
    #[test]
    fn no_payload_panics(
        topics in prop::collection::vec(prop_oneof![
            Just("shellies/x/relay/0".to_owned()), Just("shellies/x/relay/0/energy".to_owned()),
            Just("shellies/x/light/0/status".to_owned()), Just("shellies/x/input_event/0".to_owned()),
            Just("shellies/announce".to_owned()), Just("shellies/x/online".to_owned()),
            Just("a/events/rpc".to_owned()), Just("a/status/switch:0".to_owned()),
            Just("a/rpc".to_owned()), Just("a/online".to_owned()),
            "shellies/[a-z0-9/]{0,20}", "[a-z/:0-9]{0,20}",
        ], 1..6),
        payloads in prop::collection::vec(prop_oneof![
            ".{0,40}", Just("true".to_owned()), Just("1e999".to_owned()),
            Just(r#"{"id":0,"output":true,"src":"a","result":1}"#.to_owned()),
            Just(r#"{"event":"S","event_cnt":1}"#.to_owned()),
            (".{0,10}", ".{0,10}").prop_map(|(component, leaf)| serde_json::json!({
                "src": component, "method": "NotifyFullStatus",
                "params": {"ts": 1e300, component: {leaf: 1, "wakeup_period": 1}},
            }).to_string()),
            (".{0,10}", any::<f64>()).prop_map(|(component, ts)| serde_json::json!({
                "src": component, "method": "NotifyEvent",
                "params": {"events": [{"component": component, "event": component, "ts": ts}]},
            }).to_string()),
        ], 1..6),
        retained: bool,
    ) {
        let mut convention = Shelly::default();
        for topic in &topics {
            for payload in &payloads {
                take(&mut convention, topic, payload, retained, 0);
            }
            convention.concerns(topic);
        }
    }
}
