//! Between what a payload says of a property and what the gateway shows of it: on and off, types,
//! scale, offset and unit. Inward, and back on writes.

use thingway_sdk::Value;
use thingway_sdk::model::Number;

use super::PropertyRule;
use super::units::{self, Unit};

impl PropertyRule {
    /// What the gateway shows for a value of the payload. `null` stays what it is: no value.
    ///
    /// # Errors
    /// Why it is no value of this property, and what to change.
    pub fn take_in(&self, value: Value) -> Result<Value, String> {
        if value == Value::Null {
            return Ok(value);
        }
        if self.on.is_some() || self.off.is_some() {
            return self.switched(value);
        }
        match self.numbers() {
            Some(numbers) => {
                let number = number_of(&value).ok_or_else(|| no_number(&value))?;
                self.typed(numbers.shown(&number))
            }
            None => self.typed(value),
        }
    }

    /// What a payload says for a value as the gateway shows it.
    ///
    /// # Errors
    /// Why no payload can say it.
    pub fn give_out(&self, value: Value) -> Result<Value, String> {
        if value == Value::Null {
            return Ok(value);
        }
        if let Value::Boolean(is_on) = value {
            let literal = if is_on { &self.on } else { &self.off };
            return match literal {
                Some(literal) => Ok(json_value(literal)),
                None => Ok(value),
            };
        }
        if self.on.is_some() || self.off.is_some() {
            return Err(format!("{} is neither true nor false", value.to_json()));
        }
        match (self.numbers(), &value) {
            (Some(numbers), Value::Number(number)) => Ok(numbers.sent(number)),
            (Some(_), _) => Err(no_number(&value)),
            (None, _) => Ok(value),
        }
    }

    /// The type that its values have, where that is said: `on` and `off` make booleans.
    #[must_use]
    pub fn declared_type(&self) -> Option<&str> {
        let switch = self.on.is_some() || self.off.is_some();
        switch.then_some("boolean").or(self.data_type.as_deref())
    }

    fn switched(&self, value: Value) -> Result<Value, String> {
        let is = |literal: &Option<serde_json::Value>| match (&value, literal) {
            (_, None) => false,
            // What nearly all devices send, with each message: nothing has to be made to compare it.
            (Value::Text(text), Some(serde_json::Value::String(word))) => text == word,
            (_, Some(literal)) => says(&value, &json_value(literal)),
        };
        match (is(&self.on), is(&self.off)) {
            (true, _) => Ok(Value::Boolean(true)),
            (_, true) => Ok(Value::Boolean(false)),
            _ if matches!(value, Value::Boolean(_)) => Ok(value),
            _ => {
                let known: Vec<String> =
                    [&self.on, &self.off].into_iter().flatten().map(ToString::to_string).collect();
                Err(format!(
                    "{} is none of {}; correct `on` and `off`, or send one of them",
                    value.to_json(),
                    known.join(", ")
                ))
            }
        }
    }

    /// What is done to numbers, if anything is.
    fn numbers(&self) -> Option<Numbers> {
        let units = match (&self.unit_in_payload, &self.unit) {
            (Some(sent), Some(shown)) if sent != shown => {
                units::unit(sent).zip(units::unit(shown)).filter(|(a, b)| a.converts_to(*b))
            }
            _ => None,
        };
        let changes = self.scale.is_some() || self.offset.is_some() || units.is_some();
        changes.then(|| Numbers {
            scale: self.scale.unwrap_or(1.0),
            offset: self.offset.unwrap_or(0.0),
            units,
        })
    }

    /// The value in the type that the rule declares, where it is the same in that type.
    fn typed(&self, value: Value) -> Result<Value, String> {
        let Some(wanted) = self.data_type.as_deref() else { return Ok(value) };
        match (wanted, &value) {
            ("number", Value::Number(_))
            | ("boolean", Value::Boolean(_))
            | ("string", Value::Text(_) | Value::Octets(_)) => Ok(value),
            ("number", _) => number_of(&value).map(Value::Number).ok_or_else(|| no_number(&value)),
            ("integer", _) => {
                let number = number_of(&value).ok_or_else(|| no_number(&value))?;
                whole(&number).map(Value::Number).ok_or_else(|| {
                    format!("{} is no whole number; write type = \"number\"", number.as_str())
                })
            }
            ("boolean", Value::Text(text)) if text == "true" => Ok(Value::Boolean(true)),
            ("boolean", Value::Text(text)) if text == "false" => Ok(Value::Boolean(false)),
            ("boolean", _) => Err(format!(
                "{} is no boolean; say what it means with `on` and `off`",
                value.to_json()
            )),
            ("string", Value::Number(_) | Value::Boolean(_)) => {
                Ok(Value::Text(value.to_json().into()))
            }
            ("array", Value::Json(text)) if text.starts_with('[') => Ok(value),
            ("object", Value::Json(text)) if text.starts_with('{') => Ok(value),
            _ => Err(format!("{} is not of type {wanted}", value.to_json())),
        }
    }
}

/// What a rule does to the numbers of a property.
struct Numbers {
    scale: f64,
    offset: f64,
    /// That of the payload and that which is shown.
    units: Option<(Unit, Unit)>,
}

impl Numbers {
    fn shown(&self, sent: &Number) -> Value {
        let product = sent.as_f64() * self.scale;
        let (shown, largest) = self.units.map_or((product + self.offset, 0.0), |(from, to)| {
            from.convert(product + self.offset, to)
        });
        // A reading that happens to be whole is still a measurement, unless only whole numbers can
        // come out.
        let whole = [self.scale, self.offset].iter().all(|part| part.fract() == 0.0);
        let stays_whole = sent.is_integer() && whole && self.units.is_none();
        let largest = largest.max(product.abs()).max(self.offset.abs());
        decimal(shown, largest, if stays_whole { Whole::Integer } else { Whole::WithPoint })
    }

    fn sent(&self, shown: &Number) -> Value {
        let shown = shown.as_f64();
        let (scaled, largest) =
            self.units.map_or((shown, shown.abs()), |(from, to)| to.convert(shown, from));
        let largest = largest.max(self.offset.abs()) / self.scale.abs();
        decimal((scaled - self.offset) / self.scale, largest, Whole::Integer)
    }
}

/// How a number without a fraction is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// `21`
    Integer,
    /// `21.0`
    WithPoint,
}

/// Twelve digits, counted from the first one of the largest number on the way: more than any
/// sensor has, and few enough that 0.1 * 3 is 0.3.
#[expect(clippy::cast_possible_truncation, reason = "logarithms of doubles are small")]
fn decimal(number: f64, largest: f64, whole: Whole) -> Value {
    let places = 11_i64.saturating_sub(largest.max(number.abs()).log10().floor() as i64);
    let places = usize::try_from(places.clamp(0, 340)).unwrap_or_default();
    let exact: f64 = format!("{number:.places$}").parse().unwrap_or(number);
    // Plus zero: nobody measures minus zero.
    let exact = exact + 0.0;
    // Beyond 2^53 doubles skip whole numbers, and their digits are no longer the device's.
    if whole == Whole::Integer && exact.fract() == 0.0 && exact.abs() < 9e15 {
        return Number::parse(&exact.to_string()).map_or(Value::Null, Value::Number);
    }
    Value::from_f64(exact).unwrap_or(Value::Null)
}

/// A scaled number of a layout.
pub(super) fn scaled(number: &Number, scale: f64) -> Value {
    Numbers { scale, offset: 0.0, units: None }.shown(number)
}

/// The number that a value is, or that its text says.
fn number_of(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::Text(text) => parse_number(text, '.'),
        _ => None,
    }
}

/// A number as devices write it in text: with blanks around, a plus, no zero before the point.
pub(super) fn parse_number(text: &str, decimal: char) -> Option<Number> {
    let text = text.trim();
    if let Ok(number) = Number::parse(text)
        && (decimal == '.' || number.is_integer())
    {
        return Some(number);
    }
    if decimal != '.' && text.contains('.') {
        return None;
    }
    let text = text.strip_prefix('+').unwrap_or(text).replace(decimal, ".");
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let zero = if digits.starts_with('.') { "0" } else { "" };
    Number::parse(&format!("{sign}{zero}{digits}")).ok()
}

fn whole(number: &Number) -> Option<Number> {
    if number.is_integer() {
        return Some(number.clone());
    }
    let value = number.as_f64();
    (value.fract() == 0.0 && value.abs() < 9e15)
        .then(|| Number::parse(&format!("{}", value + 0.0)).ok())
        .flatten()
}

fn no_number(value: &Value) -> String {
    let json = value.to_json();
    let shown: String = json.chars().take(60).collect();
    let help = match value {
        Value::Text(text) if parse_number(text, ',').is_some() => {
            "; decimal comma? add format = \"text\" and decimal = \",\""
        }
        Value::Text(text) if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            "; a unit behind it? take the number out with `from`"
        }
        _ => "",
    };
    format!("{shown} is not a number{help}")
}

/// Whether a value of a payload is what a rule wrote: `1` and `"1"` are the same on the wire of a
/// plain text topic.
fn says(value: &Value, literal: &Value) -> bool {
    value.means_the_same(literal) || value.to_octets() == literal.to_octets()
}

/// What stands in a rule, as a value.
fn json_value(json: &serde_json::Value) -> Value {
    Value::from_json(&json.to_string()).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: serde_json::Value) -> PropertyRule {
        serde_json::from_value(json).unwrap()
    }

    fn value(json: &str) -> Value {
        Value::from_json(json).unwrap()
    }

    fn inward(rule: &PropertyRule, json: &str) -> String {
        rule.take_in(value(json)).map_or_else(|error| error, |value| value.to_json())
    }

    fn outward(rule: &PropertyRule, json: &str) -> String {
        rule.give_out(value(json)).map_or_else(|error| error, |value| value.to_json())
    }

    #[test]
    fn words_become_booleans_and_words_again() {
        let lamp = rule(serde_json::json!({ "on": "ON", "off": "OFF" }));
        assert_eq!(inward(&lamp, "\"ON\""), "true");
        assert_eq!(inward(&lamp, "\"OFF\""), "false");
        assert_eq!(inward(&lamp, "false"), "false");
        assert_eq!(inward(&lamp, "null"), "null");
        assert!(inward(&lamp, "\"on\"").starts_with("\"on\" is none of \"ON\", \"OFF\""));
        assert_eq!(outward(&lamp, "true"), "\"ON\"");
        assert_eq!(outward(&lamp, "false"), "\"OFF\"");
        assert!(outward(&lamp, "5").contains("neither true nor false"));
        let relay = rule(serde_json::json!({ "on": 0, "off": 1 }));
        assert_eq!((inward(&relay, "0"), inward(&relay, "\"1\"")), ("true".into(), "false".into()));
        assert_eq!(outward(&relay, "true"), "0");
    }

    #[test]
    fn numbers_are_scaled_moved_and_rounded_to_what_was_meant() {
        let tenths = rule(serde_json::json!({ "scale": 0.1 }));
        assert_eq!(inward(&tenths, "215"), "21.5");
        assert_eq!(inward(&tenths, "3"), "0.3");
        assert_eq!(inward(&tenths, "210"), "21.0");
        assert_eq!(outward(&tenths, "21.5"), "215");
        assert_eq!(outward(&tenths, "21.53"), "215.3");
        let hundreds = rule(serde_json::json!({ "scale": 100, "offset": -40 }));
        assert_eq!((inward(&hundreds, "2"), outward(&hundreds, "160")), ("160".into(), "2".into()));
        let same = rule(serde_json::json!({ "scale": 1 }));
        assert_eq!(inward(&same, "21.5"), "21.5");
        assert_eq!(inward(&rule(serde_json::json!({})), "21.50"), "21.50");
    }

    #[test]
    fn units_are_converted_both_ways() {
        let rule = rule(serde_json::json!({ "unit": "Cel", "unit_in_payload": "degF" }));
        assert_eq!(inward(&rule, "70"), "21.1111111111");
        assert_eq!(inward(&rule, "32"), "0.0");
        assert_eq!(outward(&rule, "100"), "212");
        assert_eq!(outward(&rule, "21.5"), "70.7");
        assert_eq!(inward(&rule, "32.00018"), "0.0001");
    }

    #[test]
    fn a_declared_type_is_held_to_and_says_what_to_change() {
        let number = rule(serde_json::json!({ "type": "number" }));
        assert_eq!(inward(&number, "\"21.50\""), "21.50");
        assert_eq!(inward(&number, "\" +.5 \""), "0.5");
        assert_eq!(
            inward(&number, "\"21,5\""),
            "\"21,5\" is not a number; decimal comma? add format = \"text\" and decimal = \",\""
        );
        assert!(inward(&number, "\"21 C\"").contains("a unit behind it?"));
        let integer = rule(serde_json::json!({ "type": "integer" }));
        assert_eq!(inward(&integer, "21.0"), "21");
        assert!(inward(&integer, "21.5").contains("no whole number"));
        assert_eq!(inward(&integer, "9007199254740993"), "9007199254740993");
        let flag = rule(serde_json::json!({ "type": "boolean" }));
        assert!(inward(&flag, "\"ON\"").contains("`on` and `off`"));
        assert_eq!(inward(&flag, "\"true\""), "true");
        assert_eq!(inward(&rule(serde_json::json!({ "type": "string" })), "1.10"), "\"1.10\"");
    }

    #[test]
    fn a_decimal_comma_is_no_point() {
        let read = |text: &str| parse_number(text, ',').map(|n| n.as_str().to_owned());
        assert_eq!(read("21,5").as_deref(), Some("21.5"));
        assert_eq!(read("-,5").as_deref(), Some("-0.5"));
        assert_eq!(read("21").as_deref(), Some("21"));
        assert_eq!(
            (read("1.234"), read("1.234,5"), read("1,2,3"), read("")),
            (None, None, None, None)
        );
    }
}
