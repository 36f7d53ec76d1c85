//! What conventions say, carried out in a registry.

use std::sync::Arc;

use thingway_sdk::{Address, Form, Observation, Operation, Payload, Quality, Timestamp, Value};

use super::convention::{Action, Convention, Conventions, Found, Incoming, Meaning, Taken};
use super::{
    Contents, JoinConfig, Known, Mapper, MappingConfig, Names, Outcome, PayloadTemplate,
    PropertyRule, RuleConfig,
};
use crate::limits::Limits;
use crate::log::{EventLog, LogConfig, MemoryLog};
use crate::recorder::Recorder;
use crate::registry::{Registry, Slot, Thing};

/// A convention that does what messages on `say` tell it: one instruction per line.
#[derive(Clone)]
struct Told;

impl Convention for Told {
    fn name(&self) -> &'static str {
        "told"
    }

    fn concerns(&self, address: &str) -> bool {
        address == "say"
    }

    fn take(&mut self, message: &Incoming<'_>, meaning: &mut Meaning) -> Taken {
        if message.address != "say" {
            let value = Value::Text(message.text().unwrap_or_default().into());
            meaning.found(&rule("claimed"), vec![Found::new("text", value)]);
            return Taken::Understood;
        }
        for line in message.text().unwrap_or_default().lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["route", address, thing] => meaning.route(address, &rule(thing)),
                ["claim", address] => meaning.claim(address),
                ["release", address] => meaning.release(address),
                ["found", thing, name, json] => {
                    let value = Value::from_json(json).unwrap();
                    meaning.found(&rule(thing), vec![Found::new(name, value)]);
                }
                ["event", thing, name] => {
                    meaning.occurred(&rule(thing), name, Value::Null, message.received);
                }
                ["online", thing] => meaning.reach(&rule(thing), true),
                ["offline", thing] => meaning.reach(&rule(thing), false),
                ["gone", thing] => meaning.gone(&rule(thing)),
                ["offer", thing, name] => meaning.offer(&rule(thing), action(name)),
                ["withdraw", thing, name] => meaning.withdraw(&rule(thing), name),
                ["ask", address] => meaning.ask(form(address), Payload::default()),
                ["nothing"] => return Taken::Nothing("it is only talk".into()),
                ["wrong"] => return Taken::Malformed("say something else".into()),
                _ => return Taken::NotMine,
            }
        }
        Taken::Understood
    }

    fn duplicate(&self) -> Box<dyn Convention> {
        Box::new(self.clone())
    }
}

fn rule(thing: &str) -> Arc<RuleConfig> {
    let property = |rule: PropertyRule| Arc::new(rule);
    let click = PropertyRule { event: true, ..PropertyRule::default() };
    let noise = PropertyRule { ignore: true, ..PropertyRule::default() };
    let temp = PropertyRule { unit: Some("Cel".into()), ..PropertyRule::default() };
    let properties = [("click", click), ("noise", noise), ("temp", temp)];
    Arc::new(RuleConfig {
        title: Some(format!("The {thing}")),
        properties: properties.map(|(name, rule)| (name.to_owned(), property(rule))).into(),
        ..RuleConfig::by_convention("told", thing)
    })
}

fn form(address: &str) -> Form {
    Form {
        address: address.into(),
        operation: Operation::InvokeAction,
        content_type: None,
        terms: Default::default(),
    }
}

fn action(name: &str) -> Action {
    let payload = Some(PayloadTemplate::from("press".to_owned()));
    Action { name: name.into(), title: None, form: form("x/set"), payload }
}

/// A mapper with a registry behind it.
struct World {
    mapper: Mapper,
    recorder: Recorder,
    registry: Arc<Registry>,
    now: i64,
}

impl World {
    fn new(rules: &[Arc<RuleConfig>]) -> Self {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(LogConfig::default()));
        let registry = Arc::new(Registry::default());
        let recorder = Recorder::new(log, registry.clone(), Limits::default());
        let names = Arc::new(Names::new(registry.clone()));
        let mapper =
            Mapper::new("mqtt".into(), &MappingConfig::default(), rules, names, Limits::default());
        mapper.begin().learned.conventions = Conventions::of(vec![Box::new(Told)]);
        Self { mapper, recorder, registry, now: 1_000_000_000 }
    }

    /// Messages of one batch: address and payload. Those that end with `!` are retained.
    fn batch(&mut self, messages: &[(&str, &str)]) -> (Vec<Outcome>, Vec<(Form, Payload)>) {
        let observations: Vec<Observation> = messages
            .iter()
            .map(|(address, payload)| {
                self.now += 1_000_000;
                let plain = address.trim_end_matches('!');
                Observation {
                    address: plain.into(),
                    about: None,
                    payload: Payload {
                        bytes: payload.as_bytes().to_vec().into(),
                        content_type: None,
                    },
                    received: Timestamp::from_micros(self.now),
                    retained: plain != *address,
                    redelivered: false,
                }
            })
            .collect();
        let mut contents = Contents::default();
        let mut batch = self.mapper.begin();
        let read: Vec<_> =
            observations.iter().map(|observation| batch.read(observation, &mut contents)).collect();
        let mut writing = self.recorder.write();
        let outcomes = observations.iter().zip(read).map(|(observation, read)| match read {
            Ok(message) => batch.apply(observation, message, &mut contents, &mut writing),
            Err(outcome) => outcome,
        });
        let outcomes = outcomes.collect();
        drop(writing);
        (outcomes, batch.end())
    }

    fn say(&mut self, address: &str, payload: &str) -> Outcome {
        self.batch(&[(address, payload)]).0.remove(0)
    }

    fn things(&self) -> Vec<String> {
        let mut things: Vec<String> =
            self.registry.things().iter().map(|thing| thing.id().name().to_owned()).collect();
        things.sort();
        things
    }

    fn thing(&self, name: &str) -> Arc<Thing> {
        let named = |thing: &Arc<Thing>| thing.id().name() == name;
        self.registry.things().into_iter().find(named).unwrap()
    }

    fn slot(&self, thing: &str, property: &str) -> Slot {
        self.thing(thing).slot(property).unwrap()
    }

    fn quality(&self, thing: &str, property: &str) -> Quality {
        self.slot(thing, property).state.quality
    }
}

#[test]
fn an_announcement_before_the_first_message_names_its_thing_and_its_properties() {
    let mut world = World::new(&[]);
    let (outcomes, _) = world.batch(&[("say", "route a/b dev/one"), ("a/b", r#"{"temp":21.50}"#)]);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Applied(_))), "{outcomes:?}");
    assert_eq!(world.things(), ["dev.one"]);
    let slot = world.slot("dev.one", "temp");
    assert_eq!((slot.state.value.to_json().as_ref(), slot.property.unit()), ("21.50", Some("Cel")));
    assert_eq!(world.thing("dev.one").view().rule.unwrap().title.as_deref(), Some("The dev/one"));
}

#[test]
fn an_announcement_after_the_first_message_moves_what_was_known_to_its_thing() {
    let mut world = World::new(&[]);
    world.say("a/b", r#"{"temp":21.50,"deep":{"er":1}}"#);
    let before = world.slot("a.b", "temp").state;
    world.say("say", "route a/b dev");
    assert_eq!(world.things(), ["dev"]);
    let after = world.slot("dev", "temp").state;
    assert_eq!((after.value, after.time), (before.value, before.time));
    assert_eq!(world.slot("dev", "deep.er").state.value.to_json(), "1");
}

#[test]
fn a_thing_that_keeps_its_name_is_described_in_place() {
    let mut world = World::new(&[]);
    world.say("a/b", r#"{"temp":21,"noise":1}"#);
    let thing = world.thing("a.b");
    world.say("say", "route a/b a/b");
    assert!(Arc::ptr_eq(&thing, &world.thing("a.b")));
    let temp = world.slot("a.b", "temp");
    assert_eq!((temp.property.unit(), temp.state.quality), (Some("Cel"), Quality::Good));
    // What the rule leaves out is vouched for by nobody any more.
    assert_eq!(world.quality("a.b", "noise"), Quality::Stale);
    world.say("a/b", r#"{"temp":22,"noise":2}"#);
    assert_eq!(world.quality("a.b", "noise"), Quality::Stale);
}

#[test]
fn a_thing_keeps_what_other_addresses_say_when_one_moves() {
    let mut world = World::new(&[]);
    world.say("a/temp", "21");
    world.say("a/other", "1");
    world.say("say", "route a/temp dev");
    assert_eq!(world.things(), ["a", "dev"]);
    assert_eq!(world.quality("a", "temp"), Quality::Stale);
    assert_eq!(world.quality("a", "other"), Quality::Good);
    assert_eq!(world.slot("dev", "temp").state.value.to_json(), "21");
    world.say("say", "route a/other dev");
    assert_eq!(world.things(), ["dev"]);
}

#[test]
fn the_same_announcement_again_changes_nothing() {
    let mut world = World::new(&[]);
    world.batch(&[("say", "route a/b dev"), ("a/b", r#"{"temp":21}"#)]);
    let revision = world.slot("dev", "temp").revision;
    let described = world.thing("dev").revision();
    world.say("say", "route a/b dev");
    assert_eq!(world.slot("dev", "temp").revision, revision);
    assert_eq!(world.thing("dev").revision(), described);
}

#[test]
fn a_claimed_address_is_shown_to_the_convention_with_what_it_said_before() {
    let mut world = World::new(&[]);
    world.say("a/b", "hello");
    world.say("say", "claim a/b");
    assert_eq!(world.things(), ["claimed"]);
    assert_eq!(world.slot("claimed", "text").state.value.to_json(), "\"hello\"");
    world.say("a/b", "bye");
    assert_eq!(world.slot("claimed", "text").state.value.to_json(), "\"bye\"");
    world.say("say", "release a/b");
    world.say("a/b", "again");
    assert_eq!(world.slot("a", "b").state.value.to_json(), "\"again\"");
}

#[test]
fn a_persons_rule_goes_before_a_convention() {
    let own = RuleConfig {
        topic: "a/{x}".to_owned().try_into().unwrap(),
        title: Some("Mine".into()),
        ..RuleConfig::default()
    };
    let mut world = World::new(&[Arc::new(own)]);
    world.say("say", "route a/b dev\nclaim a/b");
    world.say("a/b", r#"{"temp":21}"#);
    assert_eq!(world.things(), ["a.b"]);
}

#[test]
fn a_thing_out_of_reach_is_stale_until_it_is_back_or_speaks() {
    let mut world = World::new(&[]);
    world.batch(&[("say", "route a/b dev"), ("a/b", r#"{"temp":21,"other":1}"#)]);
    let time = world.slot("dev", "temp").state.time;
    world.say("say", "offline dev");
    assert_eq!(world.quality("dev", "temp"), Quality::Stale);
    world.say("a/b", r#"{"other":2}"#);
    assert_eq!(world.quality("dev", "other"), Quality::Good, "it speaks");
    world.say("say", "online dev");
    assert_eq!(world.quality("dev", "temp"), Quality::Good);
    assert_eq!(world.slot("dev", "temp").state.time, time, "it was not measured anew");
    assert_eq!(world.slot("dev", "other").state.value.to_json(), "2");
}

#[test]
fn what_the_broker_kept_of_a_thing_out_of_reach_is_stale() {
    let mut world = World::new(&[]);
    world.batch(&[("say!", "route a/b dev\noffline dev"), ("a/b!", r#"{"temp":21}"#)]);
    assert_eq!(world.quality("dev", "temp"), Quality::Stale);
    world.say("say", "online dev");
    assert_eq!(world.quality("dev", "temp"), Quality::Good);
}

#[test]
fn a_lost_link_makes_nobody_vouch_for_anything() {
    let mut world = World::new(&[]);
    world.batch(&[("say", "route a/b dev"), ("a/b", r#"{"temp":21}"#), ("say", "offline dev")]);
    world.mapper.forget_reach();
    world.say("say", "online dev");
    assert_eq!(world.quality("dev", "temp"), Quality::Stale);
}

#[test]
fn leaves_that_are_events_or_nothing_are_no_properties() {
    let mut world = World::new(&[]);
    world.say("say", "route a/b dev");
    world.batch(&[
        ("a/b!", r#"{"temp":1,"click":"double","noise":7}"#),
        ("a/b", r#"{"temp":2,"click":""}"#),
    ]);
    assert!(world.thing("dev").event("click").is_none(), "neither is a new occurrence");
    world.say("a/b", r#"{"click":"double"}"#);
    assert!(world.thing("dev").event("click").is_some());
    assert_eq!(world.thing("dev").property_count(), 1);
    let outcome = world.say("a/b", r#"{"noise":1}"#);
    assert!(matches!(outcome, Outcome::Unmapped(_)), "{outcome:?}");
}

#[test]
fn one_message_may_speak_of_several_things() {
    let mut world = World::new(&[]);
    world.say("say", "found one temp 1\nfound two temp 2\nevent two rang\noffer two press");
    assert_eq!(world.things(), ["one", "two"]);
    assert!(world.thing("two").event("rang").is_some());
    let pressed = world.thing("two").action("press").unwrap();
    assert_eq!(pressed.form().address.as_str(), "x/set");
    world.say("say", "withdraw two press\ngone one");
    assert!(world.thing("two").action("press").is_none());
    assert_eq!(world.things(), ["two"]);
}

#[test]
fn several_actions_may_have_one_address() {
    let mut world = World::new(&[]);
    world.say("say", "offer cover open\noffer cover close\noffer cover open");
    assert_eq!(world.thing("cover").view().actions.len(), 2);
}

#[test]
fn what_a_convention_can_not_use_is_accounted_for_in_its_name() {
    let mut world = World::new(&[]);
    let outcome = world.say("say", "nothing");
    assert!(matches!(&outcome, Outcome::Unmapped(why) if why == "told: it is only talk"));
    let outcome = world.say("say", "wrong");
    assert!(matches!(&outcome, Outcome::Failed(why) if why == "told: say something else"));
    let outcome = world.say("say", "of something else");
    assert!(matches!(outcome, Outcome::Applied(_)), "it is mapped as it is");
}

#[test]
fn questions_are_handed_out_when_the_batch_ends() {
    let mut world = World::new(&[]);
    let (_, questions) = world.batch(&[("say", "ask a/cmd\nask b/cmd")]);
    let addresses: Vec<&str> = questions.iter().map(|(form, _)| form.address.as_str()).collect();
    assert_eq!(addresses, ["a/cmd", "b/cmd"]);
    assert!(world.batch(&[]).1.is_empty());
}

#[test]
fn a_dry_run_changes_nothing() {
    let mut world = World::new(&[]);
    let sample = |address: &str, payload: &str| Observation {
        address: Address::from(address),
        about: None,
        payload: Payload { bytes: payload.as_bytes().to_vec().into(), content_type: None },
        received: Timestamp::from_micros(1),
        retained: false,
        redelivered: false,
    };
    let trial = world.mapper.try_out(&sample("say", "found dev temp 21")).unwrap();
    assert_eq!(trial.convention, Some("told"));
    assert_eq!(trial.thing.unwrap().name(), "dev");
    assert_eq!(trial.properties.len(), 1);
    assert!(world.things().is_empty());
    world.say("say", "route a/b dev");
    let trial = world.mapper.try_out(&sample("a/b", r#"{"temp":1,"noise":2}"#)).unwrap();
    assert_eq!(trial.convention, Some("told"));
    assert_eq!(trial.properties.len(), 1, "noise is left out");
}

#[test]
fn what_a_convention_finds_at_several_addresses_is_one_property() {
    let mut world = World::new(&[]);
    world.say("say", "claim a/one\nclaim a/two");
    world.say("a/one", "first");
    world.say("a/two", "second");
    assert_eq!(world.thing("claimed").property_count(), 1);
    assert_eq!(world.slot("claimed", "text").state.value.to_json(), "\"second\"");
}

#[test]
fn other_rules_tell_again_what_was_said() {
    let mut world = World::new(&[]);
    world.say("a/b", r#"{"temp":21,"on":"ON"}"#);
    let before = world.slot("a.b", "temp");
    let ruled = |thing: Option<&str>| {
        let on = PropertyRule {
            on: Some("ON".into()),
            off: Some("OFF".into()),
            ..PropertyRule::default()
        };
        let temp = PropertyRule { unit: Some("Cel".into()), ..PropertyRule::default() };
        let properties = [("on", on), ("temp", temp)];
        Arc::new(RuleConfig {
            topic: "a/{x}".to_owned().try_into().unwrap(),
            thing: thing.map(|thing| thing.to_owned().try_into().unwrap()),
            properties: properties.map(|(name, rule)| (name.to_owned(), Arc::new(rule))).into(),
            ..RuleConfig::default()
        })
    };
    world.mapper.set_rules(&[ruled(None)], &world.recorder);
    let after = world.slot("a.b", "temp");
    assert_eq!((after.revision, after.state.time), (before.revision, before.state.time));
    assert_eq!(after.property.unit(), Some("Cel"));
    assert_eq!(world.slot("a.b", "on").state.value.to_json(), "true");
    world.mapper.set_rules(&[ruled(Some("other.{x}"))], &world.recorder);
    assert_eq!(world.things(), ["other.b"]);
    assert_eq!(world.slot("other.b", "on").state.value.to_json(), "true");
    world.mapper.set_rules(&[], &world.recorder);
    assert_eq!(world.things(), ["a.b"]);
    assert_eq!(world.slot("a.b", "on").state.value.to_json(), "\"ON\"");
    assert_eq!(world.slot("a.b", "temp").property.unit(), None);
}

#[test]
fn what_is_told_again_is_no_better_than_it_was() {
    let mut world = World::new(&[]);
    world.say("a/b", r#"{"temp":21}"#);
    world.recorder.mark_stale("mqtt", Timestamp::from_micros(world.now));
    world.say("say", "route a/b dev");
    assert_eq!(world.quality("dev", "temp"), Quality::Stale);
}

#[test]
fn a_second_address_of_a_thing_has_the_rule_too() {
    let scaled = PropertyRule { scale: Some(0.1), ..PropertyRule::default() };
    let own = RuleConfig {
        topic: "sens/+/data".to_owned().try_into().unwrap(),
        thing: Some("plant".to_owned().try_into().unwrap()),
        properties: [("temp".to_owned(), Arc::new(scaled))].into(),
        ..RuleConfig::default()
    };
    let mut world = World::new(&[Arc::new(own)]);
    for address in ["sens/1/data", "sens/2/data", "sens/2/data"] {
        world.say(address, r#"{"temp":215}"#);
    }
    for property in ["temp", "temp-2"] {
        assert_eq!(world.slot("plant", property).state.value.to_json(), "21.5");
    }
    world.say("sens/1/data", r#"{"temp":0}"#);
    assert_eq!(world.slot("plant", "temp").state.value.to_json(), "0.0");
}

#[test]
fn a_thing_has_so_many_events_and_no_more() {
    let mut world = World::new(&[]);
    let most = Limits::default().properties_per_thing;
    let lines: Vec<String> = (0..most).map(|n| format!("event dev e{n}")).collect();
    world.say("say", &lines.join("\n"));
    let outcome = world.say("say", "event dev other");
    assert!(matches!(&outcome, Outcome::Failed(why) if why.contains("limit")), "{outcome:?}");
    assert!(world.thing("dev").event("other").is_none());
}

#[test]
fn an_event_that_is_delivered_once_more_is_not_lost() {
    let mut world = World::new(&[]);
    world.say("say", "route a/b dev");
    let observation = Observation {
        address: "a/b".into(),
        about: None,
        payload: Payload { bytes: r#"{"click":1}"#.into(), content_type: None },
        received: Timestamp::from_micros(world.now),
        retained: false,
        redelivered: true,
    };
    let mut contents = Contents::default();
    let mut batch = world.mapper.begin();
    let message = batch.read(&observation, &mut contents).unwrap();
    let mut writing = world.recorder.write();
    batch.apply(&observation, message, &mut contents, &mut writing);
    drop((writing, batch));
    assert!(world.thing("dev").event("click").is_some());
}

#[test]
fn joined_names_count_at_once() {
    let mut world = World::new(&[]);
    world.say("home/lamp", r#"{"on":true}"#);
    let of = vec!["home.lamp".to_owned()];
    world.mapper.names.join(&[JoinConfig { thing: "kitchen.lamp".to_owned(), of }]);
    world.mapper.set_rules(&[], &world.recorder);
    assert_eq!(world.things(), ["kitchen.lamp"]);
    world.say("home/lamp", r#"{"on":false}"#);
    assert_eq!(world.slot("kitchen.lamp", "on").state.value.to_json(), "false");
}

#[test]
fn what_a_device_is_told_by_others_is_left_to_the_earlier_convention() {
    let mut world = World::new(&[]);
    world.mapper.begin().learned.conventions =
        Conventions::of(vec![Box::new(Commanded), Box::new(Told)]);
    world.say("say", "offer cover open\nfound cover text 1");
    assert!(world.thing("cover").action("open").is_none());
}

#[test]
fn an_event_of_a_convention_that_is_delivered_once_more_is_not_lost() {
    let mut cloud_event = Observation {
        address: "any".into(),
        about: None,
        payload: Payload {
            bytes: r#"{"specversion":"1.0","id":"1","source":"/press","type":"stopped"}"#.into(),
            content_type: None,
        },
        received: Timestamp::from_micros(1),
        retained: false,
        redelivered: true,
    };
    let world = World::new(&[]);
    world.mapper.begin().learned.conventions = Conventions::wanted(&[Known::Cloudevents]);
    let trial = world.mapper.try_out(&cloud_event).unwrap();
    assert_eq!(trial.event.as_deref(), Some("stopped"));
    cloud_event.retained = true;
    assert!(world.mapper.try_out(&cloud_event).is_err(), "the broker kept it");
}

/// A convention that all commands are of.
struct Commanded;

impl Convention for Commanded {
    fn name(&self) -> &'static str {
        "commanded"
    }

    fn concerns(&self, address: &str) -> bool {
        address.ends_with("/set")
    }

    fn take(&mut self, _: &Incoming<'_>, _: &mut Meaning) -> Taken {
        Taken::NotMine
    }

    fn duplicate(&self) -> Box<dyn Convention> {
        Box::new(Self)
    }
}

#[test]
fn a_defect_of_a_convention_costs_one_message() {
    let mut world = World::new(&[]);
    let outcome = world.say("say", "found dev temp this-is-no-json");
    assert!(matches!(&outcome, Outcome::Failed(why) if why.contains("defect")), "{outcome:?}");
    world.say("say", "found dev temp 1");
    assert_eq!(world.things(), ["dev"]);
}

#[test]
fn what_others_tell_a_device_is_no_news_of_it() {
    let write = super::WriteRule::to("a/x/set", PayloadTemplate::default());
    let level = PropertyRule { write: Some(write), ..PropertyRule::default() };
    let own = RuleConfig {
        topic: "a/{x}".to_owned().try_into().unwrap(),
        properties: [("level".to_owned(), Arc::new(level))].into(),
        ..RuleConfig::default()
    };
    let mut world = World::new(&[Arc::new(own)]);
    let outcome = world.say("a/x/set", "5");
    assert!(matches!(&outcome, Outcome::Unmapped(why) if why.contains("command")), "{outcome:?}");
    assert!(world.things().is_empty());
}
