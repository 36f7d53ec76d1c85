use std::time::Duration;

use parking_lot::Mutex;
use thingway_sdk::{
    Acknowledgement, Adapter, AdapterError, Command, Intake, Observation, Payload, Quality, Report,
    Reports, Timestamp,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::limits::Limits;
use crate::log::{LogConfig, MemoryLog};
use crate::mapping::{Mapper, MappingConfig, Names, RuleConfig};
use crate::recorder::Recorder;
use crate::silo::{Silo, SiloIntake};

/// The answer that the only device gives to a command; none is silence.
type Answer = fn() -> Option<Result<Acknowledgement, AdapterError>>;

struct Device(Mutex<Answer>);

impl Adapter for Device {
    fn endpoint(&self) -> String {
        "test://device".to_owned()
    }

    fn run(&self, _: Reports, _: CancellationToken) -> BoxFuture<'_, Result<(), AdapterError>> {
        Box::pin(async { Ok(()) })
    }

    fn execute(&self, _: Command) -> BoxFuture<'_, Result<Acknowledgement, AdapterError>> {
        let answer = *self.0.lock();
        Box::pin(async move {
            match answer() {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        })
    }
}

struct World {
    recorder: Arc<Recorder>,
    registry: Arc<Registry>,
    silo: Arc<Silo>,
    device: Arc<Device>,
    _commands: Arc<Commands>,
    exposed: Arc<ExposedThings>,
}

impl World {
    fn new(log_bytes: usize) -> Self {
        let log: Arc<dyn EventLog> =
            Arc::new(MemoryLog::new(LogConfig { bytes: log_bytes, age_seconds: 3600 }));
        let registry = Arc::new(Registry::default());
        let recorder = Arc::new(Recorder::new(log.clone(), registry.clone(), Limits::default()));
        let rule: RuleConfig = serde_json::from_value(serde_json::json!({
            "topic": "room/heater",
            "title": "Heater",
            "type": "Thermostat",
            "properties": { "setpoint": {
                "title": "Wanted", "unit": "Cel", "maximum": 30, "write": { "topic": "room/heater/set" },
            } },
        }))
        .unwrap();
        let (names, rules) = (Arc::new(Names::new(registry.clone())), [Arc::new(rule)]);
        let mapper = Mapper::new(
            "field".into(),
            &MappingConfig::default(),
            &rules,
            names,
            Limits::default(),
        );
        let device = Arc::new(Device(Mutex::new(|| Some(Ok(Acknowledgement::Confirmed(None))))));
        let silo = Silo::new("test", "field".into(), device.clone(), mapper, recorder.clone(), 10);
        let commands = Commands::new(log.clone(), vec![silo.clone()], 100, Duration::from_secs(30));
        let exposed = ExposedThings::new(log, registry.clone());
        exposed.accept_writes(&commands);
        Self { recorder, registry, silo, device, _commands: commands, exposed }
    }

    async fn report(&self, json: &str) {
        let observation = Observation {
            address: "room/heater".into(),
            about: None,
            payload: Payload { bytes: json.to_owned().into(), content_type: None },
            received: Timestamp::now(),
            retained: false,
            redelivered: false,
        };
        let mut batch = vec![Report::Observed(observation)];
        SiloIntake(self.silo.clone()).submit(&mut batch).await;
    }

    async fn write(&self, property: &str, json: &str) -> Result<Written, WriteFailure> {
        let deadline = Instant::now() + Duration::from_secs(1);
        self.exposed.write("room.heater", property, value(json), deadline).await
    }
}

fn value(json: &str) -> Value {
    Value::from_json(json).unwrap()
}

#[tokio::test]
async fn a_thing_is_shown_with_what_is_said_of_it() {
    let world = World::new(1 << 20);
    world.report(r#"{"setpoint":21,"power":5.5}"#).await;
    let thing = world.exposed.thing("room.heater").unwrap();
    assert_eq!(world.exposed.things(), std::slice::from_ref(&thing));
    assert_eq!(thing.id.uri(), "urn:thingway:room.heater");
    assert_eq!(
        (thing.title.unwrap(), thing.semantic_type.unwrap()),
        ("Heater".into(), "Thermostat".into())
    );
    let [setpoint, power] = &thing.properties[..] else { panic!("{:?}", thing.properties) };
    assert_eq!((setpoint.title.as_deref(), setpoint.writable), (Some("Wanted"), true));
    assert_eq!((&*power.name, power.unit.as_deref(), power.writable), ("power", None, false));
    let state = world.exposed.read("urn:thingway:room.heater", "setpoint").unwrap();
    assert_eq!((state.value, state.unit), (value("21"), Some("Cel".into())));
    assert_eq!(state.quality, Quality::Good);
    assert_eq!(world.exposed.read("room.heater", "none"), None);
    assert_eq!(world.exposed.read("a b", "setpoint"), None);
}

#[tokio::test]
async fn a_follower_gets_the_newest_of_its_property_until_the_thing_is_gone() {
    let world = World::new(1 << 20);
    world.report(r#"{"setpoint":20,"power":1}"#).await;
    let mut following = world.exposed.follow("room.heater", "power").unwrap();
    world.report(r#"{"setpoint":21}"#).await;
    let early = timeout(Duration::from_millis(20), following.next()).await;
    assert!(early.is_err(), "nothing of this property came: {early:?}");
    world.report(r#"{"power":2}"#).await;
    world.report(r#"{"power":3,"setpoint":22}"#).await;
    let newest = following.next().await.unwrap();
    assert_eq!(newest.value, value("3"));
    assert_eq!(Some(newest), world.exposed.read("room.heater", "power"));
    let thing = world.registry.things().remove(0);
    world.recorder.write().delete(&thing, Timestamp::now());
    assert_eq!(following.next().await, None);
}

#[tokio::test]
async fn a_follower_that_the_log_left_behind_gets_the_newest_state() {
    let world = World::new(2000);
    world.report(r#"{"setpoint":20,"power":1}"#).await;
    let mut following = world.exposed.follow("room.heater", "power").unwrap();
    world.report(r#"{"power":2}"#).await;
    for setpoint in 0..200 {
        world.report(&format!(r#"{{"setpoint":{setpoint}}}"#)).await;
    }
    assert_eq!(following.next().await.unwrap().value, value("2"));
}

#[tokio::test(start_paused = true)]
async fn writes_are_checked_sent_and_answered_as_over_http() {
    let world = World::new(1 << 20);
    world.report(r#"{"setpoint":20,"power":1}"#).await;
    assert_eq!(world.write("setpoint", "22").await, Ok(Written::Confirmed));
    assert_eq!(world.write("none", "22").await, Err(WriteFailure::Unknown));
    let refused = world.write("power", "2").await;
    assert!(matches!(refused, Err(WriteFailure::ReadOnly(_))), "{refused:?}");
    let refused = world.write("setpoint", "31").await;
    assert!(matches!(refused, Err(WriteFailure::BadValue(_))), "{refused:?}");
    *world.device.0.lock() = || Some(Err(AdapterError::Refused("too hot".into())));
    let refused = world.write("setpoint", "23").await;
    assert_eq!(refused, Err(WriteFailure::Refused("refused: too hot".into())));
    *world.device.0.lock() = || Some(Err(AdapterError::TimedOut("asleep".into())));
    assert_eq!(world.write("setpoint", "23").await, Err(WriteFailure::TimedOut("asleep".into())));
    *world.device.0.lock() = || None;
    assert_eq!(world.write("setpoint", "24").await, Ok(Written::Sent));
}

#[tokio::test]
async fn a_write_before_there_are_commands_is_put_off() {
    let world = World::new(1 << 20);
    world.report(r#"{"setpoint":20}"#).await;
    let early = ExposedThings::new(world.exposed.log.clone(), world.registry.clone());
    let refused = early.write("room.heater", "setpoint", value("1"), Instant::now()).await;
    assert!(matches!(refused, Err(WriteFailure::Busy(_))), "{refused:?}");
}
