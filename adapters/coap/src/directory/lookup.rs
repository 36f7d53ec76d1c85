//! Lookups (section 6): which resources, and which endpoints, there are.

use super::{Directory, Refusal};
use crate::link_format::{Filter, Link};

/// What a lookup asks for: conditions, and which page of what fulfils them.
pub(crate) struct Search {
    filters: Vec<Filter>,
    page: usize,
    count: Option<usize>,
}

impl Search {
    pub(crate) fn parse(query: &[&str]) -> Result<Self, Refusal> {
        let mut search = Self { filters: Vec::new(), page: 0, count: None };
        let mut paged = false;
        for argument in query.iter().filter(|argument| !argument.is_empty()) {
            match argument.split_once('=') {
                Some(("page", value)) => {
                    paged = true;
                    search.page = number("page", value)?;
                }
                Some(("count", value)) => {
                    let count = number("count", value)?;
                    if count == 0 {
                        return Err(Refusal::Query("`count` must be at least 1".to_owned()));
                    }
                    search.count = Some(count);
                }
                _ => search.filters.push(Filter::parse(argument)),
            }
        }
        if paged && search.count.is_none() {
            return Err(Refusal::Query("`page` needs `count` (RFC 9176, section 6.2)".to_owned()));
        }
        Ok(search)
    }

    /// The wanted page of the links that fulfil each condition.
    pub(crate) fn select(&self, links: impl Iterator<Item = Link>) -> Vec<Link> {
        self.page(links.filter(|link| self.filters.iter().all(|filter| filter.matches(link))))
    }

    fn page(&self, found: impl Iterator<Item = Link>) -> Vec<Link> {
        let count = self.count.unwrap_or(usize::MAX);
        found.skip(self.page.saturating_mul(count)).take(count).collect()
    }
}

fn number(name: &str, value: &str) -> Result<usize, Refusal> {
    let wrong = || Refusal::Query(format!("`{name}` is a number, not `{}`", value.escape_debug()));
    value.parse().map_err(|_| wrong())
}

impl Directory {
    /// Resources whose link, or whose endpoint, fulfils each condition, with full URIs.
    ///
    /// # Errors
    /// When the query is wrong.
    pub fn look_up_resources(&self, query: &[&str]) -> Result<Vec<Link>, Refusal> {
        let search = Search::parse(query)?;
        let found = self.endpoints().flat_map(|(location, endpoint)| {
            let registration = endpoint.as_link(&self.path, location);
            // What the endpoint fulfils need not be asked of each of its links; but that it is one
            // (`rt`), and where its registration is (`href`), says nothing of them.
            let own = |filter: &Filter| !["href", "rt"].contains(&filter.name());
            let fulfilled = |filter: &Filter| own(filter) && filter.matches(&registration);
            let open: Vec<&Filter> = search.filters.iter().filter(|f| !fulfilled(f)).collect();
            endpoint.resolved_links().filter(move |link| open.iter().all(|f| f.matches(link)))
        });
        Ok(search.page(found))
    }

    /// Endpoints that fulfil each condition themselves or by one of their links.
    ///
    /// # Errors
    /// When the query is wrong.
    pub fn look_up_endpoints(&self, query: &[&str]) -> Result<Vec<Link>, Refusal> {
        let search = Search::parse(query)?;
        let found = self.endpoints().filter_map(|(location, endpoint)| {
            let registration = endpoint.as_link(&self.path, location);
            let fulfilled = |filter: &Filter| {
                filter.matches(&registration)
                    || endpoint.resolved_links().any(|link| filter.matches(&link))
            };
            search.filters.iter().all(fulfilled).then_some(registration)
        });
        Ok(search.page(found))
    }
}
