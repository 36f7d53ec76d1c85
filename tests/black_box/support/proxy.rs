//! A wire that a test can cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Forwards TCP to a target until it is cut; then it drops what it has and refuses what comes.
pub(crate) struct Proxy {
    addr: SocketAddr,
    connected: Arc<watch::Sender<bool>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connected = Arc::new(watch::Sender::new(true));
        let state = Arc::clone(&connected);
        let accepting = tokio::spawn(async move {
            while let Ok((inward, _)) = listener.accept().await {
                if *state.borrow() {
                    tokio::spawn(forward(inward, target, state.subscribe()));
                }
            }
        });
        Self { addr, connected, accepting }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn cut(&self) {
        self.connected.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.connected.send_replace(true);
    }
}

async fn forward(mut inward: TcpStream, target: SocketAddr, mut connected: watch::Receiver<bool>) {
    let Ok(mut outward) = TcpStream::connect(target).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut inward, &mut outward) => {}
        _ = connected.wait_for(|connected| !connected) => {}
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}
