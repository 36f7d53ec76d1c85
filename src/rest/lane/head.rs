//! Is this request plain? Pure functions over the bytes of its head.

use std::mem::MaybeUninit;

use httparse::{Header, Request, Status};

/// More headers than this are the router's.
pub(super) const MOST_HEADERS: usize = 32;

/// What stands at the start of a connection's bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head<'a> {
    /// A head whose end has not arrived yet.
    Partial,
    /// A plain request, and the length of its head in bytes. It has no body.
    Plain(Plain<'a>, usize),
    /// Something for the router, which also says what is wrong with it.
    Other,
}

/// A request about which nothing is in doubt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plain<'a> {
    pub(super) target: Target<'a>,
    /// `HEAD`: no body is wanted.
    pub(super) head_only: bool,
    pub(super) accept: Option<&'a str>,
    pub(super) if_none_match: Option<&'a str>,
    /// Whether a larger answer may have to be compressed.
    pub(super) encodings: bool,
    /// Whether the connection ends after the answer.
    pub(super) close: bool,
}

/// What is read: a thing as it stands in the path, by id or bare name, and a property of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    Property { thing: &'a str, name: &'a str },
    Properties { thing: &'a str },
}

/// What a header means to a plain request.
#[derive(Clone, Copy)]
enum Meaning {
    Nothing,
    Accept,
    Encodings,
    Tags,
    Connection,
}

/// The headers that a plain request may have, each once. Those that mean nothing are read by no
/// handler of a plain request and by no layer around it.
const KNOWN: [(&str, Meaning); 30] = [
    ("host", Meaning::Nothing),
    ("user-agent", Meaning::Nothing),
    ("accept", Meaning::Accept),
    ("accept-encoding", Meaning::Encodings),
    ("if-none-match", Meaning::Tags),
    ("connection", Meaning::Connection),
    ("accept-language", Meaning::Nothing),
    ("cache-control", Meaning::Nothing),
    ("cookie", Meaning::Nothing),
    ("dnt", Meaning::Nothing),
    ("forwarded", Meaning::Nothing),
    ("if-modified-since", Meaning::Nothing),
    ("origin", Meaning::Nothing),
    ("pragma", Meaning::Nothing),
    ("priority", Meaning::Nothing),
    ("referer", Meaning::Nothing),
    ("sec-ch-ua", Meaning::Nothing),
    ("sec-ch-ua-mobile", Meaning::Nothing),
    ("sec-ch-ua-platform", Meaning::Nothing),
    ("sec-fetch-dest", Meaning::Nothing),
    ("sec-fetch-mode", Meaning::Nothing),
    ("sec-fetch-site", Meaning::Nothing),
    ("sec-fetch-user", Meaning::Nothing),
    ("traceparent", Meaning::Nothing),
    ("via", Meaning::Nothing),
    ("x-forwarded-for", Meaning::Nothing),
    ("x-forwarded-host", Meaning::Nothing),
    ("x-forwarded-prefix", Meaning::Nothing),
    ("x-forwarded-proto", Meaning::Nothing),
    ("x-real-ip", Meaning::Nothing),
];

/// Reads the head at the start of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Head<'_> {
    let mut headers = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let mut request = Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(Status::Partial) => Head::Partial,
        Ok(Status::Complete(length)) => match plain(&request) {
            Some(plain) => Head::Plain(plain, length),
            None => Head::Other,
        },
        Err(_) => Head::Other,
    }
}

fn plain<'a>(request: &Request<'_, 'a>) -> Option<Plain<'a>> {
    let head_only = match request.method? {
        "GET" => false,
        "HEAD" => true,
        _ => return None,
    };
    if request.version != Some(1) {
        return None;
    }
    let target = target(request.path?)?;
    let mut plain = Plain {
        target,
        head_only,
        accept: None,
        if_none_match: None,
        encodings: false,
        close: false,
    };
    let mut seen = 0_u32;
    for header in &*request.headers {
        let at = KNOWN.iter().position(|(name, _)| name.eq_ignore_ascii_case(header.name))?;
        let this = 1 << at;
        if seen & this != 0 {
            return None;
        }
        seen |= this;
        plain.note(KNOWN[at].1, header)?;
    }
    Some(plain)
}

impl<'a> Plain<'a> {
    /// None when the header says something that the router has to weigh.
    fn note(&mut self, meaning: Meaning, header: &Header<'a>) -> Option<()> {
        match meaning {
            Meaning::Nothing => {}
            Meaning::Accept => self.accept = Some(text(header)?),
            Meaning::Tags => self.if_none_match = Some(text(header)?),
            // With a weight, it may refuse all that there is.
            Meaning::Encodings => {
                self.encodings =
                    text(header).filter(|t| !t.contains(';')).is_some().then_some(true)?
            }
            Meaning::Connection => match text(header)? {
                value if value.eq_ignore_ascii_case("keep-alive") => {}
                value if value.eq_ignore_ascii_case("close") => self.close = true,
                _ => return None,
            },
        }
        Some(())
    }
}

/// A value of visible ASCII alone, as handlers see values.
fn text<'a>(header: &Header<'a>) -> Option<&'a str> {
    let visible = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    std::str::from_utf8(header.value).ok().filter(|_| header.value.iter().all(visible))
}

/// `/things/{id}/properties` and `/things/{id}/properties/{name}`.
fn target(path: &str) -> Option<Target<'_>> {
    let mut segments = path.strip_prefix("/things/")?.split('/');
    let thing = segments.next().filter(|thing| is_literal(thing))?;
    if segments.next() != Some("properties") {
        return None;
    }
    match (segments.next(), segments.next()) {
        (None, _) => Some(Target::Properties { thing }),
        (Some(name), None) if is_literal(name) => Some(Target::Property { thing, name }),
        _ => None,
    }
}

/// Whether a segment stands for itself: nothing in it is escaped or separates (RFC 3986, section
/// 2.3; and the colon of a URN).
fn is_literal(segment: &str) -> bool {
    let literal = |byte| matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':');
    !segment.is_empty() && segment.bytes().all(literal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = "GET /things/a.b/properties/t HTTP/1.1\r\n";

    fn is_plain(head: &str) -> bool {
        matches!(read(head.as_bytes()), Head::Plain(_, length) if length == head.len())
    }

    #[test]
    fn a_plain_read_is_taken_apart() {
        let head = format!(
            "{LINE}Host: gw\r\nACCEPT: */*\r\nif-none-match: \"5\"\r\nAccept-Encoding: gzip, br\r\nConnection: Close\r\n\r\n"
        );
        let Head::Plain(plain, length) = read(head.as_bytes()) else { panic!("not plain") };
        assert_eq!(length, head.len());
        let expected = Plain {
            target: Target::Property { thing: "a.b", name: "t" },
            head_only: false,
            accept: Some("*/*"),
            if_none_match: Some("\"5\""),
            encodings: true,
            close: true,
        };
        assert_eq!(plain, expected);
    }

    #[test]
    fn only_the_paths_of_states_are_plain() {
        let plain = |path: &str| is_plain(&format!("GET {path} HTTP/1.1\r\n\r\n"));
        assert!(plain("/things/urn:dev:mac:01/properties"));
        assert!(plain("/things/a/properties/b-c_d.e~f"));
        for path in [
            "/things/a",
            "/things/a/properties/",
            "/things//properties",
            "/things/a/properties/b/c",
            "/things/a/properties/b?event=message",
            "/things/a/properties/b?",
            "/things/a%2Eb/properties/c",
            "/things/a/properties/b+c",
            "/things/a/events/b",
            "http://gw/things/a/properties/b",
            "*",
        ] {
            assert!(!plain(path), "{path}");
        }
    }

    #[test]
    fn whatever_is_in_doubt_goes_to_the_router() {
        assert!(is_plain(&format!("{LINE}\r\n")));
        for header in [
            "Prefer: wait=5",
            "Range: bytes=0-1",
            "Authorization: Bearer x",
            "Content-Length: 0",
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
            "Upgrade: websocket",
            "Connection: upgrade",
            "Connection: keep-alive, te",
            "Accept-Encoding: identity;q=0",
            "Accept: application/j\u{e9}son",
            "Last-Event-ID: 5",
            "X-Unknown: 1",
            "Accept: */*\r\nAccept: text/html",
            "Host: a\r\nHost: b",
            "Bad Name: 1",
        ] {
            assert_eq!(read(format!("{LINE}{header}\r\n\r\n").as_bytes()), Head::Other, "{header}");
        }
        for line in
            ["GET /things/a/properties HTTP/1.0", "POST /things/a/properties HTTP/1.1", "nonsense"]
        {
            assert_eq!(read(format!("{line}\r\n\r\n").as_bytes()), Head::Other, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_harm_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            read(&bytes);
        }

        #[test]
        fn no_change_of_a_head_harms_it(at in 0..LINE.len(), byte: u8, end in 0..=LINE.len()) {
            let mut head = format!("{LINE}Accept: */*\r\n\r\n").into_bytes();
            head[at] = byte;
            read(&head);
            read(&head[..end]);
        }
    }
}
