//! A subscriber to event streams (HTML Living Standard, section 9.2) who only looks for numbers.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http::end_of_head;
use super::listeners::{Heard, Opened};
use crate::Result;

/// Returns when the stream stands.
pub(crate) async fn open(server: SocketAddr, path: String) -> Result<Opened> {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    shake_hands(server, &request, "200").await
}

/// Sends the request and reads the head of the answer, which has to have that status.
pub(super) async fn shake_hands(server: SocketAddr, request: &str, status: &str) -> Result<Opened> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err("the server hung up on a subscriber".into());
        }
        if let Some(end) = end_of_head(&buffer) {
            if buffer.get(9..12) != Some(status.as_bytes()) {
                return Err(String::from_utf8_lossy(&buffer).into());
            }
            buffer.drain(..end);
            return Ok(Opened { stream, buffer });
        }
    }
}

/// Reads values until the end is heard or the server hangs up.
pub(crate) async fn follow(opened: Opened, heard: &mut Heard) -> Result<()> {
    let Opened { mut stream, mut buffer } = opened;
    loop {
        let whole = buffer.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        buffer[..whole].split(|byte| *byte == b'\n').for_each(|line| take_line(line, heard));
        buffer.drain(..whole);
        if heard.is_over() || stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

/// The lines of the chunked encoding between those of the stream are neither of both.
fn take_line(line: &[u8], heard: &mut Heard) {
    if let Some(data) = line.strip_prefix(b"data: ") {
        if let Some(value) = std::str::from_utf8(data).ok().and_then(|data| data.parse().ok()) {
            heard.take(value);
        }
    } else if line == b"event: gap" {
        heard.gap = true;
    }
}
