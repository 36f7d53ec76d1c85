//! Request methods and response codes (RFC 7252 section 12.1).

use std::fmt;

/// The code of a message: a class of three bits and a detail of five, written `4.04`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub u8);

impl Code {
    /// 0.00: a message without request or response.
    pub const EMPTY: Self = Self::of(0, 0);
    /// 0.01
    pub const GET: Self = Self::of(0, 1);
    /// 0.02
    pub const POST: Self = Self::of(0, 2);
    /// 0.03
    pub const PUT: Self = Self::of(0, 3);
    /// 0.04
    pub const DELETE: Self = Self::of(0, 4);
    /// 0.05 (RFC 8132)
    pub const FETCH: Self = Self::of(0, 5);
    /// 0.06 (RFC 8132)
    pub const PATCH: Self = Self::of(0, 6);
    /// 0.07 (RFC 8132)
    pub const IPATCH: Self = Self::of(0, 7);
    /// 2.01
    pub const CREATED: Self = Self::of(2, 1);
    /// 2.02
    pub const DELETED: Self = Self::of(2, 2);
    /// 2.03
    pub const VALID: Self = Self::of(2, 3);
    /// 2.04
    pub const CHANGED: Self = Self::of(2, 4);
    /// 2.05
    pub const CONTENT: Self = Self::of(2, 5);
    /// 2.31 (RFC 7959): go on with the next block.
    pub const CONTINUE: Self = Self::of(2, 31);
    /// 4.00
    pub const BAD_REQUEST: Self = Self::of(4, 0);
    /// 4.01
    pub const UNAUTHORIZED: Self = Self::of(4, 1);
    /// 4.02
    pub const BAD_OPTION: Self = Self::of(4, 2);
    /// 4.03
    pub const FORBIDDEN: Self = Self::of(4, 3);
    /// 4.04
    pub const NOT_FOUND: Self = Self::of(4, 4);
    /// 4.05
    pub const METHOD_NOT_ALLOWED: Self = Self::of(4, 5);
    /// 4.06
    pub const NOT_ACCEPTABLE: Self = Self::of(4, 6);
    /// 4.08 (RFC 7959): blocks are missing.
    pub const REQUEST_ENTITY_INCOMPLETE: Self = Self::of(4, 8);
    /// 4.12
    pub const PRECONDITION_FAILED: Self = Self::of(4, 12);
    /// 4.13
    pub const REQUEST_ENTITY_TOO_LARGE: Self = Self::of(4, 13);
    /// 4.15
    pub const UNSUPPORTED_CONTENT_FORMAT: Self = Self::of(4, 15);
    /// 5.00
    pub const INTERNAL_SERVER_ERROR: Self = Self::of(5, 0);
    /// 5.01
    pub const NOT_IMPLEMENTED: Self = Self::of(5, 1);
    /// 5.02
    pub const BAD_GATEWAY: Self = Self::of(5, 2);
    /// 5.03
    pub const SERVICE_UNAVAILABLE: Self = Self::of(5, 3);
    /// 5.04
    pub const GATEWAY_TIMEOUT: Self = Self::of(5, 4);
    /// 5.05
    pub const PROXYING_NOT_SUPPORTED: Self = Self::of(5, 5);

    const fn of(class: u8, detail: u8) -> Self {
        Self(class << 5 | detail)
    }

    /// The part before the point, 0 to 7.
    pub const fn class(self) -> u8 {
        self.0 >> 5
    }

    /// The part behind the point, 0 to 31.
    pub const fn detail(self) -> u8 {
        self.0 & 0x1f
    }

    /// What the registry calls a response (RFC 7252 section 12.1.2, RFC 7959 section 2.9, RFC 8132
    /// section 3.3 and RFC 8516); none where it isn't known.
    pub const fn name(self) -> Option<&'static str> {
        Some(match (self.class(), self.detail()) {
            (2, 1) => "Created",
            (2, 2) => "Deleted",
            (2, 3) => "Valid",
            (2, 4) => "Changed",
            (2, 5) => "Content",
            (2, 31) => "Continue",
            (4, 0) => "Bad Request",
            (4, 1) => "Unauthorized",
            (4, 2) => "Bad Option",
            (4, 3) => "Forbidden",
            (4, 4) => "Not Found",
            (4, 5) => "Method Not Allowed",
            (4, 6) => "Not Acceptable",
            (4, 8) => "Request Entity Incomplete",
            (4, 9) => "Conflict",
            (4, 12) => "Precondition Failed",
            (4, 13) => "Request Entity Too Large",
            (4, 15) => "Unsupported Content-Format",
            (4, 22) => "Unprocessable Entity",
            (4, 29) => "Too Many Requests",
            (5, 0) => "Internal Server Error",
            (5, 1) => "Not Implemented",
            (5, 2) => "Bad Gateway",
            (5, 3) => "Service Unavailable",
            (5, 4) => "Gateway Timeout",
            (5, 5) => "Proxying Not Supported",
            (5, 8) => "Hop Limit Reached",
            _ => return None,
        })
    }

    /// Whether it is the method of a request, known or not.
    pub const fn is_request(self) -> bool {
        self.class() == 0 && self.detail() != 0
    }

    /// Whether it is the code of a response.
    pub const fn is_response(self) -> bool {
        matches!(self.class(), 2 | 4 | 5)
    }

    /// Whether it is a response that says that the request was understood and carried out.
    pub const fn is_success(self) -> bool {
        self.class() == 2
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.class(), self.detail())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
