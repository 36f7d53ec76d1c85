//! One connection to a broker: a stream, and the bytes that wait on either side of it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::io::{poll_read_buf, poll_write_buf};

use crate::config::BridgeConfig;
use crate::socket::Socket;
use crate::tls::{self, TlsError};

/// The size of one read buffer, in bytes. Payloads share it, so small ones must not each take a
/// whole one: it serves until less than `READ_AT_LEAST` is left, and then again from its start,
/// unless a payload is still in use.
const READ_BYTES: usize = 64 * 1024;
const READ_AT_LEAST: usize = 32 * 1024;

/// Anything that bytes can be exchanged over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    fn socket(&mut self) -> &mut Socket;
}

impl Stream for Socket {
    fn socket(&mut self) -> &mut Socket {
        self
    }
}

impl Stream for TlsStream<Socket> {
    fn socket(&mut self) -> &mut Socket {
        self.get_mut().0
    }
}

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("{0}; check that the broker runs and that host and port in `url` are right")]
    Tcp(#[from] io::Error),
    #[error("{0}")]
    Tls(#[from] TlsError),
}

pub(crate) struct Link {
    stream: Box<dyn Stream>,
    /// Bytes that came and are not taken apart yet.
    pub(crate) incoming: BytesMut,
    /// Bytes to write.
    pub(crate) outgoing: BytesMut,
    flushed: bool,
}

/// What [`Link::exchange`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exchanged {
    /// More bytes came.
    Read,
    /// Everything that was to be written is written.
    Written,
}

impl Link {
    pub(crate) async fn connect(config: &BridgeConfig) -> Result<Self, ConnectError> {
        let url = &config.url;
        let tcp = TcpStream::connect((url.host(), url.port())).await?;
        // Acknowledgements are small, and the broker waits for them.
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = if url.tls() {
            let socket = Socket::new(tcp);
            Box::new(tls::connect(url.host(), config.ca_file.as_deref(), socket).await?)
        } else {
            Box::new(Socket::new(tcp))
        };
        Ok(Self {
            stream,
            incoming: BytesMut::with_capacity(READ_BYTES),
            outgoing: BytesMut::new(),
            flushed: true,
        })
    }

    /// Moves bytes both ways, so that neither side waits for the other; `reading` says whether
    /// more of them are wanted. May be dropped at any time without losing any.
    pub(crate) async fn exchange(&mut self, reading: bool) -> io::Result<Exchanged> {
        poll_fn(|cx| {
            if let Poll::Ready(written) = self.poll_write(cx) {
                return Poll::Ready(written.map(|()| Exchanged::Written));
            }
            if reading { self.poll_read(cx).map_ok(|()| Exchanged::Read) } else { Poll::Pending }
        })
        .await
    }

    /// From now on the runtime of the caller wakes this link, and no other.
    pub(crate) fn move_here(&mut self) -> io::Result<()> {
        self.stream.socket().move_here()
    }

    /// Whether nothing waits to be written.
    pub(crate) fn is_written(&self) -> bool {
        self.outgoing.is_empty() && self.flushed
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.incoming.reserve(READ_AT_LEAST);
        match ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.incoming))? {
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Pending when there was nothing to write, too.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            self.flushed = false;
            if ready!(poll_write_buf(Pin::new(&mut self.stream), cx, &mut self.outgoing))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        if self.flushed {
            return Poll::Pending;
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.flushed = true;
        Poll::Ready(Ok(()))
    }
}
