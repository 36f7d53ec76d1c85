//! A blocking HTTP client for questions that are not measured, and the reading of answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Result;

pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether this stands in it, as its whole or as a part.
    pub(crate) fn shows(&self, text: &str) -> bool {
        self.status == 200 && self.text().contains(text)
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Answer> {
        self.stream.write_all(&get(path))?;
        self.answer()
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Result<Answer> {
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Answer> {
        let mut chunk = [0; 16 * 1024];
        loop {
            if let Some(head) = Head::parse(&self.buffer)?
                && self.buffer.len() >= head.length + head.body
            {
                let mut whole: Vec<u8> = self.buffer.drain(..head.length + head.body).collect();
                let body = whole.split_off(head.length);
                return Ok(Answer { status: head.status, body });
            }
            match self.stream.read(&mut chunk)? {
                0 => return Err("the server hung up".into()),
                read => self.buffer.extend_from_slice(&chunk[..read]),
            }
        }
    }
}

/// The bytes of a GET.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// What has to be known of an answer's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Bytes of the head itself.
    pub(crate) length: usize,
    /// Bytes of the body, 0 where they are not announced.
    pub(crate) body: usize,
}

impl Head {
    /// None while there is more to come.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(length) = end_of_head(bytes) else { return Ok(None) };
        let text = std::str::from_utf8(&bytes[..length])?;
        let status = text.get(9..12).ok_or("no status line")?.parse()?;
        Ok(Some(Self { status, length, body: content_length(text)? }))
    }
}

/// The position behind the empty line.
pub(crate) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// As announced; 0 otherwise.
pub(crate) fn content_length(head: &str) -> Result<usize> {
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    Ok(value.map(|value| value.trim().parse()).transpose()?.unwrap_or(0))
}
