//! What the protocol demands of a client, without sockets, clocks or tasks: bytes to write go into
//! a buffer, messages into a batch. The session outlives connections, as MQTT's does.

use std::collections::HashSet;

use bytes::BytesMut;
use thingway_sdk::{Observation, Rejection, Report, Timestamp};
use tokio::time::Instant;
use tracing::{debug, trace};

use crate::batch::{Acknowledgement, Batch};
use crate::config::{BridgeConfig, QoS};
use crate::echoes::Echoes;
use crate::outbox::{Outbox, Packet, Terms};
use crate::topic::TopicFilter;
use crate::transport::{self, ConnAck, Delivery, Incoming, Outgoing, PacketId, Reason, Transport};

/// The most QoS 1 and 2 publications under way at one time, whatever the broker takes.
const MOST_IN_FLIGHT: u16 = 100;

/// The same where the broker does not tell. mosquitto takes 20 unless told otherwise; of what is
/// beyond that it throws QoS 2 away, and has no means to say so in version 3.1.1.
const UNTOLD_IN_FLIGHT: u16 = 16;

/// Why the connection can't go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("it refuses the subscription to `{filter}` ({reason}); check its access rules")]
    Subscription { filter: TopicFilter, reason: Reason },
    #[error("it answers a subscription with {answers} results instead of {filters}")]
    SubAck { answers: usize, filters: usize },
    #[error("another client took over the session; give each its own `client_id`")]
    TakenOver,
    #[error("it disconnected: {0}")]
    Disconnected(String),
    #[error("it sent {0} at the wrong time")]
    OutOfPlace(&'static str),
}

/// What the connection has to do after a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    GoOn,
    /// Every subscription was granted.
    Subscribed,
    Answered,
}

pub(crate) struct Session {
    pub(crate) outbox: Outbox,
    pub(crate) echoes: Echoes,
    transport: &'static dyn Transport,
    include: Vec<TopicFilter>,
    exclude: Vec<TopicFilter>,
    qos: QoS,
    /// QoS 2 messages that were applied and may come once more until the broker has seen PUBREC.
    applied: HashSet<PacketId>,
    terms: Terms,
    subscribing: Option<PacketId>,
}

impl Session {
    pub(crate) fn new(config: &BridgeConfig) -> Self {
        Self {
            outbox: Outbox::new(config.max_waiting_commands.get()),
            echoes: Echoes::new(),
            transport: transport::of(config.version),
            include: config.include.clone(),
            exclude: config.exclude.clone(),
            qos: config.qos,
            applied: HashSet::new(),
            terms: Terms {
                in_flight: UNTOLD_IN_FLIGHT,
                maximum_packet: None,
                maximum_qos: QoS::ExactlyOnce,
            },
            subscribing: None,
        }
    }

    /// The broker took the connection. It is subscribed anew even where it has kept the session:
    /// then it sends its retained messages once more, and with them the present state.
    pub(crate) fn connected(&mut self, ack: &ConnAck, now: Instant, out: &mut BytesMut) {
        if !ack.session_present {
            self.applied.clear();
        }
        self.echoes.reconnected(ack.session_present);
        self.terms = Terms {
            in_flight: ack
                .receive_maximum
                .map_or(UNTOLD_IN_FLIGHT, |told| told.get().min(MOST_IN_FLIGHT)),
            maximum_packet: ack.maximum_packet,
            maximum_qos: ack.maximum_qos,
        };
        for packet in self.outbox.resume(ack.session_present) {
            self.send(&packet, now, out);
        }
        let id = self.outbox.free_id();
        self.subscribing = Some(id);
        let subscribe = Outgoing::Subscribe { id, filters: &self.include, qos: self.qos };
        self.transport.write(&subscribe, out);
    }

    /// Takes one packet from the broker.
    pub(crate) fn handle(
        &mut self,
        packet: Incoming,
        received: Timestamp,
        batch: &mut Batch,
        out: &mut BytesMut,
    ) -> Result<Next, Broken> {
        match packet {
            Incoming::Publish(delivery) => self.deliver(delivery, received, batch, out),
            Incoming::PubAck(id, reason) => self.outbox.acknowledged(id, reason),
            Incoming::PubRec(id, reason) => {
                if self.outbox.received(id, reason) {
                    self.transport.write(&Outgoing::PubRel(id), out);
                }
            }
            Incoming::PubRel(id) => {
                self.applied.remove(&id);
                self.transport.write(&Outgoing::PubComp(id), out);
            }
            Incoming::PubComp(id) => self.outbox.completed(id),
            Incoming::SubAck(id, reasons) => return self.subscribed(id, &reasons),
            Incoming::PingResp => return Ok(Next::Answered),
            Incoming::ConnAck(_) => return Err(Broken::OutOfPlace("CONNACK")),
            Incoming::Disconnect(Reason::SESSION_TAKEN_OVER, _) => return Err(Broken::TakenOver),
            Incoming::Disconnect(reason, text) => {
                let text = text.map(|text| format!(" ({text})")).unwrap_or_default();
                return Err(Broken::Disconnected(format!("{reason}{text}")));
            }
        }
        Ok(Next::GoOn)
    }

    fn subscribed(&mut self, id: PacketId, reasons: &[Reason]) -> Result<Next, Broken> {
        if self.subscribing != Some(id) {
            return Err(Broken::OutOfPlace("SUBACK"));
        }
        if reasons.len() != self.include.len() {
            let (answers, filters) = (reasons.len(), self.include.len());
            return Err(Broken::SubAck { answers, filters });
        }
        for (filter, &reason) in self.include.iter().zip(reasons) {
            if reason.is_failure() {
                return Err(Broken::Subscription { filter: filter.clone(), reason });
            }
            if reason.0 < self.qos.level() {
                debug!(%filter, qos = reason.0, "The broker granted a lower QoS");
            }
        }
        self.subscribing = None;
        Ok(Next::Subscribed)
    }

    fn deliver(
        &mut self,
        delivery: Delivery,
        received: Timestamp,
        batch: &mut Batch,
        out: &mut BytesMut,
    ) {
        let acknowledgement = delivery.id.map(|id| match delivery.qos {
            QoS::ExactlyOnce => Acknowledgement::PubRec(id),
            QoS::AtLeastOnce | QoS::AtMostOnce => Acknowledgement::PubAck(id),
        });
        match self.report(delivery, received) {
            Some(report) => batch.push(report, acknowledgement),
            None => self.acknowledge(acknowledgement, out),
        }
    }

    /// `None` for what must not be reported: a QoS 2 message that was reported before, topics that
    /// are not wanted, and what we published ourselves.
    fn report(&mut self, delivery: Delivery, received: Timestamp) -> Option<Report> {
        let known = delivery.qos == QoS::ExactlyOnce
            && delivery.id.is_some_and(|id| self.applied.contains(&id));
        if known {
            return None;
        }
        let topic = match &delivery.content {
            Ok(message) => &message.address,
            Err(unusable) => &unusable.address,
        };
        if !self.wants(topic.as_str()) {
            trace!(%topic, "Dropped a message that is not included");
            return None;
        }
        if self.echoes.swallow(&delivery) {
            return None;
        }
        Some(match delivery.content {
            Ok(message) => Report::Observed(Observation {
                address: message.address,
                about: None,
                payload: message.payload,
                received,
                retained: delivery.retained,
                redelivered: delivery.duplicate,
            }),
            Err(unusable) => Report::Rejected(Rejection {
                address: unusable.address,
                size: unusable.payload_bytes,
                reason: unusable.why,
                received,
            }),
        })
    }

    /// A kept session may still hold subscriptions of an earlier configuration, so what is not
    /// included is left out here too.
    fn wants(&self, topic: &str) -> bool {
        let matches = |filter: &TopicFilter| filter.matches(topic);
        self.include.iter().any(matches) && !self.exclude.iter().any(matches)
    }

    /// The messages of a batch are applied: now, and not before, the broker may forget them.
    pub(crate) fn applied(&mut self, batch: &Batch, out: &mut BytesMut) {
        for &acknowledgement in &batch.acknowledgements {
            self.acknowledge(Some(acknowledgement), out);
        }
    }

    /// The messages of a batch are applied, but the connection that brought them is gone: the
    /// broker will send them again.
    pub(crate) fn applied_too_late(&mut self, batch: &Batch) {
        self.applied(batch, &mut BytesMut::new());
    }

    fn acknowledge(&mut self, acknowledgement: Option<Acknowledgement>, out: &mut BytesMut) {
        match acknowledgement {
            None => {}
            Some(Acknowledgement::PubAck(id)) => {
                self.transport.write(&Outgoing::PubAck(id), out);
            }
            Some(Acknowledgement::PubRec(id)) => {
                self.applied.insert(id);
                self.transport.write(&Outgoing::PubRec(id), out);
            }
        }
    }

    /// Writes waiting publications, as many as the broker's terms and `room` bytes allow.
    pub(crate) fn send_waiting(&mut self, room: usize, now: Instant, out: &mut BytesMut) {
        let full = out.len() + room;
        while out.len() < full
            && let Some(packet) = self.outbox.next(&self.terms)
        {
            self.send(&packet, now, out);
        }
    }

    /// Asks for a sign of life.
    pub(crate) fn ping(&self, out: &mut BytesMut) {
        self.transport.write(&Outgoing::PingReq, out);
    }

    /// Takes leave, so that the broker keeps the session and sends no will.
    pub(crate) fn disconnect(&self, out: &mut BytesMut) {
        self.transport.write(&Outgoing::Disconnect, out);
    }

    fn send(&mut self, packet: &Packet, now: Instant, out: &mut BytesMut) {
        match *packet {
            Packet::PubRel(id) => self.transport.write(&Outgoing::PubRel(id), out),
            Packet::Publish { ref publication, id, duplicate } => {
                self.transport.write(&Outgoing::Publish { publication, id, duplicate }, out);
                if self.comes_back(publication.topic.as_str()) {
                    let qos = publication.qos.min(self.qos);
                    self.echoes.expect(publication, qos, id, duplicate, now);
                }
            }
        }
    }

    /// Whether the broker sends us what we publish to `topic`. Of a shared subscription it can't
    /// be known: another member may get the message.
    fn comes_back(&self, topic: &str) -> bool {
        !self.transport.has_no_local()
            && self.wants(topic)
            && self.include.iter().any(|filter| !filter.is_shared() && filter.matches(topic))
    }
}

#[cfg(test)]
mod tests {
    use thingway_sdk::Payload;

    use super::*;
    use crate::config::Version;
    use crate::form::Publication;
    use crate::transport::{Message, Unusable};

    struct Side {
        session: Session,
        batch: Batch,
        out: BytesMut,
    }

    fn side(change: impl FnOnce(&mut BridgeConfig)) -> Side {
        let mut config = BridgeConfig::new("mqtt://broker".parse().unwrap());
        change(&mut config);
        Side { session: Session::new(&config), batch: Batch::default(), out: BytesMut::new() }
    }

    impl Side {
        fn handle(&mut self, packet: Incoming) -> Result<Next, Broken> {
            self.session.handle(packet, Timestamp::now(), &mut self.batch, &mut self.out)
        }

        fn deliver(&mut self, topic: &str, qos: QoS, number: u16) {
            self.handle(publish(topic, qos, number)).unwrap();
        }

        /// What was written since the last look.
        fn written(&mut self) -> Vec<u8> {
            self.out.split().to_vec()
        }

        fn apply(&mut self) {
            self.session.applied(&self.batch, &mut self.out);
            self.batch.clear();
        }
    }

    fn ack(session_present: bool) -> ConnAck {
        ConnAck::new(session_present, Reason::SUCCESS)
    }

    fn id(number: u16) -> PacketId {
        PacketId::new(number).unwrap()
    }

    fn publish(topic: &str, qos: QoS, number: u16) -> Incoming {
        Incoming::Publish(Delivery {
            id: PacketId::new(number),
            qos,
            duplicate: false,
            retained: false,
            content: Ok(Message { address: topic.into(), payload: Payload::default() }),
        })
    }

    const PUBACK_7: [u8; 4] = [0x40, 2, 0, 7];
    const PUBREC_7: [u8; 4] = [0x50, 2, 0, 7];
    const PUBCOMP_7: [u8; 4] = [0x70, 2, 0, 7];

    #[test]
    fn a_message_is_acknowledged_when_it_is_applied() {
        for (qos, expected) in [(QoS::AtLeastOnce, PUBACK_7), (QoS::ExactlyOnce, PUBREC_7)] {
            let mut side = side(|_| {});
            side.deliver("meter", qos, 7);
            assert_eq!(side.batch.reports.len(), 1);
            assert!(side.written().is_empty(), "not before");
            side.apply();
            assert_eq!(side.written(), expected);
        }
    }

    #[test]
    fn at_qos_2_it_is_reported_once_until_the_exchange_is_over() {
        let mut side = side(|_| {});
        side.deliver("meter", QoS::ExactlyOnce, 7);
        // The connection breaks before PUBREC is written; the broker sends the message again.
        side.session.applied_too_late(&side.batch);
        side.batch.clear();
        side.session.connected(&ack(true), Instant::now(), &mut BytesMut::new());
        side.deliver("meter", QoS::ExactlyOnce, 7);
        assert!(side.batch.is_empty());
        assert_eq!(side.written(), PUBREC_7);
        side.handle(Incoming::PubRel(id(7))).unwrap();
        assert_eq!(side.written(), PUBCOMP_7);
        side.deliver("meter", QoS::ExactlyOnce, 7);
        assert_eq!(side.batch.reports.len(), 1, "the identifier now names another message");
    }

    #[test]
    fn a_lost_session_ends_all_exchanges() {
        let mut side = side(|_| {});
        side.deliver("meter", QoS::ExactlyOnce, 7);
        side.apply();
        side.session.connected(&ack(false), Instant::now(), &mut BytesMut::new());
        side.deliver("meter", QoS::ExactlyOnce, 7);
        assert_eq!(side.batch.reports.len(), 1);
    }

    #[test]
    fn the_end_of_an_exchange_that_is_not_known_is_answered() {
        let mut side = side(|_| {});
        side.handle(Incoming::PubRel(id(7))).unwrap();
        assert_eq!(side.written(), PUBCOMP_7);
    }

    #[test]
    fn what_is_not_wanted_is_acknowledged_at_once() {
        let mut side = side(|config| {
            config.include = vec![TopicFilter::from_static("lamp/#")];
            config.exclude = vec![TopicFilter::from_static("+/debug")];
        });
        for topic in ["meter", "lamp/debug"] {
            side.deliver(topic, QoS::AtLeastOnce, 7);
            assert!(side.batch.is_empty(), "{topic}");
            assert_eq!(side.written(), PUBACK_7, "{topic}");
        }
    }

    #[test]
    fn what_can_not_be_used_is_rejected_and_acknowledged() {
        let mut side = side(|_| {});
        let why = "too large".to_owned();
        let content = Err(Unusable { address: "camera".into(), payload_bytes: 9, why });
        let delivery = Delivery {
            id: Some(id(7)),
            qos: QoS::AtLeastOnce,
            duplicate: true,
            retained: false,
            content,
        };
        side.handle(Incoming::Publish(delivery)).unwrap();
        let [Report::Rejected(rejection)] = &side.batch.reports[..] else { panic!("no rejection") };
        assert_eq!((rejection.size, rejection.reason.as_str()), (9, "too large"));
        side.apply();
        assert_eq!(side.written(), PUBACK_7);
    }

    impl Side {
        /// Publishes to `lamp` and hears the same from the broker: whether that is held back.
        fn holds_back_an_echo(&mut self, qos: QoS) -> bool {
            let publication = Publication {
                topic: "lamp".into(),
                payload: Payload::default(),
                qos,
                retain: false,
            };
            let _outcome = self.session.outbox.put(publication).unwrap();
            self.session.send_waiting(1000, Instant::now(), &mut self.out);
            assert!(!self.written().is_empty());
            self.holds_back("lamp", qos)
        }

        fn holds_back(&mut self, topic: &str, qos: QoS) -> bool {
            self.deliver(topic, qos, if qos == QoS::AtMostOnce { 0 } else { 7 });
            self.batch.is_empty()
        }
    }

    #[test]
    fn an_echo_of_our_own_is_not_reported_but_acknowledged() {
        for (qos, expected) in [
            (QoS::AtMostOnce, &b""[..]),
            (QoS::AtLeastOnce, &PUBACK_7),
            (QoS::ExactlyOnce, &PUBREC_7),
        ] {
            let mut side = side(|config| config.qos = QoS::ExactlyOnce);
            assert!(side.holds_back_an_echo(qos));
            assert_eq!(side.written(), expected);
            // And if the broker has not seen that, it sends a QoS 2 message again.
            side.session.connected(&ack(true), Instant::now(), &mut BytesMut::new());
            assert_eq!(side.holds_back("lamp", qos), qos == QoS::ExactlyOnce);
        }
    }

    #[test]
    fn where_nothing_comes_back_nothing_is_held_back() {
        fn version_5(config: &mut BridgeConfig) {
            config.version = Version::V5;
        }
        fn shared(config: &mut BridgeConfig) {
            config.include = vec![TopicFilter::from_static("$share/g/#")];
        }
        for change in [version_5, shared] {
            assert!(!side(change).holds_back_an_echo(QoS::AtLeastOnce));
        }
    }

    #[test]
    fn each_connection_subscribes_and_every_filter_must_be_granted() {
        for session_present in [false, true] {
            let mut side = side(|config| {
                config.include = ["a", "b"].map(TopicFilter::from_static).to_vec();
            });
            side.session.connected(&ack(session_present), Instant::now(), &mut side.out);
            assert_eq!(side.written(), b"\x82\x0a\0\x01\0\x01a\x01\0\x01b\x01");
            let granted = Incoming::SubAck(id(1), vec![Reason(1), Reason(0)]);
            assert_eq!(side.handle(granted), Ok(Next::Subscribed), "a lower QoS is enough");
            side.session.connected(&ack(session_present), Instant::now(), &mut side.out);
            let refused = Incoming::SubAck(id(2), vec![Reason(1), Reason(0x80)]);
            let error = side.handle(refused).unwrap_err().to_string();
            assert!(error.contains("`b`"), "{error}");
        }
    }
}
