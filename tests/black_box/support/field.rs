//! A field device behind an adapter that a test plays, within a gateway of this process: what the
//! protocols tell of their resources can be said here without one.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value as Json;
use thingway::command::Commands;
use thingway::limits::Limits;
use thingway::log::{EventLog, LogConfig, MemoryLog};
use thingway::mapping::{Mapper, MappingConfig, Names, RuleConfig};
use thingway::push::streams::Streams;
use thingway::push::webhook::{DeliveryConfig, Webhooks};
use thingway::recorder::Recorder;
use thingway::registry::Registry;
use thingway::rest::{self, App, HttpConfig, Metrics, Reload, Reloaded, ValidationError};
use thingway::silo::{Silo, SiloIntake, Silos};
use thingway_sdk::{
    Acknowledgement, Adapter, AdapterError, Address, BoxFuture, Command, Form, Observation, Offer,
    Operation, Payload, Report, Reports, Subject, Timestamp,
};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::http::{self, Client};

/// What the device answers to a command.
pub(crate) type Answer = fn() -> Result<Acknowledgement, AdapterError>;

/// A gateway with one device.
pub(crate) struct Field {
    pub(crate) client: Client,
    pub(crate) silo: Arc<Silo>,
    device: Arc<Device>,
    reports: Reports,
    _closing: DropGuard,
}

/// This gateway was told what to do by its test.
struct NoFile;

impl Reload for NoFile {
    fn reload(&self) -> BoxFuture<'_, Result<Vec<Reloaded>, Vec<ValidationError>>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

struct Device {
    answer: Mutex<Answer>,
    commands: Mutex<Vec<Command>>,
    /// Whether answers wait.
    held: watch::Sender<bool>,
}

impl Field {
    pub(crate) async fn start() -> Self {
        Self::with_rules(&[]).await
    }

    pub(crate) async fn with_rules(rules: &[Json]) -> Self {
        let rule = |rule: &Json| -> Arc<RuleConfig> {
            Arc::new(serde_json::from_value(rule.clone()).unwrap())
        };
        let rules: Vec<Arc<RuleConfig>> = rules.iter().map(rule).collect();
        let limits = Limits::default();
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(LogConfig::default()));
        let registry = Arc::new(Registry::default());
        let recorder = Arc::new(Recorder::new(log.clone(), registry.clone(), limits.clone()));
        let device = Arc::new(Device {
            answer: Mutex::new(|| Ok(Acknowledgement::Confirmed(None))),
            commands: Mutex::default(),
            held: watch::Sender::new(false),
        });
        let names = Arc::new(Names::new(registry.clone()));
        let mapper =
            Mapper::new("field".into(), &MappingConfig::default(), &rules, names, limits.clone());
        let silo = Silo::new("test", "field".into(), device.clone(), mapper, recorder.clone(), 100);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        let closing = CancellationToken::new();
        let delivery = DeliveryConfig::default();
        let webhooks =
            Webhooks::start(&[], delivery, log.clone(), registry.clone(), 10, closing.clone());
        let silos = Silos::from(vec![silo.clone()]);
        let app = Arc::new(App {
            registry,
            log: log.clone(),
            recorder,
            commands: Commands::new(log.clone(), silos.clone(), 100, Duration::from_secs(30)),
            silos,
            reload: Arc::new(NoFile),
            streams: Streams::new(limits.streams, closing.clone(), log),
            webhooks: webhooks.unwrap(),
            metrics: Metrics::default(),
            config: HttpConfig { listen, ..HttpConfig::default() },
            limits,
        });
        tokio::spawn(rest::serve(listener, app, closing.clone()));
        Self {
            client: Client::new(listen),
            reports: Reports::new(Arc::new(SiloIntake(silo.clone()))),
            silo,
            device,
            _closing: closing.drop_guard(),
        }
    }

    pub(crate) async fn report(&self, report: Report) {
        self.reports.submit(&mut vec![report]).await;
    }

    /// The device says something of one of its resources.
    pub(crate) async fn observe(
        &self,
        about: &Arc<Subject>,
        address: &str,
        kind: &str,
        text: &str,
    ) {
        self.report(Report::Observed(Observation {
            address: address.into(),
            about: Some(about.clone()),
            payload: Payload {
                bytes: text.as_bytes().to_vec().into(),
                content_type: Some(kind.into()),
            },
            received: Timestamp::now(),
            retained: false,
            redelivered: false,
        }))
        .await;
    }

    pub(crate) async fn offer(&self, subject: Subject, address: &str) {
        let (address, subject) = (address.into(), Arc::new(subject));
        self.report(Report::Offered(Offer { address, subject, received: Timestamp::now() })).await;
    }

    pub(crate) fn answers(&self, answer: Answer) {
        *self.device.answer.lock() = answer;
    }

    /// From now on its answers wait.
    pub(crate) fn hold(&self) {
        self.device.held.send_replace(true);
    }

    /// Those that wait are given.
    pub(crate) fn release(&self) {
        self.device.held.send_replace(false);
    }

    /// The payload of the last command as text, with its address.
    pub(crate) fn commanded(&self) -> (String, String) {
        let commands = self.device.commands.lock();
        let command = commands.last().expect("a command came");
        let payload = String::from_utf8_lossy(&command.payload.bytes).into_owned();
        (command.form.address.to_string(), payload)
    }

    pub(crate) async fn get(&self, path: &str) -> http::Answer {
        self.client.send("GET", path, &[], Vec::new()).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &str) -> http::Answer {
        let headers = [("content-type", "application/json")];
        self.client.send(method, path, &headers, body.as_bytes().to_vec()).await
    }

    pub(crate) async fn td(&self, thing: &str) -> Json {
        self.get(&format!("/things/{thing}")).await.must(200).json()
    }
}

/// A resource of the device `dev`, which is written or invoked in this format, when it is.
pub(crate) fn subject(name: &str, address: &str, takes: Option<&str>) -> Subject {
    let form = takes.map(|content_type| Form {
        address: Address::from(address),
        operation: Operation::WriteProperty,
        content_type: Some(content_type.into()),
        terms: Default::default(),
    });
    let (thing, name) = ("dev".into(), name.into());
    Subject { thing, name, title: None, semantic_type: None, form }
}

impl Adapter for Device {
    fn endpoint(&self) -> String {
        "test://device".to_owned()
    }

    fn run(&self, _: Reports, stop: CancellationToken) -> BoxFuture<'_, Result<(), AdapterError>> {
        Box::pin(async move {
            stop.cancelled().await;
            Ok(())
        })
    }

    fn execute(&self, command: Command) -> BoxFuture<'_, Result<Acknowledgement, AdapterError>> {
        self.commands.lock().push(command);
        let answer = *self.answer.lock();
        let mut held = self.held.subscribe();
        Box::pin(async move {
            held.wait_for(|held| !held).await.ok();
            answer()
        })
    }
}
