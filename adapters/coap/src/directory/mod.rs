//! A CoRE Resource Directory (RFC 9176) without sockets and without a clock.
//!
//! Whoever drives it hands in requests and the present time, and asks [`Directory::next_deadline`]
//! when to call [`Directory::expire`]. All times are spans since one moment of the caller's choice.

mod endpoint;
mod lookup;
mod parameters;
mod refusal;
mod simple;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use url::Url;

use crate::content_format;
use crate::link_format::{self, Link};
pub use endpoint::Endpoint;
pub(crate) use lookup::Search;
use parameters::Parameters;
pub use refusal::Refusal;
pub use simple::Fetch;
use simple::Fetches;

/// How much a directory takes in.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Endpoints in all.
    pub endpoints: usize,
    /// What one registration may hold.
    pub links: link_format::Limits,
    /// Bytes of one registration's parameters.
    pub parameter_bytes: usize,
    /// Simple registrations whose links are being fetched.
    pub fetches: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            endpoints: 10_000,
            links: link_format::Limits::default(),
            parameter_bytes: 1024,
            fetches: 100,
        }
    }
}

/// Who an endpoint is: its name and its sector, which together name one registration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointName {
    /// `ep`
    pub endpoint: String,
    /// `d`
    pub sector: Option<String>,
}

/// Where a registration is: the last segment of its path below the directory's own. It stays the
/// same for one name, also over a restart, and so never becomes another endpoint's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location(u64);

impl Location {
    /// Reads a path segment.
    #[must_use]
    pub fn parse(segment: &str) -> Option<Self> {
        let is_own = segment.len() == 16 && !segment.contains(|c: char| c.is_ascii_uppercase());
        is_own.then(|| u64::from_str_radix(segment, 16).ok().map(Self))?
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// Where it is.
    pub location: Location,
    /// Whether the endpoint was unknown before.
    pub is_new: bool,
}

/// The endpoints that are registered, with their links.
#[derive(Debug)]
pub struct Directory {
    path: String,
    limits: Limits,
    endpoints: BTreeMap<Location, Endpoint>,
    locations: HashMap<EndpointName, Location>,
    /// When registrations end.
    ends: BTreeSet<(Duration, Location)>,
    fetches: Fetches,
}

impl Directory {
    /// An empty directory whose registrations are below this absolute path: `/rd`.
    #[must_use]
    pub fn new(path: impl Into<String>, limits: Limits) -> Self {
        Self {
            path: path.into(),
            limits,
            endpoints: BTreeMap::new(),
            locations: HashMap::new(),
            ends: BTreeSet::new(),
            fetches: Fetches::default(),
        }
    }

    /// A registration (section 5): `POST /rd?ep=node1` with links. `source` is where the request
    /// came from, as a URI; it is the base of the links unless the parameters name another.
    ///
    /// # Errors
    /// When the request is wrong or the directory is full.
    pub fn register(
        &mut self,
        now: Duration,
        source: &Url,
        query: &[&str],
        format: Option<u16>,
        body: &[u8],
    ) -> Result<Registered, Refusal> {
        let parameters = Parameters::parse(query, &self.limits)?;
        let name = parameters.name()?;
        let links = self.links(format, body)?;
        self.put(now, name, source, parameters, links)
    }

    fn links(&self, format: Option<u16>, body: &[u8]) -> Result<Vec<Link>, Refusal> {
        match format {
            None | Some(content_format::LINK_FORMAT) => {}
            Some(other) => return Err(Refusal::Format(other)),
        }
        Ok(link_format::parse(body, &self.limits.links)?)
    }

    fn put(
        &mut self,
        now: Duration,
        name: EndpointName,
        source: &Url,
        parameters: Parameters,
        links: Vec<Link>,
    ) -> Result<Registered, Refusal> {
        let known = self.locations.get(&name).copied();
        if known.is_none() && self.endpoints.len() >= self.limits.endpoints {
            return Err(Refusal::Full(self.limits.endpoints));
        }
        let location = known.unwrap_or_else(|| self.free_location(&name));
        let endpoint = Endpoint::new(name.clone(), source, parameters, links, now)?;
        if let Some(before) = self.endpoints.get(&location) {
            self.ends.remove(&(before.ends(), location));
        }
        self.ends.insert((endpoint.ends(), location));
        self.locations.insert(name, location);
        self.endpoints.insert(location, endpoint);
        Ok(Registered { location, is_new: known.is_none() })
    }

    fn free_location(&self, name: &EndpointName) -> Location {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let mut location = Location(hasher.finish());
        while self.endpoints.contains_key(&location) {
            location = Location(location.0.wrapping_add(1));
        }
        location
    }

    /// An update (section 5.3.1): `POST` to the location. What it does not name stays; without an
    /// explicit base, the links move to where the request came from.
    ///
    /// # Errors
    /// When there is no such registration or the request is wrong.
    pub fn update(
        &mut self,
        now: Duration,
        location: Location,
        source: &Url,
        query: &[&str],
    ) -> Result<(), Refusal> {
        let parameters = Parameters::parse(query, &self.limits)?;
        let endpoint = self.endpoints.get_mut(&location).ok_or(Refusal::Unknown)?;
        let before = endpoint.ends();
        endpoint.update(source, parameters, now, self.limits.parameter_bytes)?;
        let after = endpoint.ends();
        self.ends.remove(&(before, location));
        self.ends.insert((after, location));
        Ok(())
    }

    /// Removes a registration (section 5.3.2) and hands it back.
    ///
    /// # Errors
    /// When there is no such registration.
    pub fn remove(&mut self, location: Location) -> Result<Endpoint, Refusal> {
        let endpoint = self.endpoints.remove(&location).ok_or(Refusal::Unknown)?;
        self.locations.remove(endpoint.name());
        self.ends.remove(&(endpoint.ends(), location));
        Ok(endpoint)
    }

    /// Removes what has ended by now and hands it back; forgets what is not fetched any more.
    pub fn expire(&mut self, now: Duration) -> Vec<Endpoint> {
        self.fetches.expire(now);
        let mut expired = Vec::new();
        while let Some((_, location)) = self.ends.first().copied().filter(|(end, _)| *end <= now) {
            match self.remove(location) {
                Ok(endpoint) => expired.push(endpoint),
                Err(_) => drop(self.ends.pop_first()),
            }
        }
        expired
    }

    /// When the next registration or fetch ends.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let end = self.ends.first().map(|(end, _)| *end);
        end.into_iter().chain(self.fetches.next_deadline()).min()
    }

    /// One registration.
    #[must_use]
    pub fn endpoint(&self, location: Location) -> Option<&Endpoint> {
        self.endpoints.get(&location)
    }

    /// All registrations.
    pub fn endpoints(&self) -> impl Iterator<Item = (Location, &Endpoint)> {
        self.endpoints.iter().map(|(location, endpoint)| (*location, endpoint))
    }
}

#[cfg(test)]
mod tests;
