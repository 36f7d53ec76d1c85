//! A body of any length goes to a server and comes back, in blocks of any size, whatever is lost.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use thingway_coap::block::BlockSize;
use thingway_coap::message::Code;
use thingway_coap::{Config, Endpoint, Event, Request, Response};

use crate::support::SECOND;

/// Carries what one side has to the other, at once or not at all.
fn carry(
    rng: &mut StdRng,
    loss: f64,
    now: Duration,
    from: SocketAddr,
    sides: (&mut Endpoint, &mut Endpoint),
) {
    while let Some((_, datagram)) = sides.0.poll_transmit() {
        let copies = rng.random_range(1..=2);
        for _ in 0..copies {
            if !rng.random_bool(loss) {
                sides.1.handle_datagram(now, from, &datagram);
            }
        }
    }
}

/// Sends a body that comes back; how often the server was asked, and what came back.
fn echo(body: &Bytes, sizes: (usize, usize), loss: f64, seed: u64) -> (usize, Bytes) {
    let config =
        |size| Config { block_size: BlockSize::at_most(size).unwrap(), ..Config::default() };
    let mut client = Endpoint::new(config(sizes.0), [1; 32]);
    let mut server = Endpoint::new(config(sizes.1), [2; 32]);
    let (here, there) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:5683".parse().unwrap());
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut now, mut asked) = (Duration::ZERO, 0);
    let request = Request::new(Code::POST, "/echo").body(42, body.clone());
    client.request(now, there, request, 100_000 * SECOND);
    loop {
        carry(&mut rng, loss, now, here, (&mut client, &mut server));
        while let Some(event) = server.poll_event() {
            let Event::Request { id, request, .. } = event else { panic!("{event:?}") };
            asked += 1;
            server.respond(now, id, Response::with_body(Code::CHANGED, 42, request.payload));
        }
        carry(&mut rng, loss, now, there, (&mut server, &mut client));
        match client.poll_event() {
            Some(Event::Response { response, .. }) => {
                assert_eq!(response.code, Code::CHANGED);
                return (asked, response.payload);
            }
            Some(other) => panic!("{other:?}"),
            None => {}
        }
        let deadlines = [client.next_deadline(), server.next_deadline()];
        now = deadlines.into_iter().flatten().min().unwrap().max(now);
        client.handle_timeout(now);
        server.handle_timeout(now);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_body_comes_back_and_is_handled_once(
        body in prop::collection::vec(any::<u8>(), 0..6000),
        client in 16usize..=1024, server in 16usize..=1024, seed: u64,
    ) {
        let body = Bytes::from(body);
        // So little that five transmissions of each message are as good as certain to do.
        let (asked, back) = echo(&body, (client, server), 0.02, seed);
        prop_assert_eq!((asked, back), (1, body));
    }
}
