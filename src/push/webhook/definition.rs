use std::net::IpAddr;
use std::sync::Arc;

use url::{Host, Url};

use super::network::Denied;
use super::patch::{Fault, NewSecret, WebhookPatch};
use super::secret::Secret;
use super::target::Target;
use crate::push::filter::{Filter, Pattern};

/// Longer URLs are refused by many servers, and every list of webhooks shows them.
const LONGEST_URL: usize = 2048;
/// As for the ids that they match.
const LONGEST_PATTERN: usize = 1024;
/// Every change is held against each of them.
const MOST_PATTERNS: usize = 256;

/// What somebody wants to be told, and where.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    pub(super) target: Arc<Target>,
    pub(super) things: Vec<String>,
    pub(super) properties: Vec<String>,
    pub(super) events: Vec<String>,
    pub(super) enabled: bool,
}

impl Definition {
    /// A new definition; unlike a changed one it has to have a `url`.
    pub(super) fn create(patch: WebhookPatch, denied: &Denied) -> Result<Self, Vec<Fault>> {
        let missing = "is missing: say where deliveries go, as in https://receiver.example/hook";
        let target = check(&patch, denied)?.ok_or_else(|| vec![Fault::new("url", missing)])?;
        Ok(Self {
            target: Arc::new(target),
            things: patch.things.unwrap_or_default(),
            properties: patch.properties.unwrap_or_default(),
            events: patch.events.unwrap_or_default(),
            enabled: patch.enabled.unwrap_or(true),
        })
    }

    /// The definition with what the patch names changed (RFC 7396).
    pub(super) fn changed(&self, patch: WebhookPatch, denied: &Denied) -> Result<Self, Vec<Fault>> {
        let target = check(&patch, denied)?.map(Arc::new);
        Ok(Self {
            target: target.unwrap_or_else(|| self.target.clone()),
            things: patch.things.unwrap_or_else(|| self.things.clone()),
            properties: patch.properties.unwrap_or_else(|| self.properties.clone()),
            events: patch.events.unwrap_or_else(|| self.events.clone()),
            enabled: patch.enabled.unwrap_or(self.enabled),
        })
    }

    /// Whether the same changes pass, wherever they are delivered to.
    pub(super) fn wants_the_same_as(&self, other: &Self) -> bool {
        self.enabled == other.enabled
            && self.things == other.things
            && self.properties == other.properties
            && self.events == other.events
    }

    /// With neither properties nor events named, all states and all events pass; with one of the
    /// two named, only that.
    pub(super) fn filter(&self) -> Filter {
        let patterns = |texts: &[String]| -> Vec<Pattern> {
            texts.iter().map(|text| Pattern::new(text)).collect()
        };
        let events_pass = !self.events.is_empty() || self.properties.is_empty();
        Filter {
            things: patterns(&self.things),
            properties: patterns(&self.properties),
            events: events_pass.then(|| patterns(&self.events)),
            states: !self.properties.is_empty() || self.events.is_empty(),
            ..Filter::default()
        }
    }
}

/// Where the patch's URL leads, if it has one and nothing in the patch is wrong.
fn check(patch: &WebhookPatch, denied: &Denied) -> Result<Option<Target>, Vec<Fault>> {
    let mut faults = Vec::new();
    let target = patch.url.as_deref().map(|text| check_url(text, denied)).transpose();
    let target = target.unwrap_or_else(|reason| {
        faults.push(Fault::new("url", reason));
        None
    });
    let lists =
        [("things", &patch.things), ("properties", &patch.properties), ("events", &patch.events)];
    for (field, patterns) in lists {
        check_patterns(field, patterns.as_deref().unwrap_or_default(), &mut faults);
    }
    if let Some(NewSecret::Given(text)) = &patch.secret
        && let Err(invalid) = Secret::parse(text)
    {
        faults.push(Fault::new("secret", invalid.to_string()));
    }
    if faults.is_empty() { Ok(target) } else { Err(faults) }
}

fn check_url(text: &str, denied: &Denied) -> Result<Target, String> {
    if text.len() > LONGEST_URL {
        return Err(format!("is longer than {LONGEST_URL} bytes"));
    }
    let url = Url::parse(text).map_err(|error| {
        format!("is no URL ({error}): write it whole, as in https://receiver.example/hook")
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{}` can't be delivered to: write http or https", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let reason = "holds a user or a password, which lists and logs would show: leave them out; \
                      the signature says who sends";
        return Err(reason.into());
    }
    match literal_address(&url).filter(|address| denied.denies(*address)) {
        Some(address) => Err(format!("{address} lies in a network of delivery.denied_networks")),
        None => Target::new(url).map_err(|error| format!("can't be delivered to: {error}")),
    }
}

/// The address of a URL that names one instead of a host: no resolver gets to see it.
fn literal_address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

fn check_patterns(field: &str, patterns: &[String], faults: &mut Vec<Fault>) {
    if patterns.len() > MOST_PATTERNS {
        faults.push(Fault::new(field, format!("has more than {MOST_PATTERNS} patterns")));
    }
    for (index, pattern) in patterns.iter().enumerate() {
        let wrong = pattern.is_empty()
            || pattern.len() > LONGEST_PATTERN
            || pattern.chars().any(char::is_control);
        if wrong {
            let reason = format!(
                "has to be 1 to {LONGEST_PATTERN} bytes without control characters; `*` stands for any characters"
            );
            faults.push(Fault::new(format!("{field}.{index}"), reason));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn create(body: Json) -> Result<Definition, Vec<Fault>> {
        let denied = Denied::new(&["169.254.0.0/16".into(), "127.0.0.0/8".into()]).unwrap();
        WebhookPatch::read(body.as_object().unwrap())
            .and_then(|patch| Definition::create(patch, &denied))
    }

    fn refused(body: Json) -> Vec<String> {
        create(body).unwrap_err().into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn every_wrong_part_is_named() {
        let body = json!({"url": "ftp://x", "things": ["ok", ""], "secret": "short"});
        assert_eq!(refused(body), ["url", "things.1", "secret"]);
        assert_eq!(refused(json!({})), ["url"]);
        let long = json!({"url": "http://x", "events": vec!["e"; 257]});
        assert_eq!(refused(long), ["events"]);
    }

    #[test]
    fn urls_that_deliveries_may_not_go_to_are_refused() {
        for url in [
            "no url",
            "/relative",
            "file:///etc/passwd",
            "http://user@receiver.example/",
            "http://:word@receiver.example/",
            "http://169.254.169.254/latest",
            "http://2852039166/",
            "http://0xa9.0xfe.0xa9.0xfe/",
            "http://127.1/",
            "http://[::ffff:169.254.169.254]/",
            &format!("http://receiver.example/{}", "x".repeat(LONGEST_URL)),
        ] {
            assert_eq!(refused(json!({ "url": url })), ["url"], "{url}");
        }
        assert!(create(json!({"url": "https://receiver.example:8443/hook?x=1"})).is_ok());
    }

    #[test]
    fn naming_properties_or_events_leaves_out_the_other() {
        let passes = |more: Json| {
            let mut body = json!({"url": "http://x"});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let filter = create(body).unwrap().filter();
            (filter.states, filter.events.is_some())
        };
        assert_eq!(passes(json!({})), (true, true));
        assert_eq!(passes(json!({"properties": ["p"]})), (true, false));
        assert_eq!(passes(json!({"events": ["e"]})), (false, true));
        assert_eq!(passes(json!({"events": ["e"], "properties": ["p"]})), (true, true));
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_is_the_default() {
        let denied = Denied::default();
        let before = create(json!({"url": "http://x", "things": ["a"], "events": ["e"]})).unwrap();
        let patch = json!({"things": null, "enabled": false});
        let patch = WebhookPatch::read(patch.as_object().unwrap()).unwrap();
        let after = before.changed(patch, &denied).unwrap();
        assert_eq!(after.target.url.as_str(), "http://x/");
        assert!(after.things.is_empty() && !after.enabled);
        assert_eq!(after.events, ["e"]);
    }
}
