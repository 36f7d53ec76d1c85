//! A load of HTTP requests over connections that stay open, one request at a time on each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::http::{self, Head};
use crate::Result;

/// A request as bytes, and the body that has to come back if that is known.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    request: Vec<u8>,
    answer: Option<Vec<u8>>,
}

impl Question {
    pub(crate) fn new(path: &str, answer: Option<String>) -> Self {
        Self { request: http::get(path), answer: answer.map(String::into_bytes) }
    }
}

/// What came of a load.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) requests: usize,
    /// Bytes of bodies.
    pub(crate) bytes: usize,
    /// Answers other than 200, or other than what was known to be there.
    pub(crate) wrong: usize,
    /// How long each took, in microseconds, sorted.
    pub(crate) micros: Vec<u32>,
    pub(crate) elapsed: Duration,
}

/// Asks the questions over and over for this long; each connection begins elsewhere.
pub(crate) async fn run(
    server: SocketAddr,
    questions: Vec<Question>,
    connections: usize,
    duration: Duration,
) -> Result<Outcome> {
    let questions = Arc::new(questions);
    let begun = Instant::now();
    let mut asking = JoinSet::new();
    for connection in 0..connections {
        let first = connection * questions.len() / connections;
        asking.spawn(ask(server, questions.clone(), first, begun + duration));
    }
    let mut total = Outcome::default();
    while let Some(outcome) = asking.join_next().await {
        total.add(outcome??);
    }
    total.elapsed = begun.elapsed();
    total.micros.sort_unstable();
    Ok(total)
}

impl Outcome {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.wrong += other.wrong;
        self.micros.extend(other.micros);
    }
}

async fn ask(
    server: SocketAddr,
    questions: Arc<Vec<Question>>,
    first: usize,
    until: Instant,
) -> Result<Outcome> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut outcome = Outcome::default();
    // A stride that shares no factor with the numbers of things jumps through all of them.
    for step in (0..).map(|turn: usize| first.wrapping_add(turn.wrapping_mul(7919))) {
        let asked = Instant::now();
        if asked >= until {
            break;
        }
        let question = &questions[step % questions.len()];
        stream.write_all(&question.request).await?;
        let head = read_answer(&mut stream, &mut buffer).await?;
        let body = &buffer[head.length..head.length + head.body];
        let known = question.answer.as_deref();
        outcome.wrong += usize::from(head.status != 200 || known.is_some_and(|it| it != body));
        outcome.requests += 1;
        outcome.bytes += body.len();
        outcome.micros.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(outcome)
}

/// Reads one answer to the beginning of the buffer, which grows to the largest.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Head> {
    let mut filled = 0;
    let mut head = None;
    loop {
        if filled == buffer.len() {
            buffer.resize(filled * 2, 0);
        }
        match stream.read(&mut buffer[filled..]).await? {
            0 => return Err("the server hung up".into()),
            read => filled += read,
        }
        if head.is_none() {
            head = Head::parse(&buffer[..filled])?;
        }
        if let Some(head) = head.filter(|head| filled >= head.length + head.body) {
            return Ok(head);
        }
    }
}
