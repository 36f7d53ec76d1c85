//! Requests and responses, free of messages: whole bodies, without tokens and blocks.

use bytes::Bytes;

use crate::message::{Code, Options, options};

/// What is asked of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Code,
    /// The options, path and query among them.
    pub options: Options,
    /// The whole body.
    pub payload: Bytes,
}

impl Request {
    /// A request for a path like `/sensors/temperature`. Its segments are taken as they are,
    /// without percent-decoding.
    pub fn new(method: Code, path: &str) -> Self {
        let mut options = Options::default();
        for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
            options.add(options::URI_PATH, Bytes::copy_from_slice(segment.as_bytes()));
        }
        if path.is_empty() || path == "/" {
            options.remove(options::URI_PATH);
        }
        Self { method, options, payload: Bytes::new() }
    }

    /// A GET request for a path.
    pub fn get(path: &str) -> Self {
        Self::new(Code::GET, path)
    }

    /// Adds one segment of the path, taken as it is.
    #[must_use]
    pub fn segment(mut self, segment: &str) -> Self {
        self.options.add(options::URI_PATH, Bytes::copy_from_slice(segment.as_bytes()));
        self
    }

    /// Adds one argument of the query, like `rt=temperature`.
    #[must_use]
    pub fn query(mut self, argument: &str) -> Self {
        self.options.add(options::URI_QUERY, Bytes::copy_from_slice(argument.as_bytes()));
        self
    }

    /// Asks for a content format.
    #[must_use]
    pub fn accept(mut self, format: u16) -> Self {
        self.options.set_uint(options::ACCEPT, format.into());
        self
    }

    /// Gives it a body of a content format.
    #[must_use]
    pub fn body(mut self, format: u16, payload: impl Into<Bytes>) -> Self {
        self.options.set_uint(options::CONTENT_FORMAT, format.into());
        self.payload = payload.into();
        self
    }

    /// The path with a leading slash; `/` for the root. Segments are not percent-encoded.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for segment in self.options.all(options::URI_PATH) {
            path.push('/');
            path.push_str(&String::from_utf8_lossy(segment));
        }
        if path.is_empty() { "/".to_owned() } else { path }
    }

    /// The arguments of the query, in order.
    pub fn queries(&self) -> impl Iterator<Item = &str> {
        // What came from outside was checked; what didn't came as text.
        self.options.all(options::URI_QUERY).filter_map(|argument| str::from_utf8(argument).ok())
    }
}

/// How a request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The code.
    pub code: Code,
    /// The options.
    pub options: Options,
    /// The whole body, or a diagnostic text when the code says that something went wrong.
    pub payload: Bytes,
}

impl Response {
    /// A response without a body.
    pub fn new(code: Code) -> Self {
        Self { code, options: Options::default(), payload: Bytes::new() }
    }

    /// A response with a body of a content format.
    pub fn with_body(code: Code, format: u16, payload: impl Into<Bytes>) -> Self {
        let mut response = Self { payload: payload.into(), ..Self::new(code) };
        response.options.set_uint(options::CONTENT_FORMAT, format.into());
        response
    }

    /// An error with a diagnostic text (RFC 7252 section 5.5.2).
    pub fn error(code: Code, diagnostic: &'static str) -> Self {
        Self { payload: Bytes::from_static(diagnostic.as_bytes()), ..Self::new(code) }
    }

    /// Says how long it is fresh, in seconds.
    #[must_use]
    pub fn max_age(mut self, seconds: u32) -> Self {
        self.options.set_uint(options::MAX_AGE, seconds);
        self
    }

    /// The content format of the body, if it is given.
    pub fn content_format(&self) -> Option<u16> {
        self.options.uint(options::CONTENT_FORMAT).and_then(|format| u16::try_from(format).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_back() {
        for path in ["/", "/a", "/a/b c", "/a/", "//a"] {
            assert_eq!(Request::get(path).path(), path);
        }
        assert_eq!(Request::get("").path(), "/");
        assert_eq!(Request::get("a/b").path(), "/a/b");
        let request = Request::get("/x").query("a=1").query("b");
        assert_eq!(request.queries().collect::<Vec<_>>(), ["a=1", "b"]);
    }
}
