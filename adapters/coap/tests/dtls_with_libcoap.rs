//! Associations with the clients and servers of libcoap, over GnuTLS and over OpenSSL.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use thingway_coap::dtls::{Associations, Event, Failure, Keys, Limits, Output};
use tokio::net::UdpSocket;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);
const LIBRARIES: [&str; 2] = ["gnutls", "openssl"];

/// A socket with its associations.
struct Endpoint {
    socket: UdpSocket,
    associations: Associations,
    began: Instant,
}

impl Endpoint {
    async fn new(keys: &str, hint: Option<&str>) -> Self {
        let keys = Keys::parse(keys, "keys").unwrap();
        Self {
            socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            associations: Associations::new(keys, hint, Limits::default()).unwrap(),
            began: Instant::now(),
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Sends what is to be sent, then waits for a datagram or for what is due.
    async fn turn(&mut self, mut out: Output) -> Output {
        for (peer, datagram) in std::mem::take(&mut out.datagrams) {
            self.socket.send_to(&datagram, peer).await.unwrap();
        }
        if !out.events.is_empty() || !out.plaintexts.is_empty() {
            return out;
        }
        let due = self.associations.next_deadline().unwrap_or(PATIENCE).min(PATIENCE);
        let mut buffer = [0; 2048];
        let received = timeout(due.saturating_sub(self.now()), self.socket.recv_from(&mut buffer));
        match received.await {
            // A socket tells of a port that is closed by an error of the next call.
            Ok(Err(_)) => {}
            Ok(Ok((length, peer))) => {
                let now = self.now();
                self.associations.receive(now, peer, &buffer[..length], &mut out);
            }
            Err(_) => {
                let now = self.now();
                self.associations.handle_timeouts(now, &mut out);
            }
        }
        out
    }

    /// Turns until something happens.
    async fn until_news(&mut self, mut out: Output) -> Output {
        timeout(PATIENCE, async {
            loop {
                out = self.turn(out).await;
                if !out.events.is_empty() || !out.plaintexts.is_empty() {
                    return out;
                }
            }
        })
        .await
        .expect("something happens in time")
    }

    async fn connect(&mut self, peer: SocketAddr, identity: &str) -> Event {
        let mut out = Output::default();
        let now = self.now();
        self.associations.connect(now, peer, identity, &mut out).unwrap();
        self.until_news(out).await.events.remove(0)
    }
}

/// A confirmable GET of `/time` (RFC 7252, section 3): token `t`.
const GET_TIME: [u8; 10] = [0x41, 0x01, 0x12, 0x34, b't', 0xb4, b't', b'i', b'm', b'e'];

async fn libcoap_server(library: &str) -> (Child, SocketAddr) {
    // The port that is asked for is that of plain CoAP; coaps is the next one.
    let free = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let port = free.port().min(65_000);
    let mut server = Command::new(format!("coap-server-{library}"));
    server.args(["-A", "127.0.0.1", "-p", &port.to_string(), "-k", "secret", "-h", "hint"]);
    server.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let server = server.spawn().expect("libcoap3-bin is installed");
    sleep(Duration::from_millis(300)).await;
    (server, SocketAddr::new(free.ip(), port + 1))
}

#[tokio::test]
async fn its_servers_answer_our_client() {
    for library in LIBRARIES {
        let (_server, address) = libcoap_server(library).await;
        let mut client = Endpoint::new("me:\"secret\"", None).await;
        let event = client.connect(address, "me").await;
        assert_eq!(event, Event::Established(address, "me".into()), "{library}");
        let mut out = Output::default();
        client.associations.send(client.now(), address, &GET_TIME, &mut out).unwrap();
        let answer = client.until_news(out).await.plaintexts.remove(0).1;
        assert_eq!(answer[..5], [0x61, 0x45, 0x12, 0x34, b't'], "{library}: 2.05 in an ACK");
    }
}

#[tokio::test]
async fn its_servers_refuse_a_wrong_key_and_we_say_so() {
    let refused = async |library| {
        let (_server, address) = libcoap_server(library).await;
        let mut client = Endpoint::new("me:\"wrong\"", None).await;
        let event = client.connect(address, "me").await;
        assert_eq!(event, Event::Failed(address, Failure::WrongKey("me".into())), "{library}");
    };
    // Both at once: one of them says nothing, and patience takes its time.
    tokio::join!(refused(LIBRARIES[0]), refused(LIBRARIES[1]));
}

fn libcoap_client(library: &str, key: &str, server: SocketAddr) -> Child {
    let mut client = Command::new(format!("coap-client-{library}"));
    client.args(["-k", key, "-u", "sensor", "-B", "10", &format!("coaps://{server}/hello")]);
    client.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    client.spawn().expect("libcoap3-bin is installed")
}

#[tokio::test]
async fn its_clients_are_answered_by_our_server() {
    for library in LIBRARIES {
        let mut server = Endpoint::new("sensor:\"secret\"", Some("thingway")).await;
        let client = libcoap_client(library, "secret", server.socket.local_addr().unwrap());
        let mut out = server.until_news(Output::default()).await;
        let Event::Established(peer, identity) = out.events.remove(0) else {
            panic!("{library}: {out:?}")
        };
        assert_eq!(&*identity, "sensor");
        if out.plaintexts.is_empty() {
            out = server.until_news(Output::default()).await;
        }
        let request = out.plaintexts.remove(0).1;
        assert_eq!((request[0] >> 6, request[1]), (1, 0x01), "{library}: a GET");
        let token = usize::from(request[0] & 0x0f);
        let head = [0x60 | request[0] & 0x0f, 0x45];
        let answer = [&head, &request[2..4 + token], b"\xffhello back"].concat();
        let mut out = Output::default();
        server.associations.send(server.now(), peer, &answer, &mut out).unwrap();
        let closing = async {
            loop {
                let datagrams = std::mem::take(&mut out.datagrams);
                out = server.turn(Output { datagrams, ..Output::default() }).await;
            }
        };
        let output = tokio::select! {
            output = client.wait_with_output() => output.unwrap(),
            () = closing => unreachable!("it turns for ever"),
        };
        assert!(String::from_utf8_lossy(&output.stdout).contains("hello back"), "{library}");
    }
}

#[tokio::test]
async fn its_clients_with_a_wrong_key_are_told_from_others() {
    for library in LIBRARIES {
        let mut server = Endpoint::new("sensor:\"secret\"", Some("thingway")).await;
        let _client = libcoap_client(library, "wrong", server.socket.local_addr().unwrap());
        let out = server.until_news(Output::default()).await;
        let [Event::Failed(_, failure)] = &out.events[..] else { panic!("{library}: {out:?}") };
        assert_eq!(*failure, Failure::WrongKey("sensor".into()), "{library}");
        assert_eq!(server.associations.counters().wrong_keys, 1);
    }
}
