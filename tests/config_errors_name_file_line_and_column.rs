//! Whoever mistypes an option is told where, what was meant, and what to write.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsString;
use std::path::Path;

use thingway::config::{Config, ConfigError, FileChoice, Loaded, Overrides, Sources};

fn load(
    file: &str,
    variables: &[(&str, &str)],
    overrides: Overrides,
) -> Result<Loaded, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("thingway.toml");
    std::fs::write(&path, file).unwrap();
    let environment = variables
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)))
        .collect();
    Config::load(&Sources { file: FileChoice::Named(path), environment, overrides })
}

/// The report as a user reads it, without the directory of the test.
fn report(error: &ConfigError) -> String {
    let whole = error.to_string();
    whole
        .lines()
        .map(|line| {
            line.split_once("/thingway.toml")
                .map_or(line.to_owned(), |(_, at)| format!("thingway.toml{at}"))
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn refused(file: &str, variables: &[(&str, &str)]) -> String {
    report(&load(file, variables, Overrides::default()).unwrap_err())
}

#[test]
fn each_mistake_is_named_with_its_place() {
    for (file, expected) in [
        (
            "[http]\nlisen = \"127.0.0.1:1\"",
            "thingway.toml:2:1: unknown key `lisen` in [http]; did you mean `listen`?",
        ),
        (
            "[htp]\nlisten = \"127.0.0.1:1\"",
            "thingway.toml:1:2: unknown section `htp`; did you mean `http`?",
        ),
        (
            "[http]\n  listen = 8080",
            "thingway.toml:2:12: `listen` in [http] must be text in quotes, as in \"127.0.0.1:8080\", not 8080",
        ),
        (
            "[http]\nlisten = \"localhost\"",
            "thingway.toml:2:10: `listen` in [http]: invalid socket address syntax",
        ),
        (
            "[http]\nallow_anonymous = \"yes\"",
            "thingway.toml:2:19: `allow_anonymous` in [http] must be true or false, not the text \"yes\"",
        ),
        (
            "[limits]\nthings = -1",
            "thingway.toml:2:10: `things` in [limits] must be a whole number, 0 or more, not -1",
        ),
        (
            "[limits]\nthings = 0",
            "thingway.toml:2:10: `things` in [limits]: 0 would let nothing through",
        ),
        ("[limits]\njson_depth = 500", "thingway.toml:2:14: `json_depth` in [limits]: 500 levels"),
        (
            "[coap.server]\nack_timeout_seconds = 0.01",
            "thingway.toml:2:23: `ack_timeout_seconds` in [coap.server]: 0.01 s: it is 0.05 s at least and 60 s at most",
        ),
        (
            "[[adapters]]\nname = \"a\"\nprotocol = \"coap\"\nurl = \"coap://d\"\nmax_retransmit = 11",
            "thingway.toml:5:18: `max_retransmit` in [[adapters]]: 11 times: it is 10 at most",
        ),
        (
            "[[adapters]]\nname = \"a\"\nprotocol = \"coap\"\nurl = \"coap://d\"\nack_timeout_seconds = \"2\"",
            "thingway.toml:5:23: `ack_timeout_seconds` in [[adapters]] must be a number, not the text \"2\"",
        ),
        (
            "[http]\nlisten = \"0.0.0.0:80\"",
            "thingway.toml:2:10: `listen` in [http]: everybody who reaches 0.0.0.0:80",
        ),
        (
            "[http]\ncors_origins = [\"*\", \"app.example/x\"]",
            "thingway.toml:2:22: item 2 of `cors_origins` in [http]: `app.example/x` is no web origin",
        ),
        ("http = 5", "thingway.toml:1:8: `http` must be a table, not 5"),
        ("adapters = 5", "thingway.toml:1:1: `adapters` is a list"),
        ("[adapters]\nname = \"a\"", "thingway.toml:1:2: `adapters` is a list"),
        (
            "[[adapters]]\nname = \"a\"\nprotocol = \"mqt\"",
            "thingway.toml:3:12: `protocol` in [[adapters]] can't be `mqt`; did you mean `mqtt`?",
        ),
        ("[[adapters]]\nname = \"a\"", "thingway.toml:1:1: `protocol` is missing in [[adapters]]"),
        (
            "[[adapters]]\nname = \"a\"\nprotocol = \"mqtt\"",
            "thingway.toml:1:1: `url` is missing in [[adapters]]",
        ),
        (
            "[[adapters]]\nprotocol = \"mqtt\"\nurl = \"mqtt://b\"",
            "thingway.toml:1:1: `name` is missing in [[adapters]]",
        ),
        (
            "[[adapters]]\nnmae = \"a\"\nprotocol = \"mqtt\"\nurl = \"mqtt://b\"",
            "thingway.toml:1:1: `name` is missing in [[adapters]]",
        ),
        (
            "[[adapters]]\nname = \"a/b\"\nprotocol = \"mqtt\"\nurl = \"mqtt://b\"",
            "thingway.toml:2:8: `name` in [[adapters]]: `a/b` can't be used in URLs",
        ),
        (
            "[[adapters]]\nname = \"a\"\nprotocol = \"mqtt\"\nurl = \"http://b\"",
            "thingway.toml:4:7: `url` in [[adapters]]: `http://` is not spoken here",
        ),
        (
            "[[adapters]]\nname = \"a\"\nprotocol = \"mqtt\"\nurl = \"mqtt://b\"\nkeep_alive_seconds = 0",
            "thingway.toml:5:22: `keep_alive_seconds` in [[adapters]] must be a whole number, 1 or more, not 0",
        ),
        (
            "[[adapters]]\nname = \"a\"\nprotocol = \"mqtt\"\nurl = \"mqtt://b\"\nversion = \"4\"",
            "thingway.toml:5:11: `version` in [[adapters]] can't be `4`",
        ),
        (
            "[[adapters]]\nname = \"a\"\nprotocol = \"mqtt\"\nurl = \"mqtt://b\"\npassword = 4711",
            "thingway.toml:5:12: `password` in [[adapters]] must be text in quotes",
        ),
        (
            "[[adapters]]\nname = \"a\"\nprotocol = \"mqtt-broker\"\nlisten = \"[::]:1883\"",
            "thingway.toml:4:10: `listen` in [[adapters]]: everybody who reaches [::]:1883",
        ),
        (
            "[[rules]]\nadapter = \"brokr\"\ntopic = \"a\"",
            "thingway.toml:2:11: `adapter` in [[rules]]: there is no adapter `brokr`; did you mean `broker`?",
        ),
        (
            "[[rules]]\ntopic = \"a/{b}\"\n[rules.properties.x]\nuint = \"W\"",
            "thingway.toml:4:1: unknown key `uint` in [rules.properties.x]; did you mean `unit`?",
        ),
        (
            "[[rules]]\ntopic = \"a/{b}\"\nthing = \"{c}\"",
            "thingway.toml:2:9: `topic` in [[rules]]: `{c}` is used",
        ),
        (
            "[[rules]]\ntopic = \"a/#\"\n\n[[rules]]\ntopic = \"a/b\"",
            "thingway.toml:5:9: `topic` in [[rules]]: no message comes to this rule, because the rule with `a/#` at ",
        ),
        (
            "[[rules]]\ntopic = \"a\"\nformat = \"jsn\"",
            "thingway.toml:3:10: `format` in [[rules]] can't be `jsn`; did you mean `json`?",
        ),
        (
            "[[rules]]\ntopic = \"a\"\ndecimal = \",\"",
            "thingway.toml:3:11: `decimal` in [[rules]]: it is for `text` and `csv`",
        ),
        (
            "[[rules]]\ntopic = \"a\"\nlayout = [{ name = \"x\", offset = 0, type = \"u8\" }]",
            "thingway.toml:3:10: `layout` in [[rules]]: it is for `bytes`",
        ),
        (
            "[[rules]]\ntopic = \"a\"\nformat = \"bytes\"\nlayout = [\n{ name = \"x\", offset = 0, type = \"u9\" }]",
            "thingway.toml:5:34: `type` in [[rules.layout]] can't be `u9`; did you mean",
        ),
        (
            "[[rules]]\ntopic = \"a\"\nformat = \"bytes\"\nlayout = [\n{ name = \"x\", offset = 0, type = \"u8\", bit = 8 }]",
            "thingway.toml:5:46: `bit` in [[rules.layout]]: the type has 8 bits",
        ),
        (
            "[[rules]]\ntopic = \"a\"\ntransform = \"{ a: \"",
            "thingway.toml:3:13: `transform` in [[rules]]: this is no JSONata: ",
        ),
        (
            "[[rules]]\ntopic = \"a\"\n[rules.properties.x]\nfrom = \"$pad(a, 9)\"",
            "thingway.toml:4:8: `from` in [rules.properties.x]: `$pad` may not be used",
        ),
        (
            "[[rules]]\ntopic = \"a\"\n[rules.properties.x]\non = \"ON\"",
            "thingway.toml:4:6: `on` in [rules.properties.x]: there is no `off` to it",
        ),
        (
            "[[rules]]\ntopic = \"a\"\n[rules.properties.x]\nunit = \"Cel\"\nunit_in_payload = \"Pa\"",
            "thingway.toml:5:19: `unit_in_payload` in [rules.properties.x]: `Pa` can't be converted to `Cel`",
        ),
        (
            "[[rules]]\ntopic = \"a\"\n[rules.properties.x]\ntype = \"nmber\"",
            "thingway.toml:4:8: `type` in [rules.properties.x]: `nmber` is no type",
        ),
        (
            "[[joins]]\nthing = \"a\"\nof = [\"b\"]\n[[joins]]\nthing = \"c\"\nof = [\"b\"]",
            "thingway.toml:6:7: item 1 of `of` in [[joins]]: `b` is joined already",
        ),
        (
            "[[webhooks]]\nname = \"w\"\nurl = \"ftp://x\"",
            "thingway.toml:3:7: `url` in [[webhooks]]: `ftp://` can't be delivered to",
        ),
        (
            "[[webhooks]]\nname = \"w\"\nurl = \"nowhere\"",
            "thingway.toml:3:7: `url` in [[webhooks]]: relative URL without a base",
        ),
        (
            "[[webhooks]]\nname = \"w\"\nurl = \"http://x\"\nsecret = \"geheim\"",
            "thingway.toml:4:10: `secret` in [[webhooks]]: this is no Standard Webhooks secret",
        ),
        (
            "[delivery]\ndenied_networks = [\"10.0.0.0\"]",
            "thingway.toml:2:20: item 1 of `denied_networks` in [delivery]: `10.0.0.0` is no network",
        ),
        ("[http]\nlisten = \"127.0.0.1:1", "thingway.toml:2:"),
    ] {
        let report = refused(file, &[]);
        assert!(
            report.starts_with(expected),
            "for\n{file}\nexpected\n{expected}\nbut got\n{report}"
        );
    }
}

#[test]
fn the_line_is_shown_with_a_caret_and_what_to_do() {
    assert_eq!(
        refused("# a comment\n[http]\n\tlisen = \"127.0.0.1:1\"\n", &[]),
        "thingway.toml:3:2: unknown key `lisen` in [http]; did you mean `listen`?\n  \
         3 | \tlisen = \"127.0.0.1:1\"\n    \
           | \t^^^^^\n  \
         help: the keys of [http] are `listen`, `allow_anonymous`, `trust_forwarded`, \
         `cors_origins`, `max_body_bytes`, `write_wait_seconds`, `command_deadline_seconds`, \
         `request_head_seconds`, `heartbeat_seconds`"
    );
}

#[test]
fn one_run_reports_every_mistake_in_the_order_of_the_file() {
    let file = r#"
[http]
listen = 8080
alow_anonymous = true
heartbeat_seconds = 0

[[adapters]]
name = "plant"
protocol = "mqtt"
url = "mqtt://plant"
qos = 7

[[adapters]]
name = "plant"
protocol = "mqtt"
url = "mqtt://plant"

[[rules]]
adapter = "yard"
topic = "a/#/b"

[limits]
things = 0
stream = 5
"#;
    let report = refused(file, &[]);
    let found: Vec<&str> =
        report.lines().filter(|line| line.starts_with("thingway.toml:")).collect();
    let places: Vec<&str> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        [
            "thingway.toml:3:10",
            "thingway.toml:4:1",
            "thingway.toml:5:21",
            "thingway.toml:11:7",
            "thingway.toml:14:8",
            "thingway.toml:19:11",
            "thingway.toml:20:9",
            "thingway.toml:23:10",
            "thingway.toml:24:1",
        ],
        "{report}"
    );
}

#[test]
fn text_that_is_no_toml_hides_no_other_mistake() {
    let report = refused("[http]\nlisten = \nalow_anonymous = true\n[limits]\nthings = 0", &[]);
    for place in ["thingway.toml:2:", "thingway.toml:3:1: unknown key", "thingway.toml:5:10"] {
        assert!(report.contains(place), "{place} is not in\n{report}");
    }
}

#[test]
fn a_variable_that_does_not_fit_is_named() {
    for (name, value, expected) in [
        (
            "THINGWAY__HTTP__LISEN",
            "x",
            "THINGWAY__HTTP__LISEN: unknown key `lisen` in [http]; did you mean `listen`?",
        ),
        (
            "THINGWAY__LIMITS__THINGS",
            "many",
            "THINGWAY__LIMITS__THINGS: `things` in [limits] must be a whole number, 0 or more, not the text \"many\"",
        ),
        (
            "THINGWAY__HTTP__ALLOW_ANONYMOUS",
            "yes",
            "THINGWAY__HTTP__ALLOW_ANONYMOUS: `allow_anonymous` in [http] must be true or false",
        ),
        (
            "THINGWAY__HTTP__LISTEN",
            "0.0.0.0:80",
            "THINGWAY__HTTP__LISTEN: `listen` in [http]: everybody",
        ),
        (
            "THINGWAY__ADAPTERS__PLANT__PASWORD_FILE",
            "/x",
            "THINGWAY__ADAPTERS__PLANT__PASWORD_FILE: unknown key",
        ),
        (
            "THINGWAY__ADAPTERS__PLANT__QOS__X",
            "/x",
            "THINGWAY__ADAPTERS__PLANT__QOS__X: what it is part of is no table",
        ),
    ] {
        let file =
            "[[adapters]]\nname = \"plant\"\nprotocol = \"mqtt\"\nurl = \"mqtt://p\"\nqos = 1";
        let report = refused(file, &[(name, value)]);
        assert!(report.starts_with(expected), "expected\n{expected}\nbut got\n{report}");
    }
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let file = "[http]\nlisten = \"127.0.0.1:1\"\n[limits]\nthings = 1\nstreams = 1";
    let variables = [("THINGWAY__HTTP__LISTEN", "127.0.0.1:2"), ("THINGWAY__LIMITS__THINGS", "2")];
    let overrides = Overrides { http: Some(([127, 0, 0, 1], 3).into()), ..Overrides::default() };
    let config = load(file, &variables, overrides).unwrap().config;
    assert_eq!(config.http.listen.port(), 3);
    assert_eq!((config.limits.things, config.limits.streams), (2, 1));
}

#[test]
fn brokers_on_the_command_line_replace_the_embedded_one_unless_it_is_named() {
    let names = |overrides: Overrides| -> Vec<String> {
        let config = load("", &[], overrides).unwrap().config;
        config.adapters.into_iter().map(|a| format!("{} {}", a.name, a.protocol.name())).collect()
    };
    let mqtt = vec!["mqtt://a".to_owned(), "mqtts://b".to_owned()];
    assert_eq!(names(Overrides::default()), ["broker mqtt-broker"]);
    assert_eq!(
        names(Overrides { mqtt: mqtt.clone(), ..Overrides::default() }),
        ["mqtt mqtt", "mqtt-2 mqtt"]
    );
    let mqtt_listen = Some(([127, 0, 0, 1], 0).into());
    assert_eq!(
        names(Overrides { mqtt, mqtt_listen, ..Overrides::default() }),
        ["mqtt mqtt", "mqtt-2 mqtt", "broker mqtt-broker"]
    );
    let coap = vec!["coap://a".to_owned(), "coaps://b".to_owned()];
    let (identity, key_file) = (Some("me".to_owned()), Some("/keys".into()));
    let devices = Overrides {
        coap,
        coap_identity: identity,
        coap_key_file: key_file,
        ..Overrides::default()
    };
    // The key goes to the one that can use it.
    assert_eq!(names(devices), ["broker mqtt-broker", "coap coap", "coap-2 coap"]);
}

#[test]
fn options_of_the_command_line_are_named_in_errors() {
    let beyond = Some(([0, 0, 0, 0], 1883).into());
    let overrides =
        Overrides { mqtt: vec!["broker".into()], mqtt_listen: beyond, ..Overrides::default() };
    let report = report(&load("", &[], overrides.clone()).unwrap_err());
    assert!(report.contains("--mqtt: `url` in [[adapters]]: not a URL"), "{report}");
    assert!(report.contains("--mqtt-listen: `listen` in [[adapters]]: everybody"), "{report}");
    let device = Overrides { coap: vec!["coaps://lamp".into()], ..Overrides::default() };
    let report = self::report(&load("", &[], device).unwrap_err());
    assert!(report.contains("--coap: [[adapters]]: `coaps://` needs an `identity`"), "{report}");
    let allowed = Overrides { mqtt: Vec::new(), allow_anonymous: true, ..overrides };
    assert!(load("", &[], allowed).is_ok());
    let server = Overrides { coap_listen: beyond, ..Overrides::default() };
    let report = self::report(&load("", &[], server.clone()).unwrap_err());
    assert!(report.contains("--coap-listen: `listen` in [coap.server]: everybody"), "{report}");
    let allowed = Overrides { allow_anonymous: true, ..server };
    let names: Vec<String> =
        load("", &[], allowed).unwrap().config.all_adapters().map(|entry| entry.name).collect();
    assert_eq!(names, ["broker", "coap-server"]);
}

#[test]
fn the_section_of_the_coap_server_is_an_adapter_with_a_name_of_its_own() {
    let file = "[coap.server]\n[[adapters]]\nname = \"coap-server\"\nprotocol = \"mqtt-broker\"";
    let report = report(&load(file, &[], Overrides::default()).unwrap_err());
    assert!(report.contains("its name `coap-server` is taken by an adapter"), "{report}");
    let file = "[coap.server]\nkey_file = \"/nowhere/keys\"";
    let report = self::report(&load(file, &[], Overrides::default()).unwrap_err());
    assert!(report.contains("`key_file` in [coap.server]: /nowhere/keys"), "{report}");
}

#[test]
fn a_secret_is_not_repeated() {
    for file in [
        "[[adapters]]\nname = \"a\"\nprotocol = \"mqtt\"\nurl = \"http://u:hunter2@b\"",
        "[[adapters]]\nname = \"a\"\nprotocol = \"mqtt\"\nurl = \"mqtt://b\"\npassword = [\"hunter2\"]",
        "[[webhooks]]\nname = \"w\"\nurl = \"http://x\"\nsecret = \"hunter2\"",
    ] {
        let report = refused(file, &[]);
        assert!(!report.contains("hunter2"), "{report}");
    }
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let sources = |file| Sources { file, environment: Vec::new(), overrides: Overrides::default() };
    let missing = Path::new("/nowhere/thingway.toml").to_owned();
    let error = Config::load(&sources(FileChoice::Named(missing.clone()))).unwrap_err();
    assert!(error.to_string().contains("can't read /nowhere/thingway.toml"), "{error}");
    assert!(Config::load(&sources(FileChoice::IfPresent(missing))).unwrap().file.is_none());
}
