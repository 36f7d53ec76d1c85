use serde::Deserialize;
use thingway_sdk::Value;

use super::Expression;
use super::pointer::Pointer;

/// Where in a payload something is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub enum Source {
    /// `$`: the payload as a whole.
    Whole,
    /// JSON Pointer: it begins with `/`.
    Pointer(Pointer),
    /// Anything else: a JSONata expression.
    Expression(Expression),
}

impl Source {
    /// What is there; none when nothing is.
    pub(super) fn find(&self, whole: &Value) -> Result<Option<Value>, String> {
        match self {
            Self::Whole => Ok(Some(whole.clone())),
            Self::Pointer(pointer) => Ok(pointer.find(whole)),
            Self::Expression(expression) => expression.evaluate(whole),
        }
    }

    /// The leaf that it names, where it names one.
    pub(super) fn path(&self) -> Option<String> {
        match self {
            Self::Pointer(pointer) => Some(pointer.path()),
            Self::Whole | Self::Expression(_) => None,
        }
    }
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.trim() {
            "" => Err("it names nothing; write a JSON Pointer such as `/sensors/0/t`".to_owned()),
            "$" => Ok(Self::Whole),
            pointer if pointer.starts_with('/') => Pointer::parse(pointer).map(Self::Pointer),
            _ => Expression::try_from(text).map(Self::Expression),
        }
    }
}
