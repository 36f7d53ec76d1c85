use super::*;
use crate::log::Told;
use crate::log::{Announcement, Change, Gap, Lane, Listening, LogConfig, MemoryLog};
use tokio::sync::Notify;

const T0: i64 = 1_767_607_323_000_000;

/// A state that is held, and the newest time that its device told.
fn held(json: &str, device_time: Option<i64>, quality: Quality) -> (PackedState, Timestamp) {
    let received = Timestamp::from_micros(T0);
    let device_time = device_time.map(Timestamp::from_micros);
    let state = State {
        value: Value::from_json(json).unwrap(),
        time: device_time.unwrap_or(received),
        received,
        quality,
        replayed: false,
    };
    (PackedState::new(state), device_time.unwrap_or(Timestamp::EPOCH))
}

fn reading(json: &str, device_time: Option<i64>, replayed: bool) -> Reading {
    Reading {
        value: Value::from_json(json).unwrap(),
        device_time: device_time.map(Timestamp::from_micros),
        received: Timestamp::from_micros(T0 + 5_000_000),
        replayed,
        quality: Quality::Good,
    }
}

#[test]
fn an_older_device_time_never_overwrites_a_newer() {
    let (held, newest) = held("1", Some(T0), Quality::Good);
    assert_eq!(reading("2", Some(T0 - 1), false).compare(&held, newest), Verdict::Older);
    assert_eq!(reading("2", Some(T0), false).compare(&held, newest), Verdict::Applied);
    assert_eq!(reading("1", Some(T0), false).compare(&held, newest), Verdict::Repeated);
}

#[test]
fn a_time_of_receipt_is_no_device_time_to_compare_with() {
    let (held, newest) = held("1", None, Quality::Good);
    assert_eq!(reading("1", Some(T0 - 9), false).compare(&held, newest), Verdict::Applied);
}

#[test]
fn the_same_value_again_is_news_unless_it_is_a_replay() {
    let (held, newest) = held("1", None, Quality::Good);
    assert_eq!(reading("1", None, false).compare(&held, newest), Verdict::Applied);
    assert_eq!(reading("1", None, true).compare(&held, newest), Verdict::Repeated);
    assert_eq!(reading("2", None, true).compare(&held, newest), Verdict::Applied);
}

#[test]
fn a_replay_makes_a_stale_value_good_again_and_leaves_its_time() {
    let (held, newest) = held("1", None, Quality::Stale);
    let reading = reading("1", None, true);
    assert_eq!(reading.compare(&held, newest), Verdict::Applied);
    let state = reading.into_state_after(&held);
    assert_eq!((state.quality, state.time), (Quality::Good, held.time()));
    assert!(state.received > held.unpack().received);
}

fn recorder(limits: Limits) -> (Arc<Recorder>, Arc<Registry>) {
    let registry = Arc::new(Registry::default());
    let log = Arc::new(MemoryLog::new(LogConfig::default()));
    (Arc::new(Recorder::new(log, registry.clone(), limits)), registry)
}

fn add(writing: &mut Writing<'_>, thing: &Arc<Thing>, json: &str) -> Result<(), Refusal> {
    let (name, adapter) = ("b".into(), "mqtt".into());
    let told = Told::default();
    let property = Property { name, slot: 0, adapter, rule: None, told, write: None };
    writing.fold(thing).add(Arc::new(property), "a/b".into(), reading(json, None, false))
}

#[test]
fn a_device_that_tells_another_unit_is_described_anew() {
    let (recorder, _) = recorder(Limits::default());
    let now = Timestamp::from_micros(T0);
    let mut writing = recorder.write();
    let thing = writing.thing(&ThingId::from_name("a"), None, now).unwrap();
    add(&mut writing, &thing, "1").unwrap();
    writing.settle(now);
    let mut tells = |unit: &str| {
        let before = thing.revision();
        let told = Told { unit: Some(unit.into()), ..Told::default() };
        let (name, adapter) = ("b".into(), "mqtt".into());
        let property = Property { name, slot: 0, adapter, rule: None, told, write: None };
        writing.fold(&thing).describe(0, Arc::new(property));
        writing.settle(now);
        let unit = thing.slot_at(0).unwrap().property.unit().map(str::to_owned);
        (unit, thing.revision() > before)
    };
    assert_eq!(tells("V"), (Some("V".into()), true));
    assert_eq!(tells("V"), (Some("V".into()), false));
    assert_eq!(tells("mV"), (Some("mV".into()), true));
}

#[test]
fn deleting_twice_counts_once() {
    let (recorder, registry) = recorder(Limits::default());
    let now = Timestamp::from_micros(T0);
    let mut writing = recorder.write();
    let thing = writing.thing(&ThingId::from_name("a"), None, now).unwrap();
    add(&mut writing, &thing, "1").unwrap();
    writing.settle(now);
    assert!(writing.delete(&thing, now));
    let again = writing.thing(&ThingId::from_name("a"), None, now).unwrap();
    add(&mut writing, &again, "1").unwrap();
    writing.settle(now);
    assert!(!writing.delete(&thing, now));
    drop(writing);
    assert_eq!((registry.len(), registry.property_count()), (1, 1));
    assert!(Arc::ptr_eq(&registry.get(again.id()).unwrap(), &again));
}

#[test]
fn a_thing_that_came_into_being_for_nothing_goes_again() {
    let (recorder, registry) = recorder(Limits { state_bytes: 100, ..Limits::default() });
    let now = Timestamp::from_micros(T0);
    let mut writing = recorder.write();
    let thing = writing.thing(&ThingId::from_name("a"), None, now).unwrap();
    let refused = add(&mut writing, &thing, &format!("\"{}\"", "x".repeat(101)));
    assert_eq!(refused, Err(Refusal::StateBytes(100)));
    writing.settle(now);
    drop(writing);
    assert!(registry.is_empty());
}

#[test]
fn memory_that_is_let_go_can_be_held_again() {
    let (recorder, _) = recorder(Limits { state_bytes: 100, ..Limits::default() });
    let now = Timestamp::from_micros(T0);
    for _ in 0..3 {
        let mut writing = recorder.write();
        let thing = writing.thing(&ThingId::from_name("a"), None, now).unwrap();
        add(&mut writing, &thing, &format!("\"{}\"", "x".repeat(90))).unwrap();
        writing.fold(&thing).observe(0, reading("1", None, false)).unwrap();
        let text = format!("\"{}\"", "y".repeat(99));
        writing.fold(&thing).observe(0, reading(&text, None, false)).unwrap();
        writing.settle(now);
        assert!(writing.delete(&thing, now));
    }
}

/// A log that notes how many changes each turn brought.
struct Turns(MemoryLog, Mutex<Vec<usize>>);

impl EventLog for Turns {
    fn append(&self, batch: &mut Vec<Draft>) -> Announcement {
        self.1.lock().push(batch.len());
        self.0.append(batch)
    }
    fn head(&self) -> Seq {
        self.0.head()
    }
    fn read(&self, after: Seq, limit: usize) -> Result<Vec<Arc<Change>>, Gap> {
        self.0.read(after, limit)
    }
    fn read_lane(&self, of: &Lane, after: Seq, most: usize) -> Result<Vec<Arc<Change>>, Gap> {
        self.0.read_lane(of, after, most)
    }
    fn listen(&self, wake: Arc<Notify>) -> Listening {
        self.0.listen(wake)
    }
}

#[test]
fn a_lost_link_marks_its_states_in_turns_that_others_can_come_between() {
    let log = Arc::new(Turns(MemoryLog::new(LogConfig::default()), Mutex::default()));
    let registry = Arc::new(Registry::default());
    let recorder = Recorder::new(log.clone(), registry.clone(), Limits::default());
    let now = Timestamp::from_micros(T0);
    let mut writing = recorder.write();
    for name in 0..2500 {
        let id = ThingId::from_name(&name.to_string());
        let thing = writing.thing(&id, None, now).unwrap();
        add(&mut writing, &thing, "1").unwrap();
        writing.settle(now);
    }
    drop(writing);
    log.1.lock().clear();
    assert_eq!(recorder.mark_stale("other", now), 0);
    log.1.lock().clear();
    assert_eq!(recorder.mark_stale("mqtt", now), 2500);
    assert_eq!(*log.1.lock(), [1000, 1000, 500]);
    assert_eq!(recorder.mark_stale("mqtt", now), 0);
    let all_stale = |thing: &Arc<Thing>| thing.slot("b").unwrap().state.quality == Quality::Stale;
    assert!(registry.things().iter().all(all_stale));
}

#[test]
fn readers_see_nothing_of_a_turn_before_its_end_and_then_its_own_numbers() {
    let log = Arc::new(MemoryLog::new(LogConfig::default()));
    let recorder = Recorder::new(log.clone(), Arc::default(), Limits::default());
    let (before, now) = (log.head(), Timestamp::from_micros(T0));
    let mut writing = recorder.write();
    let thing = writing.thing(&ThingId::from_name("a"), None, now).unwrap();
    add(&mut writing, &thing, "1").unwrap();
    writing.settle(now);
    assert_eq!((log.head(), thing.lane().newest()), (before, Seq::default()));
    drop(writing);
    let read = log.read(before, 10).unwrap();
    let seqs: Vec<Seq> = read.iter().map(|change| change.seq).collect();
    assert_eq!(seqs, [Seq(before.0 + 1), Seq(before.0 + 2)]);
    assert_eq!(thing.slot("b").unwrap().revision, seqs[1]);
    assert_eq!((thing.lane().newest(), thing.revision()), (seqs[1], seqs[1]));
}
