//! Whatever comes, nothing panics and nothing grows beyond its limit.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use thingway_coap::config::{Limits, Observe};
use thingway_coap::message::{Code, Kind, Message, Options, Token, options};
use thingway_coap::{Config, Endpoint, Event, Request};

use crate::support::*;

/// What the fuzz target does with a datagram, for each file of its corpus.
#[test]
fn the_corpus_is_survived() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/datagram");
    let files: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 10, "{files:?}");
    for file in files {
        let mut bench = Bench::new();
        let id = bench.endpoint.observe(bench.now, peer(), Request::get("/t")).unwrap();
        for datagram in fs::read(&file).unwrap().split(|byte| *byte == b'\n') {
            bench.endpoint.handle_datagram(bench.now, peer(), datagram);
            bench.pass(SECOND);
            bench.events();
        }
        bench.endpoint.unobserve(bench.now, id);
    }
}

fn small() -> Config {
    let limits = Limits {
        peers: 4,
        queued_per_peer: 4,
        seen_messages: 16,
        seen_bytes: 512,
        requests: 8,
        observations: 4,
        body: 256,
        upload_bytes: 1024,
        download_bytes: 1024,
        processing: 4,
        observers: 4,
        observers_per_address: 2,
        unpolled: 64,
    };
    let observe = Observe { back_off_limit: 10 * SECOND, ..Observe::default() };
    Config { limits, observe, ..Config::default() }
}

fn any_message() -> impl Strategy<Value = Message> {
    let kind = prop::sample::select(vec![
        Kind::Confirmable,
        Kind::NonConfirmable,
        Kind::Acknowledgement,
        Kind::Reset,
    ]);
    let code = prop::sample::select(vec![
        Code::EMPTY,
        Code::GET,
        Code::PUT,
        Code::CONTENT,
        Code::CONTINUE,
        Code::UNAUTHORIZED,
        Code::REQUEST_ENTITY_INCOMPLETE,
        Code::REQUEST_ENTITY_TOO_LARGE,
        Code::SERVICE_UNAVAILABLE,
    ]);
    let number = prop::sample::select(vec![
        options::ETAG,
        options::OBSERVE,
        options::URI_PATH,
        options::MAX_AGE,
        options::BLOCK2,
        options::BLOCK1,
        options::SIZE1,
        options::SIZE2,
        options::ECHO,
        options::REQUEST_TAG,
    ]);
    let option = (number, prop::collection::vec(0u8..24, 0..3));
    let options = prop::collection::vec(option, 0..4).prop_map(|entries| {
        let mut options = Options::default();
        entries.into_iter().for_each(|(number, value)| options.add(number, value));
        options
    });
    let payload =
        prop::sample::select(vec![0, 3, 16, 32]).prop_map(|length| vec![b'x'; length].into());
    (kind, code, 0u16..40, options, payload).prop_map(|(kind, code, mid, options, payload)| {
        Message { kind, code, mid, token: Token::default(), options, payload }
    })
}

/// What a step of the test does.
#[derive(Clone, Debug)]
enum Step {
    Bytes(Vec<u8>),
    Message(Message),
    /// A message that answers the last one sent: its token, and its ID if it is an acknowledgement.
    Answer(Message),
    Pass(u64),
    Ask,
    Put,
    Observe,
    Unobserve,
    Respond,
    Notify(bool),
    Disconnect,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Step::Bytes),
        6 => any_message().prop_map(Step::Message),
        8 => any_message().prop_map(Step::Answer),
        2 => (0u64..200).prop_map(Step::Pass),
        1 => Just(Step::Ask),
        1 => Just(Step::Put),
        1 => Just(Step::Observe),
        1 => Just(Step::Unobserve),
        3 => Just(Step::Respond),
        2 => any::<bool>().prop_map(Step::Notify),
        1 => Just(Step::Disconnect),
    ]
}

/// The caller of an endpoint, as far as it must keep its own books.
#[derive(Default)]
struct Caller {
    requests: HashMap<thingway_coap::RequestId, u32>,
    incoming: Vec<thingway_coap::IncomingId>,
    observations: Vec<thingway_coap::ObservationId>,
    observers: Vec<thingway_coap::ObserverId>,
}

impl Caller {
    fn hear(&mut self, event: Event) {
        match event {
            Event::Response { request, .. } | Event::Failed { request, .. } => {
                *self.requests.entry(request).or_default() += 1;
            }
            Event::Request { id, .. } => self.incoming.push(id),
            Event::ObserverGone { observer } => self.observers.retain(|other| *other != observer),
            _ => {}
        }
    }
}

fn peers() -> [SocketAddr; 6] {
    std::array::from_fn(|at| SocketAddr::new([192, 0, 2, at as u8].into(), 5683))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_conversation_is_survived(steps in prop::collection::vec((any_step(), 0usize..6), 1..120)) {
        let mut endpoint = Endpoint::new(small(), [3; 32]);
        let mut now = Duration::ZERO;
        let mut caller = Caller::default();
        let mut last: HashMap<SocketAddr, Message> = HashMap::new();
        for (step, at) in steps {
            let from = peers()[at];
            match step {
                Step::Bytes(bytes) => endpoint.handle_datagram(now, from, &bytes),
                Step::Message(message) => endpoint.handle_datagram(now, from, &message.encode()),
                Step::Answer(mut message) => {
                    if let Some(last) = last.get(&from) {
                        message.token = last.token;
                        if matches!(message.kind, Kind::Acknowledgement | Kind::Reset) {
                            message.mid = last.mid;
                        }
                    }
                    endpoint.handle_datagram(now, from, &message.encode());
                }
                Step::Pass(seconds) => now += Duration::from_secs(seconds),
                Step::Ask => {
                    caller.requests.insert(endpoint.request(now, from, Request::get("/a"), now + 50 * SECOND), 0);
                }
                Step::Put => {
                    let put = Request::new(Code::PUT, "/a").body(0, vec![1; 200]);
                    caller.requests.insert(endpoint.request(now, from, put, now + 50 * SECOND), 0);
                }
                Step::Observe => caller.observations.extend(endpoint.observe(now, from, Request::get("/o"))),
                Step::Unobserve => {
                    if let Some(id) = caller.observations.pop() {
                        endpoint.unobserve(now, id);
                    }
                }
                Step::Respond => {
                    if let Some(id) = caller.incoming.pop() {
                        caller.observers.extend(endpoint.accept_observer(now, id));
                        endpoint.respond(now, id, text("0123456789abcdefghi"));
                    }
                }
                Step::Notify(confirmable) => {
                    for observer in caller.observers.clone() {
                        let _ = endpoint.notify(now, observer, text("0123456789abcdefghi"), confirmable);
                    }
                }
                Step::Disconnect => endpoint.disconnected(now, from),
            }
            endpoint.handle_timeout(now);
            while let Some((to, datagram)) = endpoint.poll_transmit() {
                let message = Message::decode(&datagram);
                prop_assert!(message.is_ok(), "{datagram:?}");
                last.insert(to, message.unwrap());
            }
            while let Some(event) = endpoint.poll_event() {
                caller.hear(event);
            }
            prop_assert!(endpoint.size() < 400, "{}", endpoint.size());
        }
        // In the end everything ends, and each request has ended once.
        for id in caller.observations.drain(..) {
            endpoint.unobserve(now, id);
        }
        for _ in 0..2000 {
            while endpoint.poll_transmit().is_some() {}
            while let Some(event) = endpoint.poll_event() {
                caller.hear(event);
            }
            let Some(at) = endpoint.next_deadline() else { break };
            now = now.max(at);
            endpoint.handle_timeout(now);
        }
        prop_assert_eq!(endpoint.next_deadline(), None);
        prop_assert!(caller.requests.values().all(|ends| *ends == 1), "{:?}", caller.requests);
    }
}
