use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A way to a broker that can be cut, and on which it is seen what the client sends.
pub(crate) struct Network {
    pub(crate) port: u16,
    seen: Arc<Wire>,
    cuts: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Wire {
    broker: AtomicU16,
    acknowledgements: AtomicUsize,
    publishes: AtomicUsize,
    disconnects: AtomicUsize,
}

impl Network {
    pub(crate) async fn to(broker: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Wire::default());
        seen.broker.store(broker, Ordering::SeqCst);
        let cuts = watch::Sender::new(());
        let accepting = tokio::spawn(accept(listener, seen.clone(), cuts.clone()));
        Self { port, seen, cuts, accepting }
    }

    /// Further connections go there.
    pub(crate) fn lead_to(&self, broker: u16) {
        self.seen.broker.store(broker, Ordering::SeqCst);
    }

    /// All open connections break.
    pub(crate) fn cut(&self) {
        self.cuts.send_replace(());
    }

    /// PUBACKs and PUBRECs that the client sent.
    pub(crate) fn acknowledgements(&self) -> usize {
        self.seen.acknowledgements.load(Ordering::SeqCst)
    }

    /// PUBLISHes that the client sent.
    pub(crate) fn publishes(&self) -> usize {
        self.seen.publishes.load(Ordering::SeqCst)
    }

    /// DISCONNECTs that the client sent.
    pub(crate) fn disconnects(&self) -> usize {
        self.seen.disconnects.load(Ordering::SeqCst)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, seen: Arc<Wire>, cuts: watch::Sender<()>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let seen = seen.clone();
        let mut cut = cuts.subscribe();
        tokio::spawn(async move {
            let broker = (Ipv4Addr::LOCALHOST, seen.broker.load(Ordering::SeqCst));
            // Nobody there: the client sees its connection closed.
            let Ok(broker) = TcpStream::connect(broker).await else { return };
            let (from_client, to_client) = client.into_split();
            let (from_broker, to_broker) = broker.into_split();
            tokio::select! {
                () = forward(from_client, to_broker, Some(&seen)) => {}
                () = forward(from_broker, to_client, None) => {}
                _ = cut.changed() => {}
            }
        });
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, seen: Option<&Wire>) {
    let mut packets = Packets::default();
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if let Some(seen) = seen {
            packets.take(&buffer[..count], |packet_type| seen.count(packet_type));
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

impl Wire {
    fn count(&self, packet_type: u8) {
        let counter = match packet_type {
            3 => &self.publishes,
            4 | 5 => &self.acknowledgements,
            14 => &self.disconnects,
            _ => return,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

/// Finds where packets begin in a stream of bytes.
#[derive(Default)]
struct Packets {
    front: Vec<u8>,
    body_left: usize,
}

impl Packets {
    fn take(&mut self, bytes: &[u8], mut found: impl FnMut(u8)) {
        let mut rest = bytes;
        while let [byte, tail @ ..] = rest {
            if self.body_left > 0 {
                let skipped = self.body_left.min(rest.len());
                self.body_left -= skipped;
                rest = &rest[skipped..];
                continue;
            }
            self.front.push(*byte);
            rest = tail;
            if self.front.len() > 1 && byte & 0x80 == 0 {
                let digits = self.front[1..].iter().rev();
                self.body_left = digits.fold(0, |sum, d| sum << 7 | usize::from(d & 0x7f));
                found(self.front[0] >> 4);
                self.front.clear();
            }
        }
    }
}
