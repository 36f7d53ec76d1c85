//! What the gateway published itself and the broker is about to send back to it: no evidence of
//! what a device does. Version 5 spares us this with `no local`; 3.1.1 has no word for it, and its
//! messages do not say who sent them, so they are told by their topic and payload. It knows
//! neither sockets nor clocks.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use thingway_sdk::Address;
use tokio::time::Instant;
use tracing::trace;

use crate::config::QoS;
use crate::form::Publication;
use crate::transport::{Delivery, PacketId};

/// How long an echo is waited for. What equals our own publication after that is from a device.
const WINDOW: Duration = Duration::from_secs(10);

/// The most publications that are remembered; beyond that the oldest are forgotten.
const MOST_REMEMBERED: usize = 1024;

/// Each publication takes one delivery of the same payload on the same topic with it. A device
/// that says the same at the same time makes a second delivery, and that one is reported.
pub(crate) struct Echoes {
    sent: HashMap<Address, Vec<Sent>>,
    /// When something in `sent` expires, the next first.
    expiries: VecDeque<(Instant, Address)>,
    hasher: RandomState,
    /// All echoes that were held back so far.
    swallowed: u64,
}

struct Sent {
    payload: Fingerprint,
    /// No broker delivers the echo at a higher one.
    qos: QoS,
    id: Option<PacketId>,
    expires: Instant,
    echo: Echo,
}

/// Length and hash of a payload, so that it need not be kept.
type Fingerprint = (usize, u64);

#[derive(Clone, Copy)]
enum Echo {
    Awaited,
    /// It came under this identifier, and may come once more until the broker has seen that we
    /// took it.
    Swallowed(Option<PacketId>),
}

impl Sent {
    fn is_echoed_by(&self, delivery: &Delivery) -> bool {
        match self.echo {
            Echo::Awaited => delivery.qos <= self.qos,
            Echo::Swallowed(id) => delivery.duplicate && id.is_some() && id == delivery.id,
        }
    }
}

impl Echoes {
    pub(crate) fn new() -> Self {
        Self {
            sent: HashMap::new(),
            expiries: VecDeque::new(),
            hasher: RandomState::new(),
            swallowed: 0,
        }
    }

    /// A publication is written, and will come back at `qos` at most. `duplicate` says that the
    /// broker may have it already.
    pub(crate) fn expect(
        &mut self,
        publication: &Publication,
        qos: QoS,
        id: Option<PacketId>,
        duplicate: bool,
        now: Instant,
    ) {
        let payload = self.fingerprint(&publication.payload.bytes);
        let before = if duplicate { self.take(&publication.topic, id, payload) } else { None };
        let echo = match before {
            // The broker passes it on once, however often it gets it.
            Some(before) if publication.qos == QoS::ExactlyOnce => before.echo,
            _ => Echo::Awaited,
        };
        if self.expiries.len() >= MOST_REMEMBERED {
            self.forget_next();
        }
        let expires = now + WINDOW;
        self.expiries.push_back((expires, publication.topic.clone()));
        let sent = self.sent.entry(publication.topic.clone()).or_default();
        sent.push(Sent { payload, qos, id, expires, echo });
    }

    fn take(
        &mut self,
        topic: &Address,
        id: Option<PacketId>,
        payload: Fingerprint,
    ) -> Option<Sent> {
        let sent = self.sent.get_mut(topic)?;
        let index = sent.iter().position(|sent| sent.id == id && sent.payload == payload)?;
        Some(sent.remove(index))
    }

    /// Whether a delivery is the echo of a publication of our own. It is never said twice for one
    /// publication, but for an echo that the broker sends again.
    pub(crate) fn swallow(&mut self, delivery: &Delivery) -> bool {
        // What is retained tells what the broker holds, on our asking; echoes are never marked so
        // (MQTT 3.1.1, section 3.3.1.3).
        let Ok(message) = &delivery.content else { return false };
        if delivery.retained || !self.sent.contains_key(&message.address) {
            return false;
        }
        let payload = self.fingerprint(&message.payload.bytes);
        let Some(sent) = self.sent.get_mut(&message.address) else { return false };
        let echoed = sent
            .iter_mut()
            .filter(|sent| sent.payload == payload && sent.is_echoed_by(delivery))
            // One that comes again must not be taken for another that is still to come.
            .min_by_key(|sent| matches!(sent.echo, Echo::Awaited));
        let Some(echoed) = echoed else { return false };
        echoed.echo = Echo::Swallowed(delivery.id);
        self.swallowed += 1;
        trace!(topic = %message.address, echoes = self.swallowed, "Dropped an echo of our own");
        true
    }

    /// Gives up what was waited for too long.
    pub(crate) fn forget(&mut self, now: Instant) {
        while self.expiries.front().is_some_and(|(expires, _)| *expires <= now) {
            self.forget_next();
        }
    }

    fn forget_next(&mut self) {
        let Some((due, topic)) = self.expiries.pop_front() else { return };
        if let Some(sent) = self.sent.get_mut(&topic) {
            sent.retain(|sent| sent.expires > due);
            if sent.is_empty() {
                self.sent.remove(&topic);
            }
        }
    }

    /// A new connection: what was to come at QoS 0 went with the one before, and everything where
    /// the broker has lost the session.
    pub(crate) fn reconnected(&mut self, session_present: bool) {
        for sent in self.sent.values_mut() {
            sent.retain(|sent| session_present && sent.qos > QoS::AtMostOnce);
        }
    }

    fn fingerprint(&self, payload: &[u8]) -> Fingerprint {
        (payload.len(), self.hasher.hash_one(payload))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use thingway_sdk::Payload;

    use super::*;
    use crate::transport::Message;

    fn payload(text: &'static str) -> Payload {
        Payload { bytes: Bytes::from_static(text.as_bytes()), content_type: None }
    }

    fn publication(topic: &str, text: &'static str, qos: QoS) -> Publication {
        Publication { topic: topic.into(), payload: payload(text), qos, retain: false }
    }

    fn delivery(topic: &str, text: &'static str, qos: QoS, id: u16) -> Delivery {
        Delivery {
            id: PacketId::new(id),
            qos,
            duplicate: false,
            retained: false,
            content: Ok(Message { address: topic.into(), payload: payload(text) }),
        }
    }

    fn lamp(text: &'static str) -> Delivery {
        delivery("lamp", text, QoS::AtLeastOnce, 7)
    }

    impl Echoes {
        /// `on` goes to `lamp`.
        fn publish(&mut self, qos: QoS, duplicate: bool, now: Instant) {
            self.expect(&publication("lamp", "on", qos), qos, PacketId::new(1), duplicate, now);
        }
    }

    fn after_on() -> Echoes {
        let mut echoes = Echoes::new();
        echoes.publish(QoS::AtLeastOnce, false, Instant::now());
        echoes
    }

    #[test]
    fn a_device_that_says_the_same_at_the_same_time_is_heard() {
        let mut echoes = after_on();
        assert!(echoes.swallow(&lamp("on")));
        assert!(!echoes.swallow(&lamp("on")), "there was one publication");
        echoes.publish(QoS::AtLeastOnce, false, Instant::now());
        echoes.publish(QoS::AtLeastOnce, false, Instant::now());
        let heard = [(); 3].map(|()| !echoes.swallow(&lamp("on")));
        assert_eq!(heard, [false, false, true]);
    }

    #[test]
    fn what_differs_is_no_echo() {
        let mut echoes = after_on();
        let retained = Delivery { retained: true, ..lamp("on") };
        let surer = Delivery { qos: QoS::ExactlyOnce, ..lamp("on") };
        let elsewhere = delivery("lamp/state", "on", QoS::AtLeastOnce, 7);
        for other in [lamp("off"), retained, surer, elsewhere] {
            assert!(!echoes.swallow(&other), "{other:?}");
        }
        assert!(echoes.swallow(&delivery("lamp", "on", QoS::AtMostOnce, 0)), "a lower QoS granted");
    }

    #[test]
    fn nothing_is_taken_for_an_echo_after_the_window() {
        let mut echoes = Echoes::new();
        let sent = Instant::now();
        echoes.publish(QoS::AtLeastOnce, false, sent);
        echoes.forget(sent + WINDOW - Duration::from_millis(1));
        echoes.publish(QoS::AtLeastOnce, false, sent + Duration::from_secs(5));
        echoes.forget(sent + WINDOW);
        assert!(echoes.swallow(&lamp("on")), "the second is still waited for");
        assert!(!echoes.swallow(&lamp("on")));
        echoes.forget(sent + 2 * WINDOW);
        assert!(echoes.sent.is_empty() && echoes.expiries.is_empty());
    }

    #[test]
    fn an_echo_that_the_broker_sends_again_is_still_one() {
        let mut echoes = after_on();
        assert!(echoes.swallow(&lamp("on")));
        echoes.publish(QoS::AtLeastOnce, false, Instant::now());
        let again = Delivery { duplicate: true, ..lamp("on") };
        assert!(echoes.swallow(&again));
        let other = Delivery { duplicate: true, ..delivery("lamp", "on", QoS::AtLeastOnce, 8) };
        assert!(echoes.swallow(&other), "and the other publication's is still to come");
        assert!(!echoes.swallow(&lamp("on")));
    }

    #[test]
    fn a_publication_that_is_sent_again_comes_back_again_at_qos_1_only() {
        for (qos, again) in [(QoS::AtLeastOnce, true), (QoS::ExactlyOnce, false)] {
            let mut echoes = Echoes::new();
            let sent = Instant::now();
            echoes.publish(qos, false, sent);
            assert!(echoes.swallow(&lamp("on")));
            echoes.reconnected(true);
            echoes.publish(qos, true, sent + Duration::from_secs(5));
            echoes.forget(sent + WINDOW);
            assert_eq!(echoes.swallow(&lamp("on")), again, "{qos:?}");
            echoes.publish(qos, true, sent + WINDOW);
            echoes.publish(qos, true, sent + WINDOW);
            assert_eq!(echoes.swallow(&lamp("on")), again, "{qos:?}");
            assert!(!echoes.swallow(&lamp("on")), "one at a time");
        }
    }

    #[test]
    fn what_is_lost_with_a_connection_is_not_waited_for() {
        for (session_present, qos, comes) in [
            (true, QoS::AtLeastOnce, true),
            (true, QoS::AtMostOnce, false),
            (false, QoS::AtLeastOnce, false),
        ] {
            let mut echoes = Echoes::new();
            echoes.publish(qos, false, Instant::now());
            echoes.reconnected(session_present);
            assert_eq!(echoes.swallow(&delivery("lamp", "on", qos, 7)), comes, "{qos:?}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut echoes = Echoes::new();
        let now = Instant::now();
        for number in 0..3 * MOST_REMEMBERED {
            let moment = now + Duration::from_micros(number as u64);
            let topic = format!("lamp/{number}");
            let publication = publication(&topic, "on", QoS::AtMostOnce);
            echoes.expect(&publication, QoS::AtMostOnce, None, false, moment);
        }
        assert_eq!((echoes.sent.len(), echoes.expiries.len()), (MOST_REMEMBERED, MOST_REMEMBERED));
    }
}
