//! What a request asks for in its headers: media types, conditions, preferences.

use std::time::Duration;

use axum::http::header::{ACCEPT, CACHE_CONTROL, ETAG, IF_MATCH, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use smol_str::{SmolStr, SmolStrBuilder};

use super::Problem;
use crate::log::Seq;

/// Picks the media type that the request wants most; among equals the first that is offered.
pub(crate) fn accepted(
    headers: &HeaderMap,
    offered: &[&'static str],
) -> Result<&'static str, Problem> {
    let given = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    pick(&given.collect::<Vec<_>>(), offered).ok_or_else(|| {
        let detail = format!("this resource is available as {}", offered.join(", "));
        Problem::new(StatusCode::NOT_ACCEPTABLE, detail)
    })
}

/// The same from the values of all `Accept` headers (RFC 9110, section 12.5.1); without any it is
/// the first of all.
pub(super) fn pick(accept: &[&str], offered: &[&'static str]) -> Option<&'static str> {
    let ranges = accept.iter().flat_map(|value| value.split(',')).filter_map(range);
    if ranges.clone().next().is_none() {
        return offered.first().copied();
    }
    let mut best: Option<(&'static str, f32)> = None;
    for &media in offered {
        let quality = quality_of(media, ranges.clone());
        if quality > best.map_or(0.0, |(_, most)| most) {
            best = Some((media, quality));
        }
    }
    best.map(|(media, _)| media)
}

fn range(text: &str) -> Option<(&str, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next().filter(|media| !media.is_empty())?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    Some((media, weight.and_then(|q| q.parse().ok()).unwrap_or(1.0)))
}

/// The weight of the most specific range that fits.
fn quality_of<'a>(media: &str, ranges: impl Iterator<Item = (&'a str, f32)> + Clone) -> f32 {
    let kind = media.split('/').next().unwrap_or_default();
    let weight = |fits: &dyn Fn(&str) -> bool| {
        ranges.clone().find(|(range, _)| fits(range)).map(|(_, weight)| weight)
    };
    let whole_kind = |range: &str| {
        range.strip_suffix("/*").is_some_and(|wanted| wanted.eq_ignore_ascii_case(kind))
    };
    weight(&|range| range.eq_ignore_ascii_case(media))
        .or_else(|| weight(&whole_kind))
        .or_else(|| weight(&|range| range == "*/*"))
        .unwrap_or(0.0)
}

/// A revision as a strong entity tag (RFC 9110, section 8.8.3).
pub(super) fn tag(revision: Seq) -> SmolStr {
    let mut tag = SmolStrBuilder::new();
    tag.push('"');
    tag.push_str(itoa::Buffer::new().format(revision.0));
    tag.push('"');
    tag.finish()
}

/// The same as a header's value.
pub(crate) fn etag(revision: Seq) -> HeaderValue {
    // Digits between quotes are always a valid header value.
    HeaderValue::try_from(tag(revision).as_str())
        .unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// The answer to who has this revision already.
pub(crate) fn not_modified(revision: Seq) -> Response {
    (StatusCode::NOT_MODIFIED, [(ETAG, etag(revision))], vary()).into_response()
}

/// What answers with several representations say: a cache between has to ask each time, and to
/// keep the representations apart.
pub(super) const VARYING: [(HeaderName, &str); 2] = [(CACHE_CONTROL, "no-cache"), (VARY, "accept")];

/// The same as headers.
pub(crate) fn vary() -> [(HeaderName, HeaderValue); 2] {
    VARYING.map(|(name, value)| (name, HeaderValue::from_static(value)))
}

/// Refuses a request that was made for a revision of something that does not exist.
pub(crate) fn require_no_match(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(IF_MATCH) {
        let detail = "there is nothing that could match; leave If-Match out to make it";
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail));
    }
    Ok(())
}

/// Whether the requester has this revision already (RFC 9110, section 13.1.2).
pub(crate) fn has_already(headers: &HeaderMap, revision: Seq) -> bool {
    lists(headers, &IF_NONE_MATCH, revision).unwrap_or(false)
}

/// Refuses a request that was made for another revision (RFC 9110, section 13.1.1), or for none
/// at all (`If-None-Match: *`, section 13.1.2).
pub(crate) fn require_match(headers: &HeaderMap, revision: Seq) -> Result<(), Problem> {
    if has_already(headers, revision) {
        let detail = "it exists already, and If-None-Match asks that it does not";
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail));
    }
    match lists(headers, &IF_MATCH, revision) {
        Some(false) => Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            format!(
                "it changed meanwhile: its entity tag is now \"{revision}\"; read it again and decide anew"
            ),
        )),
        _ => Ok(()),
    }
}

/// Whether a header's entity tags have this one; none when the header is not there.
fn lists(headers: &HeaderMap, name: &HeaderName, revision: Seq) -> Option<bool> {
    let mut given = headers.get_all(name).iter().peekable();
    given.peek()?;
    Some(given.filter_map(|value| value.to_str().ok()).any(|list| names(list, revision)))
}

/// Whether a list of entity tags names this revision.
pub(super) fn names(list: &str, revision: Seq) -> bool {
    let tag = tag(revision);
    list.split(',')
        .map(str::trim)
        .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// What a request prefers (RFC 7240).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    /// How long the answer may take.
    pub(crate) wait: Option<Duration>,
    /// Whether to answer before the work is done.
    pub(crate) respond_async: bool,
}

/// Nobody waits longer than this: proxies cut a silent request off at about a minute.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Reads the `Prefer` headers; what is not known is ignored, as the RFC wants.
pub(crate) fn preferences(headers: &HeaderMap) -> Preferences {
    let mut preferences = Preferences::default();
    let given = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    for preference in given.flat_map(|value| value.split([',', ';'])).map(str::trim) {
        if preference.eq_ignore_ascii_case("respond-async") {
            preferences.respond_async = true;
        } else if let Some(seconds) = preference.strip_prefix("wait=").and_then(|s| s.parse().ok())
        {
            preferences.wait = Some(Duration::from_secs(seconds).min(LONGEST_WAIT));
        }
    }
    preferences
}

impl Preferences {
    /// The response, which says so when it does not wait because that was wished for.
    pub(crate) fn applied_async(&self, mut response: Response) -> Response {
        if self.respond_async {
            let applied = HeaderValue::from_static("respond-async");
            response.headers_mut().insert("preference-applied", applied);
        }
        response
    }

    /// The `Preference-Applied` header for the wait that was honoured.
    pub(crate) fn applied_wait(&self) -> Option<(HeaderName, HeaderValue)> {
        let applied = format!("wait={}", self.wait?.as_secs());
        let name = HeaderName::from_static("preference-applied");
        HeaderValue::try_from(applied).ok().map(|value| (name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn the_most_wanted_media_type_wins() {
        let offered = ["application/json", "text/event-stream"];
        let pick = |accept| accepted(&headers("accept", accept), &offered).ok();
        assert_eq!(pick("*/*"), Some("application/json"));
        assert_eq!(pick("text/event-stream"), Some("text/event-stream"));
        assert_eq!(pick("text/*;q=0.9, */*;q=0.1"), Some("text/event-stream"));
        assert_eq!(pick("application/json;q=0, */*"), Some("text/event-stream"));
        assert_eq!(pick("image/png"), None);
        assert_eq!(accepted(&HeaderMap::new(), &offered).ok(), Some("application/json"));
    }

    #[test]
    fn entity_tags_match_singly_in_lists_and_by_star() {
        let cases = [
            ("\"5\"", true),
            ("W/\"5\"", true),
            ("\"4\", \"5\"", true),
            ("*", true),
            ("\"55\"", false),
        ];
        for (value, expected) in cases {
            let headers = headers("if-none-match", value);
            assert_eq!(has_already(&headers, Seq(5)), expected, "{value}");
        }
        assert!(!has_already(&HeaderMap::new(), Seq(5)));
        assert!(require_match(&headers("if-match", "\"4\""), Seq(5)).is_err());
    }

    #[test]
    fn preferences_are_read_and_bounded() {
        let read = preferences(&headers("prefer", "respond-async, wait=100000"));
        assert_eq!(read, Preferences { wait: Some(LONGEST_WAIT), respond_async: true });
        assert_eq!(preferences(&headers("prefer", "wait=soon")), Preferences::default());
    }
}
