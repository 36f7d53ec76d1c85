//! Where a resource is on its device, and what it is called.

use percent_encoding::percent_decode_str;
use thingway_sdk::Address;

use crate::exchange::Request;
use crate::message::Code;

/// A path and a query, as a link's target has them (RFC 6690, section 2; RFC 7252, section 6.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    path: Vec<String>,
    query: Vec<String>,
    text: String,
}

impl Target {
    /// Reads a target such as `/sensors/temp?unit=c`; the slash in front may be left out. None for
    /// what is on another device.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.split('#').next().unwrap_or_default();
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (text, None),
        };
        if path.starts_with("//") || path.split('/').next().is_some_and(|head| head.contains(':')) {
            return None;
        }
        let path = path.strip_prefix('/').unwrap_or(path);
        let decoded = |part: &str| Some(percent_decode_str(part).decode_utf8().ok()?.into_owned());
        let segments = Some(path).filter(|path| !path.is_empty());
        let segments = segments.into_iter().flat_map(|path| path.split('/'));
        let arguments = query.into_iter().flat_map(|query| query.split('&'));
        let text = match (path, query) {
            ("", None) => "/".to_owned(),
            (path, None) => path.to_owned(),
            (path, Some(query)) => format!("{path}?{query}"),
        };
        Some(Self {
            path: segments.map(decoded).collect::<Option<_>>()?,
            query: arguments.map(decoded).collect::<Option<_>>()?,
            text,
        })
    }

    /// The address of a resource, behind a prefix such as `node1/`.
    pub(crate) fn address(&self, prefix: &str) -> Address {
        Address::from(format!("{prefix}{}", self.text).as_str())
    }

    /// Segments joined by dots, and what is in the query: `sensors.temp_unit_c`. Other characters
    /// than letters, digits, `-` and `_` become `_`.
    pub(crate) fn name(&self) -> String {
        let clean = |text: &String| -> String {
            let keeps = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            text.chars().map(|c| if keeps(c) { c } else { '_' }).collect()
        };
        let segments = self.path.iter().filter(|segment| !segment.is_empty());
        let mut name = segments.map(clean).collect::<Vec<_>>().join(".");
        if name.is_empty() {
            name.push_str("root");
        }
        for argument in &self.query {
            name.push('_');
            name.push_str(&clean(argument));
        }
        name
    }

    /// Whether it is this path, without a query.
    pub(crate) fn is(&self, path: &[&str]) -> bool {
        self.path == path && self.query.is_empty()
    }

    /// A request for it.
    pub(crate) fn request(&self, method: Code) -> Request {
        let mut request = Request::new(method, "");
        for segment in &self.path {
            request = request.segment(segment);
        }
        self.query.iter().fold(request, |request, argument| request.query(argument))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_address_name_and_request() {
        for (text, address, name, path) in [
            ("/sensors/temp", "sensors/temp", "sensors.temp", "/sensors/temp"),
            ("time", "time", "time", "/time"),
            ("/", "/", "root", "/"),
            ("/3/0/1?x=1&y", "3/0/1?x=1&y", "3.0.1_x_1_y", "/3/0/1"),
            ("/a%20b/c.d#f", "a%20b/c.d", "a_b.c_d", "/a b/c.d"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.address("").as_str(), address);
            assert_eq!(target.name(), name);
            assert_eq!(target.request(Code::GET).path(), path);
            assert_eq!(Target::parse(address), Some(target), "the address leads back");
        }
        let queries = Target::parse("/a?x=1&y").unwrap().request(Code::GET);
        assert_eq!(queries.queries().collect::<Vec<_>>(), ["x=1", "y"]);
    }

    #[test]
    fn what_is_elsewhere_is_no_target() {
        for text in ["coap://other/x", "//other/x", "urn:x:y", "/%ff"] {
            assert_eq!(Target::parse(text), None, "{text}");
        }
    }
}
