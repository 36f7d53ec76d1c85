//! Reads an event stream (WHATWG HTML, section 9.2.6) piece by piece.

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// `message` when the stream did not say.
    pub(super) name: String,
    pub(super) data: String,
}

#[derive(Debug, Default)]
pub(super) struct Parser {
    rest: Vec<u8>,
    event: Event,
    has_data: bool,
    /// Where to resume: the last `id` that was seen.
    pub(super) last_id: Option<String>,
    /// How long to wait before resuming, in milliseconds, if the stream said so.
    pub(super) retry_milliseconds: Option<u64>,
}

impl Parser {
    /// Takes the next bytes and gives the events that they complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.rest.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            events.extend(self.line(line.trim_end_matches(['\n', '\r'])));
        }
        events
    }

    /// Forgets an event that was cut off: it will be sent again.
    pub(super) fn interrupted(&mut self) {
        self.rest.clear();
        self.event = Event::default();
        self.has_data = false;
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "data" => self.append(value),
            "id" => self.last_id = Some(value.to_owned()),
            "retry" => self.retry_milliseconds = value.parse().ok(),
            _ => {}
        }
        None
    }

    fn append(&mut self, data: &str) {
        if self.has_data {
            self.event.data.push('\n');
        }
        self.event.data.push_str(data);
        self.has_data = true;
    }

    fn dispatch(&mut self) -> Option<Event> {
        let mut event = std::mem::take(&mut self.event);
        if event.name.is_empty() {
            "message".clone_into(&mut event.name);
        }
        std::mem::take(&mut self.has_data).then_some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_whole_however_the_bytes_are_cut() {
        let stream =
            b": hello\r\nid: 7\nevent: warm\ndata: 21\ndata: 22\n\nretry: 250\n\ndata:x\n\n";
        for size in 1..stream.len() {
            let mut parser = Parser::default();
            let events: Vec<Event> =
                stream.chunks(size).flat_map(|chunk| parser.feed(chunk)).collect();
            let event = |name: &str, data: &str| Event { name: name.into(), data: data.into() };
            assert_eq!(events, [event("warm", "21\n22"), event("message", "x")]);
            assert_eq!(parser.last_id.as_deref(), Some("7"));
            assert_eq!(parser.retry_milliseconds, Some(250));
        }
    }

    #[test]
    fn an_event_that_was_cut_off_is_forgotten() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(b"data: 1\ndata: 2"), []);
        parser.interrupted();
        assert_eq!(parser.feed(b"data: 3\n\n").first().unwrap().data, "3");
    }
}
