//! The gateway's things as another protocol's server shows them: the same registry, the same
//! commands and the same log that REST and push are views of.

use std::sync::{Arc, OnceLock, Weak};

use thingway_sdk::{
    BoxFuture, Exposed, ExposedProperty, ExposedThing, Following, Snapshot, ThingId, Value,
    WriteFailure, Written,
};
use tokio::time::{Instant, timeout_at};

use crate::command::{CommandRecord, Commands, WriteError};
use crate::log::{EventLog, Property, Seq, State, What};
use crate::push::feed::{Feed, Next, Scope};
use crate::registry::{DesiredStatus, Registry, Slot, Thing};

/// What adapters that serve clients are given.
pub struct ExposedThings {
    log: Arc<dyn EventLog>,
    registry: Arc<Registry>,
    /// Adapters are made before the commands that go to them; and nobody keeps the other alive.
    commands: OnceLock<Weak<Commands>>,
}

impl ExposedThings {
    /// Things that can be read; they can be written after [`ExposedThings::accept_writes`].
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, registry: Arc<Registry>) -> Arc<Self> {
        Arc::new(Self { log, registry, commands: OnceLock::new() })
    }

    /// Writes go this way from now on. Only the first call counts.
    pub fn accept_writes(&self, commands: &Arc<Commands>) {
        self.commands.get_or_init(|| Arc::downgrade(commands));
    }

    fn find(&self, id: &str) -> Option<Arc<Thing>> {
        self.registry.find(ThingId::shorten(id).ok()?)
    }

    async fn ask(
        &self,
        thing: &str,
        property: &str,
        value: Value,
        deadline: Instant,
    ) -> Result<Written, WriteFailure> {
        let thing = self.find(thing).ok_or(WriteFailure::Unknown)?;
        let property = thing.property(property).ok_or(WriteFailure::Unknown)?;
        let commands = self.commands.get().and_then(Weak::upgrade);
        let commands = commands.ok_or_else(|| WriteFailure::Busy("not ready yet".to_owned()))?;
        let mut progress = commands.write(&thing, &property, value)?;
        let ended = |record: &CommandRecord| record.status != DesiredStatus::Pending;
        // When the time is up first, the command goes on.
        timeout_at(deadline, progress.wait_for(ended)).await.ok();
        let record = progress.borrow();
        let reason = || record.error.clone().unwrap_or_default();
        match record.status {
            DesiredStatus::Confirmed => Ok(Written::Confirmed),
            DesiredStatus::Pending | DesiredStatus::Accepted => Ok(Written::Sent),
            DesiredStatus::Refused => Err(WriteFailure::Refused(reason())),
            DesiredStatus::Timeout => Err(WriteFailure::TimedOut(reason())),
        }
    }
}

impl Exposed for ExposedThings {
    fn things(&self) -> Vec<ExposedThing> {
        self.registry.things().iter().map(|thing| exposed(thing)).collect()
    }

    fn thing(&self, id: &str) -> Option<ExposedThing> {
        self.find(id).map(|thing| exposed(&thing))
    }

    fn read(&self, thing: &str, property: &str) -> Option<Snapshot> {
        self.find(thing)?.with_slot(property, |slot| snapshot_of(&slot.to_slot()))
    }

    fn write<'a>(
        &'a self,
        thing: &'a str,
        property: &'a str,
        value: Value,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Written, WriteFailure>> {
        Box::pin(self.ask(thing, property, value, deadline))
    }

    fn follow(&self, thing: &str, property: &str) -> Option<Box<dyn Following>> {
        let thing = self.find(thing)?;
        let slot = thing.property(property)?.slot;
        let scope = Scope::thing(thing);
        let feed = Feed::new(self.log.clone(), self.registry.clone(), scope, None);
        Some(Box::new(Follower { feed, slot }))
    }
}

impl From<WriteError> for WriteFailure {
    fn from(error: WriteError) -> Self {
        let text = error.to_string();
        match error {
            WriteError::ReadOnly => Self::ReadOnly(text),
            WriteError::BadValue(reason) => Self::BadValue(reason),
            WriteError::Busy(_) | WriteError::NoAdapter(_) => Self::Busy(text),
        }
    }
}

/// A feed of one thing, of which one property is wanted.
struct Follower {
    feed: Feed,
    slot: usize,
}

impl Follower {
    async fn newest(&mut self) -> Option<Snapshot> {
        loop {
            let found = match self.feed.next().await {
                Next::Changes(changes) => {
                    changes.iter().rev().find_map(|change| match &change.what {
                        What::State(property, state) if property.slot == self.slot => {
                            Some(snapshot(property, state, change.seq))
                        }
                        _ => None,
                    })
                }
                Next::Gap(gap) => {
                    let mut newest = gap.states.iter().rev();
                    let own = newest.find(|one| one.slot.property.slot == self.slot);
                    own.map(|one| snapshot_of(&one.slot))
                }
                Next::Gone(_) => return None,
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

impl Following for Follower {
    fn next(&mut self) -> BoxFuture<'_, Option<Snapshot>> {
        Box::pin(self.newest())
    }
}

fn exposed(thing: &Thing) -> ExposedThing {
    let view = thing.view();
    let registered = view.description.as_deref().and_then(|members| members.get("title"));
    let registered = registered.and_then(|title| title.as_str());
    let rule = view.rule.as_deref();
    ExposedThing {
        title: registered.or_else(|| rule?.title.as_deref()).map(Into::into),
        semantic_type: rule.and_then(|rule| rule.semantic_type.as_deref()).map(Into::into),
        properties: view.slots.iter().map(|slot| exposed_property(&slot.property)).collect(),
        id: view.id,
    }
}

fn exposed_property(property: &Property) -> ExposedProperty {
    ExposedProperty {
        name: property.name.clone(),
        title: property.title().map(Into::into),
        semantic_type: property.told.semantic_type.clone(),
        unit: property.unit().map(Into::into),
        writable: property.write.is_some(),
    }
}

fn snapshot_of(slot: &Slot) -> Snapshot {
    snapshot(&slot.property, &slot.state, slot.revision)
}

fn snapshot(property: &Property, state: &State, revision: Seq) -> Snapshot {
    Snapshot {
        value: state.value.clone(),
        unit: property.unit().map(Into::into),
        time: state.time,
        quality: state.quality,
        revision: revision.0,
    }
}

#[cfg(test)]
mod tests;
