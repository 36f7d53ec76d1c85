//! What is wrong with a configuration, said so that it can be put right.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

use super::redact::redact;
use super::tree::Place;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where it was configured.
    pub origin: Origin,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Where something was configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A place in the configuration file.
    File(Excerpt),
    /// The environment variable of this name.
    Variable(String),
    /// The command-line option of this name.
    Option(String),
    /// The configuration as a whole.
    Everywhere,
}

/// A place in a file and the line there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Excerpt {
    /// The file, as it was named.
    pub name: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    #[serde(skip)]
    text: String,
    #[serde(skip)]
    width: usize,
}

/// All that is wrong with a configuration, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File(at) => {
                write!(f, "{}:{}:{}: {}", at.name, at.line, at.column, self.message)?;
                at.draw(f)?;
            }
            Origin::Variable(name) | Origin::Option(name) => write!(f, "{name}: {}", self.message)?,
            Origin::Everywhere => write!(f, "{}", self.message)?,
        }
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

impl Excerpt {
    fn new(name: &str, text: &str, span: &Range<usize>) -> Self {
        let start = text.floor_char_boundary(span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |length| start + length);
        let marked = text.floor_char_boundary(span.end.clamp(start, line_end));
        Self {
            name: name.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            text: redact(text[line_start..line_end].trim_end_matches('\r')),
            width: text[start..marked].chars().count().max(1),
        }
    }

    /// The line with a caret underneath.
    fn draw(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gutter = self.line.to_string();
        let blank = " ".repeat(gutter.len());
        // Tabs stay tabs, or the caret would stand elsewhere on the screen.
        let lead: String = self
            .text
            .chars()
            .take(self.column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        write!(f, "\n  {gutter} | {}\n  {blank} | {lead}{}", self.text, "^".repeat(self.width))
    }
}

/// Collects problems, so that one run reports all of them.
pub(super) struct Problems {
    file: Option<(String, String)>,
    found: Vec<(usize, Problem)>,
    unreadable_lines: Vec<usize>,
}

impl Problems {
    /// `file` is its name and its text.
    pub(super) fn new(file: Option<(String, String)>) -> Self {
        Self { file, found: Vec::new(), unreadable_lines: Vec::new() }
    }

    /// Whether the file was no TOML in places, so that something may seem to be missing in it.
    pub(super) fn has_unreadable_lines(&self) -> bool {
        !self.unreadable_lines.is_empty()
    }

    pub(super) fn add(&mut self, place: &Place, message: String, help: Option<String>) {
        let origin = self.origin(place);
        if let Origin::File(at) = &origin
            && self.unreadable_lines.contains(&at.line)
        {
            return;
        }
        self.push(place, Problem { origin, message, help });
    }

    /// Something that is no TOML; what else seems wrong in that line follows from it.
    pub(super) fn syntax(&mut self, place: &Place, reason: &str) {
        let origin = self.origin(place);
        if let Origin::File(at) = &origin {
            self.unreadable_lines.push(at.line);
        }
        let message = format!("this is no TOML: {reason}");
        self.push(place, Problem { origin, message, help: None });
    }

    fn push(&mut self, place: &Place, problem: Problem) {
        let position = match place {
            Place::File(span) => span.start,
            _ => usize::MAX,
        };
        self.found.push((position, problem));
    }

    /// A place in few words, for problems of two places.
    pub(super) fn place_name(&self, place: &Place) -> String {
        match self.origin(place) {
            Origin::File(at) => format!("{}:{}:{}", at.name, at.line, at.column),
            Origin::Variable(name) | Origin::Option(name) => name,
            Origin::Everywhere => "the defaults".to_owned(),
        }
    }

    fn origin(&self, place: &Place) -> Origin {
        match (place, &self.file) {
            (Place::File(span), Some((name, text))) => Origin::File(Excerpt::new(name, text, span)),
            (Place::Variable(name), _) => Origin::Variable(name.clone()),
            (Place::Argument(name), _) => Origin::Option((*name).to_owned()),
            _ => Origin::Everywhere,
        }
    }

    /// Fails with what was found, if anything was.
    pub(super) fn into_result(mut self) -> Result<(), ConfigError> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort_by_key(|(position, _)| *position);
        Err(ConfigError { problems: self.found.into_iter().map(|(_, problem)| problem).collect() })
    }
}
