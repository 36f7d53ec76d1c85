//! What is known of one device: its resources, how each is read, and what the gateway was told of
//! it. It has no socket and no clock; `follow` drives it.

mod follow;
mod resource;
mod target;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use smol_str::SmolStr;
use thingway_sdk::{Address, Observation, Offer, Payload, Rejection, Report, Subject, Timestamp};
use tokio::time::Instant;

use crate::event::{Failure, ObservationId};
use crate::exchange::{Request, Response};
use crate::link_format::Link;
use crate::message::{Code, options};
use resource::{Resource, guessed, resources};

pub(crate) use follow::{Followed, Lost, Reread};
pub(crate) use resource::value_type;
pub(crate) use target::Target;

/// A state counts as stale so long after it ceased to be fresh: time in which it can be read again.
const GRACE: Duration = Duration::from_secs(10);

/// How a device is read.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    /// Whether resources that can be observed are.
    pub(crate) observe: bool,
    /// How often the others are read.
    pub(crate) poll: Duration,
    /// How often its list is read, where that can't be observed.
    pub(crate) list: Duration,
    /// A device that was silent for so long is asked whether it is there; never, if none.
    pub(crate) heartbeat: Option<Duration>,
    /// How long an answer may take before it counts as a miss.
    pub(crate) answer: Duration,
    /// The longest body that is taken, in bytes.
    pub(crate) body: usize,
    /// Resources beyond are left out.
    pub(crate) resources: usize,
}

#[derive(Debug)]
pub(super) struct Device {
    thing: SmolStr,
    /// In front of its addresses.
    prefix: String,
    manner: Manner,
    entries: BTreeMap<Address, Entry>,
    observations: HashMap<ObservationId, Address>,
}

#[derive(Debug)]
struct Entry {
    resource: Resource,
    subject: Arc<Subject>,
    kind: Kind,
    observation: Option<ObservationId>,
    /// When it is to be read or observed; never, while it is observed or an action.
    due: Option<Instant>,
    /// When its state becomes stale, where no observation says so.
    stale_at: Option<Instant>,
    stale: bool,
    /// The last state.
    body: Option<Bytes>,
    etag: Option<Bytes>,
    format: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing was heard of it yet.
    Unknown,
    Property,
    /// It refuses to be read (4.05).
    Action,
    /// It is in the list and not there, or not for us.
    Absent,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Observe(Address),
    Read(Address),
}

/// The addresses of what is in a list.
pub(crate) fn addresses(links: &[Link], prefix: &str, manner: &Manner) -> Vec<Address> {
    let listed = resources(links, prefix, manner.resources);
    listed.into_iter().map(|resource| resource.address).collect()
}

impl Device {
    pub(super) fn new(thing: SmolStr, prefix: String, manner: Manner) -> Self {
        let (entries, observations) = (BTreeMap::new(), HashMap::new());
        Self { thing, prefix, manner, entries, observations }
    }

    // --- The list ---

    /// Takes a list over. Observations of what is gone are returned, to be ended.
    pub(super) fn relist(
        &mut self,
        now: Instant,
        links: &[Link],
        out: &mut Vec<Report>,
    ) -> Vec<ObservationId> {
        let listed = resources(links, &self.prefix, self.manner.resources);
        let mut before = std::mem::take(&mut self.entries);
        let mut over = Vec::new();
        for resource in listed {
            let address = resource.address.clone();
            let entry = match before.remove(&address) {
                Some(entry) if entry.resource == resource => entry,
                other => {
                    over.extend(other.and_then(|entry| entry.observation));
                    Entry::new(now, resource, &self.thing)
                }
            };
            self.entries.insert(address, entry);
        }
        for (address, entry) in before {
            over.extend(entry.observation);
            out.push(Report::Withdrawn(address));
        }
        for id in &over {
            self.observations.remove(id);
        }
        over
    }

    // --- What to do ---

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.entries.values().filter_map(|entry| entry.due).min()
    }

    /// What has been due for the longest time.
    pub(super) fn step(&self, now: Instant) -> Option<Step> {
        let due = self.entries.iter().filter_map(|(address, entry)| Some((entry.due?, address)));
        let (_, address) = due.min().filter(|(due, _)| *due <= now)?;
        let entry = self.entries.get(address)?;
        let observe = self.manner.observe && entry.resource.observable;
        Some(match observe && entry.kind != Kind::Action {
            true => Step::Observe(address.clone()),
            false => Step::Read(address.clone()),
        })
    }

    /// The resource is to be read as soon as possible, unless it is observed.
    pub(super) fn read_soon(&mut self, now: Instant, address: &Address) {
        if let Some(entry) = self.entries.get_mut(address)
            && entry.observation.is_none()
            && entry.kind == Kind::Property
        {
            entry.due = Some(now);
        }
    }

    /// A request for the state. What was read before need not be sent again.
    pub(super) fn request(&self, address: &Address, conditional: bool) -> Option<Request> {
        let entry = self.entries.get(address)?;
        let mut request = entry.resource.target.request(Code::GET);
        if let Some(format) = entry.resource.accept() {
            request = request.accept(format);
        }
        if let Some(etag) = entry.etag.clone().filter(|_| conditional) {
            request.options.set(options::ETAG, etag);
        }
        Some(request)
    }

    /// What is observed, in the order of addresses.
    pub(super) fn observed(&self) -> Vec<(Address, ObservationId)> {
        let observed = self.entries.iter();
        observed
            .filter_map(|(address, entry)| Some((address.clone(), entry.observation?)))
            .collect()
    }

    /// Whether a first state of something observed is still on its way.
    pub(super) fn awaits_states(&self) -> bool {
        self.entries.values().any(|entry| entry.observation.is_some() && entry.body.is_none())
    }

    /// The last state of a resource.
    pub(super) fn body(&self, address: &Address) -> Option<&Bytes> {
        self.entries.get(address)?.body.as_ref()
    }

    // --- What came of it ---

    /// A resource is being observed.
    pub(super) fn observing(&mut self, address: &Address, id: ObservationId) {
        if let Some(entry) = self.entries.get_mut(address) {
            if let Some(before) = entry.observation.replace(id) {
                self.observations.remove(&before);
            }
            entry.due = None;
            entry.stale_at = None;
            self.observations.insert(id, address.clone());
        }
    }

    /// What an observation is about.
    pub(super) fn address(&self, id: ObservationId) -> Option<Address> {
        self.observations.get(&id).cloned()
    }

    /// A state came, or something else in its place. An observation that is over is returned.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        address: &Address,
        response: &Response,
        out: &mut Vec<Report>,
    ) -> Option<ObservationId> {
        let entry = self.entries.get_mut(address)?;
        match response.code {
            Code::VALID => entry.confirmed(out),
            code if code.is_success() => entry.state(&self.thing, response, out),
            code => return self.refused(now, address, code, out),
        }
        let entry = self.entries.get_mut(address)?;
        if entry.observation.is_none() {
            let fresh = Duration::from_secs(response.options.max_age().into());
            entry.due = Some(now + self.manner.poll);
            // What is polled can't be fresher than polling makes it.
            entry.stale_at = Some(now + fresh.max(self.manner.poll) + GRACE);
        }
        None
    }

    /// The device says that it can't be read. An observation that is over is returned.
    pub(super) fn refused(
        &mut self,
        now: Instant,
        address: &Address,
        code: Code,
        out: &mut Vec<Report>,
    ) -> Option<ObservationId> {
        let entry = self.entries.get_mut(address)?;
        let over = entry.observation.take();
        if let Some(over) = over {
            self.observations.remove(&over);
        }
        entry.due = Some(now + self.manner.poll);
        entry.stale_at = None;
        match code {
            Code::METHOD_NOT_ALLOWED => {
                entry.due = None;
                entry.kind = Kind::Action;
                entry.subject = entry.resource.action(&self.thing);
                let (address, subject) = (address.clone(), entry.subject.clone());
                let received = Timestamp::now();
                out.push(Report::Offered(Offer { address, subject, received }));
            }
            Code::NOT_FOUND if entry.kind == Kind::Property => {
                entry.kind = Kind::Absent;
                out.push(Report::Withdrawn(address.clone()));
            }
            _ => entry.go_stale(out),
        }
        over
    }

    /// A body came that can't be used.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        address: &Address,
        failure: Failure,
        out: &mut Vec<Report>,
    ) {
        let Some(entry) = self.entries.get_mut(address) else { return };
        if entry.observation.is_none() {
            entry.due = Some(now + self.manner.poll);
        }
        let reason = match failure {
            Failure::TooLarge => {
                format!("longer than {} bytes; raise `max_body_bytes`", self.manner.body)
            }
            Failure::BadResponse | Failure::Unsteady | Failure::Reset => failure.to_string(),
            Failure::Timeout | Failure::Busy | Failure::Disconnected => return,
        };
        let size = entry.resource.size.and_then(|size| usize::try_from(size).ok());
        out.push(Report::Rejected(Rejection {
            address: address.clone(),
            size: size.unwrap_or_default(),
            reason,
            received: Timestamp::now(),
        }));
        entry.go_stale(out);
    }

    /// An observation says that its state is not fresh any more.
    pub(super) fn outlived(&mut self, address: &Address, out: &mut Vec<Report>) {
        if let Some(entry) = self.entries.get_mut(address) {
            entry.go_stale(out);
        }
    }

    pub(super) fn next_stale(&self) -> Option<Instant> {
        self.entries.values().filter_map(|entry| entry.stale_at).min()
    }

    /// What was read and is not fresh any more.
    pub(super) fn pass_time(&mut self, now: Instant, out: &mut Vec<Report>) {
        for entry in self.entries.values_mut() {
            if entry.stale_at.is_some_and(|at| at <= now) {
                entry.stale_at = None;
                entry.go_stale(out);
            }
        }
    }
}

impl Entry {
    fn new(now: Instant, resource: Resource, thing: &SmolStr) -> Self {
        let format = resource.formats.first().copied();
        Self {
            subject: resource.property(thing, format.unwrap_or(crate::content_format::TEXT)),
            resource,
            kind: Kind::Unknown,
            observation: None,
            due: Some(now),
            stale_at: None,
            stale: false,
            body: None,
            etag: None,
            format: None,
        }
    }

    /// A new state, or the same once more.
    fn state(&mut self, thing: &SmolStr, response: &Response, out: &mut Vec<Report>) {
        let told = response.content_format();
        let listed = self.resource.formats.first().copied();
        let listed = listed.filter(|_| self.resource.formats.len() == 1);
        let format = told.or(listed);
        let written = format.unwrap_or_else(|| guessed(&response.payload));
        if self.kind != Kind::Property || self.format != Some(written) {
            self.kind = Kind::Property;
            self.format = Some(written);
            self.subject = self.resource.property(thing, written);
        }
        self.etag = response.options.get(options::ETAG).cloned();
        let first = self.body.replace(response.payload.clone()).is_none();
        self.stale = false;
        self.report(format, first, out);
    }

    /// The last state still holds. That is no news, unless it was thought to be over.
    fn confirmed(&mut self, out: &mut Vec<Report>) {
        if std::mem::take(&mut self.stale) {
            self.report(self.format, true, out);
        }
    }

    fn report(&self, format: Option<u16>, retained: bool, out: &mut Vec<Report>) {
        let Some(bytes) = self.body.clone() else { return };
        let content_type = format.and_then(|format| value_type(format, &bytes));
        out.push(Report::Observed(Observation {
            address: self.resource.address.clone(),
            about: Some(self.subject.clone()),
            payload: Payload { bytes, content_type },
            received: Timestamp::now(),
            // The first that is heard tells how it is, not that something happened.
            retained,
            redelivered: false,
        }));
    }

    fn go_stale(&mut self, out: &mut Vec<Report>) {
        if self.body.is_some() && !std::mem::replace(&mut self.stale, true) {
            out.push(Report::Stale(self.resource.address.clone()));
        }
    }
}
