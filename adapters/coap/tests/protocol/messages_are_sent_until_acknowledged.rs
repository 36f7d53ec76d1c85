//! The message layer: retransmission, one outstanding message per peer, and format errors.

use std::time::Duration;

use thingway_coap::config::Limits;
use thingway_coap::message::{Code, Kind, Token};
use thingway_coap::{Config, Endpoint, Event, Failure, Request};

use crate::support::*;

#[test]
fn a_request_is_sent_five_times_with_growing_pauses() {
    let mut bench = Bench::new();
    let start = bench.now;
    let request = bench.get("/a");
    let again = bench.pass(200 * SECOND);
    assert_eq!(again.len(), 4);
    assert!(again.iter().all(|(_, message)| *message == request));
    let first = again[0].0 - start;
    assert!((2 * SECOND..=3 * SECOND).contains(&first), "{first:?}");
    for (nth, pair) in again.windows(2).enumerate() {
        assert_eq!(pair[1].0 - pair[0].0, first * (2 << nth));
    }
    assert!(matches!(bench.event(), Event::Failed { failure: Failure::Timeout, .. }));
    assert_eq!(bench.endpoint.next_deadline(), None);
}

#[test]
fn the_pauses_differ_from_seed_to_seed() {
    let first_pause = |seed| {
        let mut endpoint = Endpoint::new(Config::default(), [seed; 32]);
        endpoint.request(Duration::ZERO, peer(), Request::get("/"), 100 * SECOND);
        endpoint.next_deadline().unwrap()
    };
    let pauses: std::collections::HashSet<_> = (0..20).map(first_pause).collect();
    assert_eq!(pauses.len(), 20);
}

#[test]
fn a_deadline_ends_a_request_before_the_last_retransmission() {
    let mut bench = Bench::new();
    let deadline = bench.now + 5 * SECOND;
    bench.endpoint.request(bench.now, peer(), Request::get("/a"), deadline);
    let request = bench.sent_one();
    assert!(bench.pass(100 * SECOND).iter().all(|(at, _)| *at < deadline));
    assert!(matches!(bench.event(), Event::Failed { failure: Failure::Timeout, .. }));
    // Nobody waits for the response any more.
    let late = con(Code::CONTENT, 900, request.token, "late");
    assert_eq!(bench.ask(&late), [empty(Kind::Reset, 900)]);
}

#[test]
fn one_request_at_a_time_goes_to_a_peer() {
    let mut bench = Bench::new();
    let deadline = bench.now + 300 * SECOND;
    for path in ["/a", "/b", "/c"] {
        bench.endpoint.request(bench.now, peer(), Request::get(path), deadline);
    }
    bench.endpoint.request(bench.now, stranger(), Request::get("/d"), deadline);
    let sent = bench.sent();
    assert_eq!(sent.len(), 2, "one for each peer: {sent:?}");
    let next = bench.ask(&acknowledge(&sent[0], "a"));
    assert_eq!(next.len(), 1);
    // An acknowledged request is no longer outstanding, even if its response comes later.
    assert_eq!(bench.ask(&empty(Kind::Acknowledgement, next[0].mid)).len(), 1);
}

#[test]
fn the_queue_to_a_peer_is_bounded() {
    let limits = Limits { queued_per_peer: 2, ..Limits::default() };
    let mut bench = Bench::with(Config { limits, ..Config::default() });
    let deadline = bench.now + SECOND;
    for _ in 0..4 {
        bench.endpoint.request(bench.now, peer(), Request::get("/a"), deadline);
    }
    assert!(matches!(bench.event(), Event::Failed { failure: Failure::Busy, .. }));
}

#[test]
fn a_separate_response_may_come_before_the_acknowledgement() {
    let mut bench = Bench::new();
    let request = bench.get("/a");
    let response = con(Code::CONTENT, 900, request.token, "early");
    assert_eq!(bench.ask(&response), [empty(Kind::Acknowledgement, 900)]);
    assert!(matches!(bench.event(), Event::Response { .. }));
    bench.give(&empty(Kind::Acknowledgement, request.mid));
    assert!(bench.pass(100 * SECOND).is_empty() && bench.events().is_empty());
}

#[test]
fn an_acknowledgement_with_another_token_acknowledges_nothing() {
    let mut bench = Bench::new();
    let mut request = bench.get("/a");
    request.token = Token::new(b"another").unwrap();
    bench.give(&acknowledge(&request, "forged"));
    assert!(bench.events().is_empty());
    assert_eq!(bench.pass(4 * SECOND).len(), 1, "still sent again");
}

#[test]
fn message_ids_towards_a_peer_count_up() {
    let mut bench = Bench::new();
    let mut last = None;
    for _ in 0..300 {
        let request = bench.get("/a");
        assert!(last.is_none_or(|last: u16| last.wrapping_add(1) == request.mid));
        last = Some(request.mid);
        bench.give(&acknowledge(&request, ""));
        bench.events();
    }
}

#[test]
fn format_errors_are_rejected_when_confirmable() {
    let mut bench = Bench::new();
    for (bytes, reset) in [
        (&b"\x49\x01\x03\x84123456789"[..], true), // a token of nine bytes
        (b"\x40\x01\x03\x85\xff", true),           // a marker without payload
        (b"\x41\x00\x03\x86t", true),              // an Empty message that isn't empty
        (b"\x50\x01\x03\x87\xff", false),          // Non-confirmable
        (b"\x60\x01\x03\x88", false),              // a request in an acknowledgement
        (b"\x00\x01\x03\x89", false),              // version 0
        (b"\x40\x01", false),                      // no header
    ] {
        bench.endpoint.handle_datagram(bench.now, peer(), bytes);
        let expected: &[Kind] = if reset { &[Kind::Reset] } else { &[] };
        let kinds: Vec<_> = bench.sent().iter().map(|message| message.kind).collect();
        assert_eq!(kinds, expected, "{bytes:02x?}");
    }
    assert_eq!(bench.endpoint.counters().malformed, 7);
    assert!(bench.events().is_empty());
}

#[test]
fn a_format_error_does_not_replace_the_answer_to_another_message() {
    let mut bench = Bench::new();
    let request = get_request(900, b"t", "a");
    bench.give(&request);
    let response = bench.respond(text("x"));
    bench.endpoint.handle_datagram(bench.now, peer(), b"\x40\x01\x03\x84\xff");
    assert_eq!(bench.sent(), [empty(Kind::Reset, 900)]);
    bench.give(&empty(Kind::Confirmable, 900));
    assert_eq!(bench.sent(), [empty(Kind::Reset, 900)]);
    assert_eq!(bench.ask(&request), [response]);
}

#[test]
fn a_group_is_never_answered_by_a_reset() {
    let mut bench = Bench::new();
    for message in [
        empty(Kind::Confirmable, 1),
        get_request(2, b"", "a"),
        con(Code::CONTENT, 3, Token::default(), "x"),
        non(Code::CONTENT, 4, Token::default(), "x"),
    ] {
        bench.endpoint.handle_group_datagram(bench.now, peer(), &message.encode());
    }
    bench.endpoint.handle_group_datagram(bench.now, peer(), b"\x40\x01\x03\x85\xff");
    assert!(bench.sent().is_empty() && bench.events().is_empty());
}

#[test]
fn a_lost_connection_ends_what_was_asked_over_it() {
    let mut bench = Bench::new();
    bench.get("/a");
    bench.endpoint.disconnected(bench.now, peer());
    assert!(matches!(bench.event(), Event::Failed { failure: Failure::Disconnected, .. }));
    assert!(bench.pass(100 * SECOND).is_empty());
}
