//! One record as it stands in a pack, with the types of its fields checked.

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use smol_str::SmolStr;

use crate::model::{Number, Value};

/// RFC 8428, section 4.3: without padding; with it, what is meant is clear too.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The labels of JSON and of CBOR (RFC 8428, table 6).
const LABELS: [(&str, i64, Label); 15] = [
    ("bver", -1, Label::BaseVersion),
    ("bn", -2, Label::BaseName),
    ("bt", -3, Label::BaseTime),
    ("bu", -4, Label::BaseUnit),
    ("bv", -5, Label::BaseValue),
    ("bs", -6, Label::BaseSum),
    ("n", 0, Label::Name),
    ("u", 1, Label::Unit),
    ("v", 2, Label::Value),
    ("vs", 3, Label::StringValue),
    ("vb", 4, Label::BooleanValue),
    ("s", 5, Label::Sum),
    ("t", 6, Label::Time),
    ("ut", 7, Label::UpdateTime),
    ("vd", 8, Label::DataValue),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    BaseVersion,
    BaseName,
    BaseTime,
    BaseUnit,
    BaseValue,
    BaseSum,
    Name,
    Unit,
    Value,
    StringValue,
    BooleanValue,
    Sum,
    Time,
    UpdateTime,
    DataValue,
}

impl Label {
    /// `None` for a label that may be ignored.
    ///
    /// # Errors
    /// When it is unknown and must be understood (RFC 8428, section 4.4).
    pub(super) fn by_name(name: &str) -> Result<Option<Self>, String> {
        match LABELS.iter().find(|(known, ..)| *known == name) {
            Some((.., label)) => Ok(Some(*label)),
            None if name.ends_with('_') => {
                Err(format!("`{}` must be understood, and is not known here", name.escape_debug()))
            }
            None => Ok(None),
        }
    }

    pub(super) fn by_number(number: i64) -> Option<Self> {
        LABELS.iter().find(|(_, known, _)| *known == number).map(|(.., label)| *label)
    }

    /// Its number in CBOR.
    pub(super) fn number(self) -> i64 {
        LABELS.iter().find(|(.., label)| *label == self).map_or(0, |(_, number, _)| *number)
    }

    fn name(self) -> &'static str {
        LABELS.iter().find(|(.., label)| *label == self).map_or("", |(name, ..)| *name)
    }
}

#[derive(Default)]
pub(super) struct Record {
    pub(super) version: Option<f64>,
    pub(super) base_name: Option<SmolStr>,
    /// Seconds.
    pub(super) base_time: Option<f64>,
    pub(super) base_unit: Option<SmolStr>,
    pub(super) base_value: Option<Number>,
    pub(super) base_sum: Option<Number>,
    pub(super) name: Option<SmolStr>,
    pub(super) unit: Option<SmolStr>,
    pub(super) value: Option<Value>,
    pub(super) sum: Option<Number>,
    /// Seconds.
    pub(super) time: Option<f64>,
}

impl Record {
    /// Takes one field.
    ///
    /// # Errors
    /// When it is of another type than its label says, or the record has it already.
    pub(super) fn set(&mut self, label: Label, value: Value) -> Result<(), String> {
        let given = match label {
            Label::BaseVersion => self.version.replace(number(label, value)?.as_f64()).is_some(),
            Label::BaseName => self.base_name.replace(text(label, value)?).is_some(),
            Label::BaseTime => self.base_time.replace(seconds(label, value)?).is_some(),
            Label::BaseUnit => self.base_unit.replace(text(label, value)?).is_some(),
            Label::BaseValue => self.base_value.replace(number(label, value)?).is_some(),
            Label::BaseSum => self.base_sum.replace(number(label, value)?).is_some(),
            Label::Name => self.name.replace(text(label, value)?).is_some(),
            Label::Unit => self.unit.replace(text(label, value)?).is_some(),
            Label::Sum => self.sum.replace(number(label, value)?).is_some(),
            Label::Time => self.time.replace(seconds(label, value)?).is_some(),
            // When the next record will come at the latest: nothing is made of it.
            Label::UpdateTime => seconds(label, value).map(|_| false)?,
            Label::Value => self.measure(Value::Number(number(label, value)?)),
            Label::StringValue => self.measure(Value::Text(text(label, value)?)),
            Label::BooleanValue => match value {
                Value::Boolean(_) => self.measure(value),
                _ => return Err(format!("`{}` must be a boolean", label.name())),
            },
            Label::DataValue => self.measure(data(label, value)?),
        };
        if given { Err(format!("`{}` stands beside another value", label.name())) } else { Ok(()) }
    }

    fn measure(&mut self, value: Value) -> bool {
        self.value.replace(value).is_some()
    }
}

fn text(label: Label, value: Value) -> Result<SmolStr, String> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(format!("`{}` must be a text", label.name())),
    }
}

fn number(label: Label, value: Value) -> Result<Number, String> {
    match value {
        Value::Number(number) => Ok(number),
        _ => Err(format!("`{}` must be a number", label.name())),
    }
}

fn seconds(label: Label, value: Value) -> Result<f64, String> {
    let seconds = number(label, value)?.as_f64();
    match seconds.is_finite() {
        true => Ok(seconds),
        false => Err(format!("`{}` is beyond the range of a double", label.name())),
    }
}

/// Bytes in CBOR, base64url in JSON.
fn data(label: Label, value: Value) -> Result<Value, String> {
    match value {
        Value::Octets(_) => Ok(value),
        Value::Text(text) => match BASE64URL.decode(&text) {
            Ok(octets) => Ok(Value::Octets(octets.into())),
            Err(error) => Err(format!("`{}` must be base64url: {error}", label.name())),
        },
        _ => Err(format!("`{}` must be bytes", label.name())),
    }
}
