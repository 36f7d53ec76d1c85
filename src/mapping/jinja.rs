//! Jinja templates that come with an announcement: what Home Assistant's users write to take a
//! payload apart and to put a command together.
//!
//! Their authors are whoever may publish on the broker, so a template is bounded: its length, its
//! instructions (`FUEL`), what goes in and what comes out. Only the filters named here exist, all
//! of which give no more than they take; loops can't add up, as there is no `namespace`. What
//! could still grow, by doubling or by repeating a text, is counted before it is compiled
//! ([`growth`]); one repeated text is left to the engine's own limit of 100 MB, for the moment of
//! one evaluation.

use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::value::{Kwargs, Rest, Value, ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, filters, tests};

/// Bytes of a template.
const SOURCE_BYTES: usize = 4 << 10;
/// Bytes of a payload that is shown to a template.
const INPUT_BYTES: usize = 64 << 10;
/// Bytes of a payload that is shown to a template with `*`.
const REPEATED_BYTES: usize = 4 << 10;
/// Bytes that a template may make.
const OUTPUT_BYTES: usize = 64 << 10;
/// Instructions of one evaluation.
const FUEL: u64 = 5_000;
/// Operators that join or repeat, in one template.
const GROWTH: usize = 8;
/// By how much a number in the template may repeat a text.
const REPEATS: f64 = 10_000.0;
const NAME: &str = "template";

static LANGUAGE: LazyLock<Environment<'static>> = LazyLock::new(language);

/// A template that was found to be well formed.
#[derive(Clone)]
pub(super) struct Jinja(Arc<Compiled>);

struct Compiled {
    source: Box<str>,
    environment: Environment<'static>,
}

/// Why there is no result.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unrendered {
    /// The template asks for something that the payload does not have.
    Undefined,
    /// It can't be evaluated: why.
    Failed(String),
}

impl Jinja {
    /// What templates of commands call the value: covers have names of their own for it.
    pub(super) const COMMAND_VARIABLES: [&str; 3] = ["value", "position", "tilt_position"];

    /// Compiles a template that may use these variables.
    ///
    /// # Errors
    /// What is wrong with it, or unknown here.
    pub(super) fn compile(source: &str, variables: &[&str]) -> Result<Self, String> {
        if source.len() > SOURCE_BYTES {
            return Err(format!("a template has at most {SOURCE_BYTES} bytes"));
        }
        growth(source)?;
        let mut environment = LANGUAGE.clone();
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| format!("`{source}` is no template: {error}"))?;
        let known = |name: &String| {
            variables.contains(&name.as_str()) || environment.globals().any(|(n, _)| n == name)
        };
        let used = environment.get_template(NAME).map(|it| it.undeclared_variables(false));
        if let Some(unknown) = used.unwrap_or_default().into_iter().find(|name| !known(name)) {
            return Err(format!(
                "`{unknown}` in `{source}` is not known outside of Home Assistant"
            ));
        }
        Ok(Self(Arc::new(Compiled { source: source.into(), environment })))
    }

    /// Whether the template may be shown so long a payload.
    pub(super) fn admits(&self, text: &str) -> bool {
        text.len() <= REPEATED_BYTES || !self.0.source.contains('*')
    }

    /// What the template makes of these variables.
    pub(super) fn render(&self, variables: Value) -> Result<String, Unrendered> {
        let mut out = Bounded(Vec::new());
        let rendered = self
            .0
            .environment
            .get_template(NAME)
            .and_then(|template| template.render_captured_to(variables, &mut out).map(drop));
        match rendered {
            Ok(()) => String::from_utf8(out.0).map_err(|e| Unrendered::Failed(e.to_string())),
            Err(error) if error.kind() == ErrorKind::UndefinedError => Err(Unrendered::Undefined),
            Err(error) => Err(Unrendered::Failed(format!("`{}`: {error}", self.0.source))),
        }
    }

    /// The payload of a command with this value.
    ///
    /// # Errors
    /// When the template can't be evaluated with it.
    pub(super) fn command(&self, value: &thingway_sdk::Value) -> Result<Vec<u8>, String> {
        let value = from_json(serde_json::from_str(&value.to_json()).unwrap_or_default());
        let variables =
            Value::from_pairs(Self::COMMAND_VARIABLES.map(|name| (name, value.clone())));
        self.render(variables).map(String::into_bytes).map_err(|error| match error {
            Unrendered::Undefined => format!("`{}` needs more than a value", self.0.source),
            Unrendered::Failed(why) => why,
        })
    }
}

impl fmt::Debug for Jinja {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jinja({:?})", self.0.source)
    }
}

impl PartialEq for Jinja {
    fn eq(&self, other: &Self) -> bool {
        self.0.source == other.0.source
    }
}

impl Eq for Jinja {}

/// The variables of a template that reads a payload: `value` is its text, `value_json` what it
/// says where it is JSON.
pub(super) fn payload_variables(text: &str) -> Result<Value, Unrendered> {
    if text.len() > INPUT_BYTES {
        let why = format!("a payload for a template has at most {INPUT_BYTES} bytes");
        return Err(Unrendered::Failed(why));
    }
    let json = serde_json::from_str(text).map_or(Value::UNDEFINED, from_json);
    Ok(Value::from_pairs([("value", Value::from(text)), ("value_json", json)]))
}

/// JSON as the templates see it. serde_json has bounded its depth.
fn from_json(json: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::from(()),
        Json::Bool(boolean) => Value::from(boolean),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Value::from(whole),
            (_, Some(whole)) => Value::from(whole),
            _ => number.as_f64().map_or(Value::UNDEFINED, Value::from),
        },
        Json::String(text) => Value::from(text),
        Json::Array(items) => items.into_iter().map(from_json).collect(),
        Json::Object(members) => {
            Value::from_pairs(members.into_iter().map(|(name, value)| (name, from_json(value))))
        }
    }
}

/// Output up to a limit.
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_BYTES {
            return Err(std::io::Error::other("the template makes too much"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Refuses templates that could make much of little: the engine bounds instructions, but not what
/// one of them holds. Texts and lists double by being joined, so joins are counted; they repeat by
/// `*`, so one of its sides has to be a number of the template, all of these together must not
/// repeat too often, and no list may be near.
fn growth(source: &str) -> Result<(), String> {
    let plain = without_strings(source);
    let count = plain.matches(['~', '+', '*']).count();
    if count > GROWTH {
        return Err(format!("`{source}` has more than {GROWTH} of `~`, `+` and `*`"));
    }
    if !plain.contains('*') {
        return Ok(());
    }
    let dense: String = plain.split_whitespace().collect();
    let has_exponent =
        dense.as_bytes().windows(3).any(|it| matches!(it, [b'0'..=b'9', b'e' | b'E', b'+']));
    if has_exponent || ["**", "|multiply(", "|add("].iter().any(|it| dense.contains(it)) {
        return Err(format!("`{source}` has `*` and `**`, `e+`, `multiply` or `add`"));
    }
    // A text that has a name can be joined with itself, and repeated by one.
    let is_named =
        plain.contains("{%") && ["set", "with", "macro"].iter().any(|it| plain.contains(it));
    let (least, most) = if is_named { (2.0, REPEATS) } else { (1.0, REPEATS * 100.0) };
    let joins = plain.matches(['~', '+']).map(|_| least);
    let mut repeats: f64 = joins.product();
    for (at, _) in plain.match_indices('*') {
        let Some(times) = times(&plain[..at], &plain[at + 1..]) else {
            return Err(format!("in `{source}`, one side of `*` must be a number up to {REPEATS}"));
        };
        repeats *= times.max(least);
    }
    if repeats > most {
        return Err(format!("`{source}` multiplies by more than {most} in all"));
    }
    let opens_list = |(at, _): (usize, &str)| {
        let before = plain[..at].trim_end().chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ')' | ']' | '"'))
    };
    if plain.match_indices('[').any(opens_list) {
        return Err(format!("`{source}` has a list and `*`"));
    }
    Ok(())
}

/// How often the `*` between these may repeat a text, by the number on either side.
fn times(before: &str, after: &str) -> Option<f64> {
    let in_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let (before, after) = (before.trim_end(), after.trim_start());
    let ahead = before.trim_end_matches(in_word);
    let left = &before[ahead.len()..];
    // What is multiplied or divided before is that result, not the number.
    let left = if ahead.trim_end().ends_with(['*', '/', '%']) { "" } else { left };
    let right = &after[..after.len() - after.trim_start_matches(in_word).len()];
    let numbers =
        [left, right].into_iter().filter(|it| it.starts_with(|c: char| c.is_ascii_digit()));
    let numbers = numbers.filter_map(|it| it.parse::<f64>().ok());
    // The engine takes 3.0 for a count too, and refuses to repeat a text 2.5 times.
    let counts = numbers.map(|it| if it.fract() == 0.0 { it } else { 1.0 });
    counts.filter(|it| *it <= REPEATS).reduce(f64::min)
}

/// The template with nothing in its string literals.
fn without_strings(source: &str) -> String {
    let mut plain = String::with_capacity(source.len());
    let mut characters = source.chars();
    while let Some(c) = characters.next() {
        plain.push(if c == '\'' { '"' } else { c });
        if c == '\'' || c == '"' {
            while let Some(inside) = characters.next() {
                match inside {
                    '\\' => drop(characters.next()),
                    end if end == c => {
                        plain.push('"');
                        break;
                    }
                    _ => {}
                }
            }
        }
    }
    plain
}

/// What templates may use.
fn language() -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(50);
    env.add_filter("float", filters::float);
    env.add_filter("int", filters::int);
    env.add_filter("round", filters::round);
    env.add_filter("abs", filters::abs);
    env.add_filter("default", filters::default);
    env.add_filter("d", filters::default);
    env.add_filter("lower", filters::lower);
    env.add_filter("upper", filters::upper);
    env.add_filter("title", filters::title);
    env.add_filter("capitalize", filters::capitalize);
    env.add_filter("trim", filters::trim);
    env.add_filter("length", filters::length);
    env.add_filter("count", filters::length);
    env.add_filter("first", filters::first);
    env.add_filter("last", filters::last);
    env.add_filter("min", filters::min);
    env.add_filter("max", filters::max);
    env.add_filter("sum", filters::sum);
    env.add_filter("list", filters::list);
    env.add_filter("string", filters::string);
    env.add_filter("bool", filters::bool);
    env.add_filter("replace", |text: &str, from: &str, to: &str| replace(text, from, to));
    env.add_filter("is_defined", is_defined);
    env.add_filter("is_number", is_number);
    env.add_filter("from_json", parse_json);
    env.add_filter("to_json", to_json);
    env.add_filter("tojson", to_json);
    env.add_filter("iif", iif);
    env.add_filter("multiply", |value: Value, by: f64| number(&value).map(|n| n * by));
    env.add_filter("add", |value: Value, what: f64| number(&value).map(|n| n + what));
    env.add_function("iif", iif);
    env.add_function("float", filters::float);
    env.add_function("int", filters::int);
    env.add_function("is_number", is_number);
    env.add_test("defined", tests::is_defined);
    env.add_test("undefined", tests::is_undefined);
    env.add_test("none", tests::is_none);
    env.add_test("number", tests::is_number);
    env.add_test("string", tests::is_string);
    env.add_test("mapping", tests::is_mapping);
    env.add_test("sequence", tests::is_sequence);
    env.add_test("boolean", tests::is_boolean);
    env.add_test("odd", tests::is_odd);
    env.add_test("even", tests::is_even);
    env.add_test("in", tests::is_in);
    env.set_unknown_method_callback(|_, on, method, given| python_method(on, method, given));
    env
}

fn is_defined(value: Value) -> Result<Value, Error> {
    if value.is_undefined() { Err(ErrorKind::UndefinedError.into()) } else { Ok(value) }
}

fn is_number(value: &Value) -> bool {
    number(value).is_ok_and(f64::is_finite)
}

fn number(value: &Value) -> Result<f64, Error> {
    let number = match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None => f64::try_from(value.clone()).ok(),
    };
    number.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "not a number"))
}

fn parse_json(text: &str) -> Result<Value, Error> {
    let parsed = serde_json::from_str(text).map(from_json);
    parsed.map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
}

/// As `json.dumps` writes it, without blanks.
fn to_json(value: &Value, _options: Kwargs) -> Result<String, Error> {
    let mut out = String::new();
    write_json(value, &mut out, 0)?;
    Ok(out)
}

fn write_json(value: &Value, out: &mut String, depth: usize) -> Result<(), Error> {
    if depth > 32 || out.len() > OUTPUT_BYTES {
        return Err(Error::new(ErrorKind::InvalidOperation, "too much for JSON"));
    }
    let literal = |text: &str| serde_json::Value::from(text).to_string();
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&value.to_string()),
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (at, item) in value.try_iter()?.enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                write_json(&item, out, depth + 1)?;
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            for (at, key) in value.try_iter()?.enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                out.push_str(&literal(&key.to_string()));
                out.push(':');
                write_json(&value.get_item(&key)?, out, depth + 1)?;
            }
            out.push('}');
        }
        _ => out.push_str(&literal(&value.to_string())),
    }
    Ok(())
}

/// Home Assistant's immediate if: what for true, for false, and for none.
fn iif(value: Value, given: Rest<Value>) -> Value {
    let or = |at: usize, otherwise: Value| given.get(at).cloned().unwrap_or(otherwise);
    if value.is_none() || value.is_undefined() {
        return or(2, or(1, Value::from(false)));
    }
    if value.is_true() { or(0, Value::from(true)) } else { or(1, Value::from(false)) }
}

fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    let replaced = text.matches(from).count().saturating_mul(to.len());
    if text.len().saturating_add(replaced) > OUTPUT_BYTES {
        return Err(Error::new(ErrorKind::InvalidOperation, "`replace` makes too much"));
    }
    Ok(text.replace(from, to))
}

/// The methods of Python's texts and dictionaries that are seen in templates.
fn python_method(on: &Value, method: &str, given: &[Value]) -> Result<Value, Error> {
    if on.kind() == ValueKind::Map {
        let ("get", (key, default)) = (method, from_args::<(&Value, Option<Value>)>(given)?) else {
            return Err(ErrorKind::UnknownMethod.into());
        };
        let found = on.get_item(key)?;
        let missing = default.unwrap_or_else(|| Value::from(()));
        return Ok(if found.is_undefined() { missing } else { found });
    }
    let text = on.as_str().ok_or(ErrorKind::UnknownMethod)?;
    let one = || from_args::<(&str,)>(given).map(|(argument,)| argument);
    Ok(match method {
        "split" if given.is_empty() => text.split_whitespace().map(Value::from).collect(),
        "split" => text.split(one()?).map(Value::from).collect(),
        "strip" => Value::from(text.trim()),
        "lower" => Value::from(text.to_lowercase()),
        "upper" => Value::from(text.to_uppercase()),
        "startswith" => Value::from(text.starts_with(one()?)),
        "endswith" => Value::from(text.ends_with(one()?)),
        "replace" => {
            let (from, to) = from_args::<(&str, &str)>(given)?;
            Value::from(replace(text, from, to)?)
        }
        _ => return Err(ErrorKind::UnknownMethod.into()),
    })
}

#[cfg(test)]
mod test {
    use super::*;

    fn read(template: &str, payload: &str) -> Result<String, Unrendered> {
        let jinja = Jinja::compile(template, &["value", "value_json"]).unwrap();
        jinja.render(payload_variables(payload)?)
    }

    #[test]
    fn what_people_write_in_home_assistant_works() {
        let payload = r#"{"a":{"b":21.456},"on":true,"s":"21.456","list":[1,2],"n":12}"#;
        for (template, expected) in [
            ("{{ value_json.a.b | round(1) }}", "21.5"),
            ("{{ value_json['a']['b'] }}", "21.456"),
            ("{{ value_json.s | float | round(2) }}", "21.46"),
            ("{{ value_json.none | default(3) }}", "3"),
            ("{{ value_json.none | float(1.5) }}", "1.5"),
            ("{{ iif(value_json.on, 'ON', 'OFF') }}", "ON"),
            ("{{ 'yes' if value_json.n > 10 else 'no' }}", "yes"),
            ("{% if value_json.on %}ON{% else %}OFF{% endif %}", "ON"),
            ("{{ (value_json.n / 24 * 100) | int }}", "50"),
            ("{{ value_json.list[0] }}", "1"),
            ("{{ value_json.get('x', 'none') }}", "none"),
            ("{{ {'12': 'dozen'}[value_json.n | string] }}", "dozen"),
            ("{{ value_json.a | to_json }}", r#"{"b":21.456}"#),
            ("{{ value_json.on is defined }}", "True"),
        ] {
            assert_eq!(read(template, payload).as_deref(), Ok(expected), "{template}");
        }
        assert_eq!(read("{{ value.split(',')[1] }}", "a,b").as_deref(), Ok("b"));
        assert_eq!(read("{{ (value | from_json).x }}", r#"{"x":1}"#).as_deref(), Ok("1"));
        assert_eq!(read("{{ value_json.x | is_defined }}", "{}"), Err(Unrendered::Undefined));
        assert!(matches!(read("{{ value | float }}", "warm"), Err(Unrendered::Failed(_))));
    }

    #[test]
    fn what_only_home_assistant_knows_is_named() {
        let error = Jinja::compile("{{ states('sensor.x') }}", &["value"]).unwrap_err();
        assert!(error.contains("`states`"), "{error}");
        assert!(Jinja::compile("{{ value", &["value"]).is_err());
    }

    #[test]
    fn nothing_grows_without_bounds() {
        for bomb in [
            "{{ 'a' * value_json.n }}",
            "{{ 'a' * 99999999 }}",
            "{{ [0] * 1000 }}",
            "{{ [[0]] * 2 ** 9 }}",
            "{{ 'a' * 90000000.0 }}",
            "{{ 'a' * 1e9 }}",
            "{{ 1e+9 * 'a' }}",
            "{{ 'a' * 1_000_000 }}",
            "{{ 'a' * 2 ** 30 }}",
            "{{ 'a' * 10000 * 10000 }}",
            "{{ value_json.n * 9 * 'a' }}",
            "{{ 'a' * 9 | multiply(1000000) }}",
            "{% set a = value * 9000 %}{{ a ~ a ~ a }}",
            "{% set a = value ~ value %}{% set b = a~a~a~a %}{% set c = b~b~b~b~b~b %}{{ c }}",
        ] {
            assert!(Jinja::compile(bomb, &["value", "value_json"]).is_err(), "{bomb}");
        }
        let list = format!("[{}1]", "1,".repeat(999));
        let loops =
            "{% for a in value_json %}{% for b in value_json %}{{ a }}{% endfor %}{% endfor %}";
        assert!(matches!(read(loops, &list), Err(Unrendered::Failed(_))));
        assert!(matches!(read("{{ value }}", &"x".repeat(70_000)), Err(Unrendered::Failed(_))));
    }

    #[test]
    fn numbers_are_multiplied() {
        for (template, expected) in [
            ("{{ value | float * 0.1 }}", "0.2"),
            ("{{ 1000.0 * value | float }}", "2000.0"),
            ("{{ value | float * 86400.5 }}", "172801.0"),
            ("{{ value | int * 3600 + value | int * 60 }}", "7320"),
        ] {
            assert_eq!(read(template, "2").as_deref(), Ok(expected), "{template}");
        }
        for letters in ["{{ value }} é * 2", "{{ value }} 2 * é", "é*é"] {
            drop(Jinja::compile(letters, &["value"]));
        }
        assert!(!Jinja::compile("{{ value * 2 }}", &["value"]).unwrap().admits(&"x".repeat(5000)));
    }

    #[test]
    fn a_command_is_put_together() {
        let jinja = Jinja::compile(r#"{"set": {{ (value * 2.5) | int }}}"#, &["value"]).unwrap();
        let value = thingway_sdk::Value::from_json("10").unwrap();
        assert_eq!(jinja.command(&value), Ok(br#"{"set": 25}"#.to_vec()));
    }
}
