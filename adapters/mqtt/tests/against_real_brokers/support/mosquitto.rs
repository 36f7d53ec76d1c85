use std::net::Ipv4Addr;
use std::process::{Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use thingway_sdk::conformance::PATIENCE;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::free_port;

/// A real broker of its own, with its files in a directory of its own.
pub(crate) struct Mosquitto {
    pub(crate) directory: TempDir,
    pub(crate) port: u16,
    options: String,
    process: Option<Child>,
}

impl Mosquitto {
    pub(crate) async fn start() -> Self {
        Self::with("allow_anonymous true").await
    }

    /// One that finds its sessions and messages again when it is started anew.
    pub(crate) async fn persistent() -> Self {
        Self::with("allow_anonymous true\npersistence true").await
    }

    pub(crate) async fn with(options: &str) -> Self {
        Self::prepared(tempfile::tempdir().unwrap(), options).await
    }

    /// `{dir}` in the options stands for the directory.
    pub(crate) async fn prepared(directory: TempDir, options: &str) -> Self {
        let mut broker = Self { directory, port: 0, options: options.to_owned(), process: None };
        broker.start_again().await;
        broker
    }

    /// At another port: the one before may be taken meanwhile.
    pub(crate) async fn start_again(&mut self) {
        for _ in 0..10 {
            self.port = free_port().await;
            if self.try_start().await {
                return;
            }
        }
        panic!("mosquitto does not start; is it installed?");
    }

    async fn try_start(&mut self) -> bool {
        let directory = self.directory.path().display().to_string();
        let config = format!(
            "listener {} 127.0.0.1\nuser root\npersistence_location {directory}/\n{}\n",
            self.port,
            self.options.replace("{dir}", &directory),
        );
        let path = self.directory.path().join("mosquitto.conf");
        std::fs::write(&path, config).unwrap();
        let mut process = Command::new("/usr/sbin/mosquitto")
            .arg("-c")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        while process.try_wait().unwrap().is_none() {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.is_ok() {
                self.process = Some(process);
                return true;
            }
            sleep(Duration::from_millis(20)).await;
        }
        false
    }

    /// Gone at once; what it had not written to disk is lost.
    pub(crate) async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await.unwrap();
        }
    }

    /// Gone after it has saved what it saves.
    pub(crate) async fn end(&mut self) {
        self.signal("TERM").await;
        if let Some(mut process) = self.process.take() {
            timeout(PATIENCE, process.wait()).await.unwrap().unwrap();
        }
    }

    /// Takes everything and answers nothing, until it is thawed or killed.
    pub(crate) async fn freeze(&self) {
        self.signal("STOP").await;
    }

    pub(crate) async fn thaw(&self) {
        self.signal("CONT").await;
    }

    async fn signal(&self, name: &str) {
        let id = self.process.as_ref().and_then(Child::id).unwrap();
        let sent = Command::new("kill").arg(format!("-{name}")).arg(id.to_string()).status().await;
        assert!(sent.unwrap().success());
    }

    pub(crate) async fn publish(&self, topic: &str, payload: &[u8], options: &[&str]) {
        publish_to(self.port, topic, payload, options).await;
    }
}

/// Publishes one message and waits until the broker has taken it.
pub(crate) async fn publish_to(port: u16, topic: &str, payload: &[u8], options: &[&str]) {
    use tokio::io::AsyncWriteExt;
    let mut process = Command::new("mosquitto_pub")
        .args(["-p", &port.to_string(), "-t", topic])
        // It refuses to read nothing from its standard input.
        .arg(if payload.is_empty() { "-n" } else { "-s" })
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    input.write_all(payload).await.unwrap();
    drop(input);
    let output = timeout(PATIENCE, process.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// What `count` messages say, each on its own line as `format` writes it.
pub(crate) async fn subscribe_at(
    port: u16,
    filter: &str,
    count: usize,
    options: &[&str],
) -> Vec<String> {
    let output = Command::new("mosquitto_sub")
        .args(["-p", &port.to_string(), "-t", filter, "-C", &count.to_string()])
        .args(options)
        .kill_on_drop(true)
        .output();
    let Output { stdout, .. } = timeout(PATIENCE, output).await.unwrap().unwrap();
    String::from_utf8_lossy(&stdout).lines().map(str::to_owned).collect()
}
