//! A subscriber over a WebSocket (RFC 6455) who only looks for numbers.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::listeners::{Heard, Opened};
use super::sse::shake_hands;
use crate::Result;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Returns when the socket is open and the subscription, if one has to be sent, was answered.
pub(crate) async fn open(
    server: SocketAddr,
    path: String,
    subscription: Option<String>,
) -> Result<Opened> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let mut opened = shake_hands(server, &request, "101").await?;
    if let Some(subscription) = subscription {
        opened.stream.write_all(&masked(TEXT, subscription.as_bytes())).await?;
        while !answered(&mut opened.buffer)? {
            if opened.stream.read_buf(&mut opened.buffer).await? == 0 {
                return Err("the server hung up on a subscription".into());
            }
        }
    }
    Ok(opened)
}

/// Takes frames up to and with the response.
fn answered(buffer: &mut Vec<u8>) -> Result<bool> {
    while let Some(frame) = Frame::first(buffer) {
        let text = String::from_utf8_lossy(frame.payload).into_owned();
        let length = frame.length;
        buffer.drain(..length);
        if text.contains("\"error\"") {
            return Err(text.into());
        }
        if text.contains("\"response\"") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads values until the end is heard or the server hangs up; answers pings.
pub(crate) async fn follow(opened: Opened, heard: &mut Heard) -> Result<()> {
    let Opened { mut stream, mut buffer } = opened;
    loop {
        let mut taken = 0;
        while let Some(frame) = Frame::first(&buffer[taken..]) {
            taken += frame.length;
            match frame.opcode {
                TEXT => take_text(frame.payload, heard),
                PING => stream.write_all(&masked(PONG, frame.payload)).await?,
                CLOSE => return Ok(()),
                _ => {}
            }
        }
        buffer.drain(..taken);
        if heard.is_over() || stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

/// naive sends bare values, the gateway a message with a member `value`.
fn take_text(payload: &[u8], heard: &mut Heard) {
    const MEMBER: &str = "\"value\":";
    let Ok(text) = std::str::from_utf8(payload) else { return };
    let value = text.find(MEMBER).map_or(text, |at| &text[at + MEMBER.len()..]);
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    match value[..digits].parse() {
        Ok(value) => heard.take(value),
        Err(_) => heard.gap |= text.contains("\"gap\":"),
    }
}

struct Frame<'a> {
    opcode: u8,
    payload: &'a [u8],
    /// Bytes with the head.
    length: usize,
}

impl<'a> Frame<'a> {
    /// None while there is more to come. Servers do not mask, and these do not fragment.
    fn first(bytes: &'a [u8]) -> Option<Self> {
        let (opcode, short) = (bytes.first()? & 0x0f, bytes.get(1)? & 0x7f);
        let (head, size) = match short {
            126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
            127 => {
                let size = u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?);
                (10, usize::try_from(size).ok()?)
            }
            size => (2, usize::from(size)),
        };
        let payload = bytes.get(head..head + size)?;
        Some(Self { opcode, payload, length: head + size })
    }
}

/// A frame from a client. Masked with zeros, which is allowed, the payload stays as it is.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(size @ 0..=125) => frame.push(0x80 | size),
        _ => {
            frame.push(0x80 | 126);
            let size = u16::try_from(payload.len()).unwrap_or(u16::MAX);
            frame.extend_from_slice(&size.to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}
