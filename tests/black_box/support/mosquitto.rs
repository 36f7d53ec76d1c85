//! A broker that others use: mosquitto, on a free port, as a process of the test's own.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::eventually;

/// A running, or dead, mosquitto. When it goes out of scope, its process ends.
pub(crate) struct Mosquitto {
    child: Option<Child>,
    port: u16,
    dir: TempDir,
}

impl Mosquitto {
    /// Starts one that keeps sessions and messages on disk over a restart.
    pub(crate) async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let port = free_port();
        let mut broker = Self { child: None, port, dir };
        broker.restart().await;
        broker
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Ends it without a goodbye.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Ends it so that it saves what it knows.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            super::gateway::signal(child.id(), "TERM");
            child.wait().unwrap();
        }
    }

    /// Throws away what it had saved: sessions, subscriptions, retained messages.
    pub(crate) fn forget(&self) {
        assert!(self.child.is_none(), "a running broker would save it again");
        let _ = std::fs::remove_file(self.dir.path().join("mosquitto.db"));
    }

    /// Starts it again on the same port.
    pub(crate) async fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let dir = self.dir.path().display();
        let config = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n\
             persistence true\npersistence_location {dir}/\nautosave_interval 1\n\
             autosave_on_changes true\nuser root\n",
            self.port
        );
        let file = self.dir.path().join("mosquitto.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(program());
        command
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(command.spawn().expect("mosquitto is installed: tests/run does it"));
        let addr = self.addr();
        eventually("mosquitto listens", async || {
            TcpStream::connect(addr).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }
}

fn program() -> &'static str {
    let debian = "/usr/sbin/mosquitto";
    if std::path::Path::new(debian).exists() { debian } else { "mosquitto" }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}
