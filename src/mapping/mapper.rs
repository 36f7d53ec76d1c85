use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;
use smol_str::SmolStr;
use thingway_sdk::codec::{self, DecodeError};
use thingway_sdk::{Address, Form, Observation, Payload, Subject, Timestamp};

use super::arrival::Arrival;
use super::convention::{Conventions, Incoming, Interpreted, Meaning, Step, Taken};
use super::deadlines::Deadlines;
use super::names::{self, Names};
use super::properties::Properties;
use super::reach::Reach;
use super::reader::{Collector, Contents, Message, Shape};
use super::route::{Route, Routes, Says};
use super::{MappingConfig, RuleConfig};
use crate::limits::Limits;
use crate::recorder::{Recorder, Writing};
use crate::registry::Thing;

/// Maps the messages of one adapter.
pub struct Mapper {
    pub(super) adapter: Arc<str>,
    pub(super) names: Arc<Names>,
    pub(super) limits: Limits,
    learned: Mutex<Learned>,
}

/// What was said and learned so far.
#[derive(Default)]
pub(super) struct Learned {
    pub(super) rules: Vec<Arc<RuleConfig>>,
    pub(super) conventions: Conventions,
    pub(super) routes: Routes,
    pub(super) properties: Properties,
    pub(super) reach: Reach,
    pub(super) deadlines: Deadlines,
    /// What devices are to be asked when the batch ends.
    pub(super) questions: Vec<(Form, Payload)>,
}

/// The mapping of one batch of messages: each is first read, which needs no other lock, then
/// applied in the recorder's turn.
pub struct Batch<'a> {
    pub(super) mapper: &'a Mapper,
    pub(super) learned: MutexGuard<'a, Learned>,
}

/// Where something came from.
pub(super) struct Origin<'a> {
    pub(super) address: &'a Address,
    /// What the adapter knows of the address.
    pub(super) about: Option<&'a Arc<Subject>>,
    pub(super) received: Timestamp,
}

/// Addresses that are mapped anew in one turn: messages wait no longer.
const MOVED_IN_ONE_TURN: usize = 1000;

/// Places of properties in their thing.
pub(super) type Slots = SmallVec<[u32; 4]>;

/// What became of one message.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// At least one property has a new state, an event occurred, or something was announced.
    Applied(Applied),
    /// Nothing in it was newer than what is known.
    Duplicate(Applied, &'static str),
    /// It is understood and means nothing for any thing.
    Unmapped(String),
    /// It could not be taken in.
    Failed(String),
}

/// Where a message went.
#[derive(Clone, Default)]
pub struct Applied {
    /// The thing; the first one, where it spoke of several. None where it only announced.
    pub thing: Option<Arc<Thing>>,
    /// The places of its properties that the message spoke of.
    pub slots: Slots,
    /// What was left out, and why.
    pub note: Option<String>,
}

impl Applied {
    /// Whether the message spoke of the property in this place.
    pub(super) fn has(&self, place: usize) -> bool {
        self.slots.iter().any(|slot| *slot as usize == place)
    }
}

impl fmt::Debug for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.thing.as_ref().map(|thing| thing.id()), self.slots)
    }
}

impl Interpreted {
    /// The convention, what the message means to it, and what is wrong with a part of it, where
    /// the rest counts.
    ///
    /// # Errors
    /// What becomes of a message that it does not take in.
    pub(super) fn understood(self) -> Result<(&'static str, Meaning, Option<String>), Outcome> {
        let Self { name, taken, meaning, .. } = self;
        match taken {
            Taken::Nothing(reason) if meaning.steps.is_empty() => {
                Err(Outcome::Unmapped(format!("{name}: {reason}")))
            }
            Taken::Nothing(reason) => Ok((name, meaning, Some(reason.into_owned()))),
            Taken::Malformed(reason) if meaning.steps.is_empty() => {
                Err(Outcome::Failed(format!("{name}: {reason}")))
            }
            Taken::Malformed(reason) => Ok((name, meaning, Some(reason))),
            Taken::Understood | Taken::NotMine => Ok((name, meaning, None)),
        }
    }
}

impl Mapper {
    /// A mapper for the adapter of this name.
    #[must_use]
    pub fn new(
        adapter: Arc<str>,
        config: &MappingConfig,
        rules: &[Arc<RuleConfig>],
        names: Arc<Names>,
        limits: Limits,
    ) -> Self {
        let mapper = Self { adapter, names, limits, learned: Mutex::default() };
        let conventions = Conventions::wanted(&config.conventions);
        *mapper.learned.lock() =
            Learned { rules: mapper.concerning(rules), conventions, ..Learned::default() };
        mapper
    }

    /// Begins to map a batch: others of the same adapter wait until it is dropped.
    #[must_use]
    pub fn begin(&self) -> Batch<'_> {
        let mut learned = self.learned.lock();
        learned.routes.begin();
        Batch { mapper: self, learned }
    }

    /// Other rules, or other joins of names, from here on. What an address said last is told again
    /// under its new meaning; where a rule reads payloads in a way of its own, it counts from the
    /// next message.
    pub fn set_rules(&self, rules: &[Arc<RuleConfig>], recorder: &Recorder) {
        let moved = self.begin().rule_anew(self.concerning(rules));
        for addresses in moved.chunks(MOVED_IN_ONE_TURN) {
            let mut batch = self.begin();
            let mut writing = recorder.write();
            addresses.iter().for_each(|address| batch.map_anew(address, &mut writing));
        }
    }

    /// The link was lost: all that is known of who is within reach is void.
    pub fn forget_reach(&self) {
        self.learned.lock().reach = Reach::default();
    }

    fn concerning(&self, rules: &[Arc<RuleConfig>]) -> Vec<Arc<RuleConfig>> {
        let concerns = |rule: &&Arc<RuleConfig>| {
            rule.adapter.as_deref().is_none_or(|named| named == &*self.adapter)
        };
        rules.iter().filter(concerns).cloned().collect()
    }

    pub(super) fn check_size(&self, payload: &Payload) -> Result<(), Outcome> {
        let (size, most) = (payload.bytes.len(), self.limits.payload_bytes);
        if size <= most {
            return Ok(());
        }
        Err(Outcome::Failed(format!(
            "the payload has {size} bytes, more than the limit of {most}; raise limits.payload_bytes or send less"
        )))
    }

    /// The thing that an address names for payloads of this shape; made when it is not there.
    pub(super) fn target(
        &self,
        route: &mut Route,
        shape: Shape,
        origin: &Origin<'_>,
        writing: &mut Writing<'_>,
    ) -> Result<Arc<Thing>, String> {
        // What an adapter names is of one thing, whatever its payloads are; so is what a
        // convention names.
        let by_convention = || route.rule().is_some_and(|rule| rule.convention.is_some());
        let shape = if origin.about.is_some() || by_convention() { Shape::Whole } else { shape };
        if !route.is_news
            && let Some(thing) = route.living(shape)
        {
            return Ok(thing.clone());
        }
        let rule = route.rule();
        let about = origin.about.map(AsRef::as_ref);
        let name = self.name(origin.address.as_str(), shape, rule.map(AsRef::as_ref), about);
        let thing = self.thing_named(name?, rule, origin.received, writing)?;
        route.lead_to(shape, thing.clone());
        Ok(thing)
    }

    /// The thing that a convention's rule is about; made when it is not there.
    pub(super) fn thing_of(
        &self,
        rule: &Arc<RuleConfig>,
        now: Timestamp,
        writing: &mut Writing<'_>,
    ) -> Result<Arc<Thing>, String> {
        self.thing_named(self.name("", Shape::Whole, Some(rule), None)?, Some(rule), now, writing)
    }

    fn thing_named(
        &self,
        name: names::Name<'_>,
        rule: Option<&Arc<RuleConfig>>,
        now: Timestamp,
        writing: &mut Writing<'_>,
    ) -> Result<Arc<Thing>, String> {
        let thing = writing.thing(name.id(), rule, now);
        let thing = thing.map_err(|refusal| refusal.to_string())?;
        name.keep(&thing);
        Ok(thing)
    }

    /// The name of the thing that an address names for payloads of this shape.
    pub(super) fn name(
        &self,
        address: &str,
        shape: Shape,
        rule: Option<&RuleConfig>,
        about: Option<&Subject>,
    ) -> Result<names::Name<'_>, String> {
        let of_rule =
            rule.and_then(|rule| Some(rule.thing.as_ref()?.fill(&rule.topic.captures(address)?)));
        if let Some(name) = of_rule {
            return Ok(self.names.of_rule(&name));
        }
        let by_convention = rule.and_then(|rule| Some(&rule.convention.as_ref()?.thing));
        let named = by_convention.or(about.map(|about| &about.thing));
        let whole = named.map_or(address, SmolStr::as_str);
        if whole.len() > names::LONGEST {
            return Err(format!(
                "the address has {} bytes, and names of things have at most {}",
                whole.len(),
                names::LONGEST
            ));
        }
        let base = match (named, shape) {
            (None, Shape::Whole) => names::base_of(address),
            _ => whole,
        };
        Ok(self.names.of_base(&self.adapter, base))
    }
}

/// The first rule that is about an address.
fn first_match(rules: &[Arc<RuleConfig>], address: &str) -> Option<Arc<RuleConfig>> {
    rules.iter().find(|rule| rule.topic.captures(address).is_some()).cloned()
}

impl Learned {
    /// What somebody else, perhaps another gateway, tells a device is no news of it.
    fn refuse_commands(&self, address: &str) -> Result<(), Outcome> {
        let told = self.rules.iter().find(|rule| rule.writes_to(address));
        match told.filter(|_| first_match(&self.rules, address).is_none()) {
            None => Ok(()),
            Some(rule) => Err(Outcome::Unmapped(format!(
                "a command to a device: the rule of `{}` writes there",
                rule.topic
            ))),
        }
    }

    /// What is known of an address from its text alone.
    pub(super) fn new_route(&self, address: &Address) -> Route {
        let rule = first_match(&self.rules, address.as_str());
        let concerned = self.conventions.concerned(address.as_str());
        Route::new(address.clone(), rule, concerned)
    }
}

impl Batch<'_> {
    /// Looks at where messages from these addresses lead, before the first is read. With many
    /// things, none of them is in the processor's cache; here it waits for several at the same time.
    pub fn approach<'r>(&self, addresses: impl ExactSizeIterator<Item = &'r Address>) {
        if addresses.len() > 1 {
            self.learned.routes.approach(addresses);
        }
    }

    /// Takes a message apart; its leaves go into the contents.
    ///
    /// # Errors
    /// What becomes of a message that can't be taken apart.
    pub fn read(
        &mut self,
        observation: &Observation,
        contents: &mut Contents,
    ) -> Result<Message, Outcome> {
        self.mapper.check_size(&observation.payload)?;
        let place = self.learned.routes.place(&observation.address);
        let mut new = None;
        let route = match place.and_then(|place| self.learned.routes.at(place)) {
            Some(route) => route,
            None => {
                self.learned.refuse_commands(observation.address.as_str())?;
                new.insert(self.learned.new_route(&observation.address))
            }
        };
        let (concerned, rule) = (route.concerned, route.rule());
        if concerned.is_nobody() {
            let rule = rule.map(AsRef::as_ref);
            return read_leaves(self.mapper, rule, observation, contents).map(|message| Message {
                place,
                by: rule.and_then(|rule| Some(rule.convention.as_ref()?.name)),
                ..message
            });
        }
        let rule = rule.cloned();
        let interpreted = self.learned.conventions.interpret(concerned, &incoming(observation));
        let Some(interpreted) = interpreted else {
            let message = read_leaves(self.mapper, rule.as_deref(), observation, contents)?;
            return Ok(Message { place, concerned, ..message });
        };
        let convention = interpreted.convention;
        let (name, mut meaning, note) = interpreted.understood()?;
        self.redirect(convention, &mut meaning);
        if let Some(route) = new {
            self.learned.routes.remember(route, self.mapper.limits.properties);
        }
        Ok(Message { note, concerned, ..Message::meant(name, meaning) })
    }

    /// What a convention says of addresses counts at once, also for messages of the same batch.
    /// What is another's, which is asked earlier, is left to it.
    fn redirect(&mut self, convention: u8, meaning: &mut Meaning) {
        let most = self.mapper.limits.properties;
        let learned = &mut *self.learned;
        meaning.steps.retain(|step| {
            let (address, says) = match step {
                Step::Route(address, rule) => (address, Some(Says::Rule(rule.clone()))),
                Step::Claim(address) => (address, Some(Says::Claim)),
                Step::Release(address) => (address, None),
                Step::Offered(_, action) => {
                    let address = action.form.address.as_str();
                    return learned.conventions.concerned(address).before(convention).is_nobody();
                }
                _ => return true,
            };
            let by_address = learned.conventions.concerned(address.as_str());
            match (learned.routes.get_mut(address), says) {
                (Some(route), Some(says)) => route.follow(convention, says, by_address),
                (Some(route), None) => {
                    route.let_go(convention, by_address);
                    true
                }
                (None, Some(says)) => {
                    let mut route = learned.new_route(address);
                    route.follow(convention, says, by_address);
                    learned.routes.remember(route, most);
                    true
                }
                (None, None) => false,
            }
        });
    }

    /// Other rules from here on: the addresses that mean something else by them.
    fn rule_anew(&mut self, rules: Vec<Arc<RuleConfig>>) -> Vec<Address> {
        let mapper = self.mapper;
        let Learned { rules: known, routes, conventions, .. } = &mut *self.learned;
        *known = rules;
        let mut moved = Vec::new();
        for route in routes.all_mut() {
            let address = route.address();
            let rule = first_match(known, address.as_str());
            let by_address = conventions.concerned(address.as_str());
            let about = route.about().map(AsRef::as_ref);
            let shape = if about.is_some() { Shape::Whole } else { route.shape() };
            let ruled = rule.as_ref().or(route.rule()).map(AsRef::as_ref);
            let name = mapper.name(address.as_str(), shape, ruled, about);
            let is_renamed = route
                .newest()
                .is_some_and(|thing| name.as_ref().is_ok_and(|name| name.id() != thing.id()));
            drop(name);
            if route.ruled_anew(rule, by_address, is_renamed) {
                moved.push(address);
            }
        }
        moved
    }

    /// Applies a message that was taken apart.
    pub fn apply(
        &mut self,
        observation: &Observation,
        message: Message,
        contents: &mut Contents,
        writing: &mut Writing<'_>,
    ) -> Outcome {
        if self.is_redirected(observation, &message) {
            return match self.read(observation, contents) {
                Ok(message) => self.apply(observation, message, contents, writing),
                Err(outcome) => outcome,
            };
        }
        match message.meaning {
            Some(meaning) => self.carry_out(observation, *meaning, writing),
            None => self.apply_leaves(observation, &message, contents, writing),
        }
    }

    /// Whether a later message of the batch said what the address of this one means, after this
    /// one was taken apart.
    fn is_redirected(&self, observation: &Observation, message: &Message) -> bool {
        let routes = &self.learned.routes;
        let place = message.place.or_else(|| routes.place(&observation.address));
        let route = place.and_then(|place| routes.at(place));
        message.meaning.is_none() && route.is_some_and(|it| it.concerned != message.concerned)
    }

    fn apply_leaves(
        &mut self,
        observation: &Observation,
        message: &Message,
        contents: &mut Contents,
        writing: &mut Writing<'_>,
    ) -> Outcome {
        let mapper = self.mapper;
        let Learned { routes, properties, reach, deadlines, .. } = &mut *self.learned;
        let mut arrival = Arrival::new(mapper, observation, properties, writing);
        let place = message.place.or_else(|| routes.place(&observation.address));
        if let Some(route) = place.and_then(|place| routes.at_mut(place)) {
            let outcome = arrival.outcome(route, message, contents);
            reach.check(&outcome, observation, writing);
            deadlines.heard(route.rule(), observation, &outcome, mapper.limits.properties);
            return outcome;
        }
        let mut route = self.learned.new_route(&observation.address);
        let Learned { routes, properties, deadlines, .. } = &mut *self.learned;
        let mut arrival = Arrival::new(mapper, observation, properties, writing);
        let outcome = arrival.outcome(&mut route, message, contents);
        deadlines.heard(route.rule(), observation, &outcome, mapper.limits.properties);
        // An address that could not be taken in is not remembered: a flood of them costs nothing.
        if matches!(outcome, Outcome::Applied(_) | Outcome::Duplicate(..)) {
            routes.remember(route, mapper.limits.properties);
        }
        outcome
    }

    /// Ends the batch: what devices are to be asked.
    #[must_use]
    pub fn end(mut self) -> Vec<(Form, Payload)> {
        std::mem::take(&mut self.learned.questions)
    }
}

/// A message as conventions see it.
pub(super) fn incoming(observation: &Observation) -> Incoming<'_> {
    Incoming {
        address: observation.address.as_str(),
        payload: &observation.payload,
        received: observation.received,
        retained: observation.retained,
    }
}

/// The leaves of a message, as its rule or its content type says, or as they look.
pub(super) fn read_leaves(
    mapper: &Mapper,
    rule: Option<&RuleConfig>,
    observation: &Observation,
    contents: &mut Contents,
) -> Result<Message, Outcome> {
    let limits = mapper.limits.codec();
    let mut collector = Collector::new(contents, observation);
    let payload = &observation.payload;
    let by_rule = rule.and_then(|rule| rule.read(payload, &limits, &mut collector));
    let is_ruled = by_rule.is_some();
    match by_rule.unwrap_or_else(|| codec::decode(payload, &limits, &mut collector)) {
        Ok(decoded) => {
            let mut message = collector.finish(decoded);
            // What its adapter calls one resource is one property, which is also written as a
            // whole.
            if !is_ruled
                && observation.about.is_some()
                && message.shape == Shape::Object
                && let Some(encoding) = message.encoding.filter(|encoding| !encoding.has_records())
                && let Some(whole) = codec::whole(&observation.payload, encoding, &limits)
            {
                contents.join(&mut message, whole);
            }
            Ok(message)
        }
        Err(error) => {
            collector.give_up();
            Err(match error {
                DecodeError::Empty => Outcome::Unmapped(
                    "the payload is empty (in MQTT it clears a retained message)".into(),
                ),
                error => Outcome::Failed(error.to_string()),
            })
        }
    }
}
