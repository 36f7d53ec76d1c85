//! Payloads in the format that a rule names.

use std::str;

use serde::Deserialize;
use thingway_sdk::codec::{self, DecodeError, Decoded, Encoding, Leaves, Limits};
use thingway_sdk::{Payload, Value};

use super::{csv, layout};
use crate::mapping::RuleConfig;
use crate::mapping::conversion::parse_number;
use crate::mapping::rule::Flaws;

/// What the payloads of a rule are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JSON (RFC 8259).
    Json,
    /// CBOR (RFC 8949).
    Cbor,
    /// SenML in JSON or CBOR (RFC 8428).
    Senml,
    /// One text, or a number as text.
    Text,
    /// One line of cells.
    Csv,
    /// Bytes with a layout.
    Bytes,
}

/// The sign between a number's whole part and its fraction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
pub enum Decimal {
    /// `21.5`
    #[default]
    #[serde(rename = ".")]
    Point,
    /// `21,5`
    #[serde(rename = ",")]
    Comma,
}

impl Decimal {
    pub(super) const fn sign(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }
}

/// Hands out the leaves of a payload as they stand.
pub(super) fn walk(
    rule: &RuleConfig,
    payload: &Payload,
    limits: &Limits,
    leaves: &mut impl Leaves,
) -> Result<Decoded, DecodeError> {
    match made(rule, payload)? {
        None => codec::decode(&declared(rule, payload), limits, leaves),
        Some((whole @ Value::Json(_), decoded)) => {
            let bytes = whole.to_json().into_bytes().into();
            let json = Payload { bytes, content_type: Some("application/json".into()) };
            codec::decode(&json, limits, leaves).map(|_| decoded)
        }
        Some((whole, decoded)) => {
            leaves.whole(whole);
            Ok(decoded)
        }
    }
}

/// A payload as one value.
pub(super) fn whole(
    rule: &RuleConfig,
    payload: &Payload,
    limits: &Limits,
) -> Result<(Value, Decoded), DecodeError> {
    if let Some(made) = made(rule, payload)? {
        return Ok(made);
    }
    let payload = declared(rule, payload);
    let decoded = codec::decode(&payload, limits, &mut Unheard)?;
    let whole = codec::whole(&payload, decoded.encoding, limits);
    let whole = whole.ok_or_else(|| DecodeError::NotJson("its end is missing".to_owned()))?;
    Ok((whole, decoded))
}

/// What the formats that no codec knows make of a payload.
fn made(rule: &RuleConfig, payload: &Payload) -> Result<Option<(Value, Decoded)>, DecodeError> {
    let bytes = payload.bytes.as_ref();
    let decimal = rule.decimal.unwrap_or_default().sign();
    Ok(match rule.format {
        Some(Format::Text) => {
            let text = str::from_utf8(bytes).map_err(|_| DecodeError::NotText)?;
            Some((cell(text, decimal), as_is(Encoding::Text)))
        }
        Some(Format::Csv) => {
            let text = str::from_utf8(bytes).map_err(|_| DecodeError::NotText)?;
            let columns = rule.columns.as_deref().unwrap_or_default();
            let (row, note) = csv::read(text, columns, separator(rule), decimal)?;
            Some((row, Decoded { encoding: Encoding::Csv, note }))
        }
        Some(Format::Bytes) => match &rule.layout {
            Some(layout) => Some((layout::read(bytes, layout)?, as_is(Encoding::Layout))),
            None => Some((Value::Octets(bytes.into()), as_is(Encoding::Octets))),
        },
        _ => None,
    })
}

fn as_is(encoding: Encoding) -> Decoded {
    Decoded { encoding, note: None }
}

/// A number where it is one, else the text without the white space around it.
pub(super) fn cell(text: &str, decimal: char) -> Value {
    match parse_number(text, decimal) {
        Some(number) => Value::Number(number),
        None => Value::Text(text.trim().into()),
    }
}

/// The payload with the media type that the rule's format has.
fn declared(rule: &RuleConfig, payload: &Payload) -> Payload {
    let media = match rule.format {
        Some(Format::Json) => "application/json",
        Some(Format::Cbor) => "application/cbor",
        Some(Format::Senml) if begins_as_json(&payload.bytes) => "application/senml+json",
        Some(Format::Senml) => "application/senml+cbor",
        _ => return payload.clone(),
    };
    Payload { bytes: payload.bytes.clone(), content_type: Some(media.into()) }
}

/// An array of JSON; one of CBOR begins with a byte above them all.
fn begins_as_json(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first().is_some_and(u8::is_ascii)
}

fn separator(rule: &RuleConfig) -> char {
    rule.separator.unwrap_or(match rule.decimal {
        Some(Decimal::Comma) => ';',
        _ => ',',
    })
}

pub(super) fn check(rule: &RuleConfig, flaws: &mut Flaws) {
    let needs = |format: &[Format]| rule.format.is_none_or(|named| !format.contains(&named));
    if rule.decimal.is_some() && needs(&[Format::Text, Format::Csv]) {
        let help = "add format = \"text\" or format = \"csv\"";
        flaws.add("decimal", "it is for `text` and `csv`", help);
    }
    let csv_alone = [("columns", rule.columns.is_some()), ("separator", rule.separator.is_some())];
    for (key, is_there) in csv_alone {
        if is_there && needs(&[Format::Csv]) {
            flaws.add(key, "it is for `csv`", "add format = \"csv\"");
        }
    }
    if rule.layout.is_some() && needs(&[Format::Bytes]) {
        flaws.add("layout", "it is for `bytes`", "add format = \"bytes\"");
    }
    if rule.format == Some(Format::Csv) {
        csv::check(rule.columns.as_deref(), separator(rule), rule.decimal, flaws);
    }
}

/// Hears no leaves: only what the payload is and whether it is within the limits.
struct Unheard;

impl Leaves for Unheard {
    fn leaf(&mut self, _: &str, _: Value) {}
    fn whole(&mut self, _: Value) {}
    fn restart(&mut self) {}
}
