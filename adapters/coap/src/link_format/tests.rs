use proptest::prelude::*;

use super::*;

fn read(document: &str) -> Vec<Link> {
    parse(document.as_bytes(), &Limits::default()).unwrap()
}

fn refused(document: &str) -> String {
    parse(document.as_bytes(), &Limits::default()).unwrap_err().to_string()
}

#[test]
fn the_examples_of_rfc_6690_section_5() {
    let links = read(concat!(
        r#"</sensors>;ct=40;title="Sensor Index","#,
        r#"</sensors/temp>;rt="temperature-c";if="sensor","#,
        r#"</sensors/light>;rt="light-lux";if="sensor","#,
        r#"<http://www.example.com/sensors/t123>;anchor="/sensors/temp";rel="describedby","#,
        r#"</t>;anchor="/sensors/temp";rel="alternate""#,
    ));
    assert_eq!(links.len(), 5);
    assert_eq!(links[0].content_formats().collect::<Vec<_>>(), [40]);
    assert_eq!(links[0].title().as_deref(), Some("Sensor Index"));
    assert_eq!(links[3].anchor(), Some("/sensors/temp"));
    assert_eq!(links[4].value("rel"), Some("alternate"));
}

#[test]
fn attributes_say_what_they_mean() {
    let links = read(concat!(
        r#"</fw>;rt="a b";ct="0 110 nonsense";sz=10240;obs;title="x";title*=UTF-8'en'%e2%82%ac,"#,
        r#"</q>;title="say \"a,b;c\\\"";rt="first";rt="second";RT="third""#,
    ));
    let first = &links[0];
    assert_eq!(first.values("rt").collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(first.content_formats().collect::<Vec<_>>(), [0, 110]);
    assert_eq!((first.size(), first.is_observable()), (Some(10_240), true));
    assert_eq!(first.title().as_deref(), Some("€"));
    assert_eq!(links[1].title().as_deref(), Some(r#"say "a,b;c\""#));
    assert_eq!(links[1].value("rt"), Some("first"), "later ones are ignored");
    assert!(!links[1].is_observable());
}

#[test]
fn what_devices_get_slightly_wrong_is_understood() {
    assert_eq!(read(""), []);
    assert_eq!(read(" ,, "), []);
    let links = read(" < /a > ; rt = temp c ;; obs ; ,\r\n</b>;if=x/y,");
    assert_eq!(links[0], Link::new("/a").with("rt", "temp c").flagged("obs"));
    assert_eq!(links[1], Link::new("/b").with("if", "x/y"));
    assert_eq!(read("<>")[0].target, "");
}

#[test]
fn what_is_no_link_format_names_its_place() {
    for (document, says) in [
        ("/a", "expected `<` at byte 0"),
        ("</a", "expected `>` at byte 3"),
        ("</a<b>", "expected `>` at byte 3"),
        ("</a>;rt=\"x", "expected `\"` at byte 10"),
        ("</a>;rt=\"x\\\"", "expected `\"` at byte 12"),
        ("</a>;rt=", "expected a value at byte 8"),
        ("</a>;=x", "expected the name of an attribute at byte 5"),
        ("</a>;rt=x\"y\"", "expected a value at byte 9"),
        ("</a></b>", "expected `,` or `;` at byte 4"),
        ("</a>;rt=\"x\"y", "expected `,` or `;` at byte 11"),
    ] {
        assert_eq!(refused(document), says, "{document}");
    }
    assert_eq!(parse(b"</\xff>", &Limits::default()).unwrap_err(), LinkFormatError::NotText(2));
}

#[test]
fn limits_hold() {
    let limits = Limits { bytes: 40, links: 3, attributes: 2 };
    let read = |document: &str| parse(document.as_bytes(), &limits).map(|links| links.len());
    assert_eq!(read("<a>,<b>,<c>"), Ok(3));
    assert_eq!(read("<a>,<b>,<c>,<d>"), Err(LinkFormatError::TooManyLinks(3)));
    assert_eq!(read("<a>;x;y;z"), Err(LinkFormatError::TooManyAttributes(2)));
    assert_eq!(read(&format!("<{}>", "a".repeat(39))), Err(LinkFormatError::TooLong(41, 40)));
}

#[test]
fn filters_match_as_in_rfc_6690_section_4_1() {
    let links = read(concat!(
        r#"</sensors/temp>;rt="temperature-c sensor";ct="0 110","#,
        r#"</sensors/light>;rt="light-lux";obs,</fw>;sz=10"#,
    ));
    for (filter, expected) in [
        ("rt=temperature-c", vec!["/sensors/temp"]),
        ("rt=sensor", vec!["/sensors/temp"]),
        ("rt=sens*", vec!["/sensors/temp"]),
        ("rt=temperature-c sensor", vec!["/sensors/temp"]),
        ("rt=lux", vec![]),
        ("rt=*", vec!["/sensors/temp", "/sensors/light"]),
        ("href=/sensors/*", vec!["/sensors/temp", "/sensors/light"]),
        ("href=/fw", vec!["/fw"]),
        ("ct=110", vec!["/sensors/temp"]),
        ("ct=11", vec![]),
        ("obs", vec!["/sensors/light"]),
        ("sz=10", vec!["/fw"]),
        ("nope=1", vec![]),
    ] {
        let filter = Filter::parse(filter);
        let found: Vec<_> =
            links.iter().filter(|link| filter.matches(link)).map(|link| &*link.target).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

#[test]
fn what_is_written_keeps_to_the_grammar() {
    let link = Link::new("/a>b")
        .with("ct", "40")
        .with("rt", "x y")
        .with("title", "a\"\\")
        .with("title*", "UTF-8''%e2")
        .flagged("obs");
    assert_eq!(
        write([&link, &Link::new("/c")]),
        r#"</a%3Eb>;ct=40;rt="x y";title="a\"\\";title*=UTF-8''%e2;obs,</c>"#
    );
}

impl Link {
    fn flagged(mut self, name: &str) -> Self {
        self.attributes.push(Attribute::flag(name));
        self
    }
}

fn links() -> impl Strategy<Value = Vec<Link>> {
    let attribute = ("[a-z][a-z0-9.-]{0,6}\\*?", prop::option::of(".{0,12}"))
        .prop_map(|(name, value)| Attribute { name, value });
    let link = ("[!-;=?-~]{0,20}", prop::collection::vec(attribute, 0..5))
        .prop_map(|(target, attributes)| Link { target, attributes });
    prop::collection::vec(link, 0..6)
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(links in links()) {
        prop_assert_eq!(read(&write(&links)), links);
    }

    #[test]
    fn no_document_panics(bytes in prop::collection::vec(any::<u8>(), 0..100), text in "[<>;,=\"\\\\ a-z/*']{0,60}") {
        let _ = parse(&bytes, &Limits::default());
        if let Ok(links) = parse(text.as_bytes(), &Limits::default()) {
            let again = parse(write(&links).as_bytes(), &Limits::default());
            prop_assert_eq!(again.as_deref(), Ok(links.as_slice()));
        }
    }
}
