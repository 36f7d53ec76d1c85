//! The gateway as a process.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use super::http::{Answer, Client};
use super::{Mosquitto, PATIENCE, Publisher, eventually};

/// Makes a [`Gateway`].
#[derive(Default)]
pub(crate) struct Builder {
    toml: String,
    args: Vec<String>,
    environment: Vec<(String, String)>,
    bridges: bool,
}

/// A running gateway. When it goes out of scope, its process ends.
pub(crate) struct Gateway {
    child: Child,
    client: Client,
    /// Where its own broker listens, when it has one.
    mqtt: Option<SocketAddr>,
    output: Arc<Mutex<String>>,
    dir: TempDir,
}

impl Builder {
    /// Adds to its `thingway.toml`.
    pub(crate) fn toml(mut self, toml: &str) -> Self {
        self.toml.push_str(toml);
        self.toml.push('\n');
        self
    }

    /// Adds a command-line argument.
    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Bridges the broker that listens there, instead of running one inside.
    pub(crate) fn bridge(mut self, broker: SocketAddr) -> Self {
        self.bridges = true;
        self.arg("--mqtt").arg(&format!("mqtt://{broker}"))
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn start(self) -> Gateway {
        let gateway = self.start_unready().await;
        eventually("the gateway is ready", async || {
            gateway.get("/readyz").await.expect_status(200).map(|_| ())
        })
        .await;
        gateway
    }

    /// Starts it and waits for its banner only.
    pub(crate) async fn start_unready(self) -> Gateway {
        let dir = TempDir::new().unwrap();
        let config = dir.path().join("thingway.toml");
        std::fs::write(&config, &self.toml).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_thingway"));
        command.args(["run", "--http", "127.0.0.1:0", "--config"]).arg(&config);
        if !self.bridges {
            command.args(["--mqtt-listen", "127.0.0.1:0"]);
        }
        command.args(&self.args).envs(self.environment);
        Gateway::spawn(command, dir, !self.bridges).await
    }
}

fn collect(pipe: impl Read + Send + 'static, output: &Arc<Mutex<String>>) {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            output.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
}

async fn banner(
    child: &mut Child,
    output: &Mutex<String>,
    with_broker: bool,
) -> (SocketAddr, Option<SocketAddr>) {
    eventually("the banner says where everything is", async || {
        let text = output.lock().unwrap().clone();
        let http = announced(&text, "HTTP", "http://");
        let mqtt = announced(&text, "MQTT", "mqtt://");
        match (http, mqtt) {
            (Some(http), mqtt) if mqtt.is_some() || !with_broker => {
                Ok((http, mqtt.filter(|_| with_broker)))
            }
            _ => match child.try_wait().unwrap() {
                Some(status) => panic!("the gateway ended at once, {status}:\n{text}"),
                None => Err(text),
            },
        }
    })
    .await
}

/// The address in the first line that has the word and a URL of that scheme after it.
fn announced(text: &str, word: &str, scheme: &str) -> Option<SocketAddr> {
    text.lines().find_map(|line| {
        let rest = &line[line.find(word)? + word.len()..];
        let url = &rest[rest.find(scheme)? + scheme.len()..];
        let end =
            url.find(|c: char| c != ':' && c != '.' && !c.is_ascii_digit()).unwrap_or(url.len());
        url[..end].trim_end_matches(['.', ':']).parse().ok()
    })
}

impl Gateway {
    pub(crate) fn builder() -> Builder {
        Builder::default()
    }

    /// Starts it in a directory of its own and waits for its banner.
    async fn spawn(mut command: Command, dir: TempDir, with_broker: bool) -> Self {
        command.current_dir(dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), &output);
        collect(child.stderr.take().unwrap(), &output);
        let (http, mqtt) = banner(&mut child, &output, with_broker).await;
        let client = Client::new(http);
        Gateway { child, client, mqtt, output, dir }
    }

    /// `thingway demo`, with its simulated devices.
    pub(crate) async fn demo() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_thingway"));
        command.arg("demo");
        Self::spawn(command, TempDir::new().unwrap(), true).await
    }

    /// With its own broker and every default.
    pub(crate) async fn start() -> Self {
        Self::builder().start().await
    }

    /// Bridging that broker, with every default.
    pub(crate) async fn bridging(broker: &Mosquitto) -> Self {
        Self::builder().bridge(broker.addr()).start().await
    }

    /// Where its HTTP is.
    pub(crate) fn http(&self) -> SocketAddr {
        self.client.addr()
    }

    /// The full URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        self.client.url(path)
    }

    /// Where its broker is.
    pub(crate) fn broker(&self) -> SocketAddr {
        self.mqtt.expect("this gateway runs no broker")
    }

    /// Where its CoAP server is.
    pub(crate) fn coap(&self) -> SocketAddr {
        let output = self.output();
        let plain = announced(&output, "CoAP", "coap://");
        let found = plain.or_else(|| announced(&output, "CoAP", "coaps://"));
        found.expect("this gateway has no CoAP server")
    }

    /// A device connected to its broker.
    pub(crate) async fn publisher(&self) -> Publisher {
        Publisher::connect(self.broker()).await
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes another `thingway.toml`.
    pub(crate) fn rewrite(&self, toml: &str) {
        std::fs::write(self.dir.path().join("thingway.toml"), toml).unwrap();
    }

    /// All that it has printed.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn get_as(&self, path: &str, accept: &str) -> Answer {
        self.send("GET", path, &[("accept", accept)], "").await
    }

    /// A JSON document that must be there.
    pub(crate) async fn json(&self, path: &str) -> Value {
        self.get(path).await.expect_status(200).unwrap().json()
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        self.client.send(method, path, headers, body.into()).await
    }

    /// With a JSON body.
    pub(crate) async fn send_json(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send(method, path, &[("content-type", "application/json")], body.to_string()).await
    }

    /// Waits until `thing/property` reads exactly so, to the letter.
    pub(crate) async fn value_becomes(&self, thing: &str, property: &str, value: &str) -> Answer {
        let path = property_path(thing, property);
        eventually(&format!("{path} becomes {value}"), async || {
            let answer = self.get(&path).await.expect_status(200)?;
            if answer.text() == value { Ok(answer) } else { Err(answer.to_string()) }
        })
        .await
    }

    /// Waits until its state record has that quality.
    pub(crate) async fn quality_becomes(&self, thing: &str, property: &str, quality: &str) {
        eventually(&format!("{thing}/{property} becomes {quality}"), async || {
            let record = self.record(thing, property).await?;
            if record["quality"] == quality { Ok(()) } else { Err(record.to_string()) }
        })
        .await;
    }

    /// The state record of one property.
    pub(crate) async fn record(&self, thing: &str, property: &str) -> Result<Value, String> {
        let answer = self.get("/properties?limit=1000").await.expect_status(200)?;
        let id = id(thing);
        answer
            .json()
            .as_array()
            .into_iter()
            .flatten()
            .find(|record| record["thing"] == id.as_str() && record["property"] == property)
            .cloned()
            .ok_or_else(|| format!("no record of {thing}/{property} in {answer}"))
    }

    /// The remembered messages of its only, or that, adapter.
    pub(crate) async fn messages(&self, adapter: &str) -> Vec<Value> {
        let answer = self.json(&format!("/adapters/{adapter}/messages?limit=1000")).await;
        answer.as_array().cloned().unwrap_or_else(|| panic!("messages are no array: {answer}"))
    }

    /// The names of its adapters.
    pub(crate) async fn adapters(&self) -> Vec<String> {
        let answer = self.json("/adapters").await;
        let adapters = answer.as_array().unwrap_or_else(|| panic!("no array: {answer}"));
        adapters.iter().map(|a| a["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Resident memory of the process, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Sends a signal, by name.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for the process to end by itself.
    pub(crate) async fn ended(&mut self, within: Duration) -> ExitStatus {
        let start = Instant::now();
        let ended = timeout(within, async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let status = ended.await.unwrap_or_else(|_| {
            panic!("still runs {:?} after it was told to end", start.elapsed())
        });
        eventually("its last words are read, too", async || {
            let readers = Arc::strong_count(&self.output) - 1;
            if readers == 0 { Ok(()) } else { Err(format!("{readers} go on")) }
        })
        .await;
        status
    }

    /// How every test ends: nothing that arrived has vanished, nothing panicked, and the process
    /// ends well when asked to.
    pub(crate) async fn finish(mut self) {
        self.assert_conserved().await;
        self.signal("TERM");
        let status = self.ended(PATIENCE).await;
        assert_eq!(status.code(), Some(0), "exit status after SIGTERM");
        let output = self.output();
        assert!(!output.contains("panicked at"), "something panicked");
    }
}

/// Ends or stops a process that a test started.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().unwrap();
    assert!(status.success(), "kill -{name} {pid}");
}

/// The id that a bare name stands for.
pub(crate) fn id(thing: &str) -> String {
    if thing.contains(':') { thing.to_owned() } else { format!("urn:thingway:{thing}") }
}

pub(crate) fn property_path(thing: &str, property: &str) -> String {
    format!("/things/{thing}/properties/{property}")
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- the gateway printed:\n{}---", self.output());
        }
    }
}
