//! Datatypes: how the text of a payload is read, and which values a `format` admits.

use serde_json::Value as Json;
use thingway_sdk::{Number, Value};

use crate::mapping::PropertyRule;

/// What the text of a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datatype {
    Integer,
    Float,
    Boolean,
    /// One of the texts in `format`.
    Enum,
    /// Texts of any form: `string`, `color`, `datetime`, `duration`.
    Text,
    Json,
}

impl Datatype {
    /// By its name; a name that is not known is a text.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "integer" => Self::Integer,
            "float" | "percent" => Self::Float,
            "boolean" => Self::Boolean,
            "enum" => Self::Enum,
            "json" => Self::Json,
            _ => Self::Text,
        }
    }

    /// The value that a payload says.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(self, text: &str) -> Result<Value, String> {
        let number = text.trim();
        let read = match self {
            Self::Integer => integer(number).map(|whole| Value::Number(whole.into())),
            Self::Float => float(number),
            Self::Boolean => match number {
                "true" => Some(Value::Boolean(true)),
                "false" => Some(Value::Boolean(false)),
                _ => None,
            },
            Self::Json => Value::from_json(text).ok(),
            // One zero byte stands for the empty text, because an empty payload clears a topic.
            Self::Text | Self::Enum if text == "\0" => Some(Value::Text("".into())),
            Self::Text | Self::Enum => Some(Value::Text(text.into())),
        };
        read.ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            format!("`{shown}` is no {}, which the property's datatype promises", self.noun())
        })
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Float => "number",
            Self::Boolean => "boolean (`true` or `false`)",
            Self::Enum | Self::Text => "text",
            Self::Json => "JSON",
        }
    }

    /// Adds to a rule what the datatype and the `format` say.
    pub(super) fn restrict(self, format: Option<&str>, rule: &mut PropertyRule) {
        rule.data_type = match self {
            Self::Integer => Some("integer".to_owned()),
            Self::Float => Some("number".to_owned()),
            Self::Boolean => Some("boolean".to_owned()),
            Self::Enum | Self::Text => Some("string".to_owned()),
            Self::Json => None,
        };
        let Some(format) = format.filter(|format| !format.is_empty()) else { return };
        match self {
            Self::Integer | Self::Float => {
                let mut parts = format.split(':').map(|part| part.trim().parse::<f64>().ok());
                let mut next = || parts.next().flatten().filter(|number| number.is_finite());
                (rule.minimum, rule.maximum) = (next(), next());
                // The step counts from the least, and a multiple from zero.
                let least = rule.minimum.unwrap_or(0.0);
                rule.multiple_of = next().filter(|step| *step > 0.0 && least % step == 0.0);
            }
            Self::Enum => rule.allowed = Some(format.split(',').map(Json::from).collect()),
            // Two labels; what travels is still `false` and `true`.
            Self::Boolean => {
                if let Some((no, yes)) = format.split_once(',') {
                    add_line(&mut rule.description, &format!("false: {no}, true: {yes}"));
                }
            }
            Self::Text => add_line(&mut rule.description, &format!("format: {format}")),
            Self::Json => {}
        }
    }
}

fn add_line(description: &mut Option<String>, line: &str) {
    let text = description.get_or_insert_default();
    if !text.is_empty() {
        text.push_str("; ");
    }
    text.push_str(line);
}

/// Whole numbers, also those that a device writes as `21.0`.
#[expect(clippy::cast_possible_truncation, reason = "the range was checked before")]
fn integer(text: &str) -> Option<i64> {
    let exact = |number: &f64| number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
    text.parse().ok().or_else(|| text.parse().ok().filter(exact).map(|number| number as i64))
}

fn float(text: &str) -> Option<Value> {
    match Number::parse(text) {
        Ok(number) => Some(Value::Number(number)),
        Err(_) => text.parse().ok().and_then(Value::from_f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(datatype: &str, text: &str) -> Option<String> {
        Datatype::named(datatype).read(text).ok().map(|value| value.to_json())
    }

    #[test]
    fn the_datatype_decides_what_a_text_is() {
        for (datatype, text, expected) in [
            ("string", "21", Some("\"21\"")),
            ("string", "\0", Some("\"\"")),
            ("integer", "21", Some("21")),
            ("integer", "21.0", Some("21")),
            ("integer", "21.5", None),
            ("integer", "1e30", None),
            ("float", "21.50", Some("21.50")),
            ("float", ".5", Some("0.5")),
            ("float", "NaN", None),
            ("boolean", "true", Some("true")),
            ("boolean", "ON", None),
            ("enum", "auto", Some("\"auto\"")),
            ("color", "255,0,0", Some("\"255,0,0\"")),
            ("json", r#"{"a":1}"#, Some(r#"{"a":1}"#)),
            ("json", "{", None),
        ] {
            assert_eq!(json(datatype, text).as_deref(), expected, "{datatype} {text}");
        }
    }

    #[test]
    fn a_format_is_a_range_with_a_step_or_a_list() {
        let restricted = |datatype: &str, format| {
            let mut rule = PropertyRule::default();
            Datatype::named(datatype).restrict(Some(format), &mut rule);
            rule
        };
        let full = restricted("float", "-20:120:0.5");
        assert_eq!((full.minimum, full.maximum), (Some(-20.0), Some(120.0)));
        assert_eq!(full.multiple_of, Some(0.5));
        let open = restricted("integer", ":10");
        assert_eq!((open.minimum, open.maximum, open.multiple_of), (None, Some(10.0), None));
        assert_eq!(restricted("integer", "1:9:2").multiple_of, None);
        let listed = restricted("enum", "off,auto");
        assert_eq!(listed.allowed, Some(vec!["off".into(), "auto".into()]));
        let labelled = restricted("boolean", "closed,open");
        assert_eq!(labelled.description.as_deref(), Some("false: closed, true: open"));
    }
}
