//! From the text of a TOML file to a tree.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::problem::Problems;
use super::tree::{Node, Place, Value};

/// Reads the text; what is no TOML becomes problems, and the rest of the file is still read.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Node {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let place = Place::File(error.span().unwrap_or(0..0));
        problems.syntax(&place, error.message());
    }
    // The span of a whole document says nothing: what is missing in it is missing everywhere.
    Node::new(Place::File(0..0), tables(table.into_inner()))
}

/// Reads one value as TOML writes it; `None` when it is none.
pub(super) fn parse_value(text: &str) -> Option<Value> {
    DeValue::parse(text).ok().map(|parsed| value(parsed.into_inner()))
}

fn value(parsed: DeValue<'_>) -> Value {
    match parsed {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Boolean(flag) => Value::Boolean(flag),
        DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
            .map_or_else(|_| Value::Text(digits.to_string()), Value::Integer),
        DeValue::Float(digits) => {
            digits.as_str().parse().map_or_else(|_| Value::Text(digits.to_string()), Value::Float)
        }
        // No option is a date; kept as text, the reader says what was wanted instead.
        DeValue::Datetime(moment) => Value::Text(moment.to_string()),
        DeValue::Array(items) => list(items),
        DeValue::Table(entries) => tables(entries),
    }
}

fn list(items: DeArray<'_>) -> Value {
    Value::List(items.into_iter().map(|item| node(item.span(), item)).collect())
}

fn tables(entries: DeTable<'_>) -> Value {
    Value::Table(
        entries
            .into_iter()
            .map(|(key, entry)| (key.get_ref().to_string(), node(key.span(), entry)))
            .collect(),
    )
}

fn node(key: std::ops::Range<usize>, entry: Spanned<DeValue<'_>>) -> Node {
    let place = Place::File(entry.span());
    Node { key: Place::File(key), place, value: value(entry.into_inner()) }
}
