//! Datagrams, separated by line feeds, to an endpoint that observes their sender. A second passes
//! after each.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use thingway_coap::{Config, Endpoint, Event, Request, Response};
use thingway_coap::message::Code;

fuzz_target!(|input: &[u8]| {
    let peer = "192.0.2.1:5683".parse().unwrap();
    let mut now = Duration::from_secs(1000);
    let mut endpoint = Endpoint::new(Config::default(), [7; 32]);
    endpoint.observe(now, peer, Request::get("/t")).unwrap();
    for datagram in input.split(|byte| *byte == b'\n') {
        endpoint.handle_datagram(now, peer, datagram);
        while let Some(event) = endpoint.poll_event() {
            if let Event::Request { id, request, .. } = event {
                endpoint.accept_observer(now, id);
                let echo = Response::with_body(Code::CONTENT, 0, request.payload);
                endpoint.respond(now, id, echo);
            }
        }
        now += Duration::from_secs(1);
        endpoint.handle_timeout(now);
        while endpoint.poll_transmit().is_some() {}
    }
});
