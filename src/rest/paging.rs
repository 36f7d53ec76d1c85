//! Lists in pages.

use serde::Deserialize;

use super::Problem;
use super::base::Base;

/// Members of a list on one page, at most and when the request does not say.
const MOST: usize = 1000;

/// Which part of a list.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// Members on the page; 1 to 1000.
    #[serde(default = "whole_page")]
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: usize,
    /// Members to skip.
    #[serde(default)]
    #[param(default = 0)]
    offset: usize,
}

fn whole_page() -> usize {
    MOST
}

impl Page {
    /// How many members to skip, and how many to show.
    pub(crate) fn bounds(&self) -> Result<(usize, usize), Problem> {
        require_limit(self.limit, MOST)?;
        Ok((self.offset, self.limit))
    }

    /// The `Link` to the page after this one of a list of this length; none after the last.
    pub(crate) fn next(&self, base: &Base, list: &str, length: usize) -> Option<String> {
        let offset = self.offset.checked_add(self.limit).filter(|next| *next < length)?;
        let url = base.url(&format!("{list}?offset={offset}&limit={}", self.limit));
        Some(format!("<{url}>; rel=\"next\""))
    }
}

/// Refuses a `limit` of nothing, or of too much.
pub(crate) fn require_limit(limit: usize, most: usize) -> Result<(), Problem> {
    if (1..=most).contains(&limit) {
        return Ok(());
    }
    Err(Problem::bad_request("a query parameter is not right")
        .field("limit", format!("has to be from 1 to {most}")))
}
