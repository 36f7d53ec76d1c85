//! A resource as its device's list describes it (RFC 6690), and as the gateway is told of it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use smol_str::{SmolStr, format_smolstr};
use thingway_sdk::{Address, Form, Operation, Subject, Value};

use super::target::Target;
use crate::content_format::{self, CBOR, JSON, OCTET_STREAM, SENML_CBOR, SENML_JSON, TEXT};
use crate::link_format::Link;

/// Where devices keep their list.
pub(crate) const WELL_KNOWN: [&str; 2] = [".well-known", "core"];

/// Which format is asked for where a resource has several: what says most of itself comes first.
const PREFERRED: [u16; 5] = [SENML_JSON, SENML_CBOR, CBOR, JSON, TEXT];

/// Interfaces that can't be written: sensor and read-only parameter
/// (draft-ietf-core-interfaces, sections 5.5 and 5.7).
const READ_ONLY: [&str; 2] = ["core.s", "core.rp"];

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Resource {
    pub(super) target: Target,
    pub(super) address: Address,
    pub(super) observable: bool,
    /// In bytes, by the device's own account (`sz`).
    pub(super) size: Option<u64>,
    pub(super) formats: Vec<u16>,
    name: SmolStr,
    title: Option<SmolStr>,
    semantic_type: Option<SmolStr>,
    read_only: bool,
}

/// What is in a list, without the list itself and without what is on other devices. Names that
/// meet are numbered.
pub(super) fn resources(links: &[Link], prefix: &str, most: usize) -> Vec<Resource> {
    let (mut known, mut names) = (HashSet::new(), HashSet::new());
    let here = links.iter().filter_map(|link| Resource::of(link, prefix));
    let new = here.filter(|resource| known.insert(resource.address.clone()));
    new.take(most)
        .map(|mut resource| {
            let base = resource.name.clone();
            let mut number = 1;
            while !names.insert(resource.name.clone()) {
                number += 1;
                resource.name = format_smolstr!("{base}_{number}");
            }
            resource
        })
        .collect()
}

impl Resource {
    fn of(link: &Link, prefix: &str) -> Option<Self> {
        let target = Target::parse(&link.target)?;
        // A relation that isn't `hosts` tells of something else than a resource of the device.
        let hosted = link.value("rel").is_none_or(|_| link.values("rel").any(|rel| rel == "hosts"));
        if target.is(&WELL_KNOWN) || !hosted {
            return None;
        }
        Some(Self {
            address: target.address(prefix),
            observable: link.is_observable(),
            size: link.size(),
            formats: link.content_formats().collect(),
            name: target.name().into(),
            title: link.title().map(SmolStr::from),
            semantic_type: link.value("rt").filter(|types| !types.is_empty()).map(SmolStr::from),
            read_only: link.values("if").any(|interface| READ_ONLY.contains(&interface)),
            target,
        })
    }

    /// The format to ask for; none where there is nothing to choose.
    pub(super) fn accept(&self) -> Option<u16> {
        match self.formats.len() {
            0 | 1 => None,
            _ => PREFERRED.into_iter().find(|format| self.formats.contains(format)),
        }
    }

    /// What the gateway is told of a property whose state has this format.
    pub(super) fn property(&self, thing: &SmolStr, format: u16) -> Arc<Subject> {
        let form = self.form(Operation::WriteProperty, "PUT", Some(format));
        self.subject(thing, (!self.read_only).then_some(form))
    }

    /// What the gateway is told of an action.
    pub(super) fn action(&self, thing: &SmolStr) -> Arc<Subject> {
        let format = self.accept().or(self.formats.first().copied());
        self.subject(thing, Some(self.form(Operation::InvokeAction, "POST", format)))
    }

    fn subject(&self, thing: &SmolStr, form: Option<Form>) -> Arc<Subject> {
        Arc::new(Subject {
            thing: thing.clone(),
            name: self.name.clone(),
            title: self.title.clone(),
            semantic_type: self.semantic_type.clone(),
            form,
        })
    }

    fn form(&self, operation: Operation, method: &str, format: Option<u16>) -> Form {
        let mut terms = BTreeMap::from([("cov:method".into(), Value::Text(method.into()))]);
        if let Some(format) = format {
            let number = Value::Number(i64::from(format).into());
            terms.insert("cov:contentFormat".into(), number);
        }
        let content_type = format.map(media_type);
        Form { address: self.address.clone(), operation, content_type, terms }
    }
}

/// What the gateway is told that a body is. Constrained devices call numbers text, too: there the
/// bytes decide. All other text is text, `true` and `null` as well.
pub(crate) fn value_type(format: u16, body: &[u8]) -> Option<SmolStr> {
    let begins_a_number = matches!(body.trim_ascii_start().first(), Some(b'0'..=b'9' | b'-'));
    (format != TEXT || !begins_a_number).then(|| media_type(format))
}

/// The media type of a format; one that is not known here is bytes.
fn media_type(format: u16) -> SmolStr {
    let known = content_format::media_type(format);
    known.or(content_format::media_type(OCTET_STREAM)).unwrap_or_default().into()
}

/// The format of a body that doesn't say it.
pub(super) fn guessed(body: &[u8]) -> u16 {
    match body.trim_ascii_start().first() {
        Some(b'{' | b'[') => JSON,
        _ if std::str::from_utf8(body).is_ok() => TEXT,
        _ => OCTET_STREAM,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link_format::{Limits, parse};

    fn read(list: &str) -> Vec<Resource> {
        resources(&parse(list.as_bytes(), &Limits::default()).unwrap(), "", 100)
    }

    #[test]
    fn a_list_becomes_resources() {
        let list = concat!(
            "</.well-known/core>;ct=40,</s/t>;rt=\"temperature-c\";if=\"core.s\";obs;sz=4,",
            "</relay>;title=\"Relay\";ct=\"0 60\",</relay>,</a%20b>,</a_b>,",
            "<coap://other/x>,</s/t>;rel=\"describedby\""
        );
        let all = read(list);
        let names: Vec<_> = all.iter().map(|resource| resource.name.as_str()).collect();
        assert_eq!(names, ["s.t", "relay", "a_b", "a_b_2"]);
        assert!(all[0].observable && all[0].read_only && all[0].size == Some(4));
        assert_eq!((all[0].accept(), all[1].accept()), (None, Some(CBOR)));
        let subject = all[0].property(&"lab".into(), TEXT);
        assert_eq!(subject.form, None);
        assert_eq!(subject.semantic_type.as_deref(), Some("temperature-c"));
        let subject = all[1].property(&"lab".into(), CBOR);
        let form = subject.form.as_ref().unwrap();
        assert_eq!(form.content_type.as_deref(), Some("application/cbor"));
        assert_eq!(form.terms["cov:contentFormat"], Value::Number(60.into()));
        assert_eq!(subject.title.as_deref(), Some("Relay"));
    }

    #[test]
    fn text_may_be_a_number_and_nothing_else() {
        for number in ["21.5", " 7", "-3"] {
            assert_eq!(value_type(TEXT, number.as_bytes()), None, "{number}");
        }
        for text in ["true", "null", "{}", "\"a\"", "on", ""] {
            let told = value_type(TEXT, text.as_bytes());
            assert_eq!(told.as_deref(), Some("text/plain;charset=utf-8"), "{text}");
        }
        assert_eq!(value_type(JSON, b"null").as_deref(), Some("application/json"));
    }

    #[test]
    fn formats_that_are_not_known_are_bytes() {
        assert_eq!(media_type(65_000), "application/octet-stream");
        let guesses = [&b" {\"a\":1}"[..], b"21.5", b"\xff\x00"].map(guessed);
        assert_eq!(guesses, [JSON, TEXT, OCTET_STREAM]);
    }
}
