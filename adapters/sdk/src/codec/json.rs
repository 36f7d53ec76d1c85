//! Walks one JSON text and hands out its leaves, each as its literal, without building a tree.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{DecodeError, Leaves, Limits, Walked};
use crate::model::Value;

pub(super) fn walk(text: &str, limits: &Limits, out: &mut impl Leaves) -> Walked {
    if !text.trim_ascii_start().starts_with('{') {
        return whole(text, limits, out);
    }
    let mut walk = Walk { path: String::new(), depth: 0, leaves: 0, passed: None, limits, out };
    let walked = walk.object(text);
    match walk.passed {
        Some(limit) if walked.is_ok() => Err(limit),
        _ => Ok(walked),
    }
}

fn whole(text: &str, limits: &Limits, out: &mut impl Leaves) -> Walked {
    let raw: &RawValue = match serde_json::from_str(text) {
        Ok(raw) => raw,
        Err(error) => return Ok(Err(error)),
    };
    if nesting(raw.get()) > limits.depth {
        return Err(DecodeError::TooDeep(limits.depth));
    }
    Ok(Value::from_raw(raw).map(|value| out.whole(value)))
}

/// How deep objects and arrays nest in a well-formed text.
fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !quoted => depth -= 1,
            _ => {}
        }
    }
    deepest
}

struct Walk<'a, L> {
    /// The keys down to here, joined by dots; grows and shrinks with the walk.
    path: String,
    /// How many objects are around here.
    depth: usize,
    leaves: usize,
    passed: Option<DecodeError>,
    limits: &'a Limits,
    out: &'a mut L,
}

impl<L: Leaves> Walk<'_, L> {
    fn object(&mut self, text: &str) -> Result<(), serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        self.depth += 1;
        let walked = json.deserialize_map(Members(self)).and_then(|()| json.end());
        self.depth -= 1;
        walked
    }

    fn member(&mut self, key: &str, raw: &RawValue) -> Result<(), serde_json::Error> {
        let parent = self.path.len();
        self.push(key);
        let json = raw.get();
        let is_object = json.starts_with('{') && json[1..].trim_start() != "}";
        let depth = match json.as_bytes().first() {
            Some(b'{') if is_object => self.depth + 1,
            Some(b'{' | b'[') => self.depth + nesting(json),
            _ => self.depth,
        };
        let walked = if self.path.len() > self.limits.name_bytes {
            self.passed = Some(DecodeError::NameTooLong(self.limits.name_bytes));
            Ok(())
        } else if depth > self.limits.depth {
            self.passed = Some(DecodeError::TooDeep(self.limits.depth));
            Ok(())
        } else if is_object {
            self.object(json)
        } else {
            self.leaf(raw)
        };
        self.path.truncate(parent);
        walked
    }

    fn leaf(&mut self, raw: &RawValue) -> Result<(), serde_json::Error> {
        self.leaves += 1;
        if self.leaves > self.limits.leaves {
            self.passed = Some(DecodeError::TooManyLeaves(self.limits.leaves));
            return Ok(());
        }
        self.out.leaf(&self.path, Value::from_raw(raw)?);
        Ok(())
    }

    fn push(&mut self, key: &str) {
        if !self.path.is_empty() {
            self.path.push('.');
        }
        super::push_name(&mut self.path, key);
    }
}

struct Members<'w, 'a, L>(&'w mut Walk<'a, L>);

impl<'de, L: Leaves> Visitor<'de> for Members<'_, '_, L> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key_seed(Key)? {
            if self.0.passed.is_some() {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            let raw: &RawValue = members.next_value()?;
            self.0.member(&key, raw).map_err(serde::de::Error::custom)?;
        }
        Ok(())
    }
}

/// Reads a key of an object: borrowed from the text, unless it holds escapes.
pub struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
