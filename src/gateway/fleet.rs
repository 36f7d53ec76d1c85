//! The adapters of the configuration: made, kept running, exchanged.

use std::sync::Arc;
use std::time::Duration;

use thingway_sdk::Exposed;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::StartError;
use crate::adapters::{AdapterEntry, Listening};
use crate::limits::Limits;
use crate::mapping::{Mapper, MappingConfig, Names, RuleConfig};
use crate::recorder::Recorder;
use crate::rest::{Difference, Reloaded};
use crate::silo::{Silo, Silos};
use crate::supervisor::supervise;

/// How long one that is exchanged may take to end.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// The adapters at work.
pub(super) struct Fleet {
    pub(super) silos: Silos,
    pub(super) names: Arc<Names>,
    recorder: Arc<Recorder>,
    exposed: Arc<dyn Exposed>,
    mapping: MappingConfig,
    limits: Limits,
    /// Ends all of them.
    intake: CancellationToken,
    members: Mutex<Vec<Member>>,
}

/// One adapter with its task.
struct Member {
    entry: AdapterEntry,
    silo: Arc<Silo>,
    listens: Option<Listening>,
    stop: CancellationToken,
    /// None before it was started.
    task: Option<JoinHandle<()>>,
}

impl Fleet {
    pub(super) fn new(
        recorder: Arc<Recorder>,
        exposed: Arc<dyn Exposed>,
        mapping: MappingConfig,
        limits: Limits,
        intake: CancellationToken,
    ) -> Self {
        let silos = Silos::from(Vec::new());
        let members = Mutex::default();
        let names = Arc::new(Names::new(recorder.registry().clone()));
        Self { silos, names, recorder, exposed, mapping, limits, intake, members }
    }

    /// Makes the adapters; servers take their ports here. None of them runs yet.
    pub(super) async fn fill(
        &self,
        entries: impl Iterator<Item = AdapterEntry>,
        rules: &[Arc<RuleConfig>],
    ) -> Result<Vec<(String, Listening)>, StartError> {
        let mut members = self.members.lock().await;
        for entry in entries {
            members.push(self.build(entry, rules).await?);
        }
        self.show(&members);
        let server = |member: &Member| Some((member.entry.name.clone(), member.listens?));
        Ok(members.iter().filter_map(server).collect())
    }

    /// Runs those that do not run yet.
    pub(super) async fn start(&self) {
        self.members.lock().await.iter_mut().for_each(Member::start);
    }

    /// Exchanges the adapters for those of these entries, which map by these rules. Those whose
    /// entry is the same stay; when one can't be made, those that were there are there again, with
    /// the rules of `before`.
    pub(super) async fn exchange(
        &self,
        entries: Vec<AdapterEntry>,
        rules: &[Arc<RuleConfig>],
        before: &[Arc<RuleConfig>],
    ) -> Result<Vec<Reloaded>, StartError> {
        let mut members = self.members.lock().await;
        let changes = differences(&members, &entries);
        if changes.is_empty() {
            return Ok(changes);
        }
        // Made before any ends, so that one that can't be made ends nothing.
        let (mut made, mut waiting) = (Vec::new(), Vec::new());
        for entry in &entries {
            if members.iter().any(|member| member.entry == *entry) {
                continue;
            }
            match self.build(entry.clone(), rules).await {
                Ok(member) => made.push(member),
                // Perhaps the port that it wants is that of one that goes.
                Err(error) => waiting.push((entry, error)),
            }
        }
        let goes = |member: &Member| !entries.contains(&member.entry);
        let frees_a_port = members.iter().any(|member| goes(member) && member.listens.is_some());
        if !frees_a_port && let Some((_, error)) = waiting.pop() {
            return Err(error);
        }
        let (gone, mut kept): (Vec<Member>, Vec<Member>) = members.drain(..).partition(goes);
        let ended: Vec<AdapterEntry> = gone.iter().map(|member| member.entry.clone()).collect();
        for member in gone {
            member.leave().await;
        }
        let mut failed = None;
        for (entry, _) in waiting {
            match self.build(entry.clone(), rules).await {
                Ok(member) => made.push(member),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        if failed.is_some() {
            // Their ports first, which those that come back may want.
            made.clear();
            made = self.restore(ended, before).await;
        }
        kept.append(&mut made);
        kept.sort_by_key(|member| entries.iter().position(|e| e.name == member.entry.name));
        kept.iter_mut().for_each(Member::start);
        self.show(&kept);
        *members = kept;
        failed.map_or(Ok(changes), Err)
    }

    /// Makes those again that ended for others that can't be made.
    async fn restore(&self, entries: Vec<AdapterEntry>, rules: &[Arc<RuleConfig>]) -> Vec<Member> {
        let mut restored = Vec::new();
        for entry in entries {
            match self.build(entry, rules).await {
                Ok(member) => restored.push(member),
                Err(error) => {
                    warn!(%error, "Adapter not restored; it is gone until the next reload")
                }
            }
        }
        restored
    }

    /// Waits until all have ended; the names of those that have not by then.
    pub(super) async fn ended(&self, end: Instant) -> Vec<String> {
        let mut late = Vec::new();
        for member in self.members.lock().await.drain(..) {
            let Some(task) = member.task else { continue };
            if timeout_at(end, task).await.is_err() {
                late.push(member.entry.name);
            }
        }
        late
    }

    fn show(&self, members: &[Member]) {
        self.silos.replace(members.iter().map(|member| member.silo.clone()).collect());
    }

    async fn build(
        &self,
        entry: AdapterEntry,
        rules: &[Arc<RuleConfig>],
    ) -> Result<Member, StartError> {
        let built = entry.build(&self.exposed).await;
        let built =
            built.map_err(|cause| StartError::Adapter { name: entry.name.clone(), cause })?;
        let name: Arc<str> = entry.name.as_str().into();
        let (names, limits) = (self.names.clone(), self.limits.clone());
        let mapper = Mapper::new(name.clone(), &self.mapping, rules, names, limits);
        let silo = Silo::new(
            entry.protocol.name(),
            name,
            built.adapter,
            mapper,
            self.recorder.clone(),
            self.limits.messages_remembered,
        );
        let stop = self.intake.child_token();
        Ok(Member { entry, silo, listens: built.listens, stop, task: None })
    }
}

impl Member {
    fn start(&mut self) {
        let run = || supervise(self.silo.clone(), self.stop.clone());
        self.task.get_or_insert_with(run);
    }

    /// Ends it; what came over it is nobody's to vouch for any more.
    async fn leave(self) {
        self.stop.cancel();
        if let Some(task) = self.task {
            timeout(LEAVE_WITHIN, task).await.ok();
        }
        self.silo.mark_stale();
    }
}

fn differences(members: &[Member], entries: &[AdapterEntry]) -> Vec<Reloaded> {
    let reloaded = |name: &str, change| Reloaded {
        subject: format!("adapters.{name}"),
        change,
        applied: true,
    };
    let removed = members
        .iter()
        .filter(|member| !entries.iter().any(|entry| entry.name == member.entry.name))
        .map(|member| reloaded(&member.entry.name, Difference::Removed));
    let others = entries.iter().filter_map(|entry| {
        match members.iter().find(|member| member.entry.name == entry.name) {
            None => Some(reloaded(&entry.name, Difference::Added)),
            Some(member) if member.entry != *entry => {
                Some(reloaded(&entry.name, Difference::Changed))
            }
            Some(_) => None,
        }
    });
    removed.chain(others).collect()
}
