//! Nobody is flooded by forging his address (RFC 9175 section 2.4).

use thingway_coap::block::Block;
use thingway_coap::config::{Addresses, Limits};
use thingway_coap::message::{Code, Kind, Message, options};
use thingway_coap::{Config, Event, Response};

use crate::support::*;

const LONG: &str = "a body that is much longer than three times the few bytes of the request, \
                    so that it would be worth the while of who forges an address";

#[test]
fn a_long_response_goes_to_a_proven_address_only() {
    let mut bench = Bench::new();
    bench.give(&get_request(900, b"12345678", "a"));
    let challenge = bench.respond(text(LONG));
    assert_eq!(challenge.code, Code::UNAUTHORIZED);
    let mut again = get_request(901, b"12345678", "a");
    again.options.set(options::ECHO, challenge.options.get(options::ECHO).unwrap().clone());
    bench.give(&again);
    let response = bench.respond(text(LONG));
    assert_eq!((response.code, &response.payload[..]), (Code::CONTENT, LONG.as_bytes()));
    // And for a while it need not be proved again.
    bench.now += 300 * SECOND;
    bench.give(&get_request(902, b"", "a"));
    assert_eq!(bench.respond(text(LONG)).payload, LONG);
}

#[test]
fn a_forged_echo_proves_nothing() {
    let mut bench = Bench::new();
    bench.give(&get_request(900, b"12345678", "a"));
    let challenge = bench.respond(text(LONG));
    let echo = challenge.options.get(options::ECHO).unwrap().clone();
    let mut again = get_request(901, b"12345678", "a");
    again.options.set(options::ECHO, echo);
    bench.give_from(stranger(), &again);
    assert_eq!(bench.respond(text(LONG)).code, Code::UNAUTHORIZED, "made for another");
    bench.now += 61 * SECOND;
    bench.give(&Message { mid: 902, ..again });
    assert_eq!(bench.respond(text(LONG)).code, Code::UNAUTHORIZED, "too old");
}

#[test]
fn no_more_than_three_times_is_ever_sent() {
    let mut bench = Bench::new();
    let (mut received, mut sent) = (0, 0);
    for mid in 0..400 {
        let mut request = match mid % 4 {
            0 => get_request(mid, b"", "a"),
            1 => get_request(mid / 8, b"12345678", "a"),
            2 => observe_request(mid, b"1234", 0),
            _ => message(Kind::Confirmable, Code::POST, mid, b"", "body"),
        };
        if mid % 5 == 0 {
            request.kind = Kind::NonConfirmable;
        }
        received += request.encode().len();
        bench.give(&request);
        if mid % 3 == 0 {
            bench.pass(2 * SECOND).iter().for_each(|(_, message)| sent += message.encode().len());
        }
        for event in bench.events() {
            let Event::Request { id, .. } = event else { panic!("{event:?}") };
            bench.endpoint.respond(bench.now, id, text(LONG));
        }
        bench.sent().iter().for_each(|message| sent += message.encode().len());
        assert!(sent <= 3 * received, "{sent} bytes for {received}");
    }
    bench.pass(300 * SECOND).iter().for_each(|(_, message)| sent += message.encode().len());
    assert!(sent <= 3 * received, "{sent} bytes for {received}");
    assert!(bench.endpoint.counters().withheld > 0);
}

#[test]
fn what_was_carried_out_is_answered_in_small_blocks() {
    let mut bench = Bench::new();
    let post = |mid| Message { code: Code::POST, ..get_request(mid, b"12345678", "carry-it-out") };
    let mut sent = Vec::new();
    bench.give(&post(900));
    let mut response = bench.respond(Response::with_body(Code::CHANGED, 0, LONG));
    loop {
        let part = Block::read(&response.options, options::BLOCK2).unwrap().unwrap();
        sent.extend_from_slice(&response.payload);
        if !part.more {
            break;
        }
        let mut next = post(901 + part.number as u16);
        Block { number: part.number + 1, ..part }.write(&mut next.options, options::BLOCK2);
        response = bench.ask(&next).remove(0);
    }
    assert_eq!(sent, LONG.as_bytes());
    assert!(bench.events().is_empty(), "it was carried out once");
}

#[test]
fn a_group_is_answered_in_a_block_that_is_small_enough() {
    let mut bench = Bench::new();
    let request = Message { kind: Kind::NonConfirmable, ..get_request(900, b"12345678", "core") };
    bench.endpoint.handle_group_datagram(bench.now, peer(), &request.encode());
    let (id, _) = bench.incoming();
    bench.endpoint.respond(bench.now, id, text(LONG));
    let (_, response) = bench.pass(5 * SECOND).remove(0);
    assert!(response.encode().len() <= 3 * request.encode().len());
    assert!(response.options.get(options::BLOCK2).is_some());
}

#[test]
fn only_a_proven_address_observes_unless_all_are() {
    let mut bench = Bench::new();
    assert_eq!(bench.ask(&observe_request(900, b"t", 0))[0].code, Code::UNAUTHORIZED);
    assert!(bench.events().is_empty());

    let verified = Config { addresses: Addresses::Verified, ..Config::default() };
    let mut bench = Bench::with(verified);
    bench.give(&observe_request(900, b"t", 0));
    assert!(matches!(bench.event(), Event::Request { observe: true, .. }));
}

#[test]
fn an_address_has_so_many_observers() {
    let limits = Limits { observers_per_address: 1, ..Limits::default() };
    let addresses = Addresses::Verified;
    let mut bench = Bench::with(Config { addresses, limits, ..Config::default() });
    for (mid, from, room) in [(1, peer(), true), (2, stranger(), false)] {
        bench.give_from(from, &observe_request(mid, b"t", 0));
        let (id, _) = bench.incoming();
        assert_eq!(bench.endpoint.accept_observer(bench.now, id).is_some(), room);
        bench.endpoint.respond(bench.now, id, text("x"));
        assert_eq!(bench.sent_one().options.get(options::OBSERVE).is_some(), room);
    }
}

#[test]
fn a_forged_address_changes_nothing_where_changes_are_verified() {
    let mut bench = Bench::with(Config { verify_changes: true, ..Config::default() });
    let put = |mid| Message { code: Code::PUT, ..get_request(mid, b"12345678", "valve") };
    let challenge = bench.ask(&put(900)).remove(0);
    assert_eq!(challenge.code, Code::UNAUTHORIZED);
    assert!(bench.events().is_empty());
    let mut again = put(901);
    again.options.set(options::ECHO, challenge.options.get(options::ECHO).unwrap().clone());
    bench.give(&again);
    assert_eq!(bench.incoming().1.method, Code::PUT);
    bench.give(&get_request(902, b"12345678", "valve"));
    assert_eq!(bench.incoming().1.method, Code::GET, "what only reads needs no proof");
}
