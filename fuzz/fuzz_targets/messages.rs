//! Messages to all conventions of one adapter: one in each line, its topic before the first blank;
//! those that begin with `!` were retained.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use thingway::limits::Limits;
use thingway::mapping::{Contents, Mapper, MappingConfig, Names};
use thingway_sdk::{Observation, Payload, Timestamp};

fuzz_target!(|input: &[u8]| {
    let (config, names) = (MappingConfig::default(), Arc::new(Names::new(Arc::default())));
    let mapper = Mapper::new("mqtt".into(), &config, &[], names, Limits::default());
    for line in input.split(|byte| *byte == b'\n') {
        let (topic, payload) = line.split_at(line.iter().position(|b| *b == b' ').unwrap_or(0));
        let Ok(topic) = std::str::from_utf8(topic) else { continue };
        let observation = Observation {
            address: topic.trim_start_matches('!').into(),
            about: None,
            payload: Payload {
                bytes: payload.get(1..).unwrap_or_default().to_vec().into(),
                content_type: None,
            },
            received: Timestamp::from_micros(1_767_614_400_000_000),
            retained: topic.starts_with('!'),
            redelivered: false,
        };
        let _ = mapper.try_out(&observation);
        let _ = mapper.begin().read(&observation, &mut Contents::default());
    }
});
