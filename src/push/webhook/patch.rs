use serde_json::{Map, Value as Json};

/// What `POST` and `PATCH` may say of a webhook. Left out is unchanged, `null` is the default.
#[derive(Debug, Default, utoipa::ToSchema)]
pub struct WebhookPatch {
    /// Where deliveries go: `http` or `https`, without user and password. A new webhook needs it.
    #[schema(example = "https://receiver.example/hook")]
    pub url: Option<String>,
    /// Patterns of thing names or ids, `*` for any characters; none means every thing.
    #[schema(example = json!(["home.*"]))]
    pub things: Option<Vec<String>>,
    /// Patterns of property names. With neither `properties` nor `events`, everything is sent;
    /// with one of them, only that.
    #[schema(example = json!(["temperature"]))]
    pub properties: Option<Vec<String>>,
    /// Patterns of event names.
    pub events: Option<Vec<String>>,
    /// Key that signs deliveries after Standard Webhooks: `whsec_` and base64 of 24 to 64 bytes.
    /// Left out of a new webhook, or `null`, one is made and shown in the answer, once. The old
    /// one goes on signing next to a new one for 24 hours.
    #[schema(value_type = Option<String>, example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    pub secret: Option<NewSecret>,
    /// Whether anything is delivered; a webhook that is enabled again goes on where it stopped.
    #[schema(default = true)]
    pub enabled: Option<bool>,
}

/// What becomes of the secret.
#[derive(Debug)]
pub enum NewSecret {
    /// This is the new one.
    Given(String),
    /// The gateway makes one.
    Generated,
}

/// What is wrong with one part of a definition.
#[derive(Debug)]
pub struct Fault {
    /// The part: `url`, `things.1`.
    pub field: String,
    /// What is wrong with it, and what would be right.
    pub description: String,
}

impl Fault {
    pub(super) fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { field: field.into(), description: description.into() }
    }
}

impl WebhookPatch {
    /// Reads a merge patch (RFC 7396).
    ///
    /// # Errors
    /// All members that are unknown or of a wrong type.
    pub fn read(members: &Map<String, Json>) -> Result<Self, Vec<Fault>> {
        let mut patch = Self::default();
        let read = members.iter().map(|(name, value)| patch.set(name, value));
        let faults: Vec<_> = read.filter_map(Result::err).collect();
        if faults.is_empty() { Ok(patch) } else { Err(faults) }
    }

    fn set(&mut self, name: &str, value: &Json) -> Result<(), Fault> {
        match (name, value) {
            ("url", Json::String(url)) => self.url = Some(url.clone()),
            ("things", value) => self.things = Some(texts(name, value)?),
            ("properties", value) => self.properties = Some(texts(name, value)?),
            ("events", value) => self.events = Some(texts(name, value)?),
            ("secret", Json::Null) => self.secret = Some(NewSecret::Generated),
            ("secret", Json::String(secret)) => {
                self.secret = Some(NewSecret::Given(secret.clone()));
            }
            ("enabled", Json::Null) => self.enabled = Some(true),
            ("enabled", Json::Bool(enabled)) => self.enabled = Some(*enabled),
            ("url", _) => return Err(Fault::new(name, "has to be a string")),
            ("secret", _) => return Err(Fault::new(name, "has to be a string or null")),
            ("enabled", _) => return Err(Fault::new(name, "has to be true, false or null")),
            _ => {
                let known = "can't be set: url, things, properties, events, secret and enabled can";
                return Err(Fault::new(name, known));
            }
        }
        Ok(())
    }
}

fn texts(name: &str, value: &Json) -> Result<Vec<String>, Fault> {
    let wrong = || Fault::new(name, "has to be an array of strings or null");
    let text = |item: &Json| item.as_str().map(str::to_owned).ok_or_else(wrong);
    match value {
        Json::Null => Ok(Vec::new()),
        Json::Array(items) => items.iter().map(text).collect(),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_of_a_wrong_type_or_without_meaning_are_named() {
        let body = json!({
            "url": 1, "things": "home.*", "properties": [1], "events": {}, "secret": true,
            "enabled": "no", "status": "active"
        });
        let faults = WebhookPatch::read(body.as_object().unwrap()).unwrap_err();
        let mut fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        fields.sort_unstable();
        let expected = ["enabled", "events", "properties", "secret", "status", "things", "url"];
        assert_eq!(fields, expected);
    }

    #[test]
    fn null_stands_for_the_default() {
        let body = json!({"things": null, "secret": null, "enabled": null});
        let patch = WebhookPatch::read(body.as_object().unwrap()).unwrap();
        assert_eq!((patch.things, patch.enabled), (Some(Vec::new()), Some(true)));
        assert!(matches!(patch.secret, Some(NewSecret::Generated)));
        assert!(patch.url.is_none() && patch.events.is_none());
    }
}
