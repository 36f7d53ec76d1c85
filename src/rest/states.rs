//! The states of all things: filtered, paged, followed.

use std::collections::BinaryHeap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, LINK};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use thingway_sdk::Quality;

use super::base::Base;
use super::extract::Params;
use super::negotiate::{accepted, vary};
use super::paging::require_limit;
use super::properties::JSON;
use super::routes::{Routes, route};
use super::senml::{self, SENML_JSON};
use super::streams::{EVENT_STREAM, last_event_id};
use super::{App, Problem};
use crate::log::Seq;
use crate::push::feed::Scope;
use crate::push::filter::{Filter, Pattern};
use crate::push::sse::View;
use crate::registry::{Slot, StateRecord, Thing};

/// Records on a page, at most.
const MOST_ON_A_PAGE: usize = 10_000;

pub(crate) fn routes<R: Routes>() -> R {
    R::default().with(route!(list_states))
}

/// Which states.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// Pattern of thing ids or bare names; `*` stands for any characters.
    thing: Option<String>,
    /// Pattern of property names.
    name: Option<String>,
    /// Unit, as a SenML symbol.
    unit: Option<String>,
    /// Quality of the states.
    #[param(inline)]
    quality: Option<Quality>,
    /// Name of the adapter that they came from.
    silo: Option<String>,
    /// Only what changed after this sequence number.
    since: Option<u64>,
    /// Records on the page; 1 to 10000.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    limit: usize,
}

fn default_limit() -> usize {
    1000
}

impl Query {
    fn filter(&self) -> Filter {
        let pattern =
            |text: &Option<String>| text.as_deref().map(Pattern::new).into_iter().collect();
        Filter {
            things: pattern(&self.thing),
            states: true,
            properties: pattern(&self.name),
            events: None,
            unit: self.unit.clone(),
            quality: self.quality,
            silo: self.silo.clone(),
        }
    }

    /// The query of the page after the one that ended with this revision.
    fn next(&self, last: Seq) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let given = [
            ("thing", self.thing.as_deref()),
            ("name", self.name.as_deref()),
            ("unit", self.unit.as_deref()),
            ("quality", self.quality.map(Quality::as_str)),
            ("silo", self.silo.as_deref()),
        ];
        query.extend_pairs(given.into_iter().filter_map(|(name, value)| Some((name, value?))));
        query.append_pair("limit", &self.limit.to_string());
        query.append_pair("since", &last.to_string()).finish()
    }
}

/// Lists the state records of all things, in order of their revisions, or follows them. To poll for
/// what changed, send the `Thingway-Position` of the first page as `since` of the next round.
#[utoipa::path(
    get, path = "/properties", tag = "properties",
    params(
        Query,
        ("Last-Event-ID" = Option<String>, Header, description = "Position after which a stream resumes"),
    ),
    responses(
        (status = 200, description = "State records; or their stream", content(
            (Vec<super::schemas::StateRecord> = "application/json"), (Vec<Object> = "application/senml+json"), (String = "text/event-stream")),
            headers(
                ("Link", description = "rel=next: the next page"),
                ("Thingway-Position", description = "Newest sequence number when the page was made"))),
        (status = 400, description = "A parameter is not right", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "No such representation", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many streams", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn list_states(
    State(app): State<Arc<App>>,
    base: Base,
    headers: HeaderMap,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    let media = accepted(&headers, &[JSON, SENML_JSON, EVENT_STREAM])?;
    require_limit(query.limit, MOST_ON_A_PAGE)?;
    if media == EVENT_STREAM {
        let resumed = last_event_id(&headers)?.or(query.since.map(Seq));
        return app.stream(Scope::Matching(Arc::new(query.filter())), View::Records, resumed);
    }
    let position = app.log.head();
    let (page, last) = oldest_first(&app.registry.things(), &query);
    let body = match media {
        SENML_JSON => senml::pack(page.iter().map(|(thing, slot)| (thing.id(), slot))),
        _ => records(&page),
    };
    let at = [("thingway-position", position.to_string())];
    let mut response = ([(CONTENT_TYPE, media)], at, vary(), body).into_response();
    if let Some(last) = last {
        let next = base.url(&format!("/properties?{}", query.next(last)));
        let link = HeaderValue::try_from(format!("<{next}>; rel=\"next\""));
        response.headers_mut().extend(link.ok().map(|link| (LINK, link)));
    }
    Ok(response)
}

type Found = (Arc<Thing>, Slot);

/// The matching states with the lowest revisions; and, when there are more, the revision up to
/// which the page goes.
fn oldest_first(things: &[Arc<Thing>], query: &Query) -> (Vec<Found>, Option<Seq>) {
    let filter = query.filter();
    let since = Seq(query.since.unwrap_or(0));
    // The highest revision is on top, so that it makes room when a lower one is found.
    let mut lowest: BinaryHeap<(Seq, usize, usize)> = BinaryHeap::new();
    let mut more = false;
    for (index, thing) in things.iter().enumerate() {
        if thing.lane().newest() <= since || !filter.admits_thing(thing.id()) {
            continue;
        }
        thing.each_slot(|slot| {
            let (revision, quality) = (slot.revision(), slot.state().quality());
            if revision <= since || !filter.admits_state(thing.id(), slot.property(), quality) {
                return;
            }
            lowest.push((revision, index, slot.index()));
            if lowest.len() > query.limit {
                lowest.pop();
                more = true;
            }
        });
    }
    let last = lowest.peek().map(|(revision, ..)| *revision).filter(|_| more);
    let found = lowest.into_sorted_vec().into_iter().filter_map(|(_, index, slot)| {
        let thing = &things[index];
        Some((thing.clone(), thing.slot_at(slot)?))
    });
    (found.collect(), last)
}

fn records(page: &[Found]) -> Vec<u8> {
    let records: Vec<StateRecord<'_>> = page
        .iter()
        .map(|(thing, slot)| StateRecord {
            thing: thing.id(),
            property: &slot.property,
            address: slot.address.as_str(),
            state: &slot.state,
            revision: slot.revision,
            desired: slot.desired.as_deref(),
        })
        .collect();
    // Serialising plain structs with string keys into memory can't fail.
    serde_json::to_vec(&records).unwrap_or_default()
}
