use serde::Deserialize;
use thingway_sdk::Value;
use thingway_sdk::model::Kinds;

use super::WriteRule;
use super::flaw::{Flaw, Flaws};
use crate::mapping::extract::Source;
use crate::mapping::units;

/// What a rule says of one property.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PropertyRule {
    /// Human-readable title.
    pub title: Option<String>,
    /// Human-readable description.
    pub description: Option<String>,
    /// Where in the payload its value is: a JSON Pointer (RFC 6901) as in `/sensors/0/t`, `$` for
    /// the payload as a whole, or a JSONata expression. When left out, it is the member of its own
    /// name.
    #[schema(value_type = Option<String>)]
    pub from: Option<Source>,
    /// Unit, as a SenML symbol (RFC 8428, section 12.1): `Cel`, `W`, `%RH`.
    pub unit: Option<String>,
    /// Unit in the payload, where it is another one: what is shown is converted to `unit`, and what
    /// is written back. `degF`, `psi` and others beside the symbols of SenML.
    pub unit_in_payload: Option<String>,
    /// `boolean`, `integer`, `number`, `string`, `array` or `object`: values of other types are
    /// refused when written.
    #[serde(rename = "type")]
    pub data_type: Option<String>,
    /// Smallest number that may be written.
    pub minimum: Option<f64>,
    /// Largest number that may be written.
    pub maximum: Option<f64>,
    /// The only values that may be written.
    #[serde(rename = "enum")]
    pub allowed: Option<Vec<serde_json::Value>>,
    /// Makes the property writable.
    pub write: Option<WriteRule>,
    /// Semantic type of the property, as TD `@type`; several with blanks between.
    pub semantic_type: Option<String>,
    /// What in the payload means true: `"ON"`, `1`. With `off` it makes the property a boolean, and
    /// what is written becomes these again.
    pub on: Option<serde_json::Value>,
    /// What in the payload means false.
    pub off: Option<serde_json::Value>,
    /// Numbers of the payload are multiplied by this, and what is written divided.
    pub scale: Option<f64>,
    /// Added to numbers after `scale`.
    pub offset: Option<f64>,
    /// The step between numbers that may be written, counted from zero.
    pub multiple_of: Option<f64>,
    /// Each message that has it is an event of this name, not a state.
    #[serde(default)]
    pub event: bool,
    /// Left out.
    #[serde(default)]
    pub ignore: bool,
}

impl PropertyRule {
    /// What is wrong with it.
    pub(super) fn flaws(&self, name: &str) -> Vec<Flaw> {
        let mut flaws = Flaws::new(&["properties", name]);
        if let Some(unknown) = self.data_type.as_deref().filter(|t| Kinds::named(t).is_none()) {
            flaws.add(
                "type",
                format!("`{unknown}` is no type"),
                "use boolean, integer, number, string, array or object",
            );
        }
        if let (Some(least), Some(most)) = (self.minimum, self.maximum)
            && least > most
        {
            let reason = format!("minimum {least} is above maximum {most}");
            flaws.add("minimum", reason, "exchange the two");
        }
        self.switch_flaws(&mut flaws);
        self.number_flaws(&mut flaws);
        self.unit_flaws(&mut flaws);
        flaws.found
    }

    fn switch_flaws(&self, flaws: &mut Flaws) {
        match (&self.on, &self.off) {
            (Some(_), None) => flaws.add("on", "there is no `off` to it", "add what means false"),
            (None, Some(_)) => flaws.add("off", "there is no `on` to it", "add what means true"),
            (Some(on), Some(off)) if on == off => {
                flaws.add("off", format!("{off} means true already"), "write what means false");
            }
            _ => {}
        }
        if self.on.is_none() {
            return;
        }
        if self.data_type.as_deref().is_some_and(|named| named != "boolean") {
            let reason = "`on` and `off` make it a boolean";
            flaws.add("type", reason, "leave the type out, or `on` and `off`");
        }
        let numeric = [
            ("scale", self.scale.is_some()),
            ("offset", self.offset.is_some()),
            ("multiple_of", self.multiple_of.is_some()),
            ("unit_in_payload", self.unit_in_payload.is_some()),
        ];
        for (key, _) in numeric.into_iter().filter(|(_, is_there)| *is_there) {
            flaws.add(key, "it is for numbers, and `on` makes a boolean", "leave one of them out");
        }
    }

    fn number_flaws(&self, flaws: &mut Flaws) {
        if self.scale.is_some_and(|scale| scale == 0.0 || !scale.is_finite()) {
            flaws.add("scale", "numbers times this can't be told apart", "write another number");
        }
        if self.multiple_of.is_some_and(|step| step <= 0.0 || !step.is_finite()) {
            flaws.add("multiple_of", "a step has to be above 0", "write a number above 0");
        }
        if self.offset.is_some_and(|offset| !offset.is_finite()) {
            flaws.add("offset", "this is no number that can be added", "write another number");
        }
    }

    fn unit_flaws(&self, flaws: &mut Flaws) {
        let Some(sent) = self.unit_in_payload.as_deref() else { return };
        let Some(shown) = self.unit.as_deref() else {
            let help = "add unit = \"…\", or name it `unit`";
            return flaws.add("unit_in_payload", "there is no `unit` to convert to", help);
        };
        for (key, symbol) in [("unit_in_payload", sent), ("unit", shown)] {
            if units::unit(symbol).is_none() {
                let reason = format!("nothing is known of `{symbol}` that could be converted");
                flaws.add(key, reason, "use `scale` and `offset` instead");
            }
        }
        if let Some((from, to)) = units::unit(sent).zip(units::unit(shown))
            && !from.converts_to(to)
        {
            let reason = format!("`{sent}` can't be converted to `{shown}`");
            flaws.add("unit_in_payload", reason, "name two units of one quantity");
        }
    }

    /// Whether a value may be written.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn admits(&self, value: &Value) -> Result<(), String> {
        if let Some(expected) = self.declared_type()
            && !Kinds::named(expected).is_some_and(|kinds| kinds.admits(Kinds::of(value)))
        {
            return Err(format!("{} is not of type {expected}", value.to_json()));
        }
        if let Value::Number(number) = value {
            let number = number.as_f64();
            if let Some(least) = self.minimum.filter(|least| number < *least) {
                return Err(format!("{number} is below the minimum of {least}"));
            }
            if let Some(most) = self.maximum.filter(|most| number > *most) {
                return Err(format!("{number} is above the maximum of {most}"));
            }
            if let Some(step) = self.multiple_of.filter(|step| !is_multiple(number, *step)) {
                return Err(format!("{number} is no multiple of {step}"));
            }
        }
        let Some(allowed) = &self.allowed else { return Ok(()) };
        let same = |one: &serde_json::Value| {
            Value::from_json(&one.to_string()).is_ok_and(|one| one.means_the_same(value))
        };
        if allowed.iter().any(same) {
            return Ok(());
        }
        Err(format!("{} is none of {}", value.to_json(), serde_json::Value::from(allowed.clone())))
    }
}

/// Whether a number is whole steps from zero, but for what doubles make of decimals.
fn is_multiple(number: f64, step: f64) -> bool {
    let steps = number / step;
    (steps - steps.round()).abs() <= 1e-9 * steps.abs().max(1.0)
}
