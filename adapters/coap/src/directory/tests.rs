use super::*;
use crate::link_format::{Attribute, write};

const DAY: u64 = 86_400;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn node(port: u16) -> Url {
    Url::parse(&format!("coap://[2001:db8:3::123]:{port}")).unwrap()
}

fn directory() -> Directory {
    let links = link_format::Limits { bytes: 500, links: 5, attributes: 5 };
    Directory::new("/rd", Limits { endpoints: 3, links, parameter_bytes: 200, fetches: 2 })
}

/// RFC 9176, section 5.
const LINKS: &[u8] = br#"</sensors/temp>;ct=41;rt="temperature-c";if="sensor",</sensors/light>;rt="light-lux";if="sensor",<http://www.example.com/sensors/temp>;anchor="/sensors/temp";rel="describedby""#;

fn registered(directory: &mut Directory, now: u64, query: &[&str]) -> Location {
    directory.register(at(now), &node(61_616), query, Some(40), LINKS).unwrap().location
}

fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>) -> (String, String) {
    let refusal = result.unwrap_err();
    (format!("{}.{:02}", refusal.code() >> 5, refusal.code() & 0x1f), refusal.to_string())
}

#[test]
fn a_registration_is_found_under_full_uris() {
    let mut directory = directory();
    registered(&mut directory, 0, &["ep=node1"]);
    assert_eq!(
        write(directory.look_up_resources(&["rt=temperature-c"]).unwrap()),
        r#"<coap://[2001:db8:3::123]:61616/sensors/temp>;ct=41;rt="temperature-c";if="sensor""#
    );
    assert_eq!(
        write(directory.look_up_resources(&["rel=describedby"]).unwrap()),
        concat!(
            r#"<http://www.example.com/sensors/temp>;"#,
            r#"anchor="coap://[2001:db8:3::123]:61616/sensors/temp";rel="describedby""#
        )
    );
}

#[test]
fn references_are_resolved_against_the_base() {
    let mut directory = directory();
    let query = ["ep=a", "base=coaps://host.example:7777/dir/file"];
    let broken = directory.register(at(0), &node(1), &query, None, b"<coap://[::x>");
    assert_eq!(refused(broken).0, "4.00");
    let body = b"<t>,<../u?x=1>,</v%20w>,<//other/x>,<coap+tcp://h/y>";
    directory.register(at(0), &node(1), &query, None, body).unwrap();
    let base = r#";anchor="coaps://host.example:7777/dir/file""#;
    assert_eq!(
        write(directory.look_up_resources(&[]).unwrap()),
        format!(
            "<coaps://host.example:7777/dir/t>,<coaps://host.example:7777/u?x=1>,<coaps://host.example:7777/v%20w>,<coaps://other/x>{base},<coap+tcp://h/y>{base}"
        )
    );
}

#[test]
fn the_same_name_keeps_its_location_and_another_sector_is_another_endpoint() {
    let mut directory = directory();
    let first = registered(&mut directory, 0, &["ep=node1", "d=floor1"]);
    let other = registered(&mut directory, 0, &["ep=node1"]);
    assert_ne!(first, other);
    let again = directory
        .register(at(5), &node(1), &["ep=node1", "d=floor1", "et=x"], Some(40), b"</only>")
        .unwrap();
    assert_eq!(again, Registered { location: first, is_new: false });
    assert_eq!(directory.endpoint(first).unwrap().links().len(), 1);
    assert_eq!(Location::parse(&first.to_string()), Some(first));
    assert_eq!(Location::parse("1"), None);
    assert_eq!(directory.endpoints().count(), 2);
}

#[test]
fn a_registration_ends_unless_it_is_updated() {
    let mut directory = directory();
    let short = registered(&mut directory, 0, &["ep=a", "lt=60"]);
    registered(&mut directory, 0, &["ep=b"]);
    assert_eq!(directory.next_deadline(), Some(at(60)));
    directory.update(at(50), short, &node(7), &[]).unwrap();
    assert!(directory.expire(at(60)).is_empty());
    assert_eq!(directory.next_deadline(), Some(at(110)));
    directory.update(at(100), short, &node(7), &["lt=100000"]).unwrap();
    assert_eq!(directory.next_deadline(), Some(at(90_000)), "the default lifetime of b");
    let expired = directory.expire(at(2 * DAY));
    assert_eq!(
        expired.iter().map(|endpoint| &*endpoint.name().endpoint).collect::<Vec<_>>(),
        ["b", "a"]
    );
    assert_eq!(directory.next_deadline(), None);
    assert_eq!(refused(directory.update(at(0), short, &node(7), &[])).0, "4.04");
}

#[test]
fn an_update_moves_the_links_unless_a_base_was_named() {
    let mut directory = directory();
    let location = registered(&mut directory, 0, &["ep=a", "et=old", "v=1"]);
    directory.update(at(1), location, &node(7), &["et=new"]).unwrap();
    let endpoint = directory.endpoint(location).unwrap();
    assert_eq!(endpoint.base(), &node(7));
    assert_eq!(endpoint.extra(), [Attribute::new("v", "1"), Attribute::new("et", "new")]);
    directory.update(at(1), location, &node(8), &["base=coap://host"]).unwrap();
    directory.update(at(1), location, &node(9), &["ep=a"]).unwrap();
    assert_eq!(directory.endpoint(location).unwrap().base().as_str(), "coap://host");
    let renamed = directory.update(at(1), location, &node(9), &["ep=b"]);
    assert_eq!(refused(renamed).0, "4.00");
    assert_eq!(directory.remove(location).unwrap().name().endpoint, "a");
    assert_eq!(refused(directory.remove(location)).0, "4.04");
    assert_eq!(directory.next_deadline(), None);
}

#[test]
fn lookups_filter_by_links_and_by_endpoints_and_page() {
    let mut directory = directory();
    registered(&mut directory, 0, &["ep=node1", "et=oic.d.sensor", "lt=600"]);
    directory.register(at(0), &node(2), &["ep=node2", "d=hall"], None, b"</x>;obs").unwrap();
    let resources = |query: &[&str]| directory.look_up_resources(query).unwrap().len();
    for (query, count) in [
        (&[][..], 4),
        (&["ep=node1"], 3),
        (&["ep=node*"], 4),
        (&["ep=node1", "if=sensor"], 2),
        (&["et=oic.d.sensor", "rt=light*"], 1),
        (&["d=hall"], 1),
        (&["d=hall", "if=sensor"], 0),
        (&["obs"], 1),
        (&["rt=core.rd-ep"], 0),
        (&["href=coap://[2001:db8:3::123]:2/*"], 1),
        (&["count=3"], 3),
        (&["count=3", "page=1"], 1),
        (&["count=3", "page=2"], 0),
        (&["count=3", "page=18446744073709551615"], 0),
    ] {
        assert_eq!(resources(query), count, "{query:?}");
    }
    let found = directory.look_up_endpoints(&["rt=temperature-c"]).unwrap();
    let location = directory.endpoints().find(|(_, e)| e.name().endpoint == "node1").unwrap().0;
    assert_eq!(
        write(&found),
        format!(
            r#"</rd/{location}>;ep="node1";base="coap://[2001:db8:3::123]:61616";lt=600;rt="core.rd-ep";et="oic.d.sensor""#
        )
    );
    assert_eq!(directory.look_up_endpoints(&["rt=core.rd-ep"]).unwrap().len(), 2);
    assert_eq!(directory.look_up_endpoints(&[&format!("href=/rd/{location}")]).unwrap().len(), 1);
    for query in [&["page=1"][..], &["count=0"], &["count=x"], &["page=-1", "count=1"]] {
        assert_eq!(refused(directory.look_up_resources(query)).0, "4.00", "{query:?}");
    }
}

#[test]
fn simple_registration_fetches_once_and_then_registers() {
    let mut directory = directory();
    let fetch = directory.register_simply(at(0), &node(3), &["ep=s", "lt=60"]).unwrap().unwrap();
    assert_eq!(fetch.target.as_str(), "coap://[2001:db8:3::123]:3/.well-known/core");
    assert_eq!(directory.register_simply(at(1), &node(3), &["ep=s"]), Ok(None));
    let done = directory.fetched(at(2), &fetch.name, Some(40), LINKS).unwrap();
    assert_eq!(directory.endpoint(done.location).unwrap().ends(), at(62));
    assert_eq!(refused(directory.fetched(at(2), &fetch.name, Some(40), LINKS)).0, "4.04");
    let with_base = directory.register_simply(at(3), &node(3), &["ep=s", "base=coap://h"]);
    assert_eq!(refused(with_base).0, "4.00");
    for name in ["ep=t", "ep=u"] {
        assert!(directory.register_simply(at(3), &node(3), &[name]).unwrap().is_some());
    }
    assert_eq!(refused(directory.register_simply(at(3), &node(3), &["ep=v"])).0, "5.03");
    directory.not_fetched(&EndpointName { endpoint: "t".into(), sector: None });
    assert!(directory.register_simply(at(3), &node(3), &["ep=v"]).unwrap().is_some());
    directory.expire(at(62));
    assert_eq!(directory.next_deadline(), Some(at(250)));
    directory.expire(at(250));
    assert_eq!(directory.next_deadline(), None);
}

#[test]
fn what_is_wrong_has_its_code_and_says_so() {
    let mut directory = directory();
    let mut register = |query: &[&str], format, body: &[u8]| {
        refused(directory.register(at(0), &node(1), query, format, body))
    };
    for (query, says) in [
        (&[][..], "`ep` is missing"),
        (&["ep="], "`ep` is empty"),
        (&["ep=a", "ep=b"], "`ep` stands twice"),
        (&["ep=a", "lt=0"], "`lt` is a number"),
        (&["ep=a", "lt=4294967296"], "`lt` is a number"),
        (&["ep=a", "base=/x"], "`base` is a URI"),
        (&["ep=a", "a;b=1"], "can't be the name"),
        (&[&*format!("ep={}", "x".repeat(64))], "more than 63 bytes"),
        (&["ep=a", &*format!("x={}", "y".repeat(200))], "bytes of parameters"),
    ] {
        let (code, text) = register(query, Some(40), b"");
        assert!(code == "4.00" && text.contains(says), "{query:?}: {code} {text}");
    }
    assert_eq!(register(&["ep=a"], Some(50), b"").0, "4.15");
    assert_eq!(register(&["ep=a"], Some(40), b"nonsense").0, "4.00");
    assert_eq!(register(&["ep=a"], Some(40), b"<a>,<b>,<c>,<d>,<e>,<f>").0, "4.13");
    assert_eq!(register(&["ep=a"], Some(40), &[b'<'; 501]).0, "4.13");
    for name in ["ep=1", "ep=2", "ep=3"] {
        registered(&mut directory, 0, &[name]);
    }
    let fourth = directory.register(at(0), &node(1), &["ep=4"], Some(40), LINKS);
    assert_eq!(refused(fourth).0, "5.03");
    registered(&mut directory, 1, &["ep=3"]);
}
