//! What serde says when a value does not fit, kept in parts instead of as a sentence.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use super::tree::Step;

/// One thing that does not fit, and where, seen from the value that was read.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) path: Vec<Step>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    UnknownKey { known: Vec<&'static str> },
    UnknownWord { word: String, known: &'static [&'static str] },
    Missing(&'static str),
    Mismatch { expected: String, found: String },
    Refused(String),
}

impl Fault {
    fn new(kind: Kind) -> Self {
        Self { path: Vec::new(), kind }
    }

    /// The same, seen from one level further out.
    pub(super) fn inside(mut self, step: impl Into<Step>) -> Self {
        self.path.insert(0, step.into());
        self
    }

    /// The same, where the outermost table has further keys than the type that was read.
    pub(super) fn knowing(mut self, further: &[&'static str]) -> Self {
        if let (Kind::UnknownKey { known }, 1) = (&mut self.kind, self.path.len()) {
            known.splice(0..0, further.iter().copied());
        }
        self
    }
}

impl de::Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(Kind::Refused(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = plain_words(&expected.to_string());
        Self::new(Kind::Mismatch { expected, found: describe(&found) })
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self::new(Kind::UnknownWord { word: word.to_owned(), known })
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        Self::new(Kind::UnknownKey { known: known.to_vec() })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Kind::Missing(field))
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}

impl std::error::Error for Fault {}

/// Rust's names of types mean nothing to whoever writes the file.
fn plain_words(expected: &str) -> String {
    match expected {
        nonzero if nonzero.starts_with("a nonzero ") => "a whole number, 1 or more".into(),
        "usize" | "u64" | "u32" => "a whole number, 0 or more".into(),
        "u16" => "a whole number from 0 to 65535".into(),
        "u8" => "a whole number from 0 to 255".into(),
        "i64" => "a whole number".into(),
        "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a string" | "a string representing an URL" | "string or table" => "text in quotes".into(),
        "a sequence" => "a list, as in [\"a\", \"b\"]".into(),
        "socket address" => "text in quotes, as in \"127.0.0.1:8080\"".into(),
        other if other.starts_with("struct ") || other == "a map" => "a table".into(),
        other => other.to_owned(),
    }
}

fn describe(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(flag) => flag.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Float(number) => number.to_string(),
        Unexpected::Str(text) => format!("the text \"{text}\""),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a table".into(),
        other => other.to_string(),
    }
}
