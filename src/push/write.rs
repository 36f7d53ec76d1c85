//! How a herald writes.

use std::io;

use rustix::net::{SendFlags, send};
use tokio::net::TcpStream;

/// Writes what the socket takes at once, like [`TcpStream::try_write`], but asks the socket first
/// and the runtime only when the socket takes nothing: what the runtime keeps of each socket would
/// have to be fetched from memory for each of a thousand followers.
pub(super) fn write_now(tcp: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    // No flag against signals, which not all systems have: programs in Rust ignore SIGPIPE.
    match send(tcp, bytes, SendFlags::empty()) {
        Ok(written) => Ok(written),
        // The runtime finds out by itself, so that it can be waited for.
        Err(_) => tcp.try_write(bytes),
    }
}
