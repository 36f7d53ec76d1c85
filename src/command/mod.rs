//! The way back: a value is checked, noted as desired, sent, and watched until the device shows
//! that it obeyed. Every command ends: confirmed, accepted, refused or timed out.

mod admission;
mod echo;
mod flight;
mod record;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use parking_lot::Mutex;
use smol_str::SmolStr;
use thingway_sdk::{Command, CommandId, Form, Payload, Value, codec};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use crate::log::{EventLog, Property};
use crate::registry::{Action, Desired, Thing};
use crate::silo::{Silo, Silos};
use admission::{admitted, within_limits};
use echo::Echo;
use flight::Flight;

pub use record::{CommandRecord, Request, WriteError};

/// Ended commands that can still be looked up.
const REMEMBERED: usize = 1000;
/// Sends commands and keeps their records.
pub struct Commands {
    log: Arc<dyn EventLog>,
    silos: Silos,
    records: DashMap<SmolStr, watch::Receiver<CommandRecord>>,
    ended: Mutex<VecDeque<SmolStr>>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    deadline: Duration,
}

impl Commands {
    /// For these adapters; at most `most` commands wait at once, each for at most `deadline`.
    #[must_use]
    pub fn new(
        log: Arc<dyn EventLog>,
        silos: impl Into<Silos>,
        most: usize,
        deadline: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            log,
            silos: silos.into(),
            records: DashMap::new(),
            ended: Mutex::default(),
            places: Arc::new(Semaphore::new(most)),
            tasks: TaskTracker::new(),
            deadline,
        })
    }

    /// Writes a property: returns as soon as the command is on its way.
    ///
    /// # Errors
    /// When it can't be sent at all.
    pub fn write(
        self: &Arc<Self>,
        thing: &Arc<Thing>,
        property: &Arc<Property>,
        value: Value,
    ) -> Result<watch::Receiver<CommandRecord>, WriteError> {
        let target = property.write.as_ref().ok_or(WriteError::ReadOnly)?;
        let held = thing.slot_at(property.slot).ok_or(WriteError::ReadOnly)?;
        let value = admitted(&held, value).map_err(WriteError::BadValue)?;
        let payload = target.payload(&value, property).map_err(WriteError::BadValue)?;
        let silo = self.silo(&property.adapter)?;
        let place = self.place()?;
        let request = Request::Write { property: property.name.clone(), value: value.clone() };
        let record = CommandRecord::new(thing, request);
        let desired = Desired {
            value: value.clone(),
            time: record.created,
            command: record.id.clone(),
            status: record.status,
        };
        thing.set_desired(property.slot, desired);
        let (progress, watched) = watch::channel(record);
        let (log, thing, echo) = (self.log.clone(), thing.clone(), Some(Echo { held, value }));
        let flight = Flight { log, silo, thing, echo, progress, place };
        self.start(flight, target.form.clone(), payload, &watched);
        Ok(watched)
    }

    /// Invokes an action: returns as soon as the command is on its way.
    ///
    /// # Errors
    /// When it can't be sent at all.
    pub fn invoke(
        self: &Arc<Self>,
        thing: &Arc<Thing>,
        action: &Action,
        input: Option<&Value>,
    ) -> Result<watch::Receiver<CommandRecord>, WriteError> {
        let form = action.form();
        let payload = encoded(input, &form, action).map_err(WriteError::BadValue)?;
        let silo = self.silo(&action.adapter)?;
        let place = self.place()?;
        let request = Request::Invoke { action: action.name.clone(), output: None };
        let (progress, watched) = watch::channel(CommandRecord::new(thing, request));
        let (log, thing) = (self.log.clone(), thing.clone());
        let flight = Flight { log, silo, thing, echo: None, progress, place };
        self.start(flight, form, payload, &watched);
        Ok(watched)
    }

    fn start(
        self: &Arc<Self>,
        flight: Flight,
        form: Form,
        payload: Payload,
        watched: &watch::Receiver<CommandRecord>,
    ) {
        let id = watched.borrow().id.clone();
        self.records.insert(id.clone(), watched.clone());
        let deadline = Instant::now() + self.deadline;
        let command = Command { id: CommandId(id), form, payload, deadline };
        let commands = self.clone();
        self.tasks.spawn(async move { commands.forget_oldest(flight.carry(command).await) });
    }

    /// The record of a command, if it is still kept.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<CommandRecord> {
        self.records.get(id).map(|watched| watched.borrow().clone())
    }

    /// How many commands wait for their devices.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.tasks.len()
    }

    /// Waits until every command has ended, at most until `deadline`; returns how many have not.
    pub async fn drain(&self, deadline: Instant) -> usize {
        self.tasks.close();
        timeout_at(deadline, self.tasks.wait()).await.ok();
        self.tasks.len()
    }

    fn silo(&self, name: &Arc<str>) -> Result<Arc<Silo>, WriteError> {
        self.silos.named(name).ok_or_else(|| WriteError::NoAdapter(name.clone()))
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, WriteError> {
        let place = self.places.clone().try_acquire_owned();
        place.map_err(|_| WriteError::Busy(self.tasks.len()))
    }

    fn forget_oldest(&self, ended: SmolStr) {
        let mut order = self.ended.lock();
        order.push_back(ended);
        if order.len() > REMEMBERED
            && let Some(oldest) = order.pop_front()
        {
            self.records.remove(&oldest);
        }
    }
}

/// The payload that an action is invoked with; empty without input, unless the action says more.
fn encoded(input: Option<&Value>, form: &Form, action: &Action) -> Result<Payload, String> {
    input.map_or(Ok(()), within_limits)?;
    let content_type = form.content_type.clone();
    let bytes = match (&action.payload, input) {
        (Some(template), input) => template.fill(input.unwrap_or(&Value::Null))?,
        (None, None) => return Ok(Payload::default()),
        (None, Some(input)) => codec::encode(input, content_type.as_deref(), &action.name, None)
            .map_err(|error| error.to_string())?,
    };
    Ok(Payload { bytes: bytes.into(), content_type })
}
