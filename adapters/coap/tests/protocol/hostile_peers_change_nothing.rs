//! Ten ways in which a peer, or somebody who pretends to be one, breaks endpoints that trust it.

use thingway_coap::message::{Code, Kind, Token, options};
use thingway_coap::{Event, Failure};

use crate::support::*;

#[test]
fn a_notification_that_comes_twice_is_told_once() {
    let mut bench = Bench::new();
    let (_, token) = bench.observe(10);
    let notification = observed(con(Code::CONTENT, 900, token, "second"), 11);
    let first = bench.ask(&notification);
    assert_eq!(first, [empty(Kind::Acknowledgement, 900)]);
    assert_eq!(bench.ask(&notification), first, "the acknowledgement was lost");
    assert_eq!(bench.states(), ["second"]);
    assert_eq!(bench.endpoint.counters().duplicates, 1);
}

#[test]
fn an_older_notification_is_not_told_but_acknowledged() {
    let mut bench = Bench::new();
    let (_, token) = bench.observe(10);
    bench.ask(&observed(non(Code::CONTENT, 900, token, "newer"), 12));
    assert_eq!(bench.states(), ["newer"]);
    let older = observed(con(Code::CONTENT, 901, token, "older"), 11);
    assert_eq!(bench.ask(&older), [empty(Kind::Acknowledgement, 901)]);
    assert!(bench.events().is_empty());
    assert_eq!(bench.endpoint.counters().overtaken, 1);
}

#[test]
fn another_source_port_is_another_endpoint() {
    let mut bench = Bench::new();
    let (_, token) = bench.observe(10);
    bench.give_from(stranger(), &observed(con(Code::CONTENT, 900, token, "forged"), 11));
    assert_eq!(bench.sent(), [empty(Kind::Reset, 900)]);

    let request = bench.get("/a");
    bench.give_from(stranger(), &acknowledge(&request, "forged"));
    assert!(bench.sent().is_empty() && bench.events().is_empty());
    bench.give(&acknowledge(&request, "true"));
    assert!(
        matches!(bench.event(), Event::Response { response, .. } if response.payload == "true")
    );
}

#[test]
fn tokens_are_eight_bytes_that_do_not_repeat() {
    let mut bench = Bench::new();
    let mut tokens = std::collections::HashSet::new();
    for _ in 0..1000 {
        let request = bench.get("/a");
        assert_eq!(request.token.as_bytes().len(), 8);
        assert!(tokens.insert(request.token));
        bench.give(&acknowledge(&request, ""));
        bench.events();
    }
}

#[test]
fn a_response_that_nobody_asked_for_is_rejected() {
    let mut bench = Bench::new();
    let unknown = Token::new(b"unknown").unwrap();
    assert_eq!(bench.ask(&con(Code::CONTENT, 900, unknown, "x")), [empty(Kind::Reset, 900)]);
    // So that a server that still sends Non-confirmable notifications hears that nobody listens.
    assert_eq!(bench.ask(&non(Code::CONTENT, 901, unknown, "x")), [empty(Kind::Reset, 901)]);
    assert!(bench.events().is_empty());
    assert_eq!(bench.endpoint.counters().unexpected, 2);
}

#[test]
fn a_ping_is_answered_by_a_reset() {
    let mut bench = Bench::new();
    assert_eq!(bench.ask(&empty(Kind::Confirmable, 900)), [empty(Kind::Reset, 900)]);
    assert!(bench.events().is_empty());
}

#[test]
fn a_reset_ends_what_was_asked() {
    let mut bench = Bench::new();
    let request = bench.get("/a");
    bench.give(&empty(Kind::Reset, request.mid));
    assert!(matches!(bench.event(), Event::Failed { failure: Failure::Reset, .. }));
    assert!(bench.pass(300 * SECOND).is_empty());
}

#[test]
fn a_state_outlives_its_max_age_by_a_renewal_only() {
    let mut bench = Bench::new();
    let id = bench.endpoint.observe(bench.now, peer(), thingway_coap::Request::get("/t")).unwrap();
    let registration = bench.sent_one();
    let first = observed(acknowledge(&registration, "first"), 1);
    bench.give(&with_uint(first, options::MAX_AGE, 5));
    bench.events();
    let sent = bench.pass(12 * SECOND);
    assert_eq!(sent[0].1.options.uint(options::OBSERVE), Some(0), "asked again");
    assert_eq!(sent[0].1.token, registration.token, "in place of the registration before");
    assert!(bench.events().is_empty());
    bench.pass(4 * SECOND);
    assert_eq!(bench.events(), [Event::Stale { observation: id }]);
}

#[test]
fn an_empty_acknowledgement_ends_the_retransmission() {
    let mut bench = Bench::new();
    let request = bench.get("/a");
    bench.give(&empty(Kind::Acknowledgement, request.mid));
    assert!(bench.pass(100 * SECOND).is_empty());
    let response = con(Code::CONTENT, 900, request.token, "late");
    assert_eq!(bench.ask(&response), [empty(Kind::Acknowledgement, 900)]);
    assert!(
        matches!(bench.event(), Event::Response { response, .. } if response.payload == "late")
    );
}

#[test]
fn a_request_that_comes_three_times_is_carried_out_once() {
    let mut bench = Bench::new();
    let request = get_request(900, b"t", "count");
    bench.give(&request);
    let first = bench.respond(text("1"));
    assert_eq!((first.kind, first.mid), (Kind::Acknowledgement, 900));
    for _ in 0..2 {
        assert_eq!(bench.ask(&request), std::slice::from_ref(&first));
    }
    assert!(bench.events().is_empty());
}
