//! CoAP's numbers for media types (RFC 7252, section 12.3; IANA "CoAP Content-Formats").

/// What constrained devices send or ask for, by number. LwM2M's own formats stand at the end.
const CONTENT_FORMATS: [(u16, &str); 27] = [
    (TEXT, "text/plain;charset=utf-8"),
    (LINK_FORMAT, "application/link-format"),
    (41, "application/xml"),
    (OCTET_STREAM, "application/octet-stream"),
    (47, "application/exi"),
    (JSON, "application/json"),
    (51, "application/json-patch+json"),
    (52, "application/merge-patch+json"),
    (CBOR, "application/cbor"),
    (61, "application/cwt"),
    (62, "application/multipart-core"),
    (63, "application/cbor-seq"),
    (64, "application/link-format+cbor"),
    (SENML_JSON, "application/senml+json"),
    (111, "application/sensml+json"),
    (SENML_CBOR, "application/senml+cbor"),
    (113, "application/sensml+cbor"),
    (257, "application/concise-problem-details+cbor"),
    (310, "application/senml+xml"),
    (311, "application/sensml+xml"),
    (320, "application/senml-etch+json"),
    (322, "application/senml-etch+cbor"),
    (TD_JSON, "application/td+json"),
    (433, "application/tm+json"),
    (11_542, "application/vnd.oma.lwm2m+tlv"),
    (11_543, "application/vnd.oma.lwm2m+json"),
    (11_544, "application/vnd.oma.lwm2m+cbor"),
];

/// `text/plain;charset=utf-8`
pub const TEXT: u16 = 0;
/// `application/link-format`
pub const LINK_FORMAT: u16 = 40;
/// `application/octet-stream`
pub const OCTET_STREAM: u16 = 42;
/// `application/json`
pub const JSON: u16 = 50;
/// `application/cbor`
pub const CBOR: u16 = 60;
/// `application/senml+json`
pub const SENML_JSON: u16 = 110;
/// `application/senml+cbor`
pub const SENML_CBOR: u16 = 112;
/// `application/td+json`
pub const TD_JSON: u16 = 432;

/// The media type of a number; `None` for a number that is not known here, whose payload says
/// itself what it is or is kept as bytes.
#[must_use]
pub fn media_type(number: u16) -> Option<&'static str> {
    CONTENT_FORMATS.iter().find(|(known, _)| *known == number).map(|(_, media_type)| *media_type)
}

/// The number of a media type. Parameters are passed over, except that text has a number in UTF-8
/// only.
#[must_use]
pub fn number(media_type: &str) -> Option<u16> {
    let mut parts = media_type.split(';').map(str::trim);
    let essence = parts.next()?.to_ascii_lowercase();
    let charset = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    let known = CONTENT_FORMATS.iter().find(|(_, known)| known.split(';').next() == Some(&essence));
    match known.map(|(number, _)| *number)? {
        TEXT if !charset.is_none_or(|name| name.eq_ignore_ascii_case("utf-8")) => None,
        number => Some(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_found_by_its_name_and_back() {
        for (known, name) in CONTENT_FORMATS {
            assert_eq!(media_type(known), Some(name));
            assert_eq!(number(name), Some(known), "{name}");
        }
        assert!(CONTENT_FORMATS.is_sorted_by_key(|(known, _)| *known));
        assert_eq!(media_type(65_535), None);
    }

    #[test]
    fn parameters_and_case_do_not_matter_except_for_the_charset_of_text() {
        assert_eq!(number("Application/SenML+JSON; x=1"), Some(SENML_JSON));
        assert_eq!(number("text/plain"), Some(TEXT));
        assert_eq!(number("text/plain; Charset=\"UTF-8\""), Some(TEXT));
        assert_eq!(number("text/plain; charset=latin1"), None);
        assert_eq!(number("image/png"), None);
    }
}
