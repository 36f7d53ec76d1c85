//! The server: piggybacked and separate responses, options that can't be used, groups.

use bytes::Bytes;
use thingway_coap::config::Limits;
use thingway_coap::message::{Code, Kind, Message, options};
use thingway_coap::{Config, Event, Failure, Request, Response};

use crate::support::*;

#[test]
fn a_quick_response_is_piggybacked() {
    let mut bench = Bench::new();
    let mut message = get_request(900, b"token", "a");
    message.options.add(options::URI_PATH, "b");
    message.options.add(options::URI_QUERY, "c=1");
    bench.give(&message);
    let Event::Request { id, from, request, observe } = bench.event() else { panic!() };
    assert_eq!((from, observe), (peer(), false));
    assert_eq!((request.method, request.path().as_str()), (Code::GET, "/a/b"));
    assert_eq!(request.queries().collect::<Vec<_>>(), ["c=1"]);
    assert!(bench.endpoint.respond(bench.now, id, text("x")));
    let response = bench.sent_one();
    assert_eq!((response.kind, response.mid), (Kind::Acknowledgement, 900));
    assert_eq!((response.token, response.code), (message.token, Code::CONTENT));
    assert!(!bench.endpoint.respond(bench.now, id, text("x")), "it was answered before");
}

#[test]
fn a_slow_response_is_separate_and_sent_until_acknowledged() {
    let mut bench = Bench::new();
    bench.verify_peer();
    let request = get_request(900, b"t", "slow");
    bench.give(&request);
    let (id, _) = bench.incoming();
    let sent = bench.pass(SECOND);
    assert_eq!(sent[0].1, empty(Kind::Acknowledgement, 900));
    assert_eq!(bench.ask(&request), [empty(Kind::Acknowledgement, 900)], "a duplicate");
    assert!(bench.endpoint.respond(bench.now, id, text("x")));
    let response = bench.sent_one();
    assert_eq!((response.kind, response.token), (Kind::Confirmable, request.token));
    assert_eq!(bench.pass(4 * SECOND)[0].1, response);
    bench.give(&empty(Kind::Acknowledgement, response.mid));
    assert!(bench.pass(100 * SECOND).is_empty() && bench.events().is_empty());
}

#[test]
fn a_request_that_nobody_answers_ends() {
    let mut bench = Bench::new();
    bench.verify_peer();
    bench.give(&get_request(900, b"t", "forgotten"));
    bench.events();
    let sent = bench.pass(62 * SECOND);
    assert_eq!(sent[1].1.code, Code::SERVICE_UNAVAILABLE);
}

#[test]
fn a_non_confirmable_request_gets_a_non_confirmable_response() {
    let mut bench = Bench::new();
    let request = Message { kind: Kind::NonConfirmable, ..get_request(900, b"t", "a") };
    bench.give(&request);
    let response = bench.respond(text("x"));
    assert_eq!((response.kind, response.token), (Kind::NonConfirmable, request.token));
    assert!(bench.ask(&request).is_empty() && bench.events().is_empty(), "a duplicate");
}

#[test]
fn critical_options_that_are_not_known_are_refused() {
    let mut bench = Bench::new();
    let mut request = get_request(900, b"t", "a");
    request.options.add(9, Bytes::new());
    assert_eq!(bench.ask(&request)[0].code, Code::BAD_OPTION);
    let request = Message { kind: Kind::NonConfirmable, mid: 901, ..request };
    assert!(bench.ask(&request).is_empty());
    let mut request = get_request(902, b"t", "a");
    request.options.add(2048, Bytes::new());
    bench.give(&request);
    assert_eq!(bench.incoming().1.options.get(2048), Some(&Bytes::new()), "elective ones are not");
}

#[test]
fn nobody_is_proxied() {
    let mut bench = Bench::new();
    for (mid, option, value) in
        [(1, options::PROXY_URI, "coap://b/"), (2, options::PROXY_SCHEME, "http")]
    {
        let mut request = get_request(mid, b"t", "a");
        request.options.add(option, value);
        assert_eq!(bench.ask(&request)[0].code, Code::PROXYING_NOT_SUPPORTED);
    }
    assert!(bench.events().is_empty());
}

#[test]
fn what_is_too_much_at_once_is_put_off() {
    let limits = Limits { processing: 1, ..Limits::default() };
    let mut bench = Bench::with(Config { limits, ..Config::default() });
    assert!(bench.ask(&get_request(1, b"t", "a")).is_empty());
    let refused = &bench.ask(&get_request(2, b"t", "a"))[0];
    assert_eq!(refused.code, Code::SERVICE_UNAVAILABLE);
    assert!(refused.options.get(options::MAX_AGE).is_some());
}

#[test]
fn what_was_asked_of_a_group_is_answered_at_leisure() {
    let mut bench = Bench::new();
    let ask = |bench: &mut Bench, mid, path| {
        let request = Message { kind: Kind::NonConfirmable, ..get_request(mid, b"t", path) };
        bench.endpoint.handle_group_datagram(bench.now, peer(), &request.encode());
        bench.incoming().0
    };
    let id = ask(&mut bench, 900, "a");
    bench.endpoint.respond(bench.now, id, text("x"));
    assert!(bench.sent().is_empty());
    let (at, response) = bench.pass(5 * SECOND).remove(0);
    assert!(at <= bench.now && response.kind == Kind::NonConfirmable);
    assert_eq!(response.payload, "x");
    // That there is nothing here is of no interest.
    let id = ask(&mut bench, 901, "none");
    bench.endpoint.respond(bench.now, id, Response::new(Code::NOT_FOUND));
    assert!(bench.pass(10 * SECOND).is_empty());
}

#[test]
fn a_group_answers_from_many_addresses() {
    let mut bench = Bench::new();
    let group = "224.0.1.187:5683".parse().unwrap();
    let until = bench.now + 6 * SECOND;
    let id =
        bench.endpoint.request_group(bench.now, group, Request::get("/.well-known/core"), until);
    let question = bench.sent_one();
    assert_eq!(question.kind, Kind::NonConfirmable);
    for (mid, from) in [(1, peer()), (2, stranger()), (3, stranger())] {
        bench.give_from(from, &non(Code::CONTENT, mid, question.token, "</t>"));
    }
    let from = |event| match event {
        Event::Response { request, from, .. } => (request, from),
        other => panic!("{other:?}"),
    };
    let heard: Vec<_> = bench.events().into_iter().map(from).collect();
    assert_eq!(heard, [(id, peer()), (id, stranger())], "each once");
    assert!(bench.sent().is_empty());
    bench.pass(6 * SECOND);
    assert_eq!(bench.event(), Event::GroupEnded { request: id });
    bench.give(&non(Code::CONTENT, 9, question.token, "late"));
    assert_eq!(bench.sent_one().kind, Kind::Reset);
}

#[test]
fn a_response_with_an_unknown_critical_option_is_rejected() {
    let mut bench = Bench::new();
    let request = bench.get("/a");
    let mut response = con(Code::CONTENT, 900, request.token, "x");
    response.options.add(9, Bytes::new());
    assert_eq!(bench.ask(&response), [empty(Kind::Reset, 900)]);
    assert!(matches!(bench.event(), Event::Failed { failure: Failure::BadResponse, .. }));

    let request = bench.get("/a");
    let mut response = acknowledge(&request, "x");
    response.options.add(9, Bytes::new());
    bench.give(&response);
    assert!(matches!(bench.event(), Event::Failed { failure: Failure::BadResponse, .. }));
    assert_eq!(bench.endpoint.counters().bad_options, 2);
}

#[test]
fn who_is_busy_is_asked_again_when_he_says() {
    let mut bench = Bench::new();
    let request = bench.get("/a");
    let busy = answer(&request, Code::SERVICE_UNAVAILABLE, "");
    bench.give(&with_uint(busy, options::MAX_AGE, 30));
    assert!(bench.pass(29 * SECOND).is_empty() && bench.events().is_empty());
    let (_, again) = bench.pass(SECOND).remove(0);
    assert_ne!(again.token, request.token);
    bench.give(&acknowledge(&again, "x"));
    assert!(matches!(bench.event(), Event::Response { .. }));
}

#[test]
fn an_echo_is_given_back() {
    let mut bench = Bench::new();
    let request = bench.get("/a");
    let mut challenge = answer(&request, Code::UNAUTHORIZED, "");
    challenge.options.set(options::ECHO, "value");
    let again = &bench.ask(&challenge)[0];
    assert_eq!(again.options.get(options::ECHO).unwrap(), "value");
    bench.give(&acknowledge(again, "x"));
    assert!(matches!(bench.event(), Event::Response { .. }));
}
