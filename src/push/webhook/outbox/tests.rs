use super::*;
use crate::push::webhook::outcome::Failure;
use bytes::Bytes;

const DELIVERED: Outcome = Outcome::Delivered { status: 200 };

fn outbox(concurrency: usize) -> Outbox {
    Outbox::new(&DeliveryConfig {
        concurrency,
        first_retry_milliseconds: 1000,
        longest_retry_seconds: 60,
        give_up_seconds: 100,
        ..DeliveryConfig::default()
    })
}

fn item(seq: u64, subject: Option<&str>) -> Item {
    let event = Event {
        id: seq.to_string(),
        kind: "thingway.test",
        subject: subject.map(str::to_owned),
        sequence: Some(Seq(seq)),
        body: Bytes::new(),
    };
    Item { before: Seq(seq - 1), event }
}

fn filled(concurrency: usize, subjects: &[Option<&str>]) -> Outbox {
    let mut outbox = outbox(concurrency);
    for (subject, seq) in subjects.iter().zip(1..) {
        assert!(outbox.has_room());
        outbox.put(item(seq, *subject));
    }
    outbox
}

fn failed(retry_after: Option<u64>) -> Outcome {
    let retry_after = retry_after.map(Duration::from_secs);
    Outcome::Failed(Failure { status: Some(503), reason: "no".into(), retry_after })
}

fn posted(outbox: &mut Outbox, now: Instant) -> Vec<(u64, Ticket)> {
    let mut posted = Vec::new();
    while let Step::Post { ticket, item, .. } = outbox.step(now) {
        posted.push((item.event.sequence.unwrap().0, ticket));
    }
    posted
}

fn seqs(posted: &[(u64, Ticket)]) -> Vec<u64> {
    posted.iter().map(|(seq, _)| *seq).collect()
}

#[test]
fn one_at_a_time_waits_for_the_end_of_the_one_before() {
    let now = Instant::now();
    let mut outbox = filled(1, &[Some("a")]);
    let first = posted(&mut outbox, now);
    assert!(matches!(outbox.step(now), Step::Wait { until: None, room: false }));
    assert_eq!(outbox.settle(first[0].1, &DELIVERED, now, 0.0), Verdict::Delivered);
    assert!(matches!(outbox.step(now), Step::Wait { until: None, room: true }));
}

#[test]
fn different_properties_go_side_by_side_and_the_same_one_in_order() {
    let now = Instant::now();
    let mut outbox = filled(4, &[Some("a"), Some("b"), Some("a"), Some("c")]);
    let first = posted(&mut outbox, now);
    assert_eq!(seqs(&first), [1, 2, 4]);
    outbox.settle(first[1].1, &DELIVERED, now, 0.0);
    assert_eq!(seqs(&posted(&mut outbox, now)), [] as [u64; 0]);
    outbox.settle(first[0].1, &DELIVERED, now, 0.0);
    assert_eq!(seqs(&posted(&mut outbox, now)), [3]);
}

#[test]
fn a_gap_is_told_after_all_before_it_and_before_all_after_it() {
    let now = Instant::now();
    let mut outbox = filled(3, &[Some("a"), None, Some("b")]);
    for expected in 1..=3 {
        let posted = posted(&mut outbox, now);
        assert_eq!(seqs(&posted), [expected]);
        outbox.settle(posted[0].1, &DELIVERED, now, 0.0);
    }
}

#[test]
fn the_cursor_moves_only_past_what_is_done() {
    let now = Instant::now();
    let mut outbox = filled(3, &[Some("a"), Some("b"), Some("c")]);
    let taken = Seq(3);
    let posted = posted(&mut outbox, now);
    let mut done = |index: usize| {
        outbox.settle(posted[index].1, &DELIVERED, now, 0.0);
        outbox.done_until(taken).0
    };
    assert_eq!([done(1), done(0), done(2)], [0, 2, 3]);
}

#[test]
fn a_failure_is_tried_again_after_its_pause_and_not_before() {
    let now = Instant::now();
    let mut outbox = filled(1, &[Some("a")]);
    let ticket = posted(&mut outbox, now)[0].1;
    let until = now + Duration::from_secs(1);
    assert_eq!(outbox.settle(ticket, &failed(None), now, 1.0), Verdict::Retry(until));
    assert_eq!(outbox.next_retry(), Some(until));
    match outbox.step(until - Duration::from_millis(1)) {
        Step::Wait { until: moment, room: false } => assert_eq!(moment, Some(until)),
        other => panic!("{other:?}"),
    }
    assert!(matches!(outbox.step(until), Step::Post { attempt: 2, .. }));
}

#[test]
fn a_failure_of_one_property_holds_up_no_other() {
    let now = Instant::now();
    let mut outbox = filled(2, &[Some("a"), Some("b")]);
    let first = posted(&mut outbox, now);
    outbox.settle(first[0].1, &failed(None), now, 1.0);
    outbox.settle(first[1].1, &DELIVERED, now, 0.0);
    outbox.put(item(3, Some("c")));
    outbox.put(item(4, Some("a")));
    assert_eq!(seqs(&posted(&mut outbox, now)), [3]);
    assert_eq!(outbox.done_until(Seq(4)), Seq(0));
}

#[test]
fn what_a_receiver_asks_for_holds_for_all_that_goes_to_it() {
    let now = Instant::now();
    let mut outbox = filled(2, &[Some("a"), Some("b")]);
    let first = posted(&mut outbox, now);
    outbox.settle(first[0].1, &failed(Some(30)), now, 0.0);
    outbox.settle(first[1].1, &DELIVERED, now, 0.0);
    outbox.put(item(3, Some("c")));
    let until = now + Duration::from_secs(30);
    let early = outbox.step(until - Duration::from_millis(1));
    assert!(matches!(early, Step::Wait { until: Some(moment), .. } if moment == until));
    assert_eq!(seqs(&posted(&mut outbox, until)), [1, 3]);
}

#[test]
fn what_has_failed_for_long_enough_is_given_up() {
    let start = Instant::now();
    let mut outbox = filled(1, &[Some("a")]);
    let mut now = start;
    loop {
        let ticket = posted(&mut outbox, now)[0].1;
        match outbox.settle(ticket, &failed(None), now, 0.5) {
            Verdict::Retry(moment) => now = moment,
            verdict => break assert_eq!(verdict, Verdict::GivenUp),
        }
    }
    assert!(now >= start + Duration::from_secs(100), "{:?}", now - start);
    assert_eq!(outbox.done_until(Seq(1)), Seq(1));
    assert!(matches!(outbox.step(now), Step::Wait { until: None, room: true }));
}

#[test]
fn gone_is_for_the_webhook_to_decide_on_and_keeps_the_delivery() {
    let now = Instant::now();
    let mut outbox = filled(1, &[Some("a")]);
    let ticket = posted(&mut outbox, now)[0].1;
    assert_eq!(outbox.settle(ticket, &Outcome::Gone, now, 0.0), Verdict::Disable);
    assert_eq!(outbox.done_until(Seq(1)), Seq(0));
}

#[test]
fn a_nudge_ends_every_pause() {
    let now = Instant::now();
    let mut outbox = filled(1, &[Some("a")]);
    let ticket = posted(&mut outbox, now)[0].1;
    outbox.settle(ticket, &failed(Some(3000)), now, 0.0);
    assert!(outbox.has_failed() && outbox.is_at_rest());
    outbox.retry_now(now);
    assert!(matches!(outbox.step(now), Step::Post { attempt: 2, .. }));
}
