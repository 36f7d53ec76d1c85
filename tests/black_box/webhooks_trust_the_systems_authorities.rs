//! Webhooks over TLS: the receiver has to prove its name.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::support::{Gateway, Receiver, Reply, eventually};

/// An authority, and a receiver behind TLS that it vouches for.
struct Vouched {
    receiver: Receiver,
    address: SocketAddr,
    authority: String,
}

impl Vouched {
    async fn start() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority of this test");
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().pem();
        let acceptor = acceptor(&Issuer::new(params, key));
        let receiver = Receiver::start().await;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let behind = receiver.address();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(relay(acceptor.clone(), stream, behind));
            }
        });
        Self { receiver, address, authority }
    }

    /// Has a gateway that trusts this authority alone tell the receiver of changes.
    async fn told_by_who_trusts(&self, authority: &str, name: &str) -> (Gateway, TempDir) {
        let trusted = TempDir::new().unwrap();
        let file = trusted.path().join("authority.pem");
        std::fs::write(&file, authority).unwrap();
        let builder = Gateway::builder().toml("[delivery]\nfirst_retry_milliseconds = 20");
        let gateway = builder.env("SSL_CERT_FILE", file.to_str().unwrap()).start().await;
        let url = format!("https://{name}:{}/hook", self.address.port());
        gateway.send_json("POST", "/webhooks", &json!({ "url": url })).await.must(201);
        gateway.publisher().await.publish("home/hall/temp", "21.50").await;
        (gateway, trusted)
    }
}

/// TLS for `localhost`.
fn acceptor(issuer: &Issuer<'static, KeyPair>) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key);
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

async fn relay(acceptor: TlsAcceptor, stream: TcpStream, behind: SocketAddr) {
    if let Ok(mut stream) = acceptor.accept(stream).await {
        let mut behind = TcpStream::connect(behind).await.unwrap();
        let _ = copy_bidirectional(&mut stream, &mut behind).await;
    }
}

async fn last_error(gateway: &Gateway) -> String {
    eventually("an attempt fails", async || {
        let webhooks = gateway.json("/webhooks").await;
        let error = webhooks[0]["last_error"].as_str().map(str::to_owned);
        error.ok_or_else(|| webhooks.to_string())
    })
    .await
}

fn value(body: &[u8]) -> Value {
    serde_json::from_slice::<Value>(body).unwrap()["data"]["value"].clone()
}

#[tokio::test]
async fn a_receiver_that_a_trusted_authority_vouches_for_is_told() {
    let vouched = Vouched::start().await;
    vouched.receiver.script([Reply::Status(500)]);
    let (gateway, _trusted) = vouched.told_by_who_trusts(&vouched.authority, "localhost").await;
    let deliveries = vouched.receiver.wait_for(2).await;
    assert_eq!(value(&deliveries[1].body), json!(21.50));
    assert_eq!(deliveries[0].header("host"), format!("localhost:{}", vouched.address.port()));
    gateway.finish().await;
}

#[tokio::test]
async fn a_receiver_that_nobody_vouches_for_is_told_nothing() {
    let (vouched, stranger) = (Vouched::start().await, Vouched::start().await);
    let cases = [(&stranger.authority, "localhost"), (&vouched.authority, "127.0.0.1")];
    for (authority, name) in cases {
        let (gateway, _trusted) = vouched.told_by_who_trusts(authority, name).await;
        let error = last_error(&gateway).await;
        assert!(error.starts_with("can't connect: "), "{error}");
        assert!(error.contains("certificate"), "{error}");
        gateway.finish().await;
    }
    assert!(vouched.receiver.deliveries().is_empty());
}
