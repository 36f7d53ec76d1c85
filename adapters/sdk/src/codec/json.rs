//! Walks one JSON text and hands out its leaves, each as its literal, without building a tree.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{DecodeError, Leaves, Limits};
use crate::model::Value;

/// The outer result is a limit that was passed; the inner one tells whether this is JSON at all.
type Walked = Result<Result<(), serde_json::Error>, DecodeError>;

pub(super) fn walk(bytes: &[u8], limits: &Limits, out: &mut impl Leaves) -> Walked {
    let raw: &RawValue = match serde_json::from_slice(bytes) {
        Ok(raw) => raw,
        Err(error) => return Ok(Err(error)),
    };
    if nesting(raw.get()) > limits.depth {
        return Err(DecodeError::TooDeep(limits.depth));
    }
    if !raw.get().starts_with('{') {
        return Ok(Value::from_raw(raw).map(|value| out.whole(value)));
    }
    let mut walk = Walk { path: String::new(), leaves: 0, passed: None, limits, out };
    let walked = walk.object(raw);
    match walk.passed {
        Some(limit) => Err(limit),
        None => Ok(walked),
    }
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
    leaves: usize,
    passed: Option<DecodeError>,
    limits: &'a Limits,
    out: &'a mut L,
}

impl<L: Leaves> Walk<'_, L> {
    fn object(&mut self, raw: &RawValue) -> Result<(), serde_json::Error> {
        serde_json::Deserializer::from_str(raw.get()).deserialize_map(Members(self))
    }

    fn member(&mut self, key: &str, raw: &RawValue) -> Result<(), serde_json::Error> {
        let parent = self.path.len();
        self.push(key);
        let walked = if self.path.len() > self.limits.name_bytes {
            self.passed = Some(DecodeError::NameTooLong(self.limits.name_bytes));
            Ok(())
        } else if raw.get().starts_with('{') && raw.get()[1..].trim_start() != "}" {
            self.object(raw)
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

/// A key, borrowed from the text unless it holds escapes.
struct Key;

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
