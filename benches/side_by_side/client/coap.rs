//! A CoAP device (RFC 7252, RFC 7641) over a blocking socket: it answers who asks, and notifies as
//! fast as it is told to, in bytes made beforehand.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use coap_lite::{MessageClass, MessageType, Packet, RequestType, ResponseType};

use crate::Result;

/// What each device has: `/r/0` and so on, each a number as text, observable.
pub(crate) const RESOURCES: usize = 10;
/// More notifications would use a message ID again before it may be (RFC 7252, section 4.4).
pub(crate) const MOST: usize = 60_000;

/// Shorter sleeps would come too late anyway; what is due in a tick goes out together.
const TICK: Duration = Duration::from_millis(1);

pub(crate) struct Device {
    pub(crate) address: SocketAddr,
    socket: UdpSocket,
    observers: Arc<Mutex<Observers>>,
    /// Message IDs and order numbers so far.
    told: usize,
}

/// Of each resource who observes it, and under which token.
#[derive(Default)]
struct Observers([Option<(SocketAddr, Vec<u8>)>; RESOURCES]);

/// Notifications one behind the other, each with its length in front of it.
pub(crate) struct Notifications {
    to: SocketAddr,
    bytes: Vec<u8>,
    lengths: Vec<usize>,
}

impl Device {
    pub(crate) fn start() -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let address = socket.local_addr()?;
        let observers = Arc::new(Mutex::new(Observers::default()));
        let (serving, shared) = (socket.try_clone()?, observers.clone());
        // It ends with the process; a system that is gone asks nothing.
        thread::spawn(move || serve(&serving, &shared));
        Ok(Self { address, socket, observers, told: 0 })
    }

    /// Whether all that it has is observed.
    pub(crate) fn is_observed(&self) -> bool {
        lock(&self.observers).0.iter().all(Option::is_some)
    }

    /// So many notifications, the resources in turn; the values count up.
    pub(crate) fn notifications(&mut self, count: usize) -> Result<Notifications> {
        let observers = lock(&self.observers);
        let (to, _) = observers.0[0].clone().ok_or("the device is not observed")?;
        let mut made = Notifications { to, bytes: Vec::new(), lengths: Vec::new() };
        for _ in 0..count {
            let resource = self.told % RESOURCES;
            let (_, token) = observers.0[resource].as_ref().ok_or("a resource is not observed")?;
            self.told += 1;
            made.push(self.told, token);
        }
        Ok(made)
    }

    /// The number that each resource told last, in order.
    pub(crate) fn newest(&self) -> Vec<usize> {
        let last = |resource| {
            (resource + 1..=self.told).rev().find(|told| (told - 1) % RESOURCES == resource)
        };
        (0..RESOURCES).filter_map(last).collect()
    }

    /// Sends them, at this rate per second or else as fast as the system takes them.
    pub(crate) fn send(&self, notifications: &Notifications, rate: Option<usize>) -> Result<()> {
        let begun = Instant::now();
        let mut at = 0;
        for (number, length) in notifications.lengths.iter().enumerate() {
            if let Some(rate) = rate {
                let due = begun + Duration::from_nanos(number as u64 * 1_000_000_000 / rate as u64);
                let ahead = due.saturating_duration_since(Instant::now());
                if ahead > TICK {
                    thread::sleep(ahead);
                }
            }
            let datagram = &notifications.bytes[at..at + length];
            self.socket.send_to(datagram, notifications.to)?;
            at += length;
        }
        Ok(())
    }
}

impl Notifications {
    /// A Non-confirmable 2.05 with an Observe option and plain text.
    fn push(&mut self, number: usize, token: &[u8]) {
        let before = self.bytes.len();
        let [.., order2, order1, order0] = number.to_be_bytes();
        self.bytes.extend_from_slice(&[0x50 | token.len() as u8, 0x45, order1, order0]);
        self.bytes.extend_from_slice(token);
        // Observe (6), Content-Format (12): text/plain.
        self.bytes.extend_from_slice(&[0x63, order2, order1, order0, 0x60, 0xff]);
        self.bytes.extend_from_slice(number.to_string().as_bytes());
        self.lengths.push(self.bytes.len() - before);
    }
}

fn lock(observers: &Mutex<Observers>) -> MutexGuard<'_, Observers> {
    observers.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(socket: &UdpSocket, observers: &Mutex<Observers>) {
    let mut buffer = [0; 2048];
    loop {
        // An error tells of a system that is gone.
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let Ok(asked) = Packet::from_bytes(&buffer[..length]) else { continue };
        if asked.header.code != MessageClass::Request(RequestType::Get) {
            continue;
        }
        let answer = answer(&asked, from, &mut lock(observers));
        if let Ok(datagram) = answer.to_bytes() {
            // Who did not hear it asks again.
            let _ = socket.send_to(&datagram, from);
        }
    }
}

fn answer(asked: &Packet, from: SocketAddr, observers: &mut Observers) -> Packet {
    let path: Vec<String> = asked
        .get_option(coap_lite::CoapOption::UriPath)
        .into_iter()
        .flatten()
        .map(|segment| String::from_utf8_lossy(segment).into_owned())
        .collect();
    let mut answer = Packet::new();
    answer.header.set_type(MessageType::Acknowledgement);
    answer.header.message_id = asked.header.message_id;
    answer.header.code = MessageClass::Response(ResponseType::Content);
    answer.set_token(asked.get_token().to_vec());
    let resource = path.get(1).and_then(|number| number.parse::<usize>().ok());
    match resource.filter(|resource| *resource < RESOURCES) {
        Some(resource) => {
            if asked.get_observe_value().is_some() {
                observers.0[resource] = Some((from, asked.get_token().to_vec()));
                answer.set_observe_value(0);
            }
            answer.set_content_format(coap_lite::ContentFormat::TextPlain);
            answer.payload = b"0".to_vec();
        }
        None => {
            let links: Vec<String> =
                (0..RESOURCES).map(|number| format!("</r/{number}>;obs;ct=0")).collect();
            answer.set_content_format(coap_lite::ContentFormat::ApplicationLinkFormat);
            answer.payload = links.join(",").into_bytes();
        }
    }
    answer
}
