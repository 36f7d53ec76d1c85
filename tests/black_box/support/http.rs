//! Requests and their answers, whole and raw.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Once;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::PATIENCE;

/// Talks to one gateway; follows no redirect.
pub(crate) struct Client {
    addr: SocketAddr,
    http: reqwest::Client,
}

/// One answer, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A client of the crate `reqwest`, as every test needs it.
pub(crate) fn plain_client() -> reqwest::Client {
    static CRYPTO: Once = Once::new();
    CRYPTO.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

impl Client {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        Self { addr, http: plain_client() }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, self.url(path)).timeout(3 * PATIENCE);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_empty() {
            request = request.body(body);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body =
            response.bytes().await.unwrap_or_else(|error| panic!("{path}: {error:?}")).to_vec();
        Answer { status, headers, body }
    }
}

impl Answer {
    /// Itself, when it has that status.
    pub(crate) fn expect_status(self, status: u16) -> Result<Self, String> {
        if self.status == status { Ok(self) } else { Err(format!("not {status}: {self}")) }
    }

    /// Fails unless it has that status.
    #[track_caller]
    pub(crate) fn must(self, status: u16) -> Self {
        match self.expect_status(status) {
            Ok(answer) => answer,
            Err(other) => panic!("{other}"),
        }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self}"))
    }

    /// A header's value; empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The media type without its parameters.
    pub(crate) fn media_type(&self) -> &str {
        self.header("content-type").split(';').next().unwrap_or_default().trim()
    }

    /// The target of a `Link` header with that relation.
    pub(crate) fn link(&self, rel: &str) -> Option<String> {
        self.headers.get_all("link").iter().find_map(|header| {
            header.to_str().unwrap().split(", <").find_map(|link| {
                let (target, parameters) = link.trim_start_matches('<').split_once('>')?;
                let wanted = [format!("rel=\"{rel}\""), format!("rel={rel}")];
                let found = parameters.split(';').any(|p| wanted.iter().any(|w| p.trim() == w));
                found.then(|| target.to_owned())
            })
        })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, String::from_utf8_lossy(&self.body))
    }
}

/// A connection on which a test says every byte itself.
pub(crate) struct Raw {
    stream: TcpStream,
}

impl Raw {
    pub(crate) async fn open(addr: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(addr).await.unwrap() }
    }

    /// With so small a receive buffer that the peer soon notices that nobody reads.
    pub(crate) async fn open_narrow(addr: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self { stream: socket.connect(addr).await.unwrap() }
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// What comes next; fails when the peer closes.
    pub(crate) async fn read_some(&mut self) -> Vec<u8> {
        let mut chunk = vec![0; 64 * 1024];
        let read = timeout(PATIENCE, self.stream.read(&mut chunk)).await.expect("more comes");
        chunk.truncate(read.unwrap());
        assert!(!chunk.is_empty(), "the peer closed");
        chunk
    }

    /// All until the peer closes, or until nothing came for a while.
    pub(crate) async fn read_until_quiet(&mut self, quiet: Duration) -> Vec<u8> {
        let mut all = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(Ok(read @ 1..)) = timeout(quiet, self.stream.read(&mut chunk)).await {
            all.extend_from_slice(&chunk[..read]);
        }
        all
    }

    /// All until the peer closes; fails when it does not.
    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        // A reset is an end, too.
        let _ =
            timeout(PATIENCE, self.stream.read_to_end(&mut all)).await.expect("the peer closes");
        all
    }
}
