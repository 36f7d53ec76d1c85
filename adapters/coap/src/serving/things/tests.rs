use thingway_sdk::{
    BoxFuture, ExposedProperty, ExposedThing, Following, Quality, Snapshot, ThingId, Timestamp,
};
use tokio::time::Instant;

use super::*;
use crate::content_format::{CBOR, JSON, LINK_FORMAT, SENML_CBOR, SENML_JSON, TEXT};
use crate::message::options;

/// One heater, whose `setpoint` can be written.
struct Heater(Quality);

impl Heater {
    fn thing() -> ExposedThing {
        let property = |name: &str, writable: bool| ExposedProperty {
            name: name.into(),
            title: writable.then(|| "Wanted".into()),
            semantic_type: (!writable).then(|| "power-w".into()),
            unit: None,
            writable,
        };
        ExposedThing {
            id: ThingId::from_name("heater"),
            title: Some("Heater".into()),
            semantic_type: None,
            properties: vec![property("setpoint", true), property("out put", false)],
        }
    }
}

impl Exposed for Heater {
    fn things(&self) -> Vec<ExposedThing> {
        vec![Self::thing()]
    }

    fn thing(&self, id: &str) -> Option<ExposedThing> {
        (id == "heater").then(Self::thing)
    }

    fn read(&self, thing: &str, property: &str) -> Option<Snapshot> {
        let json = match (thing, property) {
            ("heater", "setpoint") => "21.5",
            ("heater", "out put") => r#""full""#,
            _ => return None,
        };
        Some(Snapshot {
            value: Value::from_json(json).unwrap(),
            unit: (property == "setpoint").then(|| "Cel".into()),
            time: Timestamp::from_micros(1_700_000_000_000_000),
            quality: self.0,
            revision: 0x0012_3456_789a_bcde,
        })
    }

    fn write<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: Value,
        _: Instant,
    ) -> BoxFuture<'a, Result<Written, WriteFailure>> {
        Box::pin(async { Ok(Written::Confirmed) })
    }

    fn follow(&self, _: &str, _: &str) -> Option<Box<dyn Following>> {
        None
    }
}

const SETPOINT: &str = "/things/heater/properties/setpoint";

fn asked_of(quality: Quality, request: &Request) -> Answer {
    Things::new(Arc::new(Heater(quality))).answer(Path::of(request), request)
}

fn response(request: &Request) -> Response {
    match asked_of(Quality::Good, request) {
        Answer::Now(response) | Answer::State(response, _) => response,
        Answer::Later(write) => panic!("{write:?}"),
    }
}

fn text(response: &Response) -> &str {
    str::from_utf8(&response.payload).unwrap()
}

#[test]
fn a_state_is_had_in_each_format() {
    let get = Request::get(SETPOINT);
    assert_eq!(response(&get).content_format(), Some(JSON));
    for (format, body) in [
        (JSON, &b"21.5"[..]),
        (CBOR, b"\xf9\x4d\x60"),
        (TEXT, b"21.5"),
        (
            SENML_JSON,
            br#"[{"n":"urn:thingway:heater:setpoint","u":"Cel","v":21.5,"t":1700000000}]"#,
        ),
    ] {
        let had = response(&get.clone().accept(format));
        assert_eq!((had.code, had.content_format()), (Code::CONTENT, Some(format)));
        assert_eq!(had.payload, body, "{format}");
    }
    let pack = response(&get.clone().accept(SENML_CBOR));
    assert_eq!(pack.payload[0], 0x81, "an array of one record");
    let refused = response(&get.accept(41));
    assert_eq!(refused.code, Code::NOT_ACCEPTABLE);
    assert_eq!(text(&refused), "there are the formats 50, 60, 110, 112, 0");
}

#[test]
fn what_a_client_has_is_not_sent_again_and_formats_have_tags_of_their_own() {
    let first = response(&Request::get(SETPOINT));
    let tag = first.options.get(options::ETAG).unwrap().clone();
    assert_eq!(tag.len(), 8);
    let mut again = Request::get(SETPOINT);
    again.options.add(options::ETAG, tag.clone());
    let valid = response(&again);
    assert_eq!((valid.code, valid.payload.len()), (Code::VALID, 0));
    assert_eq!(valid.options.get(options::ETAG), Some(&tag));
    assert_eq!(response(&again.accept(CBOR)).code, Code::CONTENT);
}

#[test]
fn quality_shows_in_freshness_and_what_is_bad_is_not_handed_out() {
    let read = |quality| match asked_of(quality, &Request::get(SETPOINT)) {
        Answer::State(response, _) => response,
        other => panic!("{other:?}"),
    };
    assert_eq!(read(Quality::Good).options.max_age(), 60);
    assert_eq!(read(Quality::Uncertain).options.max_age(), 60);
    let stale = read(Quality::Stale);
    assert_eq!((stale.code, stale.options.max_age()), (Code::CONTENT, 0));
    assert_eq!(text(&stale), "21.5");
    assert_eq!(read(Quality::Bad).code, Code::SERVICE_UNAVAILABLE);
}

#[test]
fn all_properties_come_as_one_object_or_pack() {
    let all = Request::get("/things/heater/properties");
    assert_eq!(text(&response(&all)), r#"{"setpoint":21.5,"out put":"full"}"#);
    let pack = response(&all.clone().accept(SENML_JSON));
    assert!(text(&pack).contains(r#""n":"urn:thingway:heater:out_put","vs":"full""#), "{pack:?}");
    assert_eq!(response(&all.clone().accept(CBOR)).payload[0], 0xa2, "a map of two");
    assert_eq!(response(&all.accept(TEXT)).code, Code::NOT_ACCEPTABLE);
}

#[test]
fn a_value_is_taken_in_each_format() {
    let put = Request::new(Code::PUT, SETPOINT);
    let bodies: [(Option<u16>, &[u8]); 6] = [
        (None, b"22.5"),
        (Some(JSON), b" 22.5 "),
        (Some(TEXT), b"22.5"),
        (Some(CBOR), b"\xf9\x4d\xa0"),
        (Some(SENML_JSON), br#"[{"n":"x","v":22.5}]"#),
        (Some(SENML_CBOR), b"\x81\xa2\x00\x61x\x02\xf9\x4d\xa0"),
    ];
    for (format, body) in bodies {
        let mut request = Request { payload: bytes::Bytes::copy_from_slice(body), ..put.clone() };
        if let Some(format) = format {
            request.options.set_uint(options::CONTENT_FORMAT, format.into());
        }
        let Answer::Later(write) = asked_of(Quality::Good, &request) else { panic!("{format:?}") };
        let wanted = if format == Some(TEXT) { r#""22.5""# } else { "22.5" };
        assert_eq!(write.value.to_json(), wanted, "{format:?}");
    }
    for (format, body, code) in [
        (JSON, "22,5", Code::BAD_REQUEST),
        (JSON, "", Code::BAD_REQUEST),
        (SENML_JSON, r#"[{"n":"a","v":1},{"n":"b","v":2}]"#, Code::BAD_REQUEST),
        (LINK_FORMAT, "</a>", Code::UNSUPPORTED_CONTENT_FORMAT),
    ] {
        let refused = response(&put.clone().body(format, body));
        assert_eq!(refused.code, code, "{body}");
        assert!(!refused.payload.is_empty(), "it says why");
    }
}

#[test]
fn a_write_may_depend_on_what_is_there() {
    let tag = response(&Request::get(SETPOINT).accept(CBOR)).options.get(options::ETAG).cloned();
    let put = |option, value: bytes::Bytes| {
        let mut request = Request::new(Code::PUT, SETPOINT).body(JSON, "1");
        request.options.add(option, value);
        asked_of(Quality::Good, &request)
    };
    assert!(matches!(put(options::IF_MATCH, tag.unwrap()), Answer::Later(_)));
    assert!(matches!(put(options::IF_MATCH, bytes::Bytes::new()), Answer::Later(_)));
    for (option, value) in [(options::IF_MATCH, &b"old"[..]), (options::IF_NONE_MATCH, b"")] {
        let answer = put(option, bytes::Bytes::copy_from_slice(value));
        let Answer::Now(refused) = answer else { panic!("{answer:?}") };
        assert_eq!(refused.code, Code::PRECONDITION_FAILED);
    }
}

#[test]
fn resources_are_listed_and_filtered() {
    let core = |query: &str| {
        let request = Request::get("/.well-known/core");
        response(&if query.is_empty() { request } else { request.query(query) })
    };
    let all = core("");
    assert_eq!(all.content_format(), Some(LINK_FORMAT));
    assert_eq!(
        text(&all),
        concat!(
            r#"</rd>;rt="core.rd";ct=40,</rd-lookup/res>;rt="core.rd-lookup-res";ct=40,"#,
            r#"</rd-lookup/ep>;rt="core.rd-lookup-ep";ct=40,</things>;rt="thingway.things";ct=40,"#,
            r#"</things/heater/properties/setpoint>;if="core.p";ct="50 60 110 112 0";obs;title="Wanted","#,
            r#"</things/heater/properties/out%20put>;rt="power-w";if="core.s";ct="50 60 110 112 0";obs"#,
        )
    );
    assert_eq!(text(&core("rt=core.rd*")).matches('<').count(), 3);
    assert_eq!(text(&core("href=/things/*")).matches('<').count(), 2);
    assert!(text(&core("if=core.p")).starts_with("</things/heater/properties/setpoint>"));
    assert_eq!(text(&core("rt=none")), "");
    assert_eq!(core("page=1").code, Code::BAD_REQUEST);
    assert_eq!(
        text(&response(&Request::get("/things"))),
        r#"</things/heater/properties>;ct="50 60 110 112";title="Heater""#
    );
}

#[test]
fn what_is_not_there_or_takes_another_method_says_so() {
    for (method, path, code) in [
        (Code::GET, "/", Code::NOT_FOUND),
        (Code::GET, "/things/stove/properties", Code::NOT_FOUND),
        (Code::GET, "/things/heater/properties/none", Code::NOT_FOUND),
        (Code::PUT, "/things/heater/properties/none", Code::NOT_FOUND),
        (Code::DELETE, SETPOINT, Code::METHOD_NOT_ALLOWED),
        (Code::FETCH, SETPOINT, Code::METHOD_NOT_ALLOWED),
        (Code::POST, "/things", Code::METHOD_NOT_ALLOWED),
        (Code::PUT, "/things/heater/properties", Code::METHOD_NOT_ALLOWED),
    ] {
        let refused = response(&Request::new(method, path));
        assert_eq!(refused.code, code, "{path}");
        assert!(!refused.payload.is_empty(), "it says what to do");
    }
}

#[test]
fn the_device_s_answer_becomes_a_code() {
    for (outcome, code) in [
        (Ok(Written::Confirmed), Code::CHANGED),
        (Ok(Written::Sent), Code::GATEWAY_TIMEOUT),
        (Err(WriteFailure::Unknown), Code::NOT_FOUND),
        (Err(WriteFailure::ReadOnly("no".into())), Code::METHOD_NOT_ALLOWED),
        (Err(WriteFailure::BadValue("no".into())), Code::BAD_REQUEST),
        (Err(WriteFailure::Busy("no".into())), Code::SERVICE_UNAVAILABLE),
        (Err(WriteFailure::Refused("no".into())), Code::BAD_GATEWAY),
        (Err(WriteFailure::TimedOut("no".into())), Code::GATEWAY_TIMEOUT),
    ] {
        assert_eq!(answer_to_write(outcome.clone()).code, code, "{outcome:?}");
    }
}
