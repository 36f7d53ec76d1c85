//! A reader of event streams (WHATWG HTML, section 9.2), of the tests' own.

use std::collections::VecDeque;

use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::time::timeout;

use super::{PATIENCE, http};

/// What came between two empty lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// The `id:` field.
    pub(crate) id: Option<String>,
    /// The `event:` field; `message` when there is none.
    pub(crate) name: String,
    /// The `data:` lines.
    pub(crate) data: String,
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The sequence number.
    pub(crate) fn seq(&self) -> u64 {
        let id = self.id.as_deref().unwrap_or_else(|| panic!("no id in {self:?}"));
        id.parse().unwrap_or_else(|_| panic!("{id} is no sequence number"))
    }
}

/// An open event stream.
pub(crate) struct Sse {
    response: reqwest::Response,
    headers: HeaderMap,
    buffer: Vec<u8>,
    lines: VecDeque<String>,
    comments: Vec<String>,
    pending: Option<Event>,
}

impl Sse {
    pub(crate) async fn open(url: &str) -> Self {
        Self::open_with(url, &[]).await
    }

    /// As a client that comes back.
    pub(crate) async fn resume(url: &str, last_event_id: &str) -> Self {
        Self::open_with(url, &[("last-event-id", last_event_id)]).await
    }

    pub(crate) async fn open_with(url: &str, headers: &[(&str, &str)]) -> Self {
        let mut request = http::plain_client().get(url).header("accept", "text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = timeout(PATIENCE, request.send())
            .await
            .unwrap_or_else(|_| panic!("{url} sends no headers"))
            .unwrap_or_else(|error| panic!("{url}: {error:?}"));
        if response.status() != 200 {
            panic!("{url}: {} {}", response.status(), response.text().await.unwrap_or_default());
        }
        let headers = response.headers().clone();
        let content_type = headers["content-type"].to_str().unwrap();
        assert!(content_type.starts_with("text/event-stream"), "{content_type}");
        Self {
            response,
            headers,
            buffer: Vec::new(),
            lines: VecDeque::new(),
            comments: Vec::new(),
            pending: None,
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The next event; fails when the stream ends or keeps silent.
    pub(crate) async fn next(&mut self) -> Event {
        match timeout(PATIENCE, self.advance()).await {
            Ok(Some(event)) => event,
            Ok(None) => panic!("the stream ended"),
            Err(_) => panic!("no event within {PATIENCE:?}; comments: {:?}", self.comments),
        }
    }

    /// Events up to and with the first that satisfies the condition.
    pub(crate) async fn until(&mut self, mut last: impl FnMut(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await;
            let done = last(&event);
            events.push(event);
            if done {
                return events;
            }
        }
    }

    /// The last event before the stream ends; fails when it does not end.
    pub(crate) async fn last(&mut self) -> Option<Event> {
        let end = async {
            let mut last = None;
            while let Some(event) = self.advance().await {
                last = Some(event);
            }
            last
        };
        timeout(3 * PATIENCE, end).await.expect("the stream ends")
    }

    /// Reads until a comment comes.
    pub(crate) async fn comment(&mut self) -> String {
        let before = self.comments.len();
        let comes = async {
            while self.comments.len() == before {
                if !self.fill().await {
                    panic!("the stream ended");
                }
                self.take_lines();
            }
        };
        timeout(PATIENCE, comes).await.expect("a comment comes");
        self.comments[before].clone()
    }

    /// `None` is the end of the stream.
    async fn advance(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.assemble() {
                return Some(event);
            }
            if !self.fill().await {
                return None;
            }
            self.take_lines();
        }
    }

    async fn fill(&mut self) -> bool {
        match self.response.chunk().await {
            Ok(Some(chunk)) => {
                self.buffer.extend_from_slice(&chunk);
                true
            }
            Ok(None) | Err(_) => false,
        }
    }

    fn take_lines(&mut self) {
        let Some(last) = self.buffer.iter().rposition(|byte| *byte == b'\n') else { return };
        let unfinished = self.buffer.split_off(last + 1);
        let lines = String::from_utf8(std::mem::replace(&mut self.buffer, unfinished));
        for line in lines.expect("a stream is UTF-8").lines() {
            match line.strip_prefix(':') {
                Some(comment) => self.comments.push(comment.trim().to_owned()),
                None => self.lines.push_back(line.to_owned()),
            }
        }
    }

    fn assemble(&mut self) -> Option<Event> {
        while let Some(line) = self.lines.pop_front() {
            if line.is_empty() {
                match self.pending.take() {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            let event = self.pending.get_or_insert_with(|| Event {
                id: None,
                name: "message".to_owned(),
                data: String::new(),
            });
            match field {
                "id" => event.id = Some(value),
                "event" => event.name = value,
                "data" if event.data.is_empty() => event.data = value,
                "data" => event.data = format!("{}\n{value}", event.data),
                "retry" => {}
                other => panic!("no field of event streams: {other}"),
            }
        }
        None
    }
}
