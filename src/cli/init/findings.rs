//! From what came to what is told of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use thingway_sdk::codec;

use super::families::{self, Family, Topic};
use super::hints::Looks;
use super::report::{ByShape, Finding, Recognised, Report, Suggested};
use super::survey::{EXAMPLES, Survey};
use crate::mapping::Known;
use crate::registry::{Registry, Thing};
use crate::silo::MessageRecord;

/// So many rules are suggested.
const MOST_RULES: usize = 100;

/// Fills the report in, and groups the topics that rules may be written for.
///
/// What a thing is at the end counts, not what its first messages were taken for: a convention may
/// have spoken after them.
pub(super) fn of(
    survey: &Survey,
    registry: &Registry,
    mut report: Report,
) -> (Report, Vec<Family>) {
    (report.messages, report.topics) = survey.counts();
    report.messages_not_looked_at = survey.beyond;
    let things = Things::of(registry);
    report.conventions = things.recognised(survey);
    let mut by_shape = Vec::new();
    let mut recognised = Vec::new();
    let conventions = names_of_conventions();
    for record in survey.topics.values() {
        match things.by_shape.get(record.thing.as_deref().unwrap_or_default()) {
            Some(thing) if record.convention.is_none() => by_shape.push(mapped(record, thing)),
            None if is_failed_alone(record, &conventions) => by_shape.push(failed(record)),
            _ => recognised.push(record.address.as_str()),
        }
    }
    // A map has no order, and the same broker shall give the same file.
    by_shape.sort_by(|a, b| a.address.cmp(&b.address));
    let properties = things.by_shape.values().map(|thing| thing.property_count()).sum();
    report.by_shape = ByShape {
        topics: by_shape.iter().filter(|topic| topic.failed.is_none()).count(),
        things: things.by_shape.len(),
        properties,
        examples: examples(things.by_shape.values().map(|thing| thing.id().name().to_owned())),
    };
    let mut families = families::group(&by_shape, &recognised);
    report.findings = doubts(&families).chain(reasons(survey)).collect();
    report.families_left_out = families.len().saturating_sub(MOST_RULES);
    if report.families_left_out > 0 {
        families.sort_by_key(|family| std::cmp::Reverse(family.topics));
        families.truncate(MOST_RULES);
        families::sort(&mut families);
    }
    report.rules = families.iter().map(Suggested::of).collect();
    (report, families)
}

/// The things at the end, by who said what they are.
struct Things {
    by_shape: BTreeMap<String, Arc<Thing>>,
    by_convention: HashMap<&'static str, Vec<String>>,
}

impl Things {
    fn of(registry: &Registry) -> Self {
        let mut things = Self { by_shape: BTreeMap::new(), by_convention: HashMap::new() };
        for thing in registry.things().into_iter().filter(|thing| thing.is_reported()) {
            let rule = thing.view().rule;
            match rule.as_ref().and_then(|rule| rule.convention.as_ref()) {
                Some(convention) => {
                    let title = rule.as_ref().and_then(|rule| rule.title.clone());
                    let shown = title.unwrap_or_else(|| thing.id().name().to_owned());
                    things.by_convention.entry(convention.name).or_default().push(shown);
                }
                None => drop(things.by_shape.insert(thing.id().to_string(), thing)),
            }
        }
        things
    }

    fn recognised(&self, survey: &Survey) -> Vec<Recognised> {
        let of = |(name, messages): (&&'static str, &usize)| {
            let mut titles = self.by_convention.get(name).cloned().unwrap_or_default();
            titles.sort();
            let things = titles.len();
            Recognised { convention: name, messages: *messages, things, examples: examples(titles) }
        };
        survey.conventions.iter().map(of).collect()
    }
}

fn mapped(record: &MessageRecord, thing: &Thing) -> Topic {
    let last = record.address.rsplit('/').next().unwrap_or_default();
    let value = |name: &str| Some(thing.slot(name)?.state.value.to_json());
    let names = record.properties.iter();
    let values: Vec<(String, String)> =
        names.filter_map(|name| Some((name.to_string(), value(name)?))).collect();
    let is_whole = record.properties.len() == 1
        && record.properties[0] == codec::property_name(last)
        && (record.encoding == Some("text") || !record.payload.trim_start().starts_with('{'));
    let looks = Looks::of(record.encoding, record.note.is_some(), &record.payload);
    let (address, sample) = (record.address.clone(), record.payload.clone());
    Topic { address, looks, is_whole, values, sample, failed: None }
}

fn failed(record: &MessageRecord) -> Topic {
    Topic {
        address: record.address.clone(),
        looks: Looks::of(record.encoding, true, &record.payload),
        is_whole: false,
        values: Vec::new(),
        sample: record.payload.clone(),
        failed: record.reason.clone(),
    }
}

/// Whether it failed, and not to the convention that it follows.
fn is_failed_alone(record: &MessageRecord, conventions: &[String]) -> bool {
    let reason = record.reason.as_deref().unwrap_or_default();
    let of_convention = reason
        .split_once(": ")
        .is_some_and(|(name, _)| conventions.iter().any(|convention| convention == name));
    record.outcome == "failed" && !of_convention
}

fn names_of_conventions() -> Vec<String> {
    let name = |known: &Known| {
        let name = serde_json::to_value(known).ok()?;
        name.as_str().map(str::to_owned)
    };
    Known::ALL.iter().filter_map(name).collect()
}

/// What was mapped, though it may be meant otherwise.
fn doubts(families: &[Family]) -> impl Iterator<Item = Finding> {
    let mut doubts: BTreeMap<&'static str, Finding> = BTreeMap::new();
    for family in families.iter().filter(|family| family.failed.is_none()) {
        let Some(reason) = family.looks.words() else { continue };
        let finding = doubts.entry(reason).or_insert_with(|| Finding {
            outcome: "mapped",
            reason: reason.to_owned(),
            messages: None,
            topics: Some(0),
            examples: Vec::new(),
        });
        finding.topics = finding.topics.map(|topics| topics + family.topics);
        if finding.examples.len() < EXAMPLES {
            finding.examples.push(family.example.clone());
        }
    }
    doubts.into_values()
}

fn reasons(survey: &Survey) -> impl Iterator<Item = Finding> {
    let mut findings: Vec<Finding> = survey
        .reasons
        .iter()
        .map(|((outcome, reason), messages)| Finding {
            outcome,
            reason: reason.clone(),
            messages: Some(messages.count),
            topics: None,
            examples: messages.examples.clone(),
        })
        .collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.messages));
    findings.into_iter()
}

fn examples(names: impl IntoIterator<Item = String>) -> Vec<String> {
    names.into_iter().take(EXAMPLES).collect()
}
