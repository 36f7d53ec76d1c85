//! Drives an [`Endpoint`] with a UDP socket and a clock: one task owns the three, and DTLS over the
//! socket where that is spoken. Others talk to it through a [`Handle`].

mod dtls;
mod handle;
mod mailbox;
mod order;
mod tally;
mod task;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Addresses, Config};
use crate::dtls::{Keys, Limits, Refusal};
use crate::event::{Failure, IncomingId, ObserverId};
use crate::exchange::Request;
use crate::{Endpoint, dtls::Associations};

pub use handle::Handle;
pub use mailbox::{Mailbox, Notice};
pub use tally::Tally;

use task::Task;

/// Orders that wait for the driver. Beyond, those who give them wait.
const ORDERS: usize = 256;
/// Requests from others that wait for whoever serves them. Beyond, they are answered 5.03.
const INCOMING: usize = 256;

/// An endpoint at work.
#[derive(Debug)]
pub struct Driver {
    /// For those who ask and answer.
    pub handle: Handle,
    /// What others ask of this endpoint. Dropped where it serves nothing: then they are answered
    /// 4.04.
    pub incoming: mpsc::Receiver<Incoming>,
    /// Ends when the driver was told to stop and has taken its leave, or when all handles are gone.
    pub task: JoinHandle<()>,
    /// Where the socket is.
    pub local: SocketAddr,
    /// What came that was not as it should be.
    pub tally: Arc<Tally>,
}

/// DTLS with pre-shared keys, as client, as server or as both.
#[derive(Debug)]
pub struct Secure {
    /// The keys of all identities.
    pub keys: Keys,
    /// The identity with which associations are begun; none where only others begin them.
    pub identity: Option<String>,
    /// What others are told so that they choose an identity, may be empty; none where no others
    /// may begin.
    pub hint: Option<String>,
}

/// What others ask of an endpoint.
#[derive(Debug)]
pub enum Incoming {
    /// A request, to be answered by [`Handle::respond`] or [`Handle::respond_and_observe`].
    Request {
        /// The request.
        id: IncomingId,
        /// Who asks.
        from: SocketAddr,
        /// What is asked.
        request: Request,
        /// Whether it also asks to be told of changes.
        observe: bool,
    },
    /// An observer needs no more notifications. Where too much waits this is not told, and
    /// [`Handle::notify`] says it instead.
    ObserverGone(ObserverId),
    /// A peer wanted to speak DTLS and could not, for want of the right key most likely. Where too
    /// much waits this is not told, but counted.
    NoAssociation {
        /// Who it was.
        peer: SocketAddr,
        /// Why.
        reason: Arc<str>,
    },
}

/// Why a request got no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The endpoint says so.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The peer can't be reached, or there is no DTLS association with it.
    #[error("{0}")]
    Unreachable(Arc<str>),
    /// The driver has ended.
    #[error("the connection was closed")]
    Ended,
}

/// Why a driver can't start.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The socket is not usable.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// DTLS is not.
    #[error(transparent)]
    Dtls(#[from] Refusal),
}

impl Driver {
    /// Starts driving over a socket until `stop`, or until all handles are gone. A socket that is
    /// connected hears its peer only, and learns from the system when nobody is there.
    ///
    /// # Errors
    /// When the socket is not bound, or DTLS can't be used.
    pub fn start(
        socket: UdpSocket,
        secure: Option<Secure>,
        config: Config,
        stop: CancellationToken,
    ) -> Result<Self, DriverError> {
        let tally = Arc::new(Tally::new(secure.is_some()));
        Self::start_counting(socket, secure, config, tally, stop)
    }

    /// The same, going on with the counts of the drivers before.
    ///
    /// # Errors
    /// When the socket is not bound, or DTLS can't be used.
    pub fn start_counting(
        socket: UdpSocket,
        secure: Option<Secure>,
        mut config: Config,
        tally: Arc<Tally>,
        stop: CancellationToken,
    ) -> Result<Self, DriverError> {
        let local = socket.local_addr()?;
        let secure = match secure {
            None => None,
            Some(Secure { keys, identity, hint }) => {
                config.addresses = Addresses::Verified;
                let associations = Associations::new(keys, hint.as_deref(), Limits::default())?;
                Some(dtls::Layer::new(associations, identity))
            }
        };
        let (orders, inbox) = mpsc::channel(ORDERS);
        let (requests, incoming) = mpsc::channel(INCOMING);
        let endpoint = Endpoint::new(config, rand::random());
        let task = Task::new(socket, secure, endpoint, inbox, requests, tally.clone());
        let task = tokio::spawn(task.run(local, stop));
        Ok(Self { handle: Handle::new(orders), incoming, task, local, tally })
    }
}

/// A socket for requests to one address, on a port of the system's choice.
///
/// # Errors
/// The system's own.
pub async fn connect(peer: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match peer {
        SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(peer).await?;
    Ok(socket)
}
