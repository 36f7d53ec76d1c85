//! An endpoint in a test's hands, and messages to give it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use thingway_coap::block::{Block, BlockSize};
use thingway_coap::message::{Code, Kind, Message, Options, Token, options};
use thingway_coap::{Config, Endpoint, Event, IncomingId, ObservationId, Request, Response, Time};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// The device or client on the other side.
pub(crate) fn peer() -> SocketAddr {
    "192.0.2.1:5683".parse().unwrap()
}

/// Somebody else.
pub(crate) fn stranger() -> SocketAddr {
    "192.0.2.1:5684".parse().unwrap()
}

pub(crate) struct Bench {
    pub(crate) endpoint: Endpoint,
    pub(crate) now: Time,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self { endpoint: Endpoint::new(config, [7; 32]), now: Duration::from_secs(1000) }
    }

    pub(crate) fn give_from(&mut self, from: SocketAddr, message: &Message) {
        self.endpoint.handle_datagram(self.now, from, &message.encode());
    }

    pub(crate) fn give(&mut self, message: &Message) {
        self.give_from(peer(), message);
    }

    /// Gives a message and takes what is sent in answer.
    pub(crate) fn ask(&mut self, message: &Message) -> Vec<Message> {
        self.give(message);
        self.sent()
    }

    pub(crate) fn sent(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.endpoint.poll_transmit())
            .map(|(_, datagram)| Message::decode(&datagram).unwrap())
            .collect()
    }

    pub(crate) fn sent_one(&mut self) -> Message {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.endpoint.poll_event()).collect()
    }

    pub(crate) fn event(&mut self) -> Event {
        let mut events = self.events();
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    /// Lets time pass, doing what is due when it is due; what is sent meanwhile, and when.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<(Time, Message)> {
        let end = self.now + time;
        let mut sent = Vec::new();
        while let Some(at) = self.endpoint.next_deadline().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.endpoint.handle_timeout(self.now);
            sent.extend(self.sent().into_iter().map(|message| (self.now, message)));
        }
        self.now = end;
        sent
    }

    /// Sends a GET and returns it as it went out.
    pub(crate) fn get(&mut self, path: &str) -> Message {
        self.endpoint.request(self.now, peer(), Request::get(path), self.now + 200 * SECOND);
        self.sent_one()
    }

    /// Observes a resource; the device answers with a first state of this order.
    pub(crate) fn observe(&mut self, order: u32) -> (ObservationId, Token) {
        let id = self.endpoint.observe(self.now, peer(), Request::get("/t")).unwrap();
        let registration = self.sent_one();
        assert_eq!(registration.options.uint(options::OBSERVE), Some(0));
        self.give(&observed(acknowledge(&registration, "first"), order));
        assert_eq!(self.states(), ["first"]);
        (id, registration.token)
    }

    /// The states that were notified, and nothing else happened.
    pub(crate) fn states(&mut self) -> Vec<String> {
        let state = |event| match event {
            Event::Notified { response, .. } => {
                String::from_utf8(response.payload.to_vec()).unwrap()
            }
            other => panic!("{other:?}"),
        };
        self.events().into_iter().map(state).collect()
    }

    pub(crate) fn incoming(&mut self) -> (IncomingId, Request) {
        match self.event() {
            Event::Request { id, request, .. } => (id, request),
            other => panic!("{other:?}"),
        }
    }

    /// Answers the one request that came.
    pub(crate) fn respond(&mut self, response: Response) -> Message {
        let (id, _) = self.incoming();
        assert!(self.endpoint.respond(self.now, id, response));
        self.sent_one()
    }

    /// Makes the peer's address a verified one.
    pub(crate) fn verify_peer(&mut self) {
        self.give(&observe_request(60_000, b"verify", 0));
        let challenge = self.sent_one();
        let mut again = observe_request(60_001, b"verify", 1);
        again.options.set(options::ECHO, challenge.options.get(options::ECHO).unwrap().clone());
        self.give(&again);
        self.respond(text("verified"));
    }
}

pub(crate) fn message(
    kind: Kind,
    code: Code,
    mid: u16,
    token: &[u8],
    payload: &'static str,
) -> Message {
    let (token, options) = (Token::new(token).unwrap(), Options::default());
    Message { kind, code, mid, token, options, payload: Bytes::from_static(payload.as_bytes()) }
}

pub(crate) fn con(code: Code, mid: u16, token: Token, payload: &'static str) -> Message {
    message(Kind::Confirmable, code, mid, token.as_bytes(), payload)
}

pub(crate) fn non(code: Code, mid: u16, token: Token, payload: &'static str) -> Message {
    message(Kind::NonConfirmable, code, mid, token.as_bytes(), payload)
}

/// A piggybacked 2.05.
pub(crate) fn acknowledge(request: &Message, payload: &'static str) -> Message {
    answer(request, Code::CONTENT, payload)
}

/// A piggybacked response.
pub(crate) fn answer(request: &Message, code: Code, payload: &'static str) -> Message {
    message(Kind::Acknowledgement, code, request.mid, request.token.as_bytes(), payload)
}

pub(crate) fn empty(kind: Kind, mid: u16) -> Message {
    Message::empty(kind, mid)
}

pub(crate) fn observed(mut message: Message, order: u32) -> Message {
    message.options.set_uint(options::OBSERVE, order);
    message
}

pub(crate) fn with_uint(mut message: Message, option: u16, value: u32) -> Message {
    message.options.set_uint(option, value);
    message
}

pub(crate) fn with_block(
    mut message: Message,
    option: u16,
    number: u32,
    more: bool,
    size: usize,
) -> Message {
    let size = BlockSize::at_most(size).unwrap();
    Block { number, more, size }.write(&mut message.options, option);
    message
}

pub(crate) fn get_request(mid: u16, token: &[u8], path: &'static str) -> Message {
    let mut request = message(Kind::Confirmable, Code::GET, mid, token, "");
    request.options.add(options::URI_PATH, path);
    request
}

pub(crate) fn observe_request(mid: u16, token: &[u8], observe: u32) -> Message {
    observed(get_request(mid, token, "state"), observe)
}

pub(crate) fn text(body: &'static str) -> Response {
    Response::with_body(Code::CONTENT, 0, body)
}
