//! A session with everything behind it that it knows; a real socket only where one is needed.

mod invoking;
mod observations;
mod reading;
mod resuming;
mod sockets;
mod writing;

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use thingway_sdk::Quality;
use thingway_sdk::{
    Acknowledgement, Adapter, AdapterError, BoxFuture, Command, Reports, ThingId, Timestamp, Value,
};
use tokio_util::sync::CancellationToken;

use super::following::Told;
use super::session::{Reply, Session};
use crate::command::Commands;
use crate::limits::Limits;
use crate::log::{EventLog, LogConfig, MemoryLog, Property};
use crate::mapping::{Mapper, MappingConfig, Names, PropertyRule};
use crate::push::herald::{Follower, Heralds, Voice};
use crate::push::page::Page;
use crate::recorder::{Reading, Recorder};
use crate::registry::{Registry, Thing};
use crate::silo::Silo;

/// The answer that the only device gives to a command; none is silence.
type Answer = fn() -> Option<Result<Acknowledgement, AdapterError>>;

const CORRELATION: &str = "5afb752f-8be0-4a3c-8108-1327a6009cbd";

struct World {
    log: Arc<dyn EventLog>,
    recorder: Arc<Recorder>,
    registry: Arc<Registry>,
    commands: Arc<Commands>,
    device: Arc<Device>,
    session: Session,
}

/// The session is asked in these tests; nobody has to tell it anything.
struct Deaf;

impl Follower for Deaf {
    fn approach(&self) {}

    fn hear(&self, _: &mut Page) {}
}

impl World {
    fn new() -> Self {
        Self::with_log_of(1 << 24)
    }

    /// The log forgets what is beyond this many bytes.
    fn with_log_of(bytes: usize) -> Self {
        let log: Arc<dyn EventLog> =
            Arc::new(MemoryLog::new(LogConfig { bytes, age_seconds: 3600 }));
        let registry = Arc::new(Registry::default());
        let recorder = Arc::new(Recorder::new(log.clone(), registry.clone(), Limits::default()));
        let device = Arc::new(Device(Mutex::new(|| Some(Ok(Acknowledgement::Confirmed(None))))));
        let silos = vec![silo(&device, &recorder)];
        let commands = Commands::new(log.clone(), silos, 100, Duration::from_secs(30));
        let heralds = Heralds::new(log.clone());
        let voice = Voice::new(heralds, Weak::<Deaf>::new());
        let session = Session::new(log.clone(), registry.clone(), voice);
        Self { log, recorder, registry, commands, device, session }
    }

    /// The device reports a value.
    fn report(&self, thing: &str, property: &str, value: &str) -> u64 {
        self.report_to(thing, property, value, &json!({}))
    }

    /// The same for a property with a rule.
    fn report_to(&self, thing: &str, property: &str, value: &str, rule: &Json) -> u64 {
        let mut writing = self.recorder.write();
        let thing = writing.thing(&ThingId::from_name(thing), None, Timestamp::now()).unwrap();
        match thing.slot(property) {
            Some(slot) => {
                writing.fold(&thing).observe(slot.property.slot, reading(value)).unwrap();
            }
            None => {
                let property = described(property, thing.property_count(), rule);
                let property = Arc::new(property);
                writing.fold(&thing).add(property, "a/b".into(), reading(value)).unwrap();
            }
        }
        drop(writing);
        thing.slot(property).unwrap().revision.0
    }

    /// The device emits an event.
    fn emit(&self, thing: &str, event: &str, data: &str) {
        let now = Timestamp::now();
        let mut writing = self.recorder.write();
        let thing = writing.thing(&ThingId::from_name(thing), None, now).unwrap();
        writing.occurred(&thing, &event.into(), Value::from_json(data).unwrap(), now, now).unwrap();
    }

    fn thing(&self, name: &str) -> Arc<Thing> {
        self.registry.get(&ThingId::from_name(name)).unwrap()
    }

    fn remove(&self, name: &str) {
        let thing = self.thing(name);
        self.recorder.write().delete(&thing, Timestamp::now());
    }

    /// Sends a request and gives back its answer, which repeats what it has to.
    async fn ask(&mut self, thing: &str, operation: &str, members: Json) -> Json {
        let mut request = json!({
            "thingID": thing,
            "messageID": "c370da58-69ae-4e83-bb5a-ac6cfb2fed54",
            "messageType": "request",
            "operation": operation,
            "correlationID": CORRELATION,
        });
        request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let answer = self.send(&request.to_string()).await;
        assert_eq!(answer["messageType"], "response", "{answer}");
        assert_eq!(answer["operation"], operation, "{answer}");
        assert_eq!(answer["correlationID"], request["correlationID"], "{answer}");
        assert_eq!(answer["thingID"], ThingId::resolve(thing).unwrap().to_string(), "{answer}");
        answer
    }

    async fn send(&mut self, text: &str) -> Json {
        let answer = match self.session.handle(text) {
            Reply::Now(answer) => answer,
            Reply::Later(write) => write.begin(&self.commands, Duration::from_secs(5)).await,
        };
        serde_json::from_str(&answer).unwrap()
    }

    /// All notifications that there are right now.
    fn heard(&mut self) -> Vec<Json> {
        let mut heard = Vec::new();
        loop {
            let text = match self.session.next() {
                Told::This(text) => text,
                Told::NothingYet => continue,
                Told::All => return heard,
            };
            let notification: Json = serde_json::from_str(&text).unwrap();
            assert_eq!(notification["messageType"], "notification", "{notification}");
            heard.push(notification);
        }
    }

    /// Their values, in order.
    fn heard_values(&mut self) -> Vec<Json> {
        self.heard().into_iter().map(|notification| notification["value"].clone()).collect()
    }
}

fn described(name: &str, slot: usize, rule: &Json) -> Property {
    let rule: PropertyRule = serde_json::from_value(rule.clone()).unwrap();
    let write = rule.write.clone();
    Property {
        name: name.into(),
        slot,
        adapter: "field".into(),
        rule: Some(Arc::new(rule)),
        told: crate::log::Told::default(),
        write: write.map(|rule| rule.target(&Vec::new())),
    }
}

fn reading(value: &str) -> Reading {
    Reading {
        value: Value::from_json(value).unwrap(),
        device_time: None,
        received: Timestamp::now(),
        replayed: false,
        quality: Quality::Good,
    }
}

fn silo(device: &Arc<Device>, recorder: &Arc<Recorder>) -> Arc<Silo> {
    let mapper = Mapper::new(
        "field".into(),
        &MappingConfig::default(),
        &[],
        Arc::new(Names::new(recorder.registry().clone())),
        Limits::default(),
    );
    Silo::new("test", "field".into(), device.clone(), mapper, recorder.clone(), 10)
}

/// A device that answers every command as it is told.
struct Device(Mutex<Answer>);

impl Device {
    fn answers(&self, answer: Answer) {
        *self.0.lock() = answer;
    }
}

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
