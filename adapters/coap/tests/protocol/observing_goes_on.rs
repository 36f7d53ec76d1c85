//! Observing, as a client and as a server, through all that may go wrong.

use std::time::Duration;

use bytes::Bytes;
use thingway_coap::config::{Addresses, Observe};
use thingway_coap::message::{Code, Kind, Message, Token, options};
use thingway_coap::{
    Config, Event, Failure, ObservationId, ObserverId, Request, Response, Trouble, UnknownObserver,
};

use crate::support::*;

fn interrupted(bench: &mut Bench) -> (Trouble, Duration) {
    match bench.event() {
        Event::Interrupted { trouble, again_at, .. } => (trouble, again_at - bench.now),
        other => panic!("{other:?}"),
    }
}

/// Begins to observe; the registration is returned, unanswered.
fn begin(bench: &mut Bench) -> (ObservationId, Message) {
    let id = bench.endpoint.observe(bench.now, peer(), Request::get("/t")).unwrap();
    (id, bench.sent_one())
}

/// The next registration, as soon as it is made.
fn next_registration(bench: &mut Bench) -> Message {
    for _ in 0..1000 {
        if let Some((_, message)) = bench.pass(SECOND).into_iter().next() {
            assert_eq!(message.options.uint(options::OBSERVE), Some(0));
            return message;
        }
    }
    panic!("no registration");
}

#[test]
fn notifications_are_states() {
    let mut bench = Bench::new();
    let (_, token) = bench.observe(1);
    assert!(bench.ask(&observed(non(Code::CONTENT, 1, token, "a"), 2)).is_empty());
    bench.ask(&observed(con(Code::CONTENT, 2, token, "b"), 3));
    assert_eq!(bench.states(), ["a", "b"]);
}

#[test]
fn the_response_to_a_renewal_counts_whatever_its_order() {
    let mut bench = Bench::new();
    bench.observe(5000);
    let renewal = next_registration(&mut bench);
    bench.events();
    // The server was restarted, and counts from the start.
    bench.give(&observed(acknowledge(&renewal, "restarted"), 1));
    assert_eq!(bench.states(), ["restarted"]);
    bench.ask(&observed(non(Code::CONTENT, 1, renewal.token, "next"), 2));
    assert_eq!(bench.states(), ["next"]);
}

#[test]
fn a_notification_during_a_renewal_is_newer_than_its_late_response() {
    let mut bench = Bench::new();
    bench.observe(10);
    let renewal = next_registration(&mut bench);
    bench.events();
    bench.ask(&observed(non(Code::CONTENT, 1, renewal.token, "newer"), 12));
    bench.give(&observed(acknowledge(&renewal, "older"), 11));
    assert_eq!(bench.states(), ["newer"]);
}

#[test]
fn the_late_response_to_a_renewal_is_newer_than_a_notification_before_it() {
    let mut bench = Bench::new();
    bench.observe(10);
    let renewal = next_registration(&mut bench);
    bench.events();
    bench.ask(&observed(non(Code::CONTENT, 1, renewal.token, "delayed"), 11));
    bench.give(&observed(acknowledge(&renewal, "newest"), 12));
    assert_eq!(bench.states(), ["delayed", "newest"]);
    assert!(bench.pass(50 * SECOND).is_empty(), "and the renewal is over");
}

#[test]
fn a_device_that_falls_silent_is_asked_again_and_again() {
    let mut bench = Bench::new();
    let (observation, token) = bench.observe(1);
    let renewal = next_registration(&mut bench);
    assert_eq!(renewal.token, token);
    bench.pass(100 * SECOND);
    let events = bench.events();
    assert!(events.contains(&Event::Stale { observation }), "{events:?}");
    let timeout = Trouble::Failed(Failure::Timeout);
    let is_timeout =
        |event: &Event| matches!(event, Event::Interrupted { trouble, .. } if *trouble == timeout);
    assert!(events.iter().any(is_timeout), "{events:?}");
    // It is back.
    bench.pass(300 * SECOND);
    let again = next_registration(&mut bench);
    bench.events();
    assert_ne!(again.token, token);
    bench.give(&observed(acknowledge(&again, "back"), 1));
    assert_eq!(bench.states(), ["back"]);
}

#[test]
fn a_registration_that_is_never_answered_fails() {
    let mut bench = Bench::new();
    let (_, registration) = begin(&mut bench);
    bench.give(&empty(Kind::Acknowledgement, registration.mid));
    assert!(bench.pass(92 * SECOND).is_empty());
    bench.pass(SECOND);
    assert_eq!(interrupted(&mut bench).0, Trouble::Failed(Failure::Timeout));
}

#[test]
fn errors_and_resets_are_tried_again_more_and_more_slowly() {
    let mut bench = Bench::new();
    let (_, mut registration) = begin(&mut bench);
    let mut last = Duration::ZERO;
    for nth in 0..6 {
        if nth % 2 == 0 {
            bench.give(&answer(&registration, Code::NOT_FOUND, ""));
        } else {
            bench.give(&empty(Kind::Reset, registration.mid));
        }
        let (_, pause) = interrupted(&mut bench);
        assert!(pause > last && pause >= 2 * SECOND, "{pause:?} after {last:?}");
        last = pause;
        let again = next_registration(&mut bench);
        assert_ne!(again.token, registration.token);
        registration = again;
    }
    bench.give(&observed(acknowledge(&registration, "at last"), 1));
    assert_eq!(bench.states(), ["at last"]);
}

#[test]
fn an_error_notification_ends_a_registration() {
    let mut bench = Bench::new();
    let (_, token) = bench.observe(1);
    let gone = con(Code::NOT_FOUND, 900, token, "");
    assert_eq!(bench.ask(&gone), [empty(Kind::Acknowledgement, 900)]);
    assert_eq!(interrupted(&mut bench).0, Trouble::Refused(Code::NOT_FOUND));
    assert_ne!(next_registration(&mut bench).token, token);
}

#[test]
fn one_answer_to_a_challenge_comes_before_all_other_registrations() {
    let mut bench = Bench::new();
    let (_, first) = begin(&mut bench);
    for path in ["/u", "/v"] {
        bench.endpoint.observe(bench.now, peer(), Request::get(path)).unwrap();
    }
    let challenged = |request: &Message, value: &'static str| {
        let mut challenge = answer(request, Code::UNAUTHORIZED, "");
        challenge.options.set(options::ECHO, value);
        challenge
    };
    let next = bench.ask(&empty(Kind::Acknowledgement, first.mid)).remove(0);
    bench.ask(&challenged(&next, "a"));
    let again = bench.ask(&empty(Kind::Acknowledgement, next.mid + 1)).remove(0);
    assert_eq!((again.token, again.options.get(options::ECHO)), (next.token, Some(&"a".into())));
    // Who isn't content with the answer is tried again later.
    bench.ask(&challenged(&again, "b"));
    assert_eq!(interrupted(&mut bench).0, Trouble::Refused(Code::UNAUTHORIZED));
}

#[test]
fn a_busy_device_says_when_to_come_again() {
    let mut bench = Bench::new();
    let (_, registration) = begin(&mut bench);
    let busy = answer(&registration, Code::SERVICE_UNAVAILABLE, "");
    bench.give(&with_uint(busy, options::MAX_AGE, 40));
    assert!(interrupted(&mut bench).1 >= 40 * SECOND);
}

#[test]
fn what_can_not_be_observed_is_polled() {
    let mut bench = Bench::new();
    let (_, registration) = begin(&mut bench);
    bench.give(&with_uint(acknowledge(&registration, "a"), options::MAX_AGE, 20));
    let Event::Notified { observed: false, .. } = bench.event() else { panic!() };
    assert!(bench.pass(19 * SECOND).is_empty());
    let (_, poll) = bench.pass(SECOND).remove(0);
    bench.give(&with_uint(acknowledge(&poll, "b"), options::MAX_AGE, 0));
    assert_eq!(bench.states(), ["b"]);
    assert!(bench.pass(9 * SECOND).is_empty(), "not more often than allowed");
    let poll = next_registration(&mut bench);
    bench.events();
    // Now it can.
    bench.give(&observed(acknowledge(&poll, "c"), 1));
    let Event::Notified { observed: true, .. } = bench.event() else { panic!() };
}

#[test]
fn by_the_letter_a_state_is_stale_at_its_max_age() {
    let observe = Observe { stale_after: Duration::ZERO, ..Observe::default() };
    let mut bench = Bench::with(Config { observe, ..Config::default() });
    let (observation, _) = bench.observe(1);
    bench.pass(60 * SECOND - Duration::from_millis(1));
    assert!(bench.events().is_empty());
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.event(), Event::Stale { observation });
}

#[test]
fn a_state_that_is_fresh_for_a_year_is_asked_for_all_the_same() {
    let mut bench = Bench::new();
    let (_, registration) = begin(&mut bench);
    let first = observed(acknowledge(&registration, "a"), 1);
    bench.give(&with_uint(first, options::MAX_AGE, u32::MAX));
    assert!(bench.pass(14 * 60 * SECOND).is_empty());
    next_registration(&mut bench);
}

#[test]
fn who_stops_observing_says_so() {
    let mut bench = Bench::new();
    let (_, token) = bench.observe(1);
    bench.endpoint.unobserve_all(bench.now);
    let farewell = bench.sent_one();
    assert_eq!((farewell.token, farewell.options.uint(options::OBSERVE)), (token, Some(1)));
    // What is under way meanwhile is refused, which says the same.
    let notification = observed(con(Code::CONTENT, 900, token, "x"), 2);
    assert_eq!(bench.ask(&notification), [empty(Kind::Reset, 900)]);
    bench.give(&acknowledge(&farewell, "last"));
    assert!(bench.events().is_empty());
    assert_eq!(bench.endpoint.next_deadline(), None);
}

#[test]
fn a_lost_connection_is_registered_anew() {
    let mut bench = Bench::new();
    let (_, token) = bench.observe(1);
    bench.endpoint.disconnected(bench.now, peer());
    assert_eq!(interrupted(&mut bench).0, Trouble::Failed(Failure::Disconnected));
    assert_ne!(next_registration(&mut bench).token, token);
}

// --- As a server ---

fn server() -> Bench {
    Bench::with(Config { addresses: Addresses::Verified, ..Config::default() })
}

fn accept(bench: &mut Bench, mid: u16, token: &[u8]) -> (ObserverId, u32) {
    bench.give(&observe_request(mid, token, 0));
    let (id, _) = bench.incoming();
    let observer = bench.endpoint.accept_observer(bench.now, id).unwrap();
    bench.endpoint.respond(bench.now, id, text("first"));
    let response = bench.sent_one();
    assert_eq!(response.kind, Kind::Acknowledgement);
    (observer, response.options.uint(options::OBSERVE).unwrap())
}

fn notify(
    bench: &mut Bench,
    observer: ObserverId,
    state: &'static str,
    confirmable: bool,
) -> Vec<Message> {
    bench.endpoint.notify(bench.now, observer, text(state), confirmable).unwrap();
    bench.sent()
}

#[test]
fn an_observer_is_notified_in_order() {
    let mut bench = server();
    let (observer, first) = accept(&mut bench, 900, b"t");
    let a = notify(&mut bench, observer, "a", false).remove(0);
    bench.now += 10 * SECOND;
    let b = notify(&mut bench, observer, "b", true).remove(0);
    let order = |message: &Message| message.options.uint(options::OBSERVE).unwrap();
    assert!(first < order(&a) && order(&a) < order(&b));
    assert_eq!((a.kind, b.kind), (Kind::NonConfirmable, Kind::Confirmable));
    assert_eq!(a.token, Token::new(b"t").unwrap());
}

#[test]
fn of_many_states_an_observer_gets_the_newest() {
    let mut bench = server();
    let (observer, _) = accept(&mut bench, 900, b"t");
    let a = notify(&mut bench, observer, "a", true).remove(0);
    for state in ["b", "c", "d"] {
        assert!(notify(&mut bench, observer, state, true).is_empty(), "one at a time");
    }
    let next = bench.ask(&empty(Kind::Acknowledgement, a.mid)).remove(0);
    assert_eq!(next.payload, "d");
    assert!(bench.ask(&empty(Kind::Acknowledgement, next.mid)).is_empty());
}

#[test]
fn a_state_that_waits_for_its_turn_is_replaced_by_a_newer() {
    let mut bench = server();
    let (one, _) = accept(&mut bench, 900, b"1");
    let (two, _) = accept(&mut bench, 901, b"2");
    let outstanding = notify(&mut bench, one, "x", true).remove(0);
    assert!(notify(&mut bench, two, "old", true).is_empty());
    assert!(notify(&mut bench, two, "new", true).is_empty());
    let next = bench.ask(&empty(Kind::Acknowledgement, outstanding.mid)).remove(0);
    assert_eq!((next.payload.as_ref(), next.token.as_bytes()), (&b"new"[..], &b"2"[..]));
    assert!(bench.ask(&empty(Kind::Acknowledgement, next.mid)).is_empty());
}

#[test]
fn a_reset_or_silence_ends_an_observation() {
    let mut bench = server();
    let gone = |bench: &mut Bench, observer| {
        assert_eq!(bench.event(), Event::ObserverGone { observer });
        let again = bench.endpoint.notify(bench.now, observer, text("x"), false);
        assert_eq!(again, Err(UnknownObserver));
    };
    let (observer, _) = accept(&mut bench, 900, b"t");
    let a = notify(&mut bench, observer, "a", false).remove(0);
    bench.give(&empty(Kind::Reset, a.mid));
    gone(&mut bench, observer);

    let (observer, _) = accept(&mut bench, 901, b"t");
    let a = notify(&mut bench, observer, "a", true).remove(0);
    bench.give(&empty(Kind::Reset, a.mid));
    gone(&mut bench, observer);

    let (observer, _) = accept(&mut bench, 902, b"t");
    notify(&mut bench, observer, "a", true);
    bench.pass(100 * SECOND);
    gone(&mut bench, observer);

    let (observer, _) = accept(&mut bench, 903, b"t");
    bench.give(&observe_request(904, b"t", 1));
    let events = bench.events();
    assert_eq!(events[0], Event::ObserverGone { observer });
    assert!(matches!(events[1], Event::Request { observe: false, .. }), "it is still a GET");
}

#[test]
fn who_registers_again_is_the_same_observer() {
    let mut bench = server();
    let (observer, first) = accept(&mut bench, 900, b"t");
    let (again, second) = accept(&mut bench, 901, b"t");
    assert!(observer == again && second > first);
    let (other, _) = accept(&mut bench, 902, b"other");
    assert_ne!(observer, other);
}

#[test]
fn an_error_is_the_last_notification() {
    let mut bench = server();
    let (observer, _) = accept(&mut bench, 900, b"t");
    bench.endpoint.notify(bench.now, observer, Response::new(Code::NOT_FOUND), false).unwrap();
    let last = bench.sent_one();
    assert_eq!((last.code, last.options.get(options::OBSERVE)), (Code::NOT_FOUND, None::<&Bytes>));
    assert_eq!(bench.event(), Event::ObserverGone { observer });
}
