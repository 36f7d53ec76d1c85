//! Webhook receivers: HTTP servers that take every POST and remember which values came.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::http::{content_length, end_of_head};
use crate::Result;

/// One receiver that waits for the values from 1 to a number.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
}

struct Seen {
    posts: AtomicUsize,
    gap: AtomicBool,
    values: Vec<AtomicBool>,
    distinct: AtomicUsize,
}

impl Receiver {
    /// Listens; each answer takes this long.
    pub(crate) async fn start(values: usize, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Seen {
            posts: AtomicUsize::new(0),
            gap: AtomicBool::new(false),
            values: std::iter::repeat_with(AtomicBool::default).take(values + 1).collect(),
            distinct: AtomicUsize::new(0),
        });
        tokio::spawn(accept(listener, seen.clone(), delay));
        Ok(Self { address, seen })
    }

    pub(crate) fn posts(&self) -> usize {
        self.seen.posts.load(Ordering::Relaxed)
    }

    /// Different values that came.
    pub(crate) fn values(&self) -> usize {
        self.seen.distinct.load(Ordering::Relaxed)
    }

    /// Whether it was told that values are missing.
    pub(crate) fn gap(&self) -> bool {
        self.seen.gap.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, seen: Arc<Seen>, delay: Duration) {
    while let Ok((stream, _)) = listener.accept().await {
        let seen = seen.clone();
        tokio::spawn(async move {
            // A sender that hangs up has its reasons; what it did not deliver is missing in `seen`.
            let _ = serve(stream, &seen, delay).await;
        });
    }
}

async fn serve(mut stream: TcpStream, seen: &Seen, delay: Duration) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    loop {
        while let Some(length) = request_length(&buffer)? {
            seen.take(&buffer[..length]);
            buffer.drain(..length);
            if !delay.is_zero() {
                sleep(delay).await;
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

/// None while the request is not all there.
fn request_length(buffer: &[u8]) -> Result<Option<usize>> {
    let Some(head) = end_of_head(buffer) else { return Ok(None) };
    let length = head + content_length(std::str::from_utf8(&buffer[..head])?)?;
    Ok(Some(length).filter(|length| buffer.len() >= *length))
}

impl Seen {
    fn take(&self, request: &[u8]) {
        self.posts.fetch_add(1, Ordering::Relaxed);
        let text = String::from_utf8_lossy(request);
        if text.contains("thingway.gap") {
            self.gap.store(true, Ordering::Relaxed);
        }
        let value = value_in(&text).and_then(|value| self.values.get(value));
        if value.is_some_and(|seen| !seen.swap(true, Ordering::Relaxed)) {
            self.distinct.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn value_in(text: &str) -> Option<usize> {
    let (_, rest) = text.split_once("\"value\":")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok().filter(|value| *value > 0)
}
