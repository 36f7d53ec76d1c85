//! What `init` tells of what it heard.

use std::path::PathBuf;

use serde::Serialize;

use super::families::Family;
use super::hints::Looks;
use super::survey::MOST_TOPICS;
use crate::cli::output::{Cell, Output, Tone, counted};

/// All that is told.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The broker, without credentials.
    pub(super) endpoint: String,
    pub(super) seconds: u64,
    pub(super) messages: usize,
    pub(super) topics: usize,
    /// Messages of topics beyond those that are looked at.
    pub(super) messages_not_looked_at: usize,
    pub(super) conventions: Vec<Recognised>,
    pub(super) by_shape: ByShape,
    pub(super) findings: Vec<Finding>,
    pub(super) rules: Vec<Suggested>,
    /// Families of topics for which no rule is suggested, because there are too many.
    pub(super) families_left_out: usize,
    /// What the broker refused, though it let us in.
    pub(super) trouble: Option<String>,
    /// The file that was written.
    pub(super) file: Option<PathBuf>,
    /// The file's text, where it was not written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) configuration: Option<String>,
}

/// A convention whose messages came.
#[derive(Debug, Serialize)]
pub(super) struct Recognised {
    pub(super) convention: &'static str,
    pub(super) messages: usize,
    pub(super) things: usize,
    /// What some of the things are called.
    pub(super) examples: Vec<String>,
}

/// What became things without a convention.
#[derive(Debug, Default, Serialize)]
pub(super) struct ByShape {
    pub(super) topics: usize,
    pub(super) things: usize,
    pub(super) properties: usize,
    /// What some of the things are called.
    pub(super) examples: Vec<String>,
}

/// Messages that are nothing, or may be something else than they were taken for.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// `mapped`, `unmapped` or `failed`.
    pub(super) outcome: &'static str,
    pub(super) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) messages: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) topics: Option<usize>,
    /// Topics of some of them.
    pub(super) examples: Vec<String>,
}

/// A rule that is in the file.
#[derive(Debug, Serialize)]
pub(super) struct Suggested {
    pub(super) topic: String,
    pub(super) topics: usize,
    pub(super) looks: Looks,
}

impl Suggested {
    pub(super) fn of(family: &Family) -> Self {
        Self { topic: family.pattern(), topics: family.topics, looks: family.looks }
    }
}

impl Report {
    pub(super) fn new(endpoint: String, seconds: u64, trouble: Option<String>) -> Self {
        Self {
            endpoint,
            seconds,
            messages: 0,
            topics: 0,
            messages_not_looked_at: 0,
            conventions: Vec::new(),
            by_shape: ByShape::default(),
            findings: Vec::new(),
            rules: Vec::new(),
            families_left_out: 0,
            trouble,
            file: None,
            configuration: None,
        }
    }

    /// For people: what is told of, then what is told.
    pub(super) fn lines(&self, output: Output) -> Vec<String> {
        let mut lines = vec![("heard", self.heard())];
        lines.extend(self.conventions.iter().map(|it| ("recognised", it.words())));
        lines.push(("by shape", self.by_shape.words()));
        lines.extend(self.findings.iter().map(|finding| (finding.outcome(), finding.words())));
        if self.messages_not_looked_at > 0 {
            let words = format!(
                "there are more than {MOST_TOPICS} topics: {} messages of the others are counted \
                 above, and no rule is suggested for them",
                self.messages_not_looked_at
            );
            lines.push(("left out", words));
        }
        lines.extend(self.trouble.iter().map(|trouble| ("trouble", trouble.clone())));
        let rules = counted(self.rules.len(), "rule");
        if let Some(file) = &self.file {
            let file = file.display();
            let words = format!(
                "{file} with {rules}; correct it, then: thingway check {file} && thingway run \
                 --config {file}"
            );
            lines.push(("written", words));
        }
        let tone = |head: &str| if head == "failed" { Tone::Warning } else { Tone::Faint };
        let line = |(head, words): (&str, String)| {
            output.aligned(&[Cell::new(head, tone(head)), Cell::plain(words)], &[10, 0])
        };
        lines.into_iter().map(line).collect()
    }

    fn heard(&self) -> String {
        let Self { messages, topics, endpoint, seconds, .. } = self;
        let (messages, topics) = (counted(*messages, "message"), counted(*topics, "topic"));
        format!("{messages} on {topics} from {endpoint} within {seconds} s")
    }
}

impl Recognised {
    pub(super) fn words(&self) -> String {
        let Self { convention, messages, things, examples } = self;
        let (messages, things) = (counted(*messages, "message"), counted(*things, "thing"));
        format!("{convention}: {messages}, {things}{}", such_as(examples))
    }
}

impl ByShape {
    fn words(&self) -> String {
        let topics = counted(self.topics, "topic");
        let things = counted(self.things, "thing");
        let properties = match self.properties {
            1 => "1 property".to_owned(),
            several => format!("{several} properties"),
        };
        format!("{topics}: {things} with {properties}{}", such_as(&self.examples))
    }
}

impl Finding {
    fn outcome(&self) -> &'static str {
        if self.outcome == "mapped" { "doubtful" } else { self.outcome }
    }

    fn words(&self) -> String {
        let messages = self.messages.map(|messages| counted(messages, "message"));
        let topics = self.topics.map(|topics| counted(topics, "topic"));
        let count = messages.or(topics).unwrap_or_default();
        format!("{count}: {}{}", self.reason, such_as(&self.examples))
    }
}

fn such_as(examples: &[String]) -> String {
    if examples.is_empty() { String::new() } else { format!(" ({})", examples.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_told_too() {
        let mut report = Report::new("mqtt://broker:1883".into(), 10, None);
        (report.messages, report.topics) = (10_007, MOST_TOPICS);
        report.messages_not_looked_at = 7;
        report.findings = vec![Finding {
            outcome: "failed",
            reason: "too\x1b[2Jlarge".into(),
            messages: Some(1),
            topics: None,
            examples: vec!["a/b".into()],
        }];
        let lines = report.lines(Output::new(true)).join("\n");
        for expected in [
            "10007 messages on 10000 topics from mqtt://broker:1883 within 10 s",
            "0 topics: 0 things with 0 properties",
            "1 message: too\\u{1b}[2Jlarge (a/b)",
            "more than 10000 topics: 7 messages",
        ] {
            assert!(lines.contains(expected), "{expected}\nin\n{lines}");
        }
    }
}
