//! Devices of other makers that speak CoAP, as processes of the test's own: libcoap's example
//! server, and a device made with aiocoap.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::python;

/// A running, or dead, device. When it goes out of scope, its process ends.
pub(crate) struct CoapDevice {
    child: Option<Child>,
    maker: Maker,
    port: u16,
}

#[derive(Clone, Copy)]
enum Maker {
    Libcoap,
    /// With DTLS, and this pre-shared key for everybody.
    LibcoapWithKey(&'static str),
    Aiocoap,
}

impl CoapDevice {
    pub(crate) async fn of_libcoap() -> Self {
        Self::start(Maker::Libcoap).await
    }

    /// It speaks `coaps` at its URL, with whoever has this key.
    pub(crate) async fn of_libcoap_with_key(key: &'static str) -> Self {
        Self::start(Maker::LibcoapWithKey(key)).await
    }

    pub(crate) async fn of_aiocoap() -> Self {
        Self::start(Maker::Aiocoap).await
    }

    async fn start(maker: Maker) -> Self {
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // With DTLS it takes the next port for that, too.
        let port = free.local_addr().unwrap().port().min(65_000);
        drop(free);
        let mut device = Self { child: None, maker, port };
        device.restart().await;
        device
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        let (scheme, port) = self.reached_by();
        format!("{scheme}://{}", SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// What the gateway calls it.
    pub(crate) fn thing(&self) -> String {
        format!("127_0_0_1-{}", self.reached_by().1)
    }

    fn reached_by(&self) -> (&'static str, u16) {
        match self.maker {
            Maker::LibcoapWithKey(_) => ("coaps", self.port + 1),
            Maker::Libcoap | Maker::Aiocoap => ("coap", self.port),
        }
    }

    /// Ends it without a goodbye.
    pub(crate) async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.unwrap();
        }
    }

    /// Starts it, again at the same place.
    pub(crate) async fn restart(&mut self) {
        self.kill().await;
        let port = self.port.to_string();
        let mut command = match self.maker {
            Maker::Libcoap => {
                let mut command = Command::new("coap-server-notls");
                command.args(["-A", "127.0.0.1", "-p", &port, "-d", "10"]);
                command.stdout(Stdio::null());
                command
            }
            Maker::LibcoapWithKey(key) => {
                let mut command = Command::new("coap-server-gnutls");
                command.args(["-A", "127.0.0.1", "-p", &port, "-d", "10", "-h", "", "-k", key]);
                command.stdout(Stdio::null());
                command
            }
            Maker::Aiocoap => {
                let mut command = python("aiocoap/plain_device.py", &[&port]).await;
                command.stdout(Stdio::piped());
                command
            }
        };
        command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().expect("libcoap3-bin is installed");
        if let Some(stdout) = child.stdout.take() {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).await.unwrap();
            assert_eq!(line, "ready\n");
        }
        self.child = Some(child);
    }
}
