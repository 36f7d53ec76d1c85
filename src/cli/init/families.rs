//! Topics that are alike, joined to the patterns that rules are written for.

use std::collections::{BTreeMap, BTreeSet};

use super::hints::Looks;

/// A topic that no convention knows.
#[derive(Debug, Clone)]
pub(super) struct Topic {
    pub(super) address: String,
    pub(super) looks: Looks,
    /// The payload is one value, so the last level names the property.
    pub(super) is_whole: bool,
    /// Its properties with their values as JSON; none where it became nothing.
    pub(super) values: Vec<(String, String)>,
    /// The beginning of a payload.
    pub(super) sample: String,
    /// Why it became nothing.
    pub(super) failed: Option<String>,
}

/// Topics that one rule is for.
#[derive(Debug)]
pub(super) struct Family {
    levels: Vec<Level>,
    /// Their last levels name values of the thing, not the thing.
    is_value: bool,
    /// How many topics it has.
    pub(super) topics: usize,
    /// One of them, with the beginning of a payload.
    pub(super) example: String,
    pub(super) sample: String,
    pub(super) looks: Looks,
    /// What their properties are called, with a value that was seen.
    pub(super) properties: BTreeMap<String, String>,
    /// Why topics of it became nothing.
    pub(super) failed: Option<String>,
    /// A topic of a convention that a rule for these would take away from it.
    pub(super) takes_away: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Literal(String),
    Varies,
}

/// What topics of one family have in common at first sight: the number of levels, the first of
/// several, and how they end.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Likeness<'a> {
    levels: usize,
    first: Option<&'a str>,
    ending: Ending,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    /// The name of the value, whatever numbers are in it.
    Value(String),
    Members,
    Nothing,
}

/// Topics that end alike with like members.
struct Cluster<'a> {
    members: BTreeSet<&'a str>,
    topics: Vec<&'a Topic>,
}

/// So many sets of members are told apart below one first level.
const MOST_CLUSTERS: usize = 64;

/// From so many on, first levels that are followed by the same are names of devices.
const FEW_FIRST_LEVELS: usize = 3;

/// The families of these topics, sorted; `recognised` are the topics of conventions.
pub(super) fn group(topics: &[Topic], recognised: &[&str]) -> Vec<Family> {
    let mut alike: BTreeMap<Likeness<'_>, Vec<Cluster<'_>>> = BTreeMap::new();
    for topic in topics {
        let members: BTreeSet<&str> = topic.values.iter().map(|(name, _)| name.as_str()).collect();
        let clusters = alike.entry(Likeness::of(topic)).or_default();
        let is_full = clusters.len() >= MOST_CLUSTERS;
        let found =
            clusters.iter_mut().find(|it| topic.is_whole || are_alike(&it.members, &members));
        match found {
            Some(cluster) => cluster.topics.push(topic),
            None if is_full => {
                clusters.iter_mut().rev().take(1).for_each(|it| it.topics.push(topic))
            }
            None => clusters.push(Cluster { members, topics: vec![topic] }),
        }
    }
    let families = alike.into_values().flatten().filter_map(|cluster| Family::of(&cluster.topics));
    let mut families = merged(names_of_devices(merged(families)));
    for family in &mut families {
        let taken = recognised.iter().find(|address| family.matches(address));
        family.takes_away = taken.map(|address| (*address).to_owned());
    }
    sort(&mut families);
    families
}

/// Those first that leave least open: the first rule that matches a topic counts, and the one that
/// says most of it is right.
pub(super) fn sort(families: &mut [Family]) {
    families.sort_by(|a, b| (a.open(), &a.levels).cmp(&(b.open(), &b.levels)));
}

impl<'a> Likeness<'a> {
    fn of(topic: &'a Topic) -> Self {
        let levels = topic.address.split('/').count();
        let first = topic.address.split('/').next().filter(|_| levels > 1);
        let last = topic.address.rsplit('/').next().unwrap_or_default();
        let ending = match (topic.values.is_empty(), topic.is_whole) {
            (true, _) => Ending::Nothing,
            (false, true) => Ending::Value(without_numbers(last)),
            (false, false) => Ending::Members,
        };
        Self { levels, first, ending }
    }
}

/// A name without what tells one device from the next.
fn without_numbers(level: &str) -> String {
    let is_id = level.len() >= 6
        && level.contains(|c: char| c.is_ascii_digit())
        && level
            .trim_start_matches("0x")
            .chars()
            .all(|c| c.is_ascii_hexdigit() || ":-_".contains(c));
    if is_id {
        return "0".to_owned();
    }
    let mut name = String::with_capacity(level.len());
    for c in level.chars() {
        match c.is_ascii_digit() {
            true if name.ends_with('0') => {}
            true => name.push('0'),
            false => name.push(c),
        }
    }
    name
}

/// Whether half of the smaller set is in the other one, too.
fn are_alike(one: &BTreeSet<&str>, other: &BTreeSet<&str>) -> bool {
    2 * one.intersection(other).count() >= one.len().min(other.len())
}

/// Families with the same pattern are one.
fn merged(families: impl IntoIterator<Item = Family>) -> Vec<Family> {
    let mut merged: BTreeMap<Vec<Level>, Family> = BTreeMap::new();
    for family in families {
        match merged.get_mut(&family.levels) {
            Some(known) => known.join(family),
            None => drop(merged.insert(family.levels.clone(), family)),
        }
    }
    merged.into_values().collect()
}

/// Where many first levels are followed by the same, with the same properties, they vary, too.
fn names_of_devices(mut families: Vec<Family>) -> Vec<Family> {
    let mut firsts: BTreeMap<(Vec<Level>, Looks, Vec<String>), Vec<usize>> = BTreeMap::new();
    for (place, family) in families.iter().enumerate() {
        let rest = family.levels.iter().skip(1).cloned().collect::<Vec<_>>();
        if rest.iter().any(|level| matches!(level, Level::Literal(_))) {
            let properties = family.properties.keys().cloned().collect();
            firsts.entry((rest, family.looks, properties)).or_default().push(place);
        }
    }
    for place in firsts.into_values().filter(|it| it.len() >= FEW_FIRST_LEVELS).flatten() {
        if let Some(first) = families.get_mut(place).and_then(|it| it.levels.first_mut()) {
            *first = Level::Varies;
        }
    }
    families
}

impl Family {
    /// None of no topics.
    fn of(topics: &[&Topic]) -> Option<Self> {
        let example = topics.iter().max_by_key(|topic| topic.looks)?;
        let mut levels: Vec<Level> = example.address.split('/').map(level).collect();
        let mut properties = BTreeMap::new();
        for topic in topics {
            for (known, here) in levels.iter_mut().zip(topic.address.split('/')) {
                if *known != level(here) {
                    *known = Level::Varies;
                }
            }
            for (name, value) in &topic.values {
                properties.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        Some(Self {
            levels,
            is_value: topics.iter().all(|topic| topic.is_whole),
            topics: topics.len(),
            example: example.address.clone(),
            sample: example.sample.clone(),
            looks: example.looks,
            properties,
            failed: topics.iter().find_map(|topic| topic.failed.clone()),
            takes_away: None,
        })
    }

    fn join(&mut self, other: Self) {
        self.topics += other.topics;
        self.is_value &= other.is_value;
        if other.looks > self.looks {
            (self.looks, self.example, self.sample) = (other.looks, other.example, other.sample);
        }
        for (name, value) in other.properties {
            self.properties.entry(name).or_insert(value);
        }
        self.failed = self.failed.take().or(other.failed);
    }

    /// How many levels it leaves open.
    fn open(&self) -> usize {
        self.levels.iter().filter(|level| **level == Level::Varies).count()
    }

    fn matches(&self, address: &str) -> bool {
        let mut here = address.split('/');
        let matches = self.levels.iter().all(|level| {
            here.next().is_some_and(|here| match level {
                Level::Literal(text) => text == here,
                Level::Varies => true,
            })
        });
        matches && here.next().is_none()
    }

    /// As a rule's `topic`: the last level that varies is taken for the device.
    pub(super) fn pattern(&self) -> String {
        let device = self.levels.iter().rposition(|level| *level == Level::Varies);
        let written = self.levels.iter().enumerate().map(|(at, level)| match level {
            Level::Literal(text) => text.clone(),
            Level::Varies if Some(at) == device => "{device}".to_owned(),
            Level::Varies => format!("{{level{}}}", at + 1),
        });
        written.collect::<Vec<_>>().join("/")
    }

    /// The last level of what names the thing, where it is the same for all of them. It is that of
    /// the whole topic where the payload has members, also those that a format gives it.
    pub(super) fn subject(&self) -> Option<&str> {
        let has_members = !self.is_value || matches!(self.looks, Looks::Csv { .. } | Looks::Octets);
        let named = self.levels.iter().rev().nth(usize::from(!has_members));
        match named {
            Some(Level::Literal(text)) if !text.is_empty() => Some(text.as_str()),
            _ => None,
        }
    }
}

/// Patterns can't have these signs within a level.
fn level(text: &str) -> Level {
    if text.contains(['{', '}', '+', '#']) {
        Level::Varies
    } else {
        Level::Literal(text.to_owned())
    }
}

#[cfg(test)]
pub(super) fn topic(address: &str, values: &[(&str, &str)]) -> Topic {
    let last = address.rsplit('/').next().unwrap();
    Topic {
        address: address.to_owned(),
        looks: Looks::Plain,
        is_whole: values.len() == 1 && values[0].0 == last,
        values: values.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        sample: "payload".to_owned(),
        failed: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(address: &str) -> Topic {
        topic(address, &[(address.rsplit('/').next().unwrap(), "1")])
    }

    fn patterns(topics: &[Topic]) -> Vec<String> {
        group(topics, &[]).iter().map(Family::pattern).collect()
    }

    #[test]
    fn a_value_keeps_its_name_and_what_is_before_it_varies() {
        let topics = [
            value("home/kitchen/temperature"),
            value("home/kitchen/humidity"),
            value("home/bath/temperature"),
            value("home/up/bath/humidity"),
        ];
        let expected =
            ["home/kitchen/humidity", "home/up/bath/humidity", "home/{device}/temperature"];
        assert_eq!(patterns(&topics), expected);
    }

    #[test]
    fn values_that_are_named_after_numbers_are_of_one_family() {
        assert_eq!(patterns(&[value("meter/m1"), value("meter/m20")]), ["meter/{device}"]);
        let ids = [value("m/0x00158d0001b79111"), value("m/00:17:88:01:04:e4")];
        assert_eq!(patterns(&ids), ["m/{device}"]);
        assert_eq!(patterns(&[value("a/on"), value("a/off")]), ["a/off", "a/on"]);
    }

    #[test]
    fn objects_are_of_one_family_where_their_members_are_alike() {
        let topics = [
            topic("plant/1/press/tele", &[("force", "1"), ("speed", "2")]),
            topic("plant/2/saw/tele", &[("speed", "3")]),
            topic("plant/1/press/status", &[("uptime", "1"), ("errors", "2")]),
        ];
        let families = group(&topics, &[]);
        let patterns: Vec<String> = families.iter().map(Family::pattern).collect();
        assert_eq!(patterns, ["plant/1/press/status", "plant/{level2}/{device}/tele"]);
        assert_eq!(families[1].topics, 2);
        assert_eq!(families[1].properties.get("speed").unwrap(), "2");
        assert_eq!(families[1].subject(), Some("tele"));
        assert_eq!(group(&[value("cellar/humidity")], &[])[0].subject(), Some("cellar"));
        let bytes = Topic { looks: Looks::Octets, ..value("raw/node") };
        assert_eq!(group(&[bytes], &[])[0].subject(), Some("node"));
    }

    #[test]
    fn first_levels_that_are_devices_vary() {
        let of = |count: usize| {
            let topics: Vec<Topic> =
                (0..count).map(|n| topic(&format!("node{n}/state"), &[("a", "1")])).collect();
            patterns(&topics)
        };
        assert_eq!(of(2), ["node0/state", "node1/state"]);
        assert_eq!(of(3), ["{device}/state"]);
        let unlike = ["a", "b", "c"].map(|name| topic(&format!("{name}/state"), &[(name, "1")]));
        assert_eq!(patterns(&unlike), ["a/state", "b/state", "c/state"]);
    }

    #[test]
    fn signs_of_patterns_in_a_topic_become_placeholders() {
        assert_eq!(patterns(&[topic("a/{x}/b", &[("c", "1")])]), ["a/{device}/b"]);
        assert_eq!(patterns(&[value("{x")]), ["{device}"]);
        assert_eq!(patterns(&[value("/a//b")]), ["/a//b"]);
    }

    #[test]
    fn a_family_tells_which_topic_of_a_convention_it_would_take() {
        let topics = [topic("a/x/s", &[("k", "1")]), topic("a/y/s", &[("k", "1")])];
        let families = group(&topics, &["a/z", "a/z/s"]);
        assert_eq!(families[0].takes_away.as_deref(), Some("a/z/s"));
        assert!(group(&topics, &["b/z/s"])[0].takes_away.is_none());
    }

    #[test]
    fn thousands_of_different_topics_are_grouped() {
        let of = |n: usize| topic(&format!("a/{n}/b"), &[(&format!("k{n}"), "1")]);
        let topics: Vec<Topic> = (0..10_000).map(of).collect();
        let families = group(&topics, &[]);
        assert_eq!(families.iter().map(|family| family.topics).sum::<usize>(), 10_000);
        assert!(families.len() <= MOST_CLUSTERS);
    }
}
