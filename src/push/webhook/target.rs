use hyper::Uri;
use hyper::header::{HeaderValue, InvalidHeaderValue};
use hyper::http::uri::InvalidUri;
use url::{Position, Url};

/// Where a webhook's deliveries go: its URL, and the parts of it that every request repeats.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) url: Url,
    /// What to connect to.
    pub(super) uri: Uri,
    /// What the receiver is asked for: path and query (RFC 9112, section 3.2.1).
    pub(super) path: Uri,
    pub(super) host: HeaderValue,
}

/// A URL that can't be put into a request.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidTarget {
    #[error(transparent)]
    Uri(#[from] InvalidUri),
    #[error(transparent)]
    Host(#[from] InvalidHeaderValue),
}

impl Target {
    pub(super) fn new(url: Url) -> Result<Self, InvalidTarget> {
        let uri = url[..Position::AfterQuery].parse()?;
        let path = url[Position::BeforePath..Position::AfterQuery].parse()?;
        // With the port only where it is not the scheme's own (RFC 9110, section 7.2).
        let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort])?;
        Ok(Self { url, uri, path, host })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_repeats_host_path_and_query_as_they_are_sent() {
        let cases = [
            ("http://Receiver.example", "receiver.example", "/"),
            ("https://receiver.example:443/a%20b?x=1&y#part", "receiver.example", "/a%20b?x=1&y"),
            ("http://receiver.example:8443/hook", "receiver.example:8443", "/hook"),
            ("http://[::1]:80/?q", "[::1]", "/?q"),
            ("http://bücher.example/ü", "xn--bcher-kva.example", "/%C3%BC"),
        ];
        for (url, host, path) in cases {
            let target = Target::new(url.parse().unwrap()).unwrap();
            assert_eq!(
                (target.host.to_str().unwrap(), target.path.to_string()),
                (host, path.into())
            );
            assert_eq!(target.uri.path_and_query().unwrap(), path);
        }
    }
}
