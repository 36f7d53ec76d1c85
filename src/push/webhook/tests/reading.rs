//! A webhook's cursor, without a receiver.

use super::*;
use crate::log::Seq;
use crate::push::filter::{Filter, Pattern};
use crate::push::webhook::event::Events;
use crate::push::webhook::source::Source as Cursor;

fn cursor(world: &World, properties: &[&str], position: Seq) -> Cursor {
    let properties = properties.iter().map(|text| Pattern::new(text)).collect();
    let filter = Filter { properties, states: true, ..Filter::default() };
    let events = Arc::new(Events::new());
    Cursor::new(world.log.clone(), world.registry.clone(), events, filter, position)
}

/// Type and sequence number of what is there.
fn rest(cursor: &mut Cursor) -> Vec<(&'static str, Option<u64>)> {
    std::iter::from_fn(|| cursor.next())
        .map(|item| (item.event.kind, item.event.sequence.map(|seq| seq.0)))
        .collect()
}

#[tokio::test]
async fn what_does_not_match_moves_the_cursor_on() {
    let world = World::new();
    let mut cursor = cursor(&world, &["p"], world.log.head());
    world.report("a", "q", 1);
    let revision = world.report("a", "p", 2);
    world.report("a", "q", 3);
    let item = cursor.next().unwrap();
    assert_eq!(item.event.sequence, Some(Seq(revision)));
    assert!(item.before < Seq(revision));
    assert!(cursor.next().is_none());
    assert_eq!(cursor.position(), world.log.head());
}

#[tokio::test]
async fn what_is_shed_is_read_again() {
    let world = World::new();
    let mut cursor = cursor(&world, &[], world.log.head());
    let revisions: Vec<_> = (0..5).map(|value| world.report("a", "p", value)).collect();
    assert_eq!(cursor.next().unwrap().event.sequence, Some(Seq(revisions[0])));
    cursor.shed();
    assert_eq!(cursor.position(), Seq(revisions[0]));
    let expected: Vec<_> =
        revisions[1..].iter().map(|seq| ("thingway.property.changed", Some(*seq))).collect();
    assert_eq!(rest(&mut cursor), expected);
}

#[tokio::test]
async fn after_a_gap_each_state_comes_once_and_the_newest() {
    let world = World::with(haste(), 4096);
    let mut cursor = cursor(&world, &[], world.log.head());
    for value in 0..100 {
        world.report("a", "p", value);
        world.report("a", "q", value);
    }
    let gap = cursor.next().unwrap();
    assert_eq!((gap.event.kind, gap.event.sequence), ("thingway.gap", None));
    // While the gap is told, one of the two changes once more: it comes later, from the log.
    let newest = world.report("a", "p", 1000);
    let rest = rest(&mut cursor);
    assert_eq!(rest.len(), 2, "{rest:?}");
    assert_eq!(rest[1].1, Some(newest));
}

#[tokio::test]
async fn a_gap_that_is_broken_off_is_told_again_with_what_is_missing() {
    let world = World::with(haste(), 4096);
    let mut cursor = cursor(&world, &[], world.log.head());
    for value in 0..100 {
        for property in ["p", "q", "r"] {
            world.report("a", property, value);
        }
    }
    let (gap, first) = (cursor.next().unwrap(), cursor.next().unwrap());
    assert_eq!(first.before, gap.before, "until a state is delivered, the gap is not over");
    cursor.shed();
    let kinds: Vec<_> = rest(&mut cursor);
    assert_eq!(kinds.iter().filter(|(_, sequence)| sequence.is_some()).count(), 2, "{kinds:?}");
}

#[tokio::test]
async fn a_thing_that_is_gone_is_left_out_of_a_gap() {
    let world = World::with(haste(), 4096);
    let mut cursor = cursor(&world, &[], world.log.head());
    for value in 0..100 {
        world.report("a", "p", value);
        world.report("b", "p", value);
    }
    assert_eq!(cursor.next().unwrap().event.kind, "thingway.gap");
    let gone = world.registry.get(&ThingId::from_name("a")).unwrap();
    world.recorder.write().delete(&gone, Timestamp::now());
    assert_eq!(rest(&mut cursor).len(), 1);
}
