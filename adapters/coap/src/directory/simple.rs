//! Simple registration (section 5.1): an endpoint asks to be registered, and the directory fetches
//! its links from `/.well-known/core` itself.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use url::Url;

use super::parameters::Parameters;
use super::{Directory, EndpointName, Refusal, Registered};

/// A fetch that takes longer is given up: EXCHANGE_LIFETIME (RFC 7252, section 4.8.2).
const PATIENCE: Duration = Duration::from_secs(247);

/// What is to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// For whom.
    pub name: EndpointName,
    /// From where: the source of the request, with the path `/.well-known/core`.
    pub target: Url,
}

/// The fetches under way.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    pending: HashMap<EndpointName, Pending>,
    ends: BTreeSet<(Duration, EndpointName)>,
}

#[derive(Debug)]
struct Pending {
    source: Url,
    parameters: Parameters,
    ends: Duration,
}

impl Fetches {
    fn take(&mut self, name: &EndpointName) -> Option<Pending> {
        let pending = self.pending.remove(name)?;
        self.ends.remove(&(pending.ends, name.clone()));
        Some(pending)
    }

    pub(super) fn expire(&mut self, now: Duration) {
        while self.ends.first().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, name)) = self.ends.pop_first() {
                self.pending.remove(&name);
            }
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.ends.first().map(|(end, _)| *end)
    }
}

impl Directory {
    /// `POST /.well-known/rd?ep=node1` without a body: hands out what is to be fetched, or nothing
    /// while that is under way already, so that no flood of requests becomes a flood of fetches.
    /// The fetch ends in [`Directory::fetched`].
    ///
    /// # Errors
    /// When the query is wrong or too many fetches are under way.
    pub fn register_simply(
        &mut self,
        now: Duration,
        source: &Url,
        query: &[&str],
    ) -> Result<Option<Fetch>, Refusal> {
        let parameters = Parameters::parse(query, &self.limits)?;
        let name = parameters.name()?;
        if parameters.base.is_some() {
            let reason = "simple registration takes no `base`: the links are those of the sender";
            return Err(Refusal::Query(reason.to_owned()));
        }
        self.fetches.expire(now);
        if self.fetches.pending.contains_key(&name) {
            return Ok(None);
        }
        if self.fetches.pending.len() >= self.limits.fetches {
            return Err(Refusal::Busy(self.limits.fetches));
        }
        let mut target = source.clone();
        target.set_path("/.well-known/core");
        let ends = now.saturating_add(PATIENCE);
        self.fetches.ends.insert((ends, name.clone()));
        let pending = Pending { source: source.clone(), parameters, ends };
        self.fetches.pending.insert(name.clone(), pending);
        Ok(Some(Fetch { name, target }))
    }

    /// What a fetch brought.
    ///
    /// # Errors
    /// When nobody waits for it any more, or it is no link format, or the directory is full.
    pub fn fetched(
        &mut self,
        now: Duration,
        name: &EndpointName,
        format: Option<u16>,
        body: &[u8],
    ) -> Result<Registered, Refusal> {
        let pending = self.fetches.take(name).ok_or(Refusal::Unknown)?;
        let links = self.links(format, body)?;
        self.put(now, name.clone(), &pending.source, pending.parameters, links)
    }

    /// A fetch failed: the endpoint may ask again.
    pub fn not_fetched(&mut self, name: &EndpointName) {
        self.fetches.take(name);
    }
}
