use std::time::Duration;

use url::Url;

use super::parameters::{DEFAULT_LIFETIME, Parameters};
use super::{EndpointName, Location, Refusal};
use crate::link_format::{Attribute, Link};

/// One registration.
#[derive(Debug, Clone)]
pub struct Endpoint {
    name: EndpointName,
    base: Url,
    /// Otherwise the base is where it was last heard from.
    base_was_named: bool,
    lifetime: Duration,
    ends: Duration,
    extra: Vec<Attribute>,
    links: Vec<Link>,
}

impl Endpoint {
    pub(super) fn new(
        name: EndpointName,
        source: &Url,
        parameters: Parameters,
        links: Vec<Link>,
        now: Duration,
    ) -> Result<Self, Refusal> {
        let Parameters { lifetime, base, extra, .. } = parameters;
        let lifetime = lifetime.unwrap_or(DEFAULT_LIFETIME);
        let base_was_named = base.is_some();
        let base = base.unwrap_or_else(|| source.clone());
        if let Some(link) = links.iter().find(|link| resolve(&base, &link.target).is_none()) {
            let target = link.target.escape_debug();
            return Err(Refusal::Query(format!("`{target}` can't be resolved against {base}")));
        }
        let ends = now.saturating_add(lifetime);
        Ok(Self { name, base, base_was_named, lifetime, ends, extra, links })
    }

    pub(super) fn update(
        &mut self,
        source: &Url,
        parameters: Parameters,
        now: Duration,
        most_bytes: usize,
    ) -> Result<(), Refusal> {
        if !parameters.names(&self.name) {
            return Err(Refusal::Query("an update can't change `ep` or `d`".to_owned()));
        }
        let Parameters { lifetime, base, extra, .. } = parameters;
        let is_new = |old: &&Attribute| !extra.iter().any(|new| new.name == old.name);
        let mut all: Vec<Attribute> = self.extra.iter().filter(is_new).cloned().collect();
        all.extend(extra);
        let bytes = |one: &Attribute| one.name.len() + one.value.as_ref().map_or(0, String::len);
        if all.iter().map(bytes).sum::<usize>() > most_bytes {
            return Err(Refusal::Query(format!("more than {most_bytes} bytes of parameters")));
        }
        self.extra = all;
        self.base_was_named |= base.is_some();
        match base {
            Some(base) => self.base = base,
            None if !self.base_was_named => self.base = source.clone(),
            None => {}
        }
        self.lifetime = lifetime.unwrap_or(self.lifetime);
        self.ends = now.saturating_add(self.lifetime);
        Ok(())
    }

    /// Its name and sector.
    #[must_use]
    pub fn name(&self) -> &EndpointName {
        &self.name
    }

    /// What its links are resolved against.
    #[must_use]
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// When it ends unless it is updated before.
    #[must_use]
    pub fn ends(&self) -> Duration {
        self.ends
    }

    /// What it said of itself beside what the standard knows: `et=oic.d.sensor`.
    #[must_use]
    pub fn extra(&self) -> &[Attribute] {
        &self.extra
    }

    /// Its links as it registered them.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// Its links with full URIs (section 6.1).
    pub fn resolved_links(&self) -> impl Iterator<Item = Link> {
        self.links.iter().filter_map(|link| self.resolved(link))
    }

    fn resolved(&self, link: &Link) -> Option<Link> {
        let target = resolve(&self.base, &link.target)?;
        let mut resolved = Link { target: target.to_string(), attributes: Vec::new() };
        let mut anchored = false;
        for attribute in &link.attributes {
            let mut attribute = attribute.clone();
            if attribute.name.eq_ignore_ascii_case("anchor") {
                anchored = true;
                attribute.value = Some(resolve(&self.base, attribute.value.as_deref()?)?.into());
            }
            resolved.attributes.push(attribute);
        }
        // Without an anchor, a link is said of its target's host (RFC 6690, section 2.1), which
        // for a link to elsewhere would be the wrong one.
        let origin = |url: &Url| (url.scheme().to_owned(), url.authority().to_owned());
        if !anchored && origin(&target) != origin(&self.base) {
            resolved.attributes.push(Attribute::new("anchor", self.base.as_str()));
        }
        Some(resolved)
    }

    /// What is said of it in lookups (section 6.3), as a link to its registration.
    pub(super) fn as_link(&self, path: &str, location: Location) -> Link {
        let mut link = Link::new(format!("{path}/{location}"))
            .with("ep", &self.name.endpoint)
            .with("base", self.base.as_str());
        if let Some(sector) = &self.name.sector {
            link = link.with("d", sector);
        }
        link = link.with("lt", self.lifetime.as_secs().to_string()).with("rt", "core.rd-ep");
        link.attributes.extend(self.extra.iter().filter(|own| own.name != "rt").cloned());
        link
    }
}

/// RFC 3986, section 5.
fn resolve(base: &Url, reference: &str) -> Option<Url> {
    base.join(reference).ok()
}
