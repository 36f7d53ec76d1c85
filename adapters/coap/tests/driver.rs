//! The driver over real sockets of this machine, plain and with DTLS.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use thingway_coap::driver::{
    Driver, Handle, Incoming, Mailbox, Notice, RequestError, Secure, connect,
};
use thingway_coap::dtls::Keys;

use thingway_coap::message::Code;
use thingway_coap::{Config, Failure, ObserverId, Request, Response};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(20);

fn later() -> Instant {
    Instant::now() + PATIENCE
}

async fn client(peer: SocketAddr, secure: Option<Secure>, stop: &CancellationToken) -> Driver {
    let socket = connect(peer).await.unwrap();
    Driver::start(socket, secure, Config::default(), stop.clone()).unwrap()
}

async fn server(secure: Option<Secure>) -> Driver {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let stop = CancellationToken::new();
    Driver::start(socket, secure, Config::default(), stop).unwrap()
}

fn keys(text: &str, identity: Option<&str>, hint: Option<&str>) -> Option<Secure> {
    let keys = Keys::parse(text, "keys").unwrap();
    Some(Secure { keys, identity: identity.map(Into::into), hint: hint.map(Into::into) })
}

/// Answers everything with a text, whoever asks; tells of observers that come and go.
fn serve(mut driver: Driver, text: &'static str) -> mpsc::Receiver<(bool, ObserverId, Handle)> {
    let (told, observers) = mpsc::channel(16);
    tokio::spawn(async move {
        let handle = driver.handle;
        while let Some(incoming) = driver.incoming.recv().await {
            match incoming {
                Incoming::Request { id, observe, .. } => {
                    let response = Response::with_body(Code::CONTENT, 0, text);
                    match observe {
                        true => {
                            let observer = handle.respond_and_observe(id, response).await;
                            if let Some(observer) = observer {
                                told.send((true, observer, handle.clone())).await.unwrap();
                            }
                        }
                        false => handle.respond(id, response).await,
                    }
                }
                Incoming::ObserverGone(observer) => {
                    told.send((false, observer, handle.clone())).await.unwrap();
                }
                Incoming::NoAssociation { .. } => {}
            }
        }
    });
    observers
}

#[tokio::test]
async fn requests_are_answered_and_observers_told_until_the_leave_taking() {
    for secure in [false, true] {
        let text = "me:\"secret\"";
        let server = server(if secure { keys(text, None, Some("")) } else { None }).await;
        let peer = server.local;
        let mut observers = serve(server, "21.5");
        let stop = CancellationToken::new();
        let client =
            client(peer, if secure { keys(text, Some("me"), None) } else { None }, &stop).await;
        let response = client.handle.request(peer, Request::get("/t"), later()).await.unwrap();
        assert_eq!((response.code, &response.payload[..]), (Code::CONTENT, &b"21.5"[..]));

        let mut mailbox = Mailbox::new();
        let id = client.handle.observe(peer, Request::get("/t"), &mailbox).await.unwrap();
        let mut next = async || {
            let (of, notice) = timeout(PATIENCE, mailbox.next()).await.unwrap();
            assert_eq!(of, id);
            let Notice::State { response, observed: true, .. } = notice else {
                panic!("{notice:?}")
            };
            response.payload
        };
        assert_eq!(next().await, "21.5");
        let (true, observer, handle) = observers.recv().await.unwrap() else { panic!() };
        let response = Response::with_body(Code::CONTENT, 0, "22");
        handle.notify(observer, response.clone(), true).await.unwrap();
        assert_eq!(next().await, "22");

        stop.cancel();
        timeout(PATIENCE, client.task).await.unwrap().unwrap();
        let (false, gone, _) = observers.recv().await.unwrap() else { panic!() };
        assert_eq!(gone, observer);
        assert!(handle.notify(observer, response, true).await.is_err());
    }
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_known_at_once() {
    let free = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let stop = CancellationToken::new();
    for secure in [None, keys("me:\"secret\"", Some("me"), None)] {
        let client = client(free, secure, &stop).await;
        let asking = client.handle.request(free, Request::get("/"), later());
        let error = timeout(PATIENCE / 4, asking).await.expect("no time-out").unwrap_err();
        let RequestError::Unreachable(reason) = error else { panic!("{error:?}") };
        assert!(reason.to_lowercase().contains("refused"), "{reason}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_an_error_that_says_so_and_is_counted() {
    let server = server(keys("me:\"secret\"", None, Some(""))).await;
    let (peer, tally) = (server.local, server.tally.clone());
    let _observers = serve(server, "");
    let stop = CancellationToken::new();
    let client = client(peer, keys("me:\"wrong\"", Some("me"), None), &stop).await;
    let error = client.handle.request(peer, Request::get("/"), later()).await.unwrap_err();
    let RequestError::Unreachable(reason) = error else { panic!("{error:?}") };
    assert!(reason.contains("DTLS"), "{reason}");
    assert!(tally.counts().contains(&("wrong_key", 1)), "{tally:?}");
}

#[tokio::test]
async fn silence_ends_a_request_by_its_deadline_and_a_gone_driver_at_once() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let peer = silent.local_addr().unwrap();
    let stop = CancellationToken::new();
    let client = client(peer, None, &stop).await;
    let deadline = Instant::now() + Duration::from_millis(300);
    let error = client.handle.request(peer, Request::get("/"), deadline).await.unwrap_err();
    assert_eq!(error, RequestError::Failed(Failure::Timeout));
    stop.cancel();
    timeout(PATIENCE, client.task).await.unwrap().unwrap();
    let error = client.handle.request(peer, Request::get("/"), later()).await.unwrap_err();
    assert_eq!(error, RequestError::Ended);
}
