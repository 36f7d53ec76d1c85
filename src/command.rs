//! The way back: a value is checked, noted as desired, sent, and watched until the device shows
//! that it obeyed. Every command ends: confirmed, accepted, refused or timed out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use parking_lot::Mutex;
use serde::Serialize;
use smol_str::SmolStr;
use thingway_sdk::model::Kinds;
use thingway_sdk::{
    Acknowledgement, AdapterError, Command, CommandId, Payload, Quality, ThingId, Timestamp, Value,
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::log::{EventLog, LANE_PAGE, Property, Seq, State, What};
use crate::registry::{Desired, DesiredStatus, Slot, Thing};
use crate::silo::Silo;

/// Ended commands that can still be looked up.
const REMEMBERED: usize = 1000;
/// Changes of the thing that are looked at in one go for the device's answer.
const LOOKED_AT: usize = 10_000;
/// The largest value that is written, in bytes: a thousand commands with their values are kept.
const LARGEST: usize = 64 * 1024;

/// Sends commands and keeps their records.
pub struct Commands {
    log: Arc<dyn EventLog>,
    silos: Vec<Arc<Silo>>,
    records: DashMap<SmolStr, watch::Receiver<CommandRecord>>,
    ended: Mutex<VecDeque<SmolStr>>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    deadline: Duration,
}

/// One command and how far it got.
#[derive(Debug, Clone, Serialize)]
pub struct CommandRecord {
    /// Its id under `/commands/`.
    pub id: SmolStr,
    /// The thing.
    pub thing: ThingId,
    /// The property.
    pub property: SmolStr,
    /// What was asked for.
    pub value: Value,
    /// How far it got.
    pub status: DesiredStatus,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Why it was refused or timed out.
    pub error: Option<String>,
}

/// Why a write did not even become a command.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// No rule says how to write it.
    #[error(
        "the property can only be read; a rule in thingway.toml that names its command topic makes it writable"
    )]
    ReadOnly,
    /// The value does not fit the property's schema.
    #[error("{0}")]
    BadValue(String),
    /// Too many commands wait for their devices.
    #[error("{0} commands wait for their devices already; try again later")]
    Busy(usize),
    /// The adapter that the property came from is gone.
    #[error("the adapter `{0}` does not run")]
    NoAdapter(Arc<str>),
}

impl CommandRecord {
    fn new(thing: &Thing, property: &Property, value: Value) -> Self {
        Self {
            id: new_id(),
            thing: thing.id().clone(),
            property: property.name.clone(),
            value,
            status: DesiredStatus::Pending,
            created: Timestamp::now(),
            ended: None,
            error: None,
        }
    }

    fn desired(&self) -> Desired {
        Desired {
            value: self.value.clone(),
            time: self.created,
            command: self.id.clone(),
            status: self.status,
        }
    }
}

impl Commands {
    /// For these adapters; at most `most` commands wait at once, each for at most `deadline`.
    #[must_use]
    pub fn new(
        log: Arc<dyn EventLog>,
        silos: Vec<Arc<Silo>>,
        most: usize,
        deadline: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            log,
            silos,
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
        check(&held, &value).map_err(WriteError::BadValue)?;
        let silo = self.silo(&property.adapter)?;
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| WriteError::Busy(self.tasks.len()))?;
        let record = CommandRecord::new(thing, property, value.clone());
        let command = Command {
            id: CommandId(record.id.clone()),
            form: target.form(),
            payload: Payload { bytes: target.rule.payload.fill(&value).into(), content_type: None },
            deadline: Instant::now() + self.deadline,
        };
        thing.set_desired(property.slot, record.desired());
        let id = record.id.clone();
        let (progress, watched) = watch::channel(record);
        self.records.insert(id, watched.clone());
        let flight = Flight {
            log: self.log.clone(),
            silo,
            thing: thing.clone(),
            held,
            value,
            progress,
            _place: place,
        };
        let commands = self.clone();
        self.tasks.spawn(async move { commands.forget_oldest(flight.carry(command).await) });
        Ok(watched)
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
        let found = self.silos.iter().find(|silo| silo.name == *name);
        found.cloned().ok_or_else(|| WriteError::NoAdapter(name.clone()))
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

/// One command on its way.
struct Flight {
    log: Arc<dyn EventLog>,
    silo: Arc<Silo>,
    thing: Arc<Thing>,
    /// The property as it was: only a state that came after it can be the device's answer.
    held: Slot,
    value: Value,
    progress: watch::Sender<CommandRecord>,
    _place: OwnedSemaphorePermit,
}

impl Flight {
    async fn carry(self, command: Command) -> SmolStr {
        let deadline = command.deadline;
        let id = command.id.0.clone();
        let (status, error) = match self.silo.adapter.execute(command).await {
            Ok(Acknowledgement::Confirmed(_)) => (DesiredStatus::Confirmed, None),
            // The device may have answered before its broker did: the echo is looked for among
            // all states since the command was made.
            Ok(Acknowledgement::Accepted) => self.await_echo(deadline).await,
            Err(AdapterError::TimedOut(reason)) => (DesiredStatus::Timeout, Some(reason)),
            Err(error) => (DesiredStatus::Refused, Some(error.to_string())),
        };
        info!(thing.id = %self.thing.id(), command = %id, ?status, "Command ended");
        self.thing.settle_desired(self.held.property.slot, &id, status);
        self.progress.send_modify(|record| {
            record.status = status;
            record.error = error;
            record.ended = Some(Timestamp::now());
        });
        id
    }

    async fn await_echo(&self, deadline: Instant) -> (DesiredStatus, Option<String>) {
        if timeout_at(deadline, self.echo()).await.is_ok() {
            return (DesiredStatus::Confirmed, None);
        }
        let reason = "the broker took the command, but the device did not report the value";
        (DesiredStatus::Timeout, Some(reason.to_owned()))
    }

    /// Ends when the device reports the value that was asked for. Any other value is no answer:
    /// it may have been on its way before the command.
    async fn echo(&self) {
        let wake = Arc::new(Notify::new());
        let _listening = self.thing.lane().listen(wake.clone());
        let mut seen = self.held.revision;
        while !self.is_answered(&mut seen) {
            wake.notified().await;
        }
    }

    /// Looks at every state since `seen`, not only at the newest: a device may report the value
    /// and go on to another at once.
    fn is_answered(&self, seen: &mut Seq) -> bool {
        let slot = self.held.property.slot;
        match self.log.read_lane(self.thing.lane(), *seen, LOOKED_AT) {
            Ok(changes) => {
                *seen = changes.last().map_or(*seen, |change| change.seq);
                let answered = changes.iter().any(|change| match &change.what {
                    What::State(property, state) => property.slot == slot && self.answers(state),
                    _ => false,
                });
                answered || changes.len() == LANE_PAGE && self.is_answered(seen)
            }
            Err(gap) => {
                *seen = gap.until;
                self.thing.slot_at(slot).is_some_and(|slot| self.answers(&slot.state))
            }
        }
    }

    /// Whether a state shows that the device obeyed. That the link was lost shows nothing, nor
    /// does it when the broker repeats what was known already.
    fn answers(&self, state: &State) -> bool {
        state.quality == Quality::Good
            && state.value.means_the_same(&self.value)
            && !(state.replayed && state.value == self.held.state.value)
    }
}

/// Whether a value may be sent: by the rule, and where that names no type, by the types that the
/// property was seen with. A device that has sent whole numbers so far may be sent any number.
fn check(slot: &Slot, value: &Value) -> Result<(), String> {
    if value.heap_bytes() > LARGEST {
        return Err(format!("it takes more than {LARGEST} bytes"));
    }
    let rule = slot.property.rule.as_deref();
    if let Some(rule) = rule {
        rule.admits(value)?;
    }
    let kinds = Kinds::of(value);
    let as_number = slot.kinds.widened(Kinds::NUMBER) == Kinds::NUMBER && kinds.is_numeric();
    let declared = rule.is_some_and(|rule| rule.data_type.is_some());
    if declared || as_number || slot.kinds.admits(kinds) || slot.kinds == Kinds::NULL {
        return Ok(());
    }
    Err(format!("{} is of another type than what the device reports", value.to_json()))
}

/// 96 random bits: nobody guesses the id of another's command.
fn new_id() -> SmolStr {
    let random: u128 = rand::random();
    smol_str::format_smolstr!("{:024x}", random >> 32)
}
