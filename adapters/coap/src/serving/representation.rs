//! States in content-formats, and values out of them.

use std::borrow::Cow;

use bytes::Bytes;
use thingway_sdk::codec::senml::{self, Entry};
use thingway_sdk::codec::{self, DecodeError, Encoding, Leaves, Limits, cbor};
use thingway_sdk::{Payload, Quality, Snapshot, ThingId, Value};

use super::refuse;
use crate::content_format::{CBOR, JSON, SENML_CBOR, SENML_JSON, TEXT, media_type};
use crate::exchange::{Request, Response};
use crate::message::{Code, options};

/// How a state can be had; the first when a client does not say.
pub(super) const OFFERED: [u16; 5] = [JSON, CBOR, SENML_JSON, SENML_CBOR, TEXT];
/// How long a state counts as fresh for who reads it once, in seconds.
pub(super) const MAX_AGE: u32 = 60;
/// When to come again for what is bad now, in seconds.
const AGAIN_IN: u32 = 30;
/// Values that are written may nest so deep and be so many.
const LIMITS: Limits = Limits { depth: 32, leaves: 1000, name_bytes: 256 };

/// The content-format that a request asks for, of those that there are.
pub(super) fn accepted(request: &Request, offered: &[u16]) -> Result<u16, Response> {
    let wanted = request.options.uint(options::ACCEPT);
    let found =
        offered.iter().find(|format| wanted.is_none_or(|wanted| wanted == u32::from(**format)));
    found.copied().ok_or_else(|| {
        let names: Vec<String> = offered.iter().map(u16::to_string).collect();
        refuse(Code::NOT_ACCEPTABLE, format!("there are the formats {}", names.join(", ")))
    })
}

/// The name of a property's record in SenML: unique among all gateways' (RFC 8428, section 4.5.1).
pub(super) fn full_name(thing: &str, property: &str) -> String {
    let id = ThingId::resolve(thing).map_or_else(|_| thing.to_owned(), |id| id.to_string());
    format!("{id}:{property}")
}

/// The response with a state, fresh for so many seconds if it is good.
pub(super) fn of_state(format: u16, name: &str, state: &Snapshot, max_age: u32) -> Response {
    if state.quality == Quality::Bad {
        let reason = "the device says itself that its value is wrong";
        return refuse(Code::SERVICE_UNAVAILABLE, reason).max_age(AGAIN_IN);
    }
    let max_age = if state.quality == Quality::Stale { 0 } else { max_age };
    match encoded(format, name, state) {
        Ok(body) => {
            tagged(Response::with_body(Code::CONTENT, format, body), state.revision, format)
                .max_age(max_age)
        }
        Err(reason) => refuse(Code::NOT_ACCEPTABLE, reason),
    }
}

/// The response with the states of several properties of one thing, by name.
pub(super) fn of_states(format: u16, thing: &str, states: &[(&str, Snapshot)]) -> Response {
    // There is no place for quality in any of the formats.
    let good = states.iter().filter(|(_, state)| state.quality != Quality::Bad);
    let stale = good.clone().any(|(_, state)| state.quality == Quality::Stale);
    let names: Vec<String> = good.clone().map(|(name, _)| full_name(thing, name)).collect();
    let entries = good.clone().zip(&names).map(|((_, state), name)| entry(name, state));
    let body = match format {
        SENML_JSON => Ok(senml::write_json(entries)),
        SENML_CBOR => senml::write_cbor(entries).map_err(|error| error.to_string()),
        format => {
            let mut object = vec![b'{'];
            for (name, state) in good {
                if object.len() > 1 {
                    object.push(b',');
                }
                Value::Text((*name).into()).write_json(&mut object);
                object.push(b':');
                state.value.write_json(&mut object);
            }
            object.push(b'}');
            if format == CBOR { cbor_of_json(object) } else { Ok(object) }
        }
    };
    let revision = states.iter().map(|(_, state)| state.revision).max().unwrap_or_default();
    match body {
        Ok(body) => tagged(Response::with_body(Code::CONTENT, format, body), revision, format)
            .max_age(if stale { 0 } else { MAX_AGE }),
        Err(reason) => refuse(Code::NOT_ACCEPTABLE, reason),
    }
}

fn cbor_of_json(object: Vec<u8>) -> Result<Vec<u8>, String> {
    let text = String::from_utf8(object).map_err(|error| error.to_string())?;
    cbor::encode(&Value::Json(text.into())).map_err(|error| error.to_string())
}

fn encoded(format: u16, name: &str, state: &Snapshot) -> Result<Vec<u8>, String> {
    match format {
        CBOR => cbor::encode(&state.value).map_err(|error| error.to_string()),
        SENML_JSON => Ok(senml::write_json([entry(name, state)])),
        SENML_CBOR => senml::write_cbor([entry(name, state)]).map_err(|error| error.to_string()),
        TEXT => match &state.value {
            Value::Octets(_) => Err(format!("these are bytes and no text; ask for CBOR ({CBOR})")),
            value => Ok(value.to_octets()),
        },
        _ => Ok(state.value.to_json().into_bytes()),
    }
}

fn entry<'a>(name: &'a str, state: &'a Snapshot) -> Entry<'a> {
    Entry {
        name: Cow::Borrowed(name),
        unit: state.unit.as_deref(),
        value: &state.value,
        time: Some(state.time),
    }
}

/// The entity tag of a state in a format: the revision, which stays below 2^53, and the format's
/// place among those that there are.
fn tag(revision: u64, format: u16) -> Bytes {
    let place = OFFERED.iter().position(|offered| *offered == format).unwrap_or_default();
    let mut tag = revision.to_be_bytes();
    tag.rotate_left(1);
    tag[7] = place as u8;
    Bytes::copy_from_slice(&tag)
}

fn tagged(mut response: Response, revision: u64, format: u16) -> Response {
    response.options.set(options::ETAG, tag(revision, format));
    response
}

/// The response without its body when the client has that already (RFC 7252, section 5.10.6.2).
pub(super) fn unless_known(request: &Request, response: Response) -> Response {
    let Some(tag) = response.options.get(options::ETAG) else { return response };
    if request.options.all(options::ETAG).all(|known| known != tag) {
        return response;
    }
    let mut valid = Response::new(Code::VALID).max_age(response.options.max_age());
    valid.options.set(options::ETAG, tag.clone());
    valid
}

/// Whether a request may change what has this revision (RFC 7252, section 5.10.8), in whatever
/// format the client has read it.
pub(super) fn condition(request: &Request, revision: u64) -> Result<(), Response> {
    let own = tag(revision, JSON);
    let mut wanted = request.options.all(options::IF_MATCH).peekable();
    let matches = |tag: &Bytes| tag.is_empty() || tag.len() == own.len() && tag[..7] == own[..7];
    let others = wanted.peek().is_some() && !wanted.any(matches);
    if others || request.options.get(options::IF_NONE_MATCH).is_some() {
        let reason = "it has changed, or is there already; read it again";
        return Err(refuse(Code::PRECONDITION_FAILED, reason));
    }
    Ok(())
}

/// The value in the body of a request. Without a content-format the bytes decide.
pub(super) fn value(request: &Request) -> Result<Value, Response> {
    let format = request.options.uint(options::CONTENT_FORMAT);
    let format = format.and_then(|format| u16::try_from(format).ok());
    if let Some(other) = format.filter(|format| !OFFERED.contains(format)) {
        let names: Vec<String> = OFFERED.iter().map(u16::to_string).collect();
        let reason = format!("format {other} is not understood; send one of {}", names.join(", "));
        return Err(refuse(Code::UNSUPPORTED_CONTENT_FORMAT, reason));
    }
    let content_type = format.and_then(media_type).map(Into::into);
    let payload = Payload { bytes: request.payload.clone(), content_type };
    let bad = |reason: String| refuse(Code::BAD_REQUEST, reason);
    let mut records = Records::default();
    let decoded = codec::decode(&payload, &LIMITS, &mut records);
    let decoded = decoded.map_err(|error: DecodeError| bad(error.to_string()))?;
    if !matches!(decoded.encoding, Encoding::SenmlJson | Encoding::SenmlCbor) {
        let whole = codec::whole(&payload, decoded.encoding, &LIMITS);
        return whole.ok_or_else(|| bad("the body is no value".to_owned()));
    }
    match (records.count, records.value) {
        (1, Some(value)) => Ok(value),
        (count, _) => Err(bad(format!("send one SenML record for one property, not {count}"))),
    }
}

/// Counts what a body says, and keeps the last of it.
#[derive(Default)]
struct Records {
    count: usize,
    value: Option<Value>,
}

impl Leaves for Records {
    fn leaf(&mut self, _: &str, value: Value) {
        self.count += 1;
        self.value = Some(value);
    }

    fn whole(&mut self, value: Value) {
        *self = Self { count: 1, value: Some(value) };
    }

    fn restart(&mut self) {
        *self = Self::default();
    }
}
