//! Block-wise transfers, both ways and on both sides (RFC 7959).

use bytes::Bytes;
use thingway_coap::block::{Block, BlockSize};
use thingway_coap::config::{Addresses, Limits};
use thingway_coap::message::{Code, Kind, Message, options};
use thingway_coap::{Config, Event, Failure, Request, Response};

use crate::support::*;

fn block(message: &Message, option: u16) -> (u32, bool, usize) {
    let block = Block::read(&message.options, option).unwrap().unwrap();
    (block.number, block.more, block.size.bytes())
}

fn tagged(mut message: Message, tag: &'static str) -> Message {
    message.options.set(options::ETAG, tag);
    message
}

fn body(length: usize) -> Bytes {
    (0..length).map(|at| (at / 7) as u8).collect()
}

fn block2(request: &Message, number: u32, more: bool, payload: &'static str) -> Message {
    with_block(acknowledge(request, payload), options::BLOCK2, number, more, 16)
}

fn failure(bench: &mut Bench) -> Failure {
    match bench.event() {
        Event::Failed { failure, .. } => failure,
        other => panic!("{other:?}"),
    }
}

// --- As a client ---

#[test]
fn a_response_in_blocks_is_fetched() {
    let mut bench = Bench::new();
    let first = bench.get("/a");
    assert_eq!(first.options.get(options::BLOCK2), None);
    let second = bench.ask(&block2(&first, 0, true, "0123456789abcdef")).remove(0);
    assert_eq!(block(&second, options::BLOCK2), (1, false, 16));
    assert_ne!(second.token, first.token);
    bench.give(&block2(&second, 1, false, "ghi"));
    let Event::Response { response, .. } = bench.event() else { panic!() };
    assert_eq!(response.payload, "0123456789abcdefghi");
    assert_eq!(response.options.get(options::BLOCK2), None);
}

#[test]
fn a_resource_that_changes_meanwhile_is_read_anew() {
    let mut bench = Bench::new();
    let first = bench.get("/a");
    let second = bench.ask(&tagged(block2(&first, 0, true, "0123456789abcdef"), "a")).remove(0);
    let anew = bench.ask(&tagged(block2(&second, 1, false, "new"), "b")).remove(0);
    assert_eq!(anew.options.get(options::BLOCK2), None);
    bench.give(&tagged(block2(&anew, 0, false, "new"), "b"));
    assert!(matches!(bench.event(), Event::Response { response, .. } if response.payload == "new"));
}

#[test]
fn a_resource_that_changes_all_the_time_can_not_be_read() {
    let mut bench = Bench::new();
    let mut request = bench.get("/a");
    for tag in ["a", "b", "c", "d", "e"] {
        let second =
            bench.ask(&tagged(block2(&request, 0, true, "0123456789abcdef"), tag)).remove(0);
        let anew = bench.ask(&tagged(block2(&second, 1, false, "x"), "other"));
        match anew.into_iter().next() {
            Some(anew) => request = anew,
            None => break,
        }
    }
    assert_eq!(failure(&mut bench), Failure::Unsteady);
}

#[test]
fn blocks_that_break_the_rules_are_refused() {
    let mut bench = Bench::new();
    let first = bench.get("/a");
    bench.give(&with_uint(acknowledge(&first, "x"), options::BLOCK2, 7));
    assert_eq!(failure(&mut bench), Failure::BadResponse);
    let first = bench.get("/a");
    bench.give(&block2(&first, 0, true, "too short"));
    assert_eq!(failure(&mut bench), Failure::BadResponse);
    let first = bench.get("/a");
    bench.give(&block2(&first, 1, false, "out of order"));
    assert_eq!(failure(&mut bench), Failure::BadResponse);
}

#[test]
fn a_body_that_is_too_long_is_not_fetched() {
    let limits = Limits { body: 20, ..Limits::default() };
    let mut bench = Bench::with(Config { limits, ..Config::default() });
    let first = bench.get("/a");
    bench.give(&with_uint(block2(&first, 0, true, "0123456789abcdef"), options::SIZE2, 21));
    assert_eq!(failure(&mut bench), Failure::TooLarge);
    let first = bench.get("/a");
    let second = bench.ask(&block2(&first, 0, true, "0123456789abcdef")).remove(0);
    bench.give(&block2(&second, 1, true, "0123456789abcdef"));
    assert_eq!(failure(&mut bench), Failure::TooLarge);
}

fn put(bench: &mut Bench, payload: Bytes) -> Message {
    let request = Request::new(Code::PUT, "/a").body(42, payload);
    bench.endpoint.request(bench.now, peer(), request, bench.now + 100 * SECOND);
    bench.sent_one()
}

fn continued(request: &Message, size: usize) -> Message {
    let (number, more, _) = block(request, options::BLOCK1);
    with_block(answer(request, Code::CONTINUE, ""), options::BLOCK1, number, more, size)
}

#[test]
fn a_long_request_goes_in_blocks_as_small_as_the_server_wants() {
    let mut bench = Bench::new();
    let body = body(2500);
    let first = put(&mut bench, body.clone());
    assert_eq!(block(&first, options::BLOCK1), (0, true, 1024));
    assert_eq!(first.options.uint(options::SIZE1), Some(2500));
    let second = bench.ask(&continued(&first, 512)).remove(0);
    assert_eq!(block(&second, options::BLOCK1), (2, true, 512));
    let third = bench.ask(&continued(&second, 512)).remove(0);
    let fourth = bench.ask(&continued(&third, 512)).remove(0);
    assert_eq!(block(&fourth, options::BLOCK1), (4, false, 512));
    let sent = [&first, &second, &third, &fourth].map(|message| message.payload.as_ref()).concat();
    assert_eq!(sent, body);
    bench.give(&with_block(answer(&fourth, Code::CHANGED, ""), options::BLOCK1, 4, false, 512));
    assert!(
        matches!(bench.event(), Event::Response { response, .. } if response.code == Code::CHANGED)
    );
}

#[test]
fn a_server_that_wants_smaller_blocks_gets_them() {
    let mut bench = Bench::new();
    let first = put(&mut bench, body(2500));
    let refusal = answer(&first, Code::REQUEST_ENTITY_TOO_LARGE, "");
    let again = bench.ask(&with_block(refusal, options::BLOCK1, 0, true, 64)).remove(0);
    assert_eq!(block(&again, options::BLOCK1), (0, true, 64));
    // Without a hint that's the answer.
    bench.give(&answer(&again, Code::REQUEST_ENTITY_TOO_LARGE, ""));
    assert!(matches!(bench.event(), Event::Response { .. }));

    let short = put(&mut bench, body(100));
    assert_eq!(short.options.get(options::BLOCK1), None);
    let refusal = answer(&short, Code::REQUEST_ENTITY_TOO_LARGE, "");
    let again = bench.ask(&with_block(refusal, options::BLOCK1, 0, true, 64)).remove(0);
    assert_eq!(block(&again, options::BLOCK1), (0, true, 64));
}

#[test]
fn a_server_that_lost_blocks_gets_them_again() {
    let mut bench = Bench::new();
    let first = put(&mut bench, body(2500));
    let second = bench.ask(&continued(&first, 1024)).remove(0);
    let again = bench.ask(&answer(&second, Code::REQUEST_ENTITY_INCOMPLETE, "")).remove(0);
    assert_eq!(block(&again, options::BLOCK1), (0, true, 1024));
}

#[test]
fn small_blocks_are_asked_for_from_the_start() {
    let block_size = BlockSize::at_most(64).unwrap();
    let mut bench = Bench::with(Config { block_size, ..Config::default() });
    assert_eq!(block(&bench.get("/a"), options::BLOCK2), (0, false, 64));
}

#[test]
fn the_rest_of_a_notification_is_fetched() {
    let mut bench = Bench::new();
    let (_, token) = bench.observe(1);
    let first = |mid, order, tag| {
        let notification = observed(con(Code::CONTENT, mid, token, "0123456789abcdef"), order);
        tagged(with_block(notification, options::BLOCK2, 0, true, 16), tag)
    };
    let sent = bench.ask(&first(900, 2, "a"));
    assert_eq!((sent[0].code, sent[1].kind), (Code::GET, Kind::Acknowledgement));
    let fetch = &sent[0];
    assert_eq!(block(fetch, options::BLOCK2), (1, false, 16));
    assert_eq!(fetch.options.get(options::OBSERVE), None);
    assert_ne!(fetch.token, token);

    // A newer one comes meanwhile: what belongs to the older is of no interest any more.
    let sent = bench.ask(&first(901, 3, "b"));
    bench.give(&tagged(block2(fetch, 1, false, "old"), "a"));
    assert!(bench.events().is_empty());
    bench.give(&tagged(block2(&sent[0], 1, false, "new"), "b"));
    assert_eq!(bench.states(), ["0123456789abcdefnew"]);
}

#[test]
fn a_state_that_changes_while_it_is_fetched_is_asked_for_in_order() {
    let mut bench = Bench::new();
    let (_, token) = bench.observe(1);
    let first = |message, order, tag| {
        tagged(with_block(observed(message, order), options::BLOCK2, 0, true, 16), tag)
    };
    let notification = con(Code::CONTENT, 900, token, "0123456789abcdef");
    let fetch = bench.ask(&first(notification, 2, "a")).remove(0);
    let again = bench.ask(&tagged(block2(&fetch, 1, false, "other"), "b")).remove(0);
    // A plain GET would return a state without a place in the order.
    assert_eq!((again.options.uint(options::OBSERVE), again.token), (Some(0), token));
    let fetch = bench.ask(&first(acknowledge(&again, "0123456789ABCDEF"), 4, "b")).remove(0);
    bench.ask(&observed(non(Code::CONTENT, 901, token, "older"), 3));
    bench.give(&tagged(block2(&fetch, 1, false, "GHI"), "b"));
    assert_eq!(bench.states(), ["0123456789ABCDEFGHI"]);
}

// --- As a server ---

fn server() -> Bench {
    let limits = Limits { body: 5000, ..Limits::default() };
    Bench::with(Config { addresses: Addresses::Verified, limits, ..Config::default() })
}

#[test]
fn a_long_response_goes_in_blocks_of_one_state() {
    let mut bench = server();
    let whole = body(2500);
    bench.give(&get_request(1, b"t", "a"));
    let (id, _) = bench.incoming();
    bench.endpoint.respond(bench.now, id, Response::with_body(Code::CONTENT, 42, whole.clone()));
    let first = bench.sent_one();
    assert_eq!(block(&first, options::BLOCK2), (0, true, 1024));
    assert_eq!(first.options.uint(options::SIZE2), Some(2500));
    let tag = first.options.get(options::ETAG).unwrap();
    let mut received = first.payload.to_vec();
    for number in 2..5 {
        let request = get_request(10 + number, b"t", "a");
        let request = with_block(request, options::BLOCK2, number.into(), false, 512);
        let part = bench.ask(&request).remove(0);
        assert_eq!(part.options.get(options::ETAG), Some(tag));
        assert_eq!(block(&part, options::BLOCK2), (number.into(), number < 4, 512));
        received.extend_from_slice(&part.payload);
    }
    assert_eq!(received, whole);
    assert!(bench.events().is_empty(), "the handler was asked once");
    let beyond = with_block(get_request(20, b"t", "a"), options::BLOCK2, 5, false, 512);
    assert_eq!(bench.ask(&beyond)[0].code, Code::BAD_REQUEST);
}

#[test]
fn a_response_that_is_forgotten_is_asked_for_again() {
    let mut bench = server();
    bench.give(&with_block(get_request(1, b"t", "a"), options::BLOCK2, 1, false, 16));
    let part = bench.respond(text("0123456789abcdefghi"));
    assert_eq!(
        (block(&part, options::BLOCK2), part.payload.as_ref()),
        ((1, false, 16), &b"ghi"[..])
    );
    // But nothing is done again for it.
    let post = Message { code: Code::POST, ..get_request(2, b"t", "a") };
    let refused = bench.ask(&with_block(post, options::BLOCK2, 1, false, 16)).remove(0);
    assert_eq!(refused.code, Code::REQUEST_ENTITY_INCOMPLETE);
}

fn part(mid: u16, number: u32, more: bool, payload: &'static str) -> Message {
    let request = message(Kind::Confirmable, Code::PUT, mid, b"t", payload);
    with_block(request, options::BLOCK1, number, more, 16)
}

#[test]
fn a_request_in_blocks_is_handed_on_whole() {
    let mut bench = server();
    let first = bench.ask(&part(1, 0, true, "0123456789abcdef")).remove(0);
    assert_eq!((first.code, block(&first, options::BLOCK1)), (Code::CONTINUE, (0, true, 16)));
    assert_eq!(bench.ask(&part(1, 0, true, "0123456789abcdef")), [first], "a duplicate");
    assert!(bench.events().is_empty());
    bench.give(&part(2, 1, false, "ghi"));
    let (id, request) = bench.incoming();
    assert_eq!(request.payload, "0123456789abcdefghi");
    assert_eq!(request.options.get(options::BLOCK1), None);
    bench.endpoint.respond(bench.now, id, Response::new(Code::CHANGED));
    assert_eq!(block(&bench.sent_one(), options::BLOCK1), (1, false, 16));
}

#[test]
fn a_request_that_lacks_a_block_is_not_handed_on() {
    let mut bench = server();
    let refused = |bench: &mut Bench, message: &Message| bench.ask(message).remove(0).code;
    assert_eq!(refused(&mut bench, &part(1, 1, false, "x")), Code::REQUEST_ENTITY_INCOMPLETE);
    bench.ask(&part(2, 0, true, "0123456789abcdef"));
    assert_eq!(refused(&mut bench, &part(3, 2, false, "x")), Code::REQUEST_ENTITY_INCOMPLETE);
    assert_eq!(refused(&mut bench, &part(4, 0, true, "short")), Code::BAD_REQUEST);
    let reserved = with_uint(part(5, 0, true, ""), options::BLOCK1, 7);
    assert_eq!(refused(&mut bench, &reserved), Code::BAD_REQUEST);
    // Another address doesn't go on with what this one began.
    bench.ask(&part(6, 0, true, "0123456789abcdef"));
    bench.give_from(stranger(), &part(7, 1, false, "x"));
    assert_eq!(bench.sent_one().code, Code::REQUEST_ENTITY_INCOMPLETE);
    // Nor does another Request-Tag.
    let mut tagged = part(8, 1, false, "x");
    tagged.options.add(options::REQUEST_TAG, "tag");
    assert_eq!(refused(&mut bench, &tagged), Code::REQUEST_ENTITY_INCOMPLETE);
    assert!(bench.events().is_empty());
}

#[test]
fn a_request_that_is_too_long_is_refused_with_the_limit() {
    let mut bench = server();
    let announced = with_uint(part(1, 0, true, "0123456789abcdef"), options::SIZE1, 5001);
    let refused = bench.ask(&announced).remove(0);
    assert_eq!(refused.code, Code::REQUEST_ENTITY_TOO_LARGE);
    assert_eq!(refused.options.uint(options::SIZE1), Some(5000));
    for number in 0..312 {
        let mid = 10 + number as u16;
        assert_eq!(bench.ask(&part(mid, number, true, "0123456789abcdef"))[0].code, Code::CONTINUE);
    }
    let refused = bench.ask(&part(2000, 312, true, "0123456789abcdef")).remove(0);
    assert_eq!(refused.code, Code::REQUEST_ENTITY_TOO_LARGE);
}

#[test]
fn a_long_notification_is_its_first_block() {
    let mut bench = server();
    bench.give(&observe_request(1, b"t", 0));
    let (id, _) = bench.incoming();
    let observer = bench.endpoint.accept_observer(bench.now, id).unwrap();
    bench.endpoint.respond(bench.now, id, text("first"));
    bench.sent();
    let state = Response::with_body(Code::CONTENT, 42, body(1500));
    bench.endpoint.notify(bench.now, observer, state, true).unwrap();
    let notification = bench.sent_one();
    assert_eq!(block(&notification, options::BLOCK2), (0, true, 1024));
    bench.give(&empty(Kind::Acknowledgement, notification.mid));
    let rest = with_block(get_request(2, b"u", "state"), options::BLOCK2, 1, false, 1024);
    let rest = bench.ask(&rest).remove(0);
    assert_eq!(rest.options.get(options::ETAG), notification.options.get(options::ETAG));
    assert_eq!((rest.payload.len(), rest.options.get(options::OBSERVE)), (476, None));
}
