//! The broker that others use, on a free port.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::process::Process;

pub(crate) struct Mosquitto {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    _directory: TempDir,
}

impl Mosquitto {
    /// `inflight`: messages that it sends a subscriber ahead of their acknowledgements.
    pub(crate) fn start(inflight: u16) -> Result<Self> {
        let address = free_address()?;
        let directory = TempDir::new()?;
        let file = directory.path().join("mosquitto.conf");
        std::fs::write(&file, configuration(address.port(), inflight))?;
        // It warns that it should not be root, which its configuration says it may be.
        let mut command = Command::new(program());
        let process = Process::start(command.arg("-c").arg(&file).stderr(Stdio::null()))?;
        wait_for(address)?;
        Ok(Self { process, address, _directory: directory })
    }
}

/// Nothing is thrown away because a subscriber is behind: what is lost was lost by the subscriber.
fn configuration(port: u16, inflight: u16) -> String {
    format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n\
         log_dest none\nset_tcp_nodelay true\nmax_queued_messages 0\n\
         max_inflight_messages {inflight}\n"
    )
}

/// Debian keeps it where only root looks for programs.
fn program() -> &'static str {
    let debian = "/usr/sbin/mosquitto";
    if Path::new(debian).exists() { debian } else { "mosquitto" }
}

/// An address that was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn wait_for(address: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(address).is_err() {
        if Instant::now() > deadline {
            return Err(format!("mosquitto does not listen on {address}; is it installed?").into());
        }
        sleep(Duration::from_millis(2));
    }
    Ok(())
}
