use std::cell::OnceCell;
use std::collections::HashMap;

use serde_json::value::RawValue;
use smol_str::SmolStr;
use thingway_sdk::Value;

use crate::mapping::jinja::{Jinja, Unrendered, payload_variables};

/// What takes a value out of a payload.
#[derive(Debug, Clone)]
pub(super) enum Template {
    /// The payload as it is.
    Whole,
    /// `{{ value_json.a['b'] }}`: nearly all of them. It is followed here, because it is quicker
    /// and keeps every digit.
    Path(Box<[Step]>),
    /// A member of a JSON object where the payload is one, else the payload.
    Either(SmolStr),
    /// Anything else.
    Jinja(Jinja),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Member(SmolStr),
    Item(usize),
}

/// One payload, parsed once for all the templates that look at it.
pub(super) struct Body<'a> {
    text: &'a str,
    members: OnceCell<Option<Members<'a>>>,
    variables: OnceCell<Option<minijinja::Value>>,
}

type Members<'a> = HashMap<String, &'a RawValue>;

impl Template {
    /// # Errors
    /// When it is no template, or one of something that only Home Assistant has.
    pub(super) fn new(source: Option<&str>) -> Result<Self, String> {
        let Some(source) = source.map(str::trim).filter(|source| !source.is_empty()) else {
            return Ok(Self::Whole);
        };
        let expression = source.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        let expression = expression.map(|text| text.trim_matches(['-', ' ', '\t', '\n', '\r']));
        if expression == Some("value") {
            return Ok(Self::Whole);
        }
        if let Some(steps) = expression.and_then(path) {
            return Ok(Self::Path(steps));
        }
        Jinja::compile(source, &["value", "value_json"]).map(Self::Jinja)
    }

    /// A member of a JSON object, as if by a template.
    pub(super) fn member(name: &str) -> Self {
        Self::Path([Step::Member(name.into())].into())
    }

    /// The value in a payload; `None` where it isn't there.
    ///
    /// # Errors
    /// When the template can't be evaluated with this payload.
    pub(super) fn read(&self, body: &Body<'_>) -> Result<Option<Value>, String> {
        match self {
            Self::Whole => Ok(typed(body.text)),
            Self::Path(steps) => Ok(body.at(steps)),
            Self::Either(name) if body.text.trim_start().starts_with('{') => {
                Ok(body.at(&[Step::Member(name.clone())]))
            }
            Self::Either(_) => Ok(typed(body.text)),
            Self::Jinja(template) if !template.admits(body.text) => {
                Err("the payload is too long for a template with `*`".to_owned())
            }
            Self::Jinja(template) => {
                let variables = body.variables()?;
                match template.render(variables) {
                    Ok(text) => Ok(typed(&text)),
                    Err(Unrendered::Undefined) => Ok(None),
                    Err(Unrendered::Failed(why)) => Err(why),
                }
            }
        }
    }
}

impl<'a> Body<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, members: OnceCell::new(), variables: OnceCell::new() }
    }

    fn at(&self, steps: &[Step]) -> Option<Value> {
        let (first, rest) = steps.split_first()?;
        let mut found = match first {
            Step::Member(name) => {
                let members = self.members.get_or_init(|| serde_json::from_str(self.text).ok());
                *members.as_ref()?.get(name.as_str())?
            }
            Step::Item(at) => *serde_json::from_str::<Vec<&RawValue>>(self.text).ok()?.get(*at)?,
        };
        for step in rest {
            found = match step {
                Step::Member(name) => {
                    *serde_json::from_str::<Members<'_>>(found.get()).ok()?.get(name.as_str())?
                }
                Step::Item(at) => {
                    *serde_json::from_str::<Vec<&RawValue>>(found.get()).ok()?.get(*at)?
                }
            };
        }
        Value::from_json(found.get()).ok()
    }

    fn variables(&self) -> Result<minijinja::Value, String> {
        if let Some(variables) = self.variables.get() {
            return variables.clone().ok_or_else(|| "the payload is too long".to_owned());
        }
        let variables = payload_variables(self.text);
        let kept = variables.as_ref().ok().cloned();
        self.variables.get_or_init(|| kept);
        variables.map_err(|error| match error {
            Unrendered::Undefined => "nothing is known of the payload".to_owned(),
            Unrendered::Failed(why) => why,
        })
    }
}

/// The steps of `value_json.a['b'][0] | is_defined`.
fn path(expression: &str) -> Option<Box<[Step]>> {
    let expression = expression
        .strip_suffix("is_defined")
        .map_or(Some(expression), |rest| rest.trim_end().strip_suffix('|').map(str::trim_end))?;
    let mut rest = expression.strip_prefix("value_json")?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let (name, behind) = after.split_at(end.unwrap_or(after.len()));
            // `.get(…)` is a method, and `.0` no member.
            if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                || behind.starts_with('(')
            {
                return None;
            }
            steps.push(Step::Member(name.into()));
            rest = behind;
        } else {
            let (inside, behind) = rest.strip_prefix('[')?.split_once(']')?;
            let quoted = |q| inside.strip_prefix(q).and_then(|text| text.strip_suffix(q));
            steps.push(match quoted('\'').or_else(|| quoted('"')) {
                Some(name) if !name.contains(['\'', '"', '\\']) => Step::Member(name.into()),
                Some(_) => return None,
                None => Step::Item(inside.parse().ok()?),
            });
            rest = behind;
        }
    }
    (!steps.is_empty()).then(|| steps.into())
}

/// What a text says: a number where it is one, text otherwise; nothing where it is empty.
fn typed(text: &str) -> Option<Value> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return None;
    }
    Some(match Value::from_json(trimmed) {
        Ok(Value::Text(_)) | Err(_) => Value::Text(trimmed.into()),
        Ok(value) => value,
    })
}

/// A value as Python writes it, which is what the words of an entity are compared with.
pub(super) fn as_word(value: &Value) -> SmolStr {
    match value {
        Value::Null => "None".into(),
        Value::Boolean(true) => "True".into(),
        Value::Boolean(false) => "False".into(),
        Value::Number(number) => number.as_str().into(),
        Value::Text(text) | Value::Json(text) => text.clone(),
        Value::Octets(_) => SmolStr::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(template: &str, payload: &str) -> Option<String> {
        let value = Template::new(Some(template)).unwrap().read(&Body::new(payload)).unwrap();
        value.map(|value| value.to_json())
    }

    #[test]
    fn a_path_is_followed_without_the_engine_and_keeps_the_digits() {
        let payload = r#"{"a":{"b-c":[21.50,"x"]},"n":9007199254740993}"#;
        for (template, expected) in [
            ("{{ value_json.a['b-c'][0] }}", Some("21.50")),
            ("{{value_json['a'][\"b-c\"][1]}}", Some("\"x\"")),
            ("{{ value_json.n|is_defined }}", Some("9007199254740993")),
            ("{{ value_json.missing }}", None),
            ("{{ value_json.a.b.c }}", None),
        ] {
            let compiled = Template::new(Some(template)).unwrap();
            assert!(matches!(compiled, Template::Path(_)), "{template}");
            assert_eq!(read(template, payload).as_deref(), expected, "{template}");
        }
        assert_eq!(read("{{ value_json[1] }}", "[1,2]").as_deref(), Some("2"));
        assert!(matches!(Template::new(Some("{{ value_json.get('a') }}")), Ok(Template::Jinja(_))));
    }

    #[test]
    fn what_is_no_json_is_text() {
        assert_eq!(read("{{ value }}", "ON").as_deref(), Some("\"ON\""));
        assert_eq!(read("", " 21.50\n").as_deref(), Some("21.50"));
        assert_eq!(read("", "").as_deref(), None);
        assert_eq!(read("{{ value | upper }}", "on").as_deref(), Some("\"ON\""));
        assert_eq!(read("{{ value_json.a }}", "no json"), None);
    }
}
