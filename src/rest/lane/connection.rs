use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::answer::Scratch;
use super::head::{self, Head};
use crate::rest::App;

/// A head that is longer is the router's; in bytes.
const LONGEST_HEAD: usize = 8 * 1024;
/// Room for what is read; in bytes. Some requests, or one of a browser.
const READ_AT_ONCE: usize = 2 * 1024;
/// Answers are written once they are this long together; in bytes.
const WRITTEN_AT: usize = 64 * 1024;
/// What an idle connection keeps of each buffer; in bytes.
const KEPT: usize = 4 * 1024;

/// How a connection leaves the lane.
pub(crate) enum End {
    /// It is over.
    Closed,
    /// The router goes on with it, beginning with these bytes.
    Router(Vec<u8>),
}

/// One connection, as long as all requests are plain.
#[derive(Default)]
pub(crate) struct Connection {
    input: Vec<u8>,
    output: Vec<u8>,
    scratch: Scratch,
}

/// What comes after the requests that have arrived.
enum Next {
    /// More of them, or the rest of one, have to be read.
    Read,
    /// What was answered has to be written first.
    Write,
    Router,
    Close,
}

impl Connection {
    /// Answers until something comes up that is not plain, or the connection or the gateway ends.
    /// The head of a request must have arrived within `patience` once it has begun.
    ///
    /// # Errors
    /// The socket's.
    pub(crate) async fn serve(
        mut self,
        stream: &mut TcpStream,
        app: &App,
        patience: Duration,
        closing: &CancellationToken,
    ) -> io::Result<End> {
        let mut closing = pin!(closing.cancelled());
        let mut deadline = None;
        loop {
            let next = self.answer_what_arrived(app);
            if !self.output.is_empty() {
                stream.write_all(&self.output).await?;
                self.written();
                deadline = None;
            }
            match next {
                Next::Read => {}
                Next::Write => continue,
                Next::Router => return Ok(End::Router(self.input)),
                Next::Close => {
                    stream.shutdown().await?;
                    return Ok(End::Closed);
                }
            }
            let begun = !self.input.is_empty();
            if begun && deadline.is_none() {
                deadline = Some(Instant::now() + patience);
            }
            self.input.reserve(READ_AT_ONCE);
            let read = async {
                let read = stream.read_buf(&mut self.input);
                match deadline {
                    None => read.await,
                    Some(deadline) => timeout_at(deadline, read).await.unwrap_or(Ok(0)),
                }
            };
            let read = tokio::select! {
                biased;
                // First, because somebody may never stop asking.
                () = &mut closing => 0,
                read = read => read?,
            };
            if read == 0 {
                return Ok(End::Closed);
            }
        }
    }

    /// Appends the answers to all plain requests of the input, and takes those out of it.
    fn answer_what_arrived(&mut self, app: &App) -> Next {
        let mut done = 0;
        let next = loop {
            let rest = &self.input[done..];
            if rest.is_empty() {
                break Next::Read;
            }
            match head::read(rest) {
                Head::Partial if rest.len() < LONGEST_HEAD => break Next::Read,
                Head::Plain(plain, length) => {
                    if !self.scratch.answer(app, &plain, &mut self.output) {
                        break Next::Router;
                    }
                    done += length;
                    if plain.close {
                        break Next::Close;
                    }
                    if self.output.len() >= WRITTEN_AT {
                        break Next::Write;
                    }
                }
                Head::Partial | Head::Other => break Next::Router,
            }
        };
        self.input.drain(..done);
        next
    }

    fn written(&mut self) {
        self.output.clear();
        for buffer in [&mut self.input, &mut self.output, &mut self.scratch.body] {
            buffer.shrink_to(KEPT);
        }
    }
}
