use super::*;

const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 2);

fn keys(text: &str) -> Keys {
    Keys::parse(text, "keys").unwrap()
}

/// Two sides and what is between them.
struct Network {
    now: Duration,
    client: Associations,
    server: Associations,
    /// Of 100 datagrams, so many are lost.
    loss: u64,
    random: u64,
    client_saw: Output,
    server_saw: Output,
}

impl Network {
    fn new(client_keys: &str, server_keys: &str) -> Self {
        Self {
            now: Duration::ZERO,
            client: Associations::new(keys(client_keys), None, Limits::default()).unwrap(),
            server: Associations::new(keys(server_keys), Some(""), Limits::default()).unwrap(),
            loss: 0,
            random: 1,
            client_saw: Output::default(),
            server_saw: Output::default(),
        }
    }

    fn connect(&mut self, identity: &str) {
        let mut out = Output::default();
        self.client.connect(self.now, SERVER, identity, &mut out).unwrap();
        self.carry(out, Output::default());
    }

    fn is_lost(&mut self) -> bool {
        // Knuth's constants; any sequence does that is the same each time.
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) % 100 < self.loss
    }

    /// Carries datagrams to and fro until there are none.
    fn carry(&mut self, mut by_client: Output, mut by_server: Output) {
        loop {
            let to_server = std::mem::take(&mut by_client.datagrams);
            let to_client = std::mem::take(&mut by_server.datagrams);
            keep(&mut self.client_saw, by_client);
            keep(&mut self.server_saw, by_server);
            if to_server.is_empty() && to_client.is_empty() {
                return;
            }
            (by_client, by_server) = (Output::default(), Output::default());
            for (to, datagram) in to_server {
                assert_eq!(to, SERVER);
                if !self.is_lost() {
                    self.server.receive(self.now, CLIENT, &datagram, &mut by_server);
                }
            }
            for (to, datagram) in to_client {
                assert_eq!(to, CLIENT);
                if !self.is_lost() {
                    self.client.receive(self.now, SERVER, &datagram, &mut by_client);
                }
            }
        }
    }

    /// Lets time pass until nothing is due within the span.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        for _ in 0..1000 {
            let due = self.client.next_deadline().into_iter().chain(self.server.next_deadline());
            let Some(due) = due.min().filter(|due| *due <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            let (mut by_client, mut by_server) = (Output::default(), Output::default());
            self.client.handle_timeouts(self.now, &mut by_client);
            self.server.handle_timeouts(self.now, &mut by_server);
            self.carry(by_client, by_server);
        }
        panic!("something is due without end");
    }

    fn say(&mut self, text: &[u8]) {
        let mut out = Output::default();
        self.client.send(self.now, SERVER, text, &mut out).unwrap();
        self.carry(out, Output::default());
    }

    fn answer(&mut self, text: &[u8]) {
        let mut out = Output::default();
        self.server.send(self.now, CLIENT, text, &mut out).unwrap();
        self.carry(Output::default(), out);
    }
}

fn keep(all: &mut Output, new: Output) {
    all.events.extend(new.events);
    all.plaintexts.extend(new.plaintexts);
}

#[test]
fn an_own_client_and_an_own_server_talk() {
    let mut network = Network::new("me:\"secret\"", "other:00\nme:\"secret\"");
    network.connect("me");
    assert_eq!(network.client_saw.events, [Event::Established(SERVER, "me".into())]);
    assert_eq!(network.server_saw.events, [Event::Established(CLIENT, "me".into())]);
    network.say(b"ping");
    network.answer(b"pong");
    assert_eq!(network.server_saw.plaintexts, [(CLIENT, b"ping".to_vec())]);
    assert_eq!(network.client_saw.plaintexts, [(SERVER, b"pong".to_vec())]);
    let mut out = Output::default();
    network.client.close(network.now, SERVER, &mut out);
    network.carry(out, Output::default());
    assert_eq!(network.client_saw.events[1], Event::Closed(SERVER, Closed::ByUs));
    assert_eq!(network.server_saw.events[1], Event::Closed(CLIENT, Closed::ByPeer));
    assert!(network.server.peers.is_empty() && network.client.peers.is_empty());
    assert_eq!((network.server.handshakes, network.server.established()), (0, 0));
}

#[test]
fn a_handshake_gets_through_a_lossy_network() {
    for random in 0..20 {
        let mut network = Network::new("me:00", "me:00");
        (network.loss, network.random) = (25, random);
        // A flight is repeated four times; who lost all of them begins anew.
        for _ in 0..5 {
            network.connect("me");
            network.pass(Duration::from_secs(60));
            if network.client.is_established(SERVER) {
                break;
            }
        }
        assert!(network.client.is_established(SERVER), "{random}: {:?}", network.client_saw.events);
        assert!(network.server.is_established(CLIENT), "{random}: {:?}", network.server_saw.events);
        network.loss = 0;
        network.say(b"ping");
        assert_eq!(network.server_saw.plaintexts, [(CLIENT, b"ping".to_vec())]);
    }
}

#[test]
fn a_wrong_key_is_told_as_such_on_both_sides() {
    let mut network = Network::new("me:00", "me:01");
    network.connect("me");
    network.pass(Duration::from_secs(60));
    let failed = |peer| vec![Event::Failed(peer, Failure::WrongKey("me".into()))];
    assert_eq!(network.server_saw.events, failed(CLIENT));
    assert_eq!(network.client_saw.events, failed(SERVER));
    assert_eq!(network.server.counters().wrong_keys, 1);
    assert_eq!(network.client.counters().wrong_keys, 1);
    assert!(network.server.peers.is_empty() && network.client.peers.is_empty());
    assert_eq!(network.client.next_deadline(), None);
}

#[test]
fn an_unknown_identity_is_told_to_the_server() {
    let mut network = Network::new("stranger:00", "me:00");
    network.connect("stranger");
    network.pass(Duration::from_secs(60));
    let failure = Failure::UnknownIdentity("stranger".to_owned());
    assert_eq!(network.server_saw.events, [Event::Failed(CLIENT, failure)]);
    assert_eq!(network.server.counters().unknown_identities, 1);
    let refused = network.client.connect(network.now, SERVER, "nobody", &mut Output::default());
    assert_eq!(refused, Err(Refusal::NoKey("nobody".to_owned())));
}

#[test]
fn nobody_at_home_times_out() {
    let mut network = Network::new("me:00", "me:00");
    network.loss = 100;
    network.connect("me");
    network.pass(Duration::from_secs(60));
    assert_eq!(network.client_saw.events, [Event::Failed(SERVER, Failure::TimedOut)]);
    assert_eq!(network.client.counters().failed, 1);
}

#[test]
fn a_device_that_starts_anew_renews_its_association() {
    let mut network = Network::new("me:00", "me:00");
    network.connect("me");
    network.client = Associations::new(keys("me:00"), None, Limits::default()).unwrap();
    network.connect("me");
    assert_eq!(
        network.server_saw.events[1..],
        [Event::Closed(CLIENT, Closed::Renewed), Event::Established(CLIENT, "me".into())]
    );
    network.say(b"again");
    network.answer(b"yes");
    assert_eq!(network.server_saw.plaintexts.len(), 1);
    assert_eq!(network.client_saw.plaintexts.len(), 1);
    assert_eq!(network.server.established(), 1);
}

fn hello() -> Vec<u8> {
    let mut client = Associations::new(keys("x:00"), None, Limits::default()).unwrap();
    let mut out = Output::default();
    client.connect(Duration::ZERO, SERVER, "x", &mut out).unwrap();
    out.datagrams.remove(0).1
}

#[test]
fn a_forged_hello_ends_nothing() {
    let mut network = Network::new("me:00", "me:00");
    network.connect("me");
    let mut out = Output::default();
    network.server.receive(network.now, CLIENT, &hello(), &mut out);
    assert_eq!(out.datagrams.len(), 1, "a cookie and nothing else");
    assert!(out.datagrams[0].1.len() < 100);
    network.say(b"still here");
    network.answer(b"yes");
    network.pass(Duration::from_secs(60));
    network.say(b"still here");
    assert_eq!(network.server_saw.plaintexts.len(), 2);
    assert_eq!(network.client_saw.plaintexts.len(), 1);
    assert_eq!((network.server.handshakes, network.server_saw.events.len()), (0, 1));
}

#[test]
fn handshakes_and_associations_are_limited() {
    let limits = Limits { associations: 2, handshakes: 3 };
    let mut server = Associations::new(keys("me:00"), Some("hint"), limits).unwrap();
    let address = |port| SocketAddr::new(CLIENT.ip(), port);
    let now = Duration::from_secs(1);
    let hello = hello();
    for port in 100..200 {
        server.receive(now, address(port), &hello, &mut Output::default());
    }
    assert_eq!((server.handshakes, server.peers.len()), (3, 3));
    assert_eq!(server.counters().crowded_out, 97);
    server.receive(now, address(7), b"GET /", &mut Output::default());
    server.receive(
        now,
        address(7),
        &[23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        &mut Output::default(),
    );
    assert_eq!(server.counters().stray_datagrams, 2);

    let mut network = Network::new("me:00", "");
    network.server = server;
    let mut seen = Vec::new();
    for port in 1..=3 {
        network.now += Duration::from_secs(1);
        let mut client = Associations::new(keys("me:00"), None, Limits::default()).unwrap();
        let mut out = Output::default();
        client.connect(network.now, SERVER, "me", &mut out).unwrap();
        while let Some((_, datagram)) = (!out.datagrams.is_empty()).then(|| out.datagrams.remove(0))
        {
            let mut back = Output::default();
            network.server.receive(network.now, address(port), &datagram, &mut back);
            seen.extend(back.events);
            for (to, datagram) in back.datagrams {
                if to == address(port) {
                    client.receive(network.now, SERVER, &datagram, &mut out);
                }
            }
        }
    }
    let established = |port| Event::Established(address(port), "me".into());
    let made_room = Event::Closed(address(1), Closed::ForAnother);
    assert_eq!(seen, [established(1), established(2), established(3), made_room]);
    assert_eq!(network.server.established(), 2);
}

#[test]
fn no_datagram_panics() {
    use proptest::prelude::*;
    let server = std::cell::RefCell::new(
        Associations::new(keys("me:00"), Some(""), Limits { associations: 5, handshakes: 5 })
            .unwrap(),
    );
    let hello = hello();
    proptest!(|(noise in prop::collection::vec(any::<u8>(), 0..80), at in 0usize..120, port in 1u16..9)| {
        let address = SocketAddr::new(CLIENT.ip(), port);
        let mut server = server.borrow_mut();
        let mut bent = hello.clone();
        let at = at.min(bent.len());
        bent.splice(at..(at + noise.len()).min(hello.len()).max(at), noise.iter().copied());
        for datagram in [&noise, &bent] {
            server.receive(Duration::from_secs(1), address, datagram, &mut Output::default());
        }
        prop_assert!(server.handshakes <= 5);
    });
}
