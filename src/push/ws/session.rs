//! One consumer's requests and what becomes of them. Knows no sockets and no clock.

use std::sync::Arc;

use smol_str::SmolStr;

use super::answers::{
    done, event, invoke, property, read, read_all, read_several, refused, write, write_several,
};
use super::following::{Following, Told, Wish};
use super::operation::Operation;
use super::pending::Pending;
use super::request::{self, Request};
use super::subscriptions::Kind;
use crate::log::EventLog;
use crate::push::herald::Voice;
use crate::push::page::{Entry, Page, Scratch};
use crate::registry::{Registry, Thing};
use crate::rest::Problem;

/// Subscriptions of one socket: about 300 bytes each. Whoever wants more things than that is
/// better served by the one stream of all of them.
const MOST_SUBSCRIPTIONS: usize = 10_000;

/// What becomes of a request.
pub(super) enum Reply {
    /// It is answered.
    Now(String),
    /// The answer waits for a device.
    Later(Box<Pending>),
}

/// What is known of one consumer.
pub(super) struct Session {
    registry: Arc<Registry>,
    following: Following,
}

impl Session {
    /// A consumer that has not asked for anything yet.
    pub(super) fn new(log: Arc<dyn EventLog>, registry: Arc<Registry>, voice: Voice) -> Self {
        Self { following: Following::new(log, registry.clone(), voice), registry }
    }

    /// Answers one message.
    pub(super) fn handle(&mut self, text: &str) -> Reply {
        match request::read(text) {
            Ok(request) => self.perform(&request).unwrap_or_else(|p| refused(&request.head, p)),
            Err(refusal) => refused(&refusal.head, refusal.problem),
        }
    }

    /// See [`Following::has_more`].
    pub(super) fn has_more(&self) -> bool {
        self.following.has_more()
    }

    /// See [`Following::is_up_to_date`].
    pub(super) fn is_up_to_date(&self) -> bool {
        self.following.is_up_to_date()
    }

    /// The next notification; see [`Following::next`].
    pub(super) fn next(&mut self) -> Told {
        self.following.next()
    }

    /// See [`Following::take_from`].
    pub(super) fn take_from(&mut self, page: &Page) -> Option<usize> {
        self.following.take_from(page)
    }

    /// See [`Following::tell`].
    pub(super) fn tell(&self, entry: &mut Entry, scratch: &mut Scratch) {
        self.following.tell(entry, scratch);
    }

    /// See [`Following::keep`].
    pub(super) fn keep(&mut self, entry: &Entry) {
        self.following.keep(entry);
    }

    fn perform(&mut self, request: &Request<'_>) -> Result<Reply, Problem> {
        let thing = self.registry.get(&request.thing).ok_or_else(|| {
            Problem::not_found(format!(
                "there is no thing `{}`; GET /things lists those there are",
                request.thing
            ))
        })?;
        match request.operation {
            Operation::ReadProperty => read(&thing, request),
            Operation::ReadAllProperties => Ok(read_all(&thing, &request.head)),
            Operation::ReadMultipleProperties => read_several(&thing, request),
            Operation::WriteProperty => write(&thing, request),
            Operation::WriteAllProperties | Operation::WriteMultipleProperties => {
                write_several(&thing, request)
            }
            Operation::InvokeAction => invoke(&thing, request),
            _ => self.change_subscription(&thing, request),
        }
    }

    fn change_subscription(
        &mut self,
        thing: &Arc<Thing>,
        request: &Request<'_>,
    ) -> Result<Reply, Problem> {
        use Kind::{Events, Properties};
        match request.operation {
            Operation::ObserveProperty => {
                self.subscribe(thing, request, Properties, Some(property(thing, &request.name()?)?))
            }
            Operation::SubscribeEvent => {
                self.subscribe(thing, request, Events, Some(event(thing, &request.name()?)?))
            }
            Operation::ObserveAllProperties => self.subscribe(thing, request, Properties, None),
            Operation::SubscribeAllEvents => self.subscribe(thing, request, Events, None),
            Operation::UnobserveProperty => {
                let name = property(thing, &request.name()?)?;
                Ok(self.unsubscribe(request, Properties, Some(&name)))
            }
            Operation::UnsubscribeEvent => {
                let name = event(thing, &request.name()?)?;
                Ok(self.unsubscribe(request, Events, Some(&name)))
            }
            Operation::UnobserveAllProperties => Ok(self.unsubscribe(request, Properties, None)),
            _ => Ok(self.unsubscribe(request, Events, None)),
        }
    }

    fn subscribe(
        &mut self,
        thing: &Arc<Thing>,
        request: &Request<'_>,
        kind: Kind,
        name: Option<SmolStr>,
    ) -> Result<Reply, Problem> {
        if self.following.entries() >= MOST_SUBSCRIPTIONS {
            return Err(Problem::busy(
                format!("this socket has its {MOST_SUBSCRIPTIONS} subscriptions; end some first"),
                0,
            ));
        }
        let head = &request.head;
        let wish = Wish {
            kind,
            name,
            operation: head.operation.clone().unwrap_or_default(),
            correlation: head.correlation.clone(),
            resume_after: request.last_notification()?,
        };
        self.following.subscribe(thing, wish);
        Ok(done(head))
    }

    fn unsubscribe(&mut self, request: &Request<'_>, kind: Kind, name: Option<&SmolStr>) -> Reply {
        self.following.unsubscribe(&request.thing, kind, name);
        done(&request.head)
    }
}
