//! The command line as a user has it: the real binary, a gateway with simulated devices, exit codes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{SocketAddr, TcpListener};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use thingway_sim::{Fleet, Options};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);
const THERMOSTAT: &str = "demo.livingroom.thermostat";

fn thingway(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thingway"));
    command.args(arguments).kill_on_drop(true).env_remove("THINGWAY_URL");
    // Away from any thingway.toml of this machine.
    command.current_dir(std::env::temp_dir());
    command
}

async fn output(arguments: &[&str]) -> Output {
    timeout(PATIENCE, thingway(arguments).output()).await.unwrap().unwrap()
}

/// Exit code, stdout and stderr.
async fn outcome(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = output(arguments).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout).trim_end().to_owned(), text(stderr))
}

/// A gateway process and what its banner says.
struct Gateway {
    child: Child,
    banner: Lines<BufReader<ChildStdout>>,
    url: String,
    broker: SocketAddr,
}

impl Gateway {
    async fn start(http: &str, broker: &str) -> Self {
        let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/demo.toml");
        Self::spawn(&["run", "--config", rules, "--http", http, "--mqtt-listen", broker]).await
    }

    async fn spawn(arguments: &[&str]) -> Self {
        let mut command = thingway(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut banner = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = announced(&mut banner, "HTTP").await;
        let broker = announced(&mut banner, "MQTT").await;
        let broker = broker.trim_start_matches("mqtt://").parse().unwrap();
        Self { child, banner, url, broker }
    }

    fn devices(&self) -> Fleet {
        let interval = Duration::from_millis(200);
        Fleet::start(self.broker, Options { interval, ..Options::default() })
    }

    async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().await.unwrap().success());
    }

    async fn stop(mut self) -> i32 {
        self.signal("-TERM").await;
        timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap().code().unwrap()
    }

    /// What a client verb says once it succeeds: a device needs a moment to be seen.
    async fn eventually(&self, arguments: &[&str]) -> String {
        let with_url = [arguments, &["--url", &self.url]].concat();
        let succeeds = async {
            loop {
                match outcome(&with_url).await {
                    (0, stdout, _) if !stdout.is_empty() => return stdout,
                    _ => sleep(Duration::from_millis(100)).await,
                }
            }
        };
        timeout(PATIENCE, succeeds).await.unwrap()
    }

    async fn ask(&self, arguments: &[&str]) -> (i32, String, String) {
        outcome(&[arguments, &["--url", &self.url]].concat()).await
    }
}

async fn announced(banner: &mut Lines<BufReader<ChildStdout>>, word: &str) -> String {
    let line = timeout(PATIENCE, banner.next_line()).await.unwrap().unwrap().unwrap();
    let mut words = line.split_whitespace();
    assert_eq!(words.next(), Some(word), "{line}");
    words.next().unwrap().to_owned()
}

#[tokio::test]
async fn things_are_listed_read_and_written() {
    let gateway = Gateway::start("127.0.0.1:0", "127.0.0.1:0").await;
    let devices = gateway.devices();
    gateway.eventually(&["things", "get", THERMOSTAT, "setpoint"]).await;

    let (code, listing, _) = gateway.ask(&["things", "ls"]).await;
    assert_eq!(code, 0);
    let thermostat = listing.lines().find(|line| line.starts_with(THERMOSTAT)).unwrap();
    assert_eq!(thermostat.split('\t').nth(1), Some("Thermostat"));

    let (code, said, _) = gateway.ask(&["things", "set", THERMOSTAT, "setpoint", "23.5"]).await;
    assert_eq!((code, said.contains("confirmed by the device")), (0, true), "{said}");
    let (_, value, _) = gateway.ask(&["things", "get", THERMOSTAT, "setpoint"]).await;
    assert_eq!(value, "23.5");

    let (_, json, _) = gateway.ask(&["things", "get", THERMOSTAT, "setpoint", "--json"]).await;
    let state: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&state["value"], &state["unit"]), (&23.5.into(), &"Cel".into()));
    let (_, json, _) = gateway.ask(&["things", "ls", "--json"]).await;
    assert!(serde_json::from_str::<Vec<Value>>(&json).unwrap().len() >= 4, "{json}");

    let (code, _, reason) = gateway.ask(&["things", "set", THERMOSTAT, "setpoint", "99"]).await;
    assert_eq!((code, reason.contains("maximum")), (1, true), "{reason}");

    devices.stop().await;
    let write = ["things", "set", THERMOSTAT, "setpoint", "20", "--wait", "1"];
    let (code, _, reason) = gateway.ask(&write).await;
    assert_eq!(code, 75, "{reason}");
    assert_eq!(gateway.stop().await, 0);
}

#[tokio::test]
async fn exit_codes_tell_what_went_wrong() {
    let gateway = Gateway::start("127.0.0.1:0", "127.0.0.1:0").await;
    let devices = gateway.devices();
    gateway.eventually(&["things", "get", THERMOSTAT]).await;
    for (arguments, code, hint) in [
        (&["things", "get", "nowhere"][..], 4, "nowhere"),
        (&["things", "get", THERMOSTAT, "setpont"], 4, "did you mean `setpoint`?"),
        (&["things", "set", THERMOSTAT, "nothing", "1"], 4, "nothing"),
        (&["things", "watch", "nowhere"], 4, "nowhere"),
        (&["things", "gett"], 2, "'get'"),
    ] {
        let (found, _, stderr) = gateway.ask(arguments).await;
        assert_eq!(found, code, "{arguments:?}: {stderr}");
        assert!(stderr.contains(hint), "{arguments:?}: {stderr}");
    }
    assert_eq!(gateway.ask(&["healthcheck"]).await.0, 0);
    devices.stop().await;
    let url = gateway.url.clone();
    gateway.stop().await;

    let (code, _, stderr) = outcome(&["--json", "things", "ls", "--url", &url]).await;
    let error: Value = serde_json::from_str(&stderr).unwrap();
    assert_eq!((code, &error["error"]["exit"]), (69, &69.into()));
    assert_eq!(outcome(&["healthcheck", "--url", &url]).await.0, 69);
}

#[tokio::test]
async fn a_watcher_survives_a_restart_of_the_gateway() {
    let gateway = Gateway::start("127.0.0.1:0", "127.0.0.1:0").await;
    let (url, broker) = (gateway.url.clone(), gateway.broker.to_string());
    let devices = gateway.devices();
    gateway.eventually(&["things", "get", "demo.meter"]).await;
    let mut watcher = thingway(&["--json", "things", "watch", "demo.meter", "--url", &url]);
    let mut watcher = watcher.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(watcher.stdout.take().unwrap()).lines();
    next_change(&mut lines).await;

    assert_eq!(gateway.stop().await, 0);
    while let Ok(Ok(Some(_))) = timeout(Duration::from_millis(500), lines.next_line()).await {}
    let http = url.trim_start_matches("http://");
    let gateway = Gateway::start(http, &broker).await;
    next_change(&mut lines).await;
    devices.stop().await;
    gateway.stop().await;
}

async fn next_change(lines: &mut Lines<BufReader<ChildStdout>>) {
    let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let state: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(state["thing"], "urn:thingway:demo.meter", "{line}");
}

#[tokio::test]
async fn explain_tells_what_became_of_messages_and_why_there_are_none() {
    let gateway = Gateway::start("127.0.0.1:0", "127.0.0.1:0").await;
    let devices = gateway.devices();
    gateway.eventually(&["explain", "demo/attic/sensor"]).await;
    let seen = async {
        loop {
            let told = gateway.ask(&["explain", "demo/attic/sensor", "--limit", "100"]).await.1;
            if ["failed", "not valid JSON", "empty", "duplicate"].iter().all(|w| told.contains(w)) {
                return;
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, seen).await.unwrap();

    let (code, _, advice) = gateway.ask(&["explain", "demo/atic/sensor"]).await;
    assert_eq!(code, 4);
    for hint in ["`demo/attic/sensor`", "broker is connected", "limits.messages_remembered"] {
        assert!(advice.contains(hint), "{advice}");
    }
    devices.stop().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_verb_quietly() {
    let gateway = Gateway::start("127.0.0.1:0", "127.0.0.1:0").await;
    let devices = gateway.devices();
    gateway.eventually(&["things", "get", "demo.meter"]).await;
    let mut watcher = thingway(&["things", "watch", "--url", &gateway.url]);
    let mut watcher = watcher.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(watcher.stdout.take());
    let ended = timeout(PATIENCE, watcher.wait_with_output()).await.unwrap().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
    devices.stop().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_option() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for option in ["--http", "--mqtt-listen"] {
        let other = if option == "--http" { "--mqtt-listen" } else { "--http" };
        let (code, _, stderr) = outcome(&[option, &taken, other, "127.0.0.1:0"]).await;
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains(option) && stderr.contains(&taken), "{stderr}");
    }
}

#[tokio::test]
async fn strangers_are_let_in_only_when_somebody_said_so() {
    let (code, _, stderr) = outcome(&["run", "--http", "0.0.0.0:0"]).await;
    assert_eq!((code, stderr.contains("--allow-anonymous")), (78, true), "{stderr}");
    let open = ["--http", "0.0.0.0:0", "--mqtt-listen", "127.0.0.1:0", "--allow-anonymous"];
    let gateway = Gateway::spawn(&open).await;
    assert_eq!(gateway.ask(&["healthcheck"]).await.0, 0);
    gateway.stop().await;
}

#[tokio::test]
async fn the_demo_runs_beside_what_holds_its_ports() {
    // Whether or not these are free here: the demo must find others.
    let _held = [TcpListener::bind("127.0.0.1:8080"), TcpListener::bind("127.0.0.1:1883")];
    let mut gateway = Gateway::spawn(&["demo"]).await;
    assert!(!gateway.url.ends_with(":8080"), "{}", gateway.url);
    let note = async {
        while !gateway.banner.next_line().await.unwrap().unwrap().contains("8080 is taken") {}
    };
    timeout(PATIENCE, note).await.unwrap();
    gateway.eventually(&["things", "set", THERMOSTAT, "setpoint", "22"]).await;
    gateway.signal("-INT").await;
    let ended = timeout(PATIENCE, gateway.child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn a_configuration_is_checked_without_starting_anything() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("thingway.toml");
    std::fs::write(&file, "[http]\nlisten = \"127.0.0.1:1\"").unwrap();
    let file = file.to_str().unwrap();
    let (code, said, _) = outcome(&["check", file]).await;
    assert_eq!((code, said.contains("is in order")), (0, true), "{said}");

    let mut command = thingway(&["check", file, "--json"]);
    let wrong = command.env("THINGWAY__HTTP__LISTEN", "nowhere").output().await.unwrap();
    let report: Value = serde_json::from_slice(&wrong.stdout).unwrap();
    assert_eq!((wrong.status.code(), &report["valid"]), (Some(78), &false.into()));
    assert_eq!(report["problems"][0]["origin"]["variable"], "THINGWAY__HTTP__LISTEN");
}
