use crate::directory::Location;
use crate::exchange::Request;
use crate::message::options;

/// Which resource a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Path {
    /// `/.well-known/core`
    WellKnown,
    /// `/things`
    Things,
    /// `/things/{id}/properties`
    Properties(String),
    /// `/things/{id}/properties/{name}`
    Property(String, String),
    /// `/rd`
    Directory,
    /// `/rd/{location}`
    Registration(Location),
    /// `/rd-lookup/res`
    ResourceLookup,
    /// `/rd-lookup/ep`
    EndpointLookup,
    /// `/.well-known/rd`
    SimpleRegistration,
}

impl Path {
    /// None for what is not there.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        // What came from outside is UTF-8: the endpoint has seen to it.
        let segments = request.options.all(options::URI_PATH);
        let segments: Vec<&str> =
            segments.map(|segment| str::from_utf8(segment).unwrap_or_default()).collect();
        Some(match segments[..] {
            [".well-known", "core"] => Self::WellKnown,
            [".well-known", "rd"] => Self::SimpleRegistration,
            ["things"] => Self::Things,
            ["things", id, "properties"] => Self::Properties(id.to_owned()),
            ["things", id, "properties", name] => Self::Property(id.to_owned(), name.to_owned()),
            ["rd"] => Self::Directory,
            ["rd", location] => Self::Registration(Location::parse(location)?),
            ["rd-lookup", "res"] => Self::ResourceLookup,
            ["rd-lookup", "ep"] => Self::EndpointLookup,
            _ => return None,
        })
    }

    /// Whether it belongs to the resource directory.
    pub(crate) fn is_of_the_directory(&self) -> bool {
        match self {
            Self::Directory
            | Self::Registration(_)
            | Self::ResourceLookup
            | Self::EndpointLookup
            | Self::SimpleRegistration => true,
            Self::WellKnown | Self::Things | Self::Properties(_) | Self::Property(..) => false,
        }
    }
}

/// A text as one segment of the path of a URI (RFC 3986, section 3.3); none for what fits into no
/// Uri-Path option (RFC 7252, section 5.10).
pub(crate) fn segment(text: &str) -> Option<String> {
    const LONGEST: usize = 255;
    if text.len() > LONGEST {
        return None;
    }
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' | b':' | b'@' => segment.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => segment.push(char::from(byte)),
            _ => segment.push_str(&format!("%{byte:02X}")),
        }
    }
    Some(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_resource_is_found_by_its_path() {
        let path = |path: &str| Path::of(&Request::get(path));
        assert_eq!(path("/.well-known/core"), Some(Path::WellKnown));
        let property = Path::Property("home.lamp".into(), "Wärme (max)".into());
        assert_eq!(path("/things/home.lamp/properties/Wärme (max)"), Some(property));
        assert_eq!(path("/things/a/properties"), Some(Path::Properties("a".into())));
        assert!(matches!(path("/rd/00112233445566aa"), Some(Path::Registration(_))));
        for unknown in ["/", "/rd/1", "/things/", "/things/a", "/rd-lookup", "/things/a/actions/b"]
        {
            assert_eq!(path(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_segment_says_in_a_uri_what_the_option_says_plainly() {
        assert_eq!(segment("urn:dev:a/b").as_deref(), Some("urn:dev:a%2Fb"));
        assert_eq!(segment("Wärme <1>").as_deref(), Some("W%C3%A4rme%20%3C1%3E"));
        assert_eq!(segment(&"x".repeat(256)), None);
    }
}
