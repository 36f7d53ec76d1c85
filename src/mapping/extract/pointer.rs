//! JSON Pointer (RFC 6901) on JSON text, so that no digit of what it finds is lost.

use std::fmt;

use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use thingway_sdk::Value;
use thingway_sdk::codec::{self, Key};

/// A place in a JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// Reads `/a/0/b`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let token = |token: &str| -> Result<String, String> {
            let escapes_right = token.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
            if escapes_right {
                Ok(token.replace("~1", "/").replace("~0", "~"))
            } else {
                Err(format!("in `{text}`, a `~` is written `~0` and a `/` in a name `~1`"))
            }
        };
        text.split('/').skip(1).map(token).collect::<Result<_, _>>().map(Self)
    }

    /// The name that the leaf there has when an object is taken apart.
    pub(super) fn path(&self) -> String {
        self.0.iter().map(|name| codec::property_name(name)).collect::<Vec<_>>().join(".")
    }

    /// What stands there.
    pub(super) fn find(&self, whole: &Value) -> Option<Value> {
        let Value::Json(text) = whole else { return None };
        let mut text = text.as_str();
        for token in &self.0 {
            text = match text.as_bytes().first()? {
                b'{' => serde_json::Deserializer::from_str(text)
                    .deserialize_map(Member(token))
                    .ok()??
                    .get(),
                b'[' => {
                    let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                    items.get(token.parse::<usize>().ok()?)?.get()
                }
                _ => return None,
            };
        }
        Value::from_json(text).ok()
    }
}

/// Looks for one member of an object; of several with the name the last, as everywhere.
struct Member<'t>(&'t str);

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = members.next_key_seed(Key)? {
            if key == self.0 {
                found = Some(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(json: &str, pointer: &str) -> Option<String> {
        let whole = Value::from_json(json).unwrap();
        Pointer::parse(pointer).unwrap().find(&whole).map(|value| value.to_json())
    }

    #[test]
    fn a_pointer_finds_what_it_names_to_the_digit() {
        let json = r#"{"a":{"b":[1,{"c":21.50}]},"m~n":1,"x/y":2,"":3,"d":1,"d":2}"#;
        assert_eq!(find(json, "/a/b/1/c").as_deref(), Some("21.50"));
        assert_eq!(find(json, "/a/b").as_deref(), Some(r#"[1,{"c":21.50}]"#));
        assert_eq!(find(json, "/m~0n").as_deref(), Some("1"));
        assert_eq!(find(json, "/x~1y").as_deref(), Some("2"));
        assert_eq!(find(json, "/").as_deref(), Some("3"));
        assert_eq!(find(json, "/d").as_deref(), Some("2"));
        for nowhere in ["/z", "/a/b/2", "/a/b/x", "/d/e"] {
            assert_eq!(find(json, nowhere), None, "{nowhere}");
        }
        assert_eq!(find("5", "/a"), None);
        assert!(Pointer::parse("/a~2").is_err());
    }
}
