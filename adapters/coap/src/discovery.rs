//! Who is there? One question to all CoAP devices of a network (RFC 7252, section 8; RFC 6690,
//! section 1.2.1), which those answer that listen to the "All CoAP Nodes" groups.

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::driver::{Driver, DriverError, Handle};
use crate::link_format::{Limits, parse};
use crate::{Config, Request, Response};

/// "All CoAP Nodes" (RFC 7252, section 12.8): in IPv4, and link-local in IPv6.
const GROUPS: [SocketAddr; 2] = [
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(224, 0, 1, 187)), 5683),
    SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfd)), 5683),
];

/// How often it is asked: the question is one message, and networks lose some. Answers to each may
/// come until the end, because devices take their leisure, five seconds by default (RFC 7252,
/// section 8.2).
const QUESTIONS: u32 = 2;

/// Answers that wait to be taken. Beyond, they are dropped; the next question brings them again.
const WAITING: usize = 256;

/// A device that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub address: SocketAddr,
    /// The paths that it lists.
    pub resources: Vec<String>,
}

/// Asks on a network interface for so long, and tells of each device once.
///
/// # Errors
/// When the interface does not exist, or can be asked in neither IPv4 nor IPv6.
pub async fn discover(
    interface: &str,
    wait: Duration,
    mut found: impl FnMut(Found),
) -> io::Result<()> {
    let (answers, mut answered) = mpsc::channel(WAITING);
    let until = Instant::now() + wait;
    let mut asked = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
    for group in GROUPS {
        match socket(interface, group) {
            Ok(socket) => {
                tokio::spawn(ask_all(socket, group, wait, until, answers.clone()));
                asked = Ok(());
            }
            Err(error) => {
                debug!(%group, %error, "A group can't be asked");
                asked = asked.or(Err(error));
            }
        }
    }
    asked?;
    drop(answers);
    let mut known = HashSet::new();
    while let Some((address, response)) = answered.recv().await {
        if known.insert(address) {
            let links = parse(&response.payload, &Limits::default()).unwrap_or_default();
            let resources = links.into_iter().map(|link| link.target).collect();
            found(Found { address, resources });
        }
    }
    Ok(())
}

/// A socket whose datagrams leave by this interface.
fn socket(interface: &str, group: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match group {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = std::net::UdpSocket::bind(any)?;
    socket2::SockRef::from(&socket).bind_device(Some(interface.as_bytes()))?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

async fn ask_all(
    socket: UdpSocket,
    group: SocketAddr,
    wait: Duration,
    until: Instant,
    answers: mpsc::Sender<(SocketAddr, Response)>,
) -> Result<(), DriverError> {
    let stop = CancellationToken::new();
    let driver = Driver::start(socket, None, Config::default(), stop)?;
    let questions = (0..QUESTIONS).map(|question| {
        let at = until - wait * (QUESTIONS - question) / QUESTIONS;
        ask(driver.handle.clone(), group, at, until, answers.clone())
    });
    questions.collect::<JoinSet<()>>().join_all().await;
    Ok(())
}

/// Asks once, and hands the answers on.
async fn ask(
    handle: Handle,
    group: SocketAddr,
    at: Instant,
    until: Instant,
    answers: mpsc::Sender<(SocketAddr, Response)>,
) {
    sleep_until(at).await;
    let request = Request::get("/.well-known/core");
    // A driver that has ended answers nobody.
    let Ok(mut answered) = handle.request_group(group, request, until).await else { return };
    while let Some(answer) = answered.recv().await {
        if answers.send(answer).await.is_err() {
            return;
        }
    }
}
