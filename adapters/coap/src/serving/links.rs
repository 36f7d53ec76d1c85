//! Documents of links: `/.well-known/core` (RFC 6690) and the list of things.

use thingway_sdk::{ExposedProperty, ExposedThing};

use super::path::segment;
use super::refuse;
use super::representation::OFFERED;
use crate::content_format::LINK_FORMAT;
use crate::directory::Search;
use crate::exchange::{Request, Response};
use crate::link_format::{Attribute, Link, write};
use crate::message::Code;

/// A document of links is at most this long, in bytes.
const LONGEST: usize = 256 * 1024;

/// Where a client begins: the resource directory (RFC 9176, section 4.3) and the list of things.
fn entries() -> [Link; 4] {
    let link = |target: &str, kind: &str| Link::new(target).with("rt", kind).with("ct", "40");
    [
        link("/rd", "core.rd"),
        link("/rd-lookup/res", "core.rd-lookup-res"),
        link("/rd-lookup/ep", "core.rd-lookup-ep"),
        link("/things", "thingway.things"),
    ]
}

/// `/.well-known/core`
pub(super) fn well_known(things: &[ExposedThing], request: &Request) -> Response {
    let properties = things.iter().flat_map(|thing| {
        thing.properties.iter().filter_map(|property| property_link(thing, property))
    });
    selected(entries().into_iter().chain(properties), request)
}

/// `/things`
pub(super) fn list(things: &[ExposedThing], request: &Request) -> Response {
    selected(things.iter().filter_map(thing_link), request)
}

fn selected(links: impl Iterator<Item = Link>, request: &Request) -> Response {
    let query: Vec<&str> = request.queries().collect();
    match Search::parse(&query) {
        Ok(search) => document(&search.select(links)),
        Err(refusal) => refuse(Code::BAD_REQUEST, refusal.to_string()),
    }
}

/// Links as a response.
pub(super) fn document(links: &[Link]) -> Response {
    let document = write(links);
    if document.len() > LONGEST {
        let length = document.len();
        let help = "ask for some of them: ?href=/things/NAME/* or ?count=100&page=0";
        return refuse(Code::BAD_REQUEST, format!("{length} bytes of links; {help}"));
    }
    Response::with_body(Code::CONTENT, LINK_FORMAT, document)
}

fn thing_link(thing: &ExposedThing) -> Option<Link> {
    let mut link = Link::new(format!("/things/{}/properties", segment(thing.id.name())?));
    if let Some(kind) = &thing.semantic_type {
        link = link.with("rt", kind.as_str());
    }
    link = link.with("ct", formats(&OFFERED[..4]));
    if let Some(title) = &thing.title {
        link = link.with("title", title.as_str());
    }
    Some(link)
}

/// What can be written is a parameter, all else a sensor (draft-ietf-core-interfaces, section 4).
fn property_link(thing: &ExposedThing, property: &ExposedProperty) -> Option<Link> {
    let (id, name) = (segment(thing.id.name())?, segment(&property.name)?);
    let mut link = Link::new(format!("/things/{id}/properties/{name}"));
    if let Some(kind) = &property.semantic_type {
        link = link.with("rt", kind.as_str());
    }
    link = link
        .with("if", if property.writable { "core.p" } else { "core.s" })
        .with("ct", formats(&OFFERED));
    link.attributes.push(Attribute::flag("obs"));
    if let Some(title) = &property.title {
        link = link.with("title", title.as_str());
    }
    Some(link)
}

fn formats(formats: &[u16]) -> String {
    formats.iter().map(u16::to_string).collect::<Vec<_>>().join(" ")
}
