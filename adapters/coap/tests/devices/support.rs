//! A device with resources that tests can change, and the bridge to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thingway_coap::driver::{Driver, Handle, Incoming};
use thingway_coap::message::{Code, options};
use thingway_coap::{Bridge, Config, DeviceConfig, IncomingId, ObserverId, Request, Response};
use thingway_sdk::conformance::{Recorder, Seen, Supervised};
use thingway_sdk::{Form, Operation, Report};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// One resource.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    /// What the list says behind the path: `;obs;ct=0`.
    pub(crate) attributes: &'static str,
    pub(crate) body: Vec<u8>,
    pub(crate) format: u16,
    /// None: it is observable when the attributes say so, readable and writable.
    pub(crate) refuses: &'static [Code],
    pub(crate) max_age: u32,
}

pub(crate) fn resource(attributes: &'static str, body: impl AsRef<[u8]>) -> Resource {
    let body = body.as_ref().to_vec();
    Resource { attributes, body, format: 0, refuses: &[], max_age: 60 }
}

#[derive(Default)]
struct State {
    resources: BTreeMap<&'static str, Resource>,
    observers: Vec<(&'static str, ObserverId)>,
    /// How often each path was read, and how often that was answered by 2.03.
    reads: Vec<(String, Code)>,
}

pub(crate) struct Device {
    pub(crate) address: SocketAddr,
    config: Config,
    state: Arc<Mutex<State>>,
    /// What was written or invoked.
    pub(crate) written: mpsc::UnboundedReceiver<(String, Request)>,
    told: mpsc::UnboundedSender<(String, Request)>,
    running: Option<(Handle, CancellationToken, tokio::task::JoinHandle<()>)>,
}

impl Device {
    pub(crate) async fn start(resources: &[(&'static str, Resource)]) -> Self {
        Self::start_with(resources, Config::default()).await
    }

    pub(crate) async fn start_with(resources: &[(&'static str, Resource)], config: Config) -> Self {
        let (told, written) = mpsc::unbounded_channel();
        let resources = resources.iter().cloned().collect();
        let state = Arc::new(Mutex::new(State { resources, ..State::default() }));
        let address = "127.0.0.1:0".parse().unwrap();
        let mut device = Self { address, config, state, written, told, running: None };
        device.start_again().await;
        device
    }

    /// At the same address, without any memory of its observers.
    pub(crate) async fn start_again(&mut self) {
        let socket = loop {
            match UdpSocket::bind(self.address).await {
                Ok(socket) => break socket,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        self.address = socket.local_addr().unwrap();
        let stop = CancellationToken::new();
        let mut driver = Driver::start(socket, None, self.config, stop.clone()).unwrap();
        let (handle, state, told) = (driver.handle.clone(), self.state.clone(), self.told.clone());
        self.running = Some((driver.handle, stop, driver.task));
        tokio::spawn(async move {
            while let Some(incoming) = driver.incoming.recv().await {
                match incoming {
                    Incoming::Request { id, request, observe, .. } => {
                        answer(&handle, &state, &told, id, request, observe).await;
                    }
                    Incoming::ObserverGone(gone) => {
                        let mut state = state.lock().unwrap();
                        state.observers.retain(|(_, observer)| *observer != gone);
                    }
                    Incoming::NoAssociation { .. } => {}
                }
            }
        });
    }

    pub(crate) async fn stop(&mut self) {
        let Some((_, stop, task)) = self.running.take() else { return };
        self.state.lock().unwrap().observers.clear();
        stop.cancel();
        task.await.unwrap();
    }

    /// Takes a resource in, or its new state, and tells its observers.
    pub(crate) async fn set(&self, path: &'static str, resource: Resource) {
        self.tell(path, resource, true).await;
    }

    async fn tell(&self, path: &'static str, resource: Resource, confirmable: bool) {
        let (response, observers) = {
            let mut state = self.state.lock().unwrap();
            state.resources.insert(path, resource.clone());
            let of_it = state.observers.iter().filter(|(observed, _)| *observed == path);
            (resource.response(), of_it.map(|(_, observer)| *observer).collect::<Vec<_>>())
        };
        self.notify(&response, &observers, confirmable).await;
    }

    pub(crate) async fn put(&self, path: &'static str, body: impl AsRef<[u8]>) {
        let mut resource = self.state.lock().unwrap().resources[path].clone();
        resource.body = body.as_ref().to_vec();
        self.set(path, resource).await;
    }

    /// Tells it once, in a message that may be lost or overtaken.
    pub(crate) async fn mention(&self, path: &'static str, body: impl AsRef<[u8]>) {
        let mut resource = self.state.lock().unwrap().resources[path].clone();
        resource.body = body.as_ref().to_vec();
        self.tell(path, resource, false).await;
    }

    async fn notify(&self, response: &Response, observers: &[ObserverId], confirmable: bool) {
        let Some((handle, ..)) = &self.running else { return };
        for observer in observers {
            let _ = handle.notify(*observer, response.clone(), confirmable).await;
        }
    }

    pub(crate) fn remove(&self, path: &str) {
        self.state.lock().unwrap().resources.remove(path);
    }

    pub(crate) fn observers(&self) -> usize {
        self.state.lock().unwrap().observers.len()
    }

    pub(crate) fn reads(&self, path: &str, code: Code) -> usize {
        let state = self.state.lock().unwrap();
        state.reads.iter().filter(|(read, answer)| read == path && *answer == code).count()
    }
}

impl Resource {
    fn response(&self) -> Response {
        let body = self.body.clone();
        let mut response =
            Response::with_body(Code::CONTENT, self.format, body).max_age(self.max_age);
        if self.attributes.contains("etag") {
            response.options.set(options::ETAG, self.etag());
        }
        response
    }

    fn etag(&self) -> Vec<u8> {
        self.body[..self.body.len().min(8)].to_vec()
    }
}

async fn answer(
    handle: &Handle,
    state: &Mutex<State>,
    told: &mpsc::UnboundedSender<(String, Request)>,
    id: IncomingId,
    request: Request,
    observe: bool,
) {
    let path = request.path();
    let (response, observable) = {
        let mut state = state.lock().unwrap();
        let found = state.resources.get_key_value(path.as_str());
        let found = found.map(|(path, resource)| (*path, resource.clone()));
        let response = match (&found, request.method) {
            _ if path == "/.well-known/core" => list(&state.resources),
            (None, _) => Response::new(Code::NOT_FOUND),
            (Some((_, resource)), method) if resource.refuses.contains(&method) => {
                Response::error(Code::METHOD_NOT_ALLOWED, "not that way")
            }
            (Some((_, resource)), Code::GET) => {
                let same = request.options.get(options::ETAG).map(|etag| etag.to_vec());
                match same == Some(resource.etag()) {
                    true => Response::new(Code::VALID).max_age(resource.max_age),
                    false => resource.response(),
                }
            }
            (Some((path, _)), Code::PUT) => {
                told.send((path.to_string(), request.clone())).ok();
                let resource = state.resources.get_mut(path).unwrap();
                resource.body = request.payload.to_vec();
                Response::new(Code::CHANGED)
            }
            (Some((path, _)), _) => {
                told.send((path.to_string(), request.clone())).ok();
                Response::with_body(Code::CHANGED, 0, "done")
            }
        };
        state.reads.push((path, response.code));
        let observable = found.filter(|(_, resource)| resource.attributes.contains("obs"));
        (response, observable.map(|(path, _)| path))
    };
    match observable.filter(|_| observe) {
        Some(path) => {
            if let Some(observer) = handle.respond_and_observe(id, response).await {
                let mut state = state.lock().unwrap();
                state.observers.retain(|(_, other)| *other != observer);
                state.observers.push((path, observer));
            }
        }
        None => handle.respond(id, response).await,
    }
}

fn list(resources: &BTreeMap<&'static str, Resource>) -> Response {
    let links = resources.iter().map(|(path, resource)| format!("<{path}>{}", resource.attributes));
    Response::with_body(Code::CONTENT, 40, links.collect::<Vec<_>>().join(","))
}

pub(crate) fn config(address: SocketAddr) -> DeviceConfig {
    DeviceConfig::new(format!("coap://{address}").parse().unwrap())
}

pub(crate) fn seconds<T: TryFrom<u32>>(seconds: u32) -> T {
    T::try_from(seconds).ok().unwrap()
}

/// The bridge at work.
pub(crate) async fn bridge(config: DeviceConfig) -> (Supervised, Arc<Recorder>) {
    let recorder = Recorder::new();
    let bridge = Arc::new(Bridge::new(config).unwrap());
    let supervised = Supervised::start(bridge, &recorder);
    recorder.until("the connection", |seen| seen.connected > 0).await;
    (supervised, recorder)
}

pub(crate) fn form(address: &str, operation: Operation, content_type: &str) -> Form {
    let content_type = Some(content_type.into());
    Form { address: address.into(), operation, content_type, terms: BTreeMap::new() }
}

/// How an address ended: the reports of it that are no observations.
pub(crate) fn has(seen: &Seen, what: impl Fn(&Report) -> bool) -> bool {
    seen.applied.iter().any(what)
}
