//! JSONata expressions, held to limits: a payload must not be able to keep the gateway busy.

use std::fmt;
use std::sync::Arc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::parser;
use jsonata_core::value::JValue;
use serde::Deserialize;
use thingway_sdk::Value;

/// A JSONata expression.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Expression {
    text: Arc<str>,
    parsed: Arc<AstNode>,
}

/// How long one evaluation may take, in milliseconds.
const LONGEST: u64 = 20;
/// How deep it may nest.
const DEEPEST: usize = 256;
/// How many items its sequences may have.
const MOST_ITEMS: usize = 10_000;
/// How many bytes of JSON may go in, and how many may come out.
const LARGEST: usize = 256 * 1024;
/// Functions that escape the limits: `$pad` makes texts of any length in one step, and `$eval`
/// reaches it through a text.
const REFUSED: [&str; 2] = ["pad", "eval"];

impl Expression {
    /// What the expression makes of a value; none when that is nothing.
    pub(super) fn evaluate(&self, whole: &Value) -> Result<Option<Value>, String> {
        let json = within_limits(whole.to_json(), "the payload")?;
        let data = JValue::from_json_str(&json).map_err(|error| error.to_string())?;
        let options = EvaluatorOptions {
            timeout_ms: Some(LONGEST),
            max_stack_depth: Some(DEEPEST),
            max_sequence_length: Some(MOST_ITEMS),
            cancel: None,
        };
        let mut evaluator = Evaluator::with_options(Context::new(), options);
        for name in REFUSED {
            let refuse = move |_: &[JValue]| {
                Err(EvaluatorError::EvaluationError(format!("`${name}` escapes the limits")))
            };
            evaluator.register_fn_override(name, refuse).map_err(|error| error.to_string())?;
        }
        let made = evaluator.evaluate(&self.parsed, &data);
        let made = made.map_err(|error| error.message().to_owned())?;
        if made.is_undefined() || made.is_function() {
            return Ok(None);
        }
        let json = within_limits(made.to_json_string().map_err(|e| e.to_string())?, "its result")?;
        Value::from_json(&json).map(Some).map_err(|error| error.to_string())
    }
}

fn within_limits(json: String, what: &str) -> Result<String, String> {
    match json.len() {
        bytes if bytes > LARGEST => {
            Err(format!("{what} takes {bytes} bytes of JSON, more than {LARGEST}"))
        }
        _ => Ok(json),
    }
}

impl TryFrom<String> for Expression {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parsed = parser::parse(&text)
            .map_err(|error| format!("this is no JSONata: {}", error.display_message()))?;
        // As the tree writes names, and never the contents of a text, whose quotes it escapes.
        let tree = format!("{parsed:?}");
        let names = |name: &&&str| {
            tree.contains(&format!("Variable(\"{name}\")"))
                || tree.contains(&format!("Function {{ name: \"{name}\""))
        };
        if let Some(name) = REFUSED.iter().find(names) {
            return Err(format!(
                "`${name}` may not be used: it escapes the limits on time and memory"
            ));
        }
        Ok(Self { text: text.into(), parsed: Arc::new(parsed) })
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(text: &str) -> Result<Expression, String> {
        Expression::try_from(text.to_owned())
    }

    fn made(text: &str, json: &str) -> String {
        match expression(text).unwrap().evaluate(&Value::from_json(json).unwrap()) {
            Ok(Some(value)) => value.to_json(),
            Ok(None) => "nothing".to_owned(),
            Err(error) => error,
        }
    }

    #[test]
    fn an_expression_makes_a_value_of_a_payload() {
        assert_eq!(made("a.b * 2", r#"{"a":{"b":10.75}}"#), "21.5");
        assert_eq!(
            made("{ \"t\": readings[0].t }", r#"{"readings":[{"t":1},{"t":2}]}"#),
            "{\"t\":1}"
        );
        assert_eq!(made("$number($substringBefore($, \" \"))", "\"21 C\""), "21");
        assert_eq!(made("nowhere", "{}"), "nothing");
        assert_eq!(made("$sum", "{}"), "nothing");
        assert!(
            made("a * 2", r#"{"a":"x"}"#).starts_with("T2001"),
            "{}",
            made("a * 2", r#"{"a":"x"}"#)
        );
    }

    #[test]
    fn what_escapes_the_limits_is_refused() {
        for text in ["$pad('x', 9)", "($p := $pad; $p('x', 9))", "$map([1], $pad)", "$eval('1')"] {
            assert!(expression(text).unwrap_err().contains("escapes the limits"), "{text}");
        }
        assert!(expression("'Variable(\"pad\")'").is_ok());
        assert!(expression("pad + eval").is_ok());
        assert!(expression("a.(").unwrap_err().contains("no JSONata"));
    }

    #[test]
    fn limits_end_what_does_not_end() {
        assert!(made("($f := function($n) { $f($n + 1) + 1 }; $f(0))", "{}").contains("D1011"));
        assert!(made("[1..1000000]", "{}").contains("D201"));
        let slow =
            "$sum($map([1..9999], function($x) { $sum($map([1..9999], function($y) { $y })) }))";
        assert!(made(slow, "{}").contains("D1012"));
    }

    #[test]
    fn large_payloads_are_not_taken_in() {
        let large = format!("\"{}\"", "x".repeat(LARGEST));
        assert!(made("$", &large).contains("more than"));
    }
}
