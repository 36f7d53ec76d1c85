//! Plain reads, answered. Headers, body and conditions come from the functions that the handlers
//! use; what is written here is their order on the wire.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, StatusCode};
use thingway_sdk::{ThingId, Timestamp};

use super::head::{Plain, Target};
use crate::rest::negotiate::{names, pick};
use crate::rest::properties::{FORMS_OF_ALL, FORMS_OF_ONE, JSON};
use crate::rest::reading::{HttpDate, Reading};
use crate::rest::{App, COMPRESSED_FROM, NOSNIFF};

/// What one answer leaves for the next: memory, and dates that are often the same again.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) body: Vec<u8>,
    modified: HttpDate,
    now: HttpDate,
}

impl Scratch {
    /// Appends the answer to `out`. False, with nothing appended, when the router has to answer:
    /// where something is missing, or is wanted in another form.
    pub(super) fn answer(&mut self, app: &App, plain: &Plain<'_>, out: &mut Vec<u8>) -> bool {
        let Some(reading) = self.read(app, plain) else { return false };
        let held = plain.if_none_match.is_some_and(|list| names(list, reading.revision));
        let large = !held && self.body.len() >= COMPRESSED_FROM;
        // Who compresses is a layer; and axum gives a 304 to HEAD a length that none to GET has.
        if (large && plain.encodings) || (held && plain.head_only) {
            return false;
        }
        let status = if held { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        let now = Timestamp::now();
        out.extend_from_slice(match held {
            true => b"HTTP/1.1 304 Not Modified",
            false => b"HTTP/1.1 200 OK",
        });
        let mut put = |name: HeaderName, value: &str| line(out, name.as_str(), value);
        if !held {
            put(CONTENT_TYPE, JSON);
        }
        reading.each_header(now, &mut self.modified, &mut put);
        put(NOSNIFF.0, NOSNIFF.1);
        if large {
            put(axum::http::header::VARY, "accept-encoding");
        }
        if plain.close {
            line(out, "connection", "close");
        }
        if !held {
            line(out, "content-length", itoa::Buffer::new().format(self.body.len()));
        }
        line(out, "date", self.now.of(now));
        out.extend_from_slice(b"\r\n\r\n");
        if !held && !plain.head_only {
            out.extend_from_slice(&self.body);
        }
        app.metrics.count_answer(status.as_u16());
        true
    }

    /// Reads what is asked for, with its value in `body`.
    fn read(&mut self, app: &App, plain: &Plain<'_>) -> Option<Reading> {
        self.body.clear();
        let (thing, forms): (_, &[_]) = match plain.target {
            Target::Property { thing, .. } => (thing, &FORMS_OF_ONE),
            Target::Properties { thing } => (thing, &FORMS_OF_ALL),
        };
        if pick(plain.accept.as_slice(), forms) != Some(JSON) {
            return None;
        }
        let thing = app.registry.find(ThingId::shorten(thing).ok()?)?;
        match plain.target {
            Target::Properties { .. } => Some(Reading::of_all(&thing, &mut self.body)),
            Target::Property { name, .. } => thing.with_slot(name, |slot| {
                slot.state().write_json(&mut self.body);
                Reading::of_one(slot.revision(), slot.state().time(), slot.state().quality())
            }),
        }
    }
}

/// Ends the line before and writes this header after it.
fn line(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
}
