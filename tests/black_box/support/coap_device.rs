//! Devices of other makers that speak CoAP, as processes of the test's own: libcoap's example server, and a
//! device made with aiocoap.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running, or dead, device. When it goes out of scope, its process ends.
pub(crate) struct CoapDevice {
    child: Option<Child>,
    maker: Maker,
    port: u16,
}

#[derive(Clone, Copy)]
enum Maker {
    Libcoap,
    Aiocoap,
}

impl CoapDevice {
    pub(crate) fn of_libcoap() -> Self {
        Self::start(Maker::Libcoap)
    }

    pub(crate) fn of_aiocoap() -> Self {
        Self::start(Maker::Aiocoap)
    }

    fn start(maker: Maker) -> Self {
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut device = Self { child: None, maker, port };
        device.restart();
        device
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("coap://{}", SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)))
    }

    /// What the gateway calls it.
    pub(crate) fn thing(&self) -> String {
        format!("127_0_0_1-{}", self.port)
    }

    /// Ends it without a goodbye.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it, again at the same place.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let port = self.port.to_string();
        let mut command = match self.maker {
            Maker::Libcoap => {
                let mut command = Command::new("coap-server-notls");
                command.args(["-A", "127.0.0.1", "-p", &port, "-d", "10"]);
                command.stdout(Stdio::null());
                command
            }
            Maker::Aiocoap => {
                let root = Path::new(env!("CARGO_MANIFEST_DIR"));
                let python = root.join("target/venv/bin/python");
                assert!(python.exists(), "aiocoap is missing: `bash tests/run` installs it");
                let mut command = Command::new(python);
                command.arg(root.join("tests/aiocoap/plain_device.py")).arg(&port);
                command.stdout(Stdio::piped());
                command
            }
        };
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("libcoap3-bin is installed");
        if let Some(stdout) = child.stdout.take() {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).unwrap();
            assert_eq!(line, "ready\n");
        }
        self.child = Some(child);
    }
}

impl Drop for CoapDevice {
    fn drop(&mut self) {
        self.kill();
    }
}
