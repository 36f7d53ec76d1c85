//! The endpoints that have registered, followed as devices.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smol_str::{SmolStr, format_smolstr};
use thingway_sdk::{Acknowledgement, AdapterError, Address, Command, Operation, Report, Reports};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use url::Url;

use super::registered::Registered;
use crate::bridge::command;
use crate::device::{self, Manner};
use crate::directory::{Endpoint, EndpointName};
use crate::driver::Handle;
use crate::link_format::Link;
use crate::serving::segment;

/// Written resources that wait to be read again. Beyond, polling will show what became of them.
const REREADS: usize = 64;

/// The way to each device, by what stands in front of its addresses. Commands come at any time,
/// also while there is no socket.
#[derive(Clone, Default)]
pub(super) struct Routes(Arc<Mutex<HashMap<String, Route>>>);

#[derive(Clone)]
struct Route {
    handle: Handle,
    peer: SocketAddr,
    reread: mpsc::Sender<Address>,
}

impl Routes {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Route>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The route with what stands in front of the address: all up to its first slash.
    fn find(&self, address: &Address) -> Option<(String, Route)> {
        let (endpoint, _) = address.as_str().split_once('/')?;
        let prefix = format!("{endpoint}/");
        let route = self.lock().get(&prefix)?.clone();
        Some((prefix, route))
    }

    pub(super) async fn carry(&self, command: Command) -> Result<Acknowledgement, AdapterError> {
        let Some((prefix, route)) = self.find(&command.form.address) else {
            let reason = "its device is not registered any more; it has to register again";
            return Err(AdapterError::Link(reason.to_owned()));
        };
        let device = prefix.trim_end_matches('/');
        let outcome = command::carry(&route.handle, route.peer, &command, &prefix, device).await?;
        if command.form.operation == Operation::WriteProperty {
            // Where too many wait, polling will show it.
            let _ = route.reread.try_send(command.form.address);
        }
        Ok(outcome)
    }
}

/// Starts and ends the following of devices.
pub(super) struct Devices {
    handle: Handle,
    reports: Reports,
    routes: Routes,
    manner: Manner,
    followed: HashMap<EndpointName, Followed>,
}

struct Followed {
    prefix: String,
    peer: SocketAddr,
    addresses: Vec<Address>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Devices {
    pub(super) fn new(handle: Handle, reports: Reports, routes: Routes, manner: Manner) -> Self {
        Self { handle, reports, routes, manner, followed: HashMap::new() }
    }

    /// An endpoint has registered from this address; perhaps anew, and then it may have forgotten
    /// who observes it.
    pub(super) async fn registered(&mut self, endpoint: &Endpoint, from: IpAddr) {
        let name = endpoint.name();
        let prefix = prefix(name);
        let Some(peer) = address_of(endpoint.base(), from) else {
            let base = endpoint.base();
            info!(endpoint = %thing(name), %base, "Registered, but elsewhere than its sender is: not followed");
            return self.removed(name).await;
        };
        let links = own_links(endpoint);
        let addresses = device::addresses(&links, &prefix, &self.manner);
        info!(endpoint = %thing(name), %peer, resources = addresses.len(), "Registered");
        let before = self.end(name).await;
        let mut gone: Vec<Report> = before
            .into_iter()
            .filter(|address| !addresses.contains(address))
            .map(Report::Withdrawn)
            .collect();
        self.reports.submit(&mut gone).await;
        let (reread, rereads) = mpsc::channel(REREADS);
        let route = Route { handle: self.handle.clone(), peer, reread };
        self.routes.lock().insert(prefix.clone(), route);
        let stop = CancellationToken::new();
        let registered = Registered {
            handle: self.handle.clone(),
            peer,
            thing: thing(name),
            prefix: prefix.clone(),
            links,
            addresses: addresses.clone(),
            manner: self.manner.clone(),
        };
        let task = tokio::spawn(registered.follow(self.reports.clone(), rereads, stop.clone()));
        let followed = Followed { prefix, peer, addresses, stop, task };
        self.followed.insert(name.clone(), followed);
    }

    /// An endpoint is still there; when it is elsewhere than before, it is followed there.
    pub(super) async fn updated(&mut self, endpoint: &Endpoint, from: IpAddr) {
        let peer = self.followed.get(endpoint.name()).map(|followed| followed.peer);
        if peer != address_of(endpoint.base(), from) {
            self.registered(endpoint, from).await;
        }
    }

    /// An endpoint has left.
    pub(super) async fn removed(&mut self, name: &EndpointName) {
        let mut gone: Vec<Report> =
            self.end(name).await.into_iter().map(Report::Withdrawn).collect();
        if !gone.is_empty() {
            info!(endpoint = %thing(name), "Left, or its lifetime is over");
        }
        self.reports.submit(&mut gone).await;
    }

    /// Ends all without a word: the link to all of them is lost, or the gateway ends.
    pub(super) async fn end_all(&mut self) {
        for name in self.followed.keys().cloned().collect::<Vec<_>>() {
            self.end(&name).await;
        }
    }

    /// Ends the following of an endpoint, if there is one; its addresses.
    async fn end(&mut self, name: &EndpointName) -> Vec<Address> {
        let Some(followed) = self.followed.remove(name) else { return Vec::new() };
        self.routes.lock().remove(&followed.prefix);
        followed.stop.cancel();
        if let Err(error) = followed.task.await {
            warn!(endpoint = %followed.prefix, %error, "The following of a device broke");
        }
        followed.addresses
    }
}

/// What stands in front of an endpoint's addresses: `{ep}/`, or `{ep};d={d}/`. Neither slashes nor
/// semicolons of a name stand there as such, so that nobody's resource is called like another's.
fn prefix(name: &EndpointName) -> String {
    let escaped = |text: &str| segment(text).unwrap_or_default();
    match &name.sector {
        None => format!("{}/", escaped(&name.endpoint)),
        Some(sector) => format!("{};d={}/", escaped(&name.endpoint), escaped(sector)),
    }
}

fn thing(name: &EndpointName) -> SmolStr {
    match &name.sector {
        None => name.endpoint.as_str().into(),
        Some(sector) => format_smolstr!("{sector}/{}", name.endpoint),
    }
}

/// Where an endpoint is, if that is where its registration came from: a registration must not
/// send the gateway's requests to somebody else.
fn address_of(base: &Url, from: IpAddr) -> Option<SocketAddr> {
    let host = base.host_str()?;
    let ip: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    let usual = match base.scheme() {
        "coap" => 5683,
        "coaps" => 5684,
        _ => return None,
    };
    (ip == from).then(|| SocketAddr::new(ip, base.port().unwrap_or(usual)))
}

/// The links to what is on the endpoint itself, as paths.
fn own_links(endpoint: &Endpoint) -> Vec<Link> {
    let base = endpoint.base();
    let own = endpoint.resolved_links().filter_map(|link| {
        let target = Url::parse(&link.target).ok()?;
        let here = target.scheme() == base.scheme() && target.authority() == base.authority();
        let path = &target[url::Position::BeforePath..url::Position::AfterQuery];
        here.then(|| Link { target: path.to_owned(), ..link })
    });
    own.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sender_itself_is_followed() {
        let at = |base: &str, from: &str| {
            address_of(&Url::parse(base).unwrap(), from.parse().unwrap()).map(|a| a.to_string())
        };
        assert_eq!(at("coap://192.0.2.7:40000", "192.0.2.7").as_deref(), Some("192.0.2.7:40000"));
        assert_eq!(
            at("coap://[2001:db8::7]", "2001:db8::7").as_deref(),
            Some("[2001:db8::7]:5683")
        );
        assert_eq!(at("coap://192.0.2.8", "192.0.2.7"), None);
        assert_eq!(at("coap://sensor.example", "192.0.2.7"), None);
        assert_eq!(at("http://192.0.2.7", "192.0.2.7"), None);
    }

    #[test]
    fn an_endpoint_of_a_sector_is_no_resource_of_another() {
        let name = |sector: Option<&str>| EndpointName {
            endpoint: "node/1".into(),
            sector: sector.map(Into::into),
        };
        assert_eq!(
            (prefix(&name(None)), thing(&name(None))),
            ("node%2F1/".into(), "node/1".into())
        );
        assert_eq!(prefix(&name(Some("floor"))), "node%2F1;d=floor/");
        let like_it = EndpointName { endpoint: "node/1;d=floor".into(), sector: None };
        assert_eq!(prefix(&like_it), "node%2F1%3Bd%3Dfloor/");
        assert_eq!(thing(&name(Some("floor"))), "floor/node/1");
    }
}
