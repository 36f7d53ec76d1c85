use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method};
use httparse::{EMPTY_HEADER, Status};

use super::head::MOST_HEADERS;
use crate::rest::streams::EVENT_STREAM;

/// What changes how a request or the connection goes on: hyper knows how.
const HYPERS: [&str; 6] =
    ["connection", "content-length", "expect", "te", "transfer-encoding", "upgrade"];

/// The request for an event stream that these bytes are, whole and alone. Whoever may have the
/// stream, and what it shows, the router decides.
pub(in crate::rest) fn asked_for(bytes: &[u8]) -> Option<Request> {
    let mut headers = [EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let Ok(Status::Complete(length)) = head.parse(bytes) else { return None };
    if length != bytes.len() || head.method != Some("GET") || head.version != Some(1) {
        return None;
    }
    let mut request = Request::builder().method(Method::GET).uri(head.path?);
    let mut wanted = false;
    for header in &*head.headers {
        let keeps_alive = header.value.eq_ignore_ascii_case(b"keep-alive");
        match header.name {
            name if name.eq_ignore_ascii_case("connection") && keeps_alive => continue,
            name if HYPERS.iter().any(|hypers| name.eq_ignore_ascii_case(hypers)) => return None,
            name if name.eq_ignore_ascii_case("accept") => {
                wanted |= header.value.eq_ignore_ascii_case(EVENT_STREAM.as_bytes());
            }
            _ => {}
        }
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        request = request.header(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    request.body(Body::empty()).ok().filter(|_| wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: &str = "GET /things/a/properties/b?event=message HTTP/1.1\r\nHost: gw\r\n";

    #[test]
    fn the_request_of_an_event_source_is_one() {
        let bytes = format!("{ASKED}Accept: text/event-stream\r\nLast-Event-ID: 7\r\n\r\n");
        let request = asked_for(bytes.as_bytes()).unwrap();
        assert_eq!(request.uri(), "/things/a/properties/b?event=message");
        assert_eq!(request.headers()["last-event-id"], "7");
    }

    #[test]
    fn whatever_is_more_than_that_is_left_to_others() {
        let accept = "Accept: text/event-stream\r\n";
        for bytes in [
            format!("{ASKED}\r\n"),
            format!("{ASKED}Accept: application/json\r\n\r\n"),
            format!("{ASKED}{accept}Connection: close\r\n\r\n"),
            format!("{ASKED}{accept}Content-Length: 1\r\n\r\nx"),
            format!("{ASKED}{accept}\r\nGET /livez HTTP/1.1\r\n\r\n"),
            format!("{ASKED}{accept}"),
            format!("POST / HTTP/1.1\r\n{accept}\r\n"),
            format!("GET / HTTP/1.0\r\n{accept}\r\n"),
        ] {
            assert!(asked_for(bytes.as_bytes()).is_none(), "{bytes}");
        }
    }
}
