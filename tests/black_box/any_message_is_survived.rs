//! Whatever comes on whatever topic, no convention panics.

use std::path::Path;
use std::sync::Arc;

use thingway::limits::Limits;
use thingway::mapping::{Contents, Mapper, MappingConfig, Names, Outcome};
use thingway_sdk::{Observation, Payload, Timestamp};

/// What the fuzz target does with messages, for each file of its corpus.
#[test]
fn the_corpus_is_survived() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/messages");
    let files: Vec<_> =
        std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 10, "{files:?}");
    for file in files {
        let (config, names) = (MappingConfig::default(), Arc::new(Names::new(Arc::default())));
        let mapper = Mapper::new("mqtt".into(), &config, &[], names, Limits::default());
        let mut understood = 0;
        for line in std::fs::read(&file).unwrap().split(|byte| *byte == b'\n') {
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
            let tried = mapper.try_out(&observation);
            understood += usize::from(tried.as_ref().is_ok_and(|trial| trial.convention.is_some()));
            let read = mapper.begin().read(&observation, &mut Contents::default()).err();
            // A panic of a convention is caught, and becomes the reason.
            for outcome in tried.err().into_iter().chain(read) {
                let is_defect =
                    matches!(&outcome, Outcome::Failed(reason) if reason.contains("defect"));
                assert!(!is_defect, "{}: {outcome:?}", file.display());
            }
        }
        assert!(understood > 0, "{} leads nowhere", file.display());
    }
}
